"""Steps that make a cloned XenServer unique, and what of it is known beforehand.

A clone has its twin's host and control domain UUIDs, database, certificate and network records. The order of the steps follows the
release manager's procedure for XenServer 6.2 and 6.5; what it does not renew is said in `NOT_RENEWED`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hosts.xen import rebooting
from hosts.xen.command import xe, xe_change
from hosts.xen.more_facts import Addressing
from hosts.xen.parsing import uuid as read_uuid
from opsportal.operations.facts import FactError
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, PutFile, RunCommand, Step, WaitFor, WayBack
from opsportal.transport.base import Result
from opsportal.transport.command import Command

INVENTORY = "/etc/xensource-inventory"
POOL_CONF = "/etc/xensource/pool.conf"
DATABASES = ("/var/lib/xcp/state.db", "/var/xapi/state.db")
"""Releases differ in where xapi's database is; what is there counts."""

CREATE_TEMPLATES = "/opt/xensource/libexec/create_templates"
RESET_NETWORKING = ("/opt/xensource/bin/xe-reset-networking", "/usr/sbin/xe-reset-networking", "/usr/bin/xe-reset-networking")
PEM = "/etc/xensource/xapi-ssl.pem"

BOOT_SECONDS = 1800
START_SECONDS = 600

NOT_RENEWED = (
    "the SSH host keys (so the pinned key stays right), the iSCSI initiator name, the pool secret and Open vSwitch's own database. "
    "Two clones in one storage network need different initiator names: change that by hand."
)

OLD_IDENTITY = "The old inventory and the old database are in {kept}. Stop xapi, put both back, start xapi: then it is a clone again."


@dataclass(frozen=True)
class Clone:
    """The host as it is and as it shall be. `run` names this run's folder and notes on the host."""

    target: str
    resource: str
    run: str
    inventory: str
    old_uuid: str
    new_uuid: str
    new_domain: str
    old_pool: str
    name: str
    network: tuple[str, ...]

    @property
    def kept(self) -> str:
        """Where what is replaced stays."""
        return f"/root/opsportal-before-{self.run}"


def renewed(inventory: str, host: str, domain: str) -> str:
    """The inventory's text with two other UUIDs. Raises `FactError` when it does not name both of them once."""
    for key, value in (("INSTALLATION_UUID", host), ("CONTROL_DOMAIN_UUID", domain)):
        inventory, count = re.subn(rf"(?m)^{key}=.*$", f"{key}='{read_uuid(value, key)}'", inventory)
        if count != 1:
            raise FactError(f"{INVENTORY} names {key} {count} times where it must be once. Look at the file: it may be damaged.")
    return inventory


def network(mode: str, now: Addressing) -> tuple[str, ...]:
    """Arguments of xe-reset-networking. Raises `FactError` when a static address is wanted and nobody knows it."""
    device = f"--device={now.device}"
    if mode == "dhcp":
        return (device, "--mode=dhcp")
    if not now.whole:
        raise FactError("The present address and netmask of the management interface could not be read, so it cannot be kept.")
    optional = (("--gateway", now.gateway), ("--dns", now.dns.replace(" ", "")))
    given = (f"{name}={value}" for name, value in optional if value)
    return (device, "--mode=static", f"--ip={now.address}", f"--netmask={now.netmask}", *given)


def steps(clone: Clone) -> Iterator[Step]:
    yield _stop(clone)
    yield _keep(clone)
    yield _inventory(clone)
    yield _database(clone)
    yield _certificate(clone)
    yield _start(clone)
    yield _templates(clone)
    yield _reset(clone)
    yield _back(clone, "back", "network", "Its address, its SSH server and xapi have to come back before anything else is done.")
    yield _name(clone)
    yield _reboot(clone)
    yield _back(clone, "back-again", "second", "Only after a boot with the new records it is certain that they stay.")
    yield _proof(clone)


def answers_as(uuid: str, within: int = 0) -> Condition:
    """xapi answers, and this is the only host that its database has."""
    command = xe("host-list", "params=uuid", "--minimal", seconds=20)
    return Condition("xapi answers and knows exactly one host: itself", command, "equals", uuid, within=within, timeout=30)


def alone(clone: Clone) -> tuple[Condition, ...]:
    """What must still hold when the first command is sent: a member of a pool would lose that pool's database."""
    running = ("vm-list", "is-control-domain=false", "power-state=running", "params=uuid", "--minimal")
    return (
        Condition("It is its own master", Command(("cat", POOL_CONF)), "hosts.xen.judges.pool_conf_is", "master"),
        answers_as(clone.old_uuid),
        Condition("No virtual machine runs on it", xe(*running), "empty"),
        Condition("HA is off", xe("pool-list", "params=ha-enabled", "--minimal"), "hosts.xen.judges.ha_is", "false"),
    )


START = """
service xapi start || exit 1
left=$2
until [ "$(xe host-list params=uuid --minimal 2>/dev/null)" = "$1" ]; do
  [ "$left" -gt 0 ] || { echo "xapi did not answer as $1 within $2 s" >&2; exit 1; }
  sleep 3; left=$((left - 3))
done
"""


def _start_command(uuid: str) -> RunCommand:
    command = Command(script=START, argv=(uuid, str(START_SECONDS)), gist="service xapi start")
    return RunCommand(command, timeout=START_SECONDS + 60)


def _stop(clone: Clone) -> Step:
    script = 'service xapi start; left=100; until xe host-list --minimal; do [ "$left" -gt 0 ] || exit 1; sleep 3; left=$((left - 1)); done'
    back = RunCommand(Command(script=script, gist="service xapi start"), timeout=START_SECONDS)
    here = Condition("xapi answers", xe("host-list", "params=uuid", "--minimal", seconds=20), "hosts.xen.cloning.answered")
    return Step(
        key="stop-xapi",
        target=clone.target,
        title="Stop xapi",
        why="It holds the database and the UUIDs in memory and would write the old ones again.",
        action=RunCommand(Command(("service", "xapi", "stop")), timeout=300),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=alone(clone),
        probe=(is_silent(),),
        undo=NothingToUndo(),
        danger=True,
        opens=WayBack("xapi", clone.resource, "xapi is stopped", back, (here,)),
    )


def is_silent() -> Condition:
    return Condition("xapi answers no more", xe("host-list", "--minimal", seconds=20), "hosts.xen.cloning.silent", timeout=30)


def silent(result: Result, _wants: str) -> str:
    """A judge. A hang is no proof that it is stopped."""
    if result.exit == 0:
        return "it still answers"
    return "" if "refused" in (result.out + result.err).lower() else f"it said: {(result.err or result.out).strip()[-200:]}"


def answered(result: Result, _wants: str) -> str:
    """A judge."""
    return "" if result.exit == 0 and result.out.strip() else f"exit code {result.exit}: {(result.err or result.out).strip()[-200:]}"


KEEP = """
umask 077; mkdir -p "$1" && cd "$1" || exit 1
shift
for file; do [ ! -e "$file" ] || [ -e "$(basename "$file")" ] || cp -p "$file" . || exit 1; done
ls -l
"""


def _keep(clone: Clone) -> Step:
    files = (INVENTORY, PEM, *(f"{path}{end}" for path in DATABASES for end in ("", ".generation")))
    gist = f"cp -p {' '.join(files)} {clone.kept}"
    return Step(
        key="keep",
        target=clone.target,
        title="Keep copies of what will be replaced",
        why="If the machine turns out to be the wrong one, its UUIDs and its database are still there.",
        action=RunCommand(Command(script=KEEP, argv=(clone.kept, *files), gist=gist), timeout=300),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(is_silent(),),
        probe=(
            Condition("The copy of the inventory names the old UUID", Command(("grep", "-q", clone.old_uuid, _copy(clone, INVENTORY)))),
        ),
        undo=NothingToUndo(),
    )


def _copy(clone: Clone, path: str) -> str:
    return f"{clone.kept}/{path.rpartition('/')[2]}"


def _inventory(clone: Clone) -> Step:
    after = renewed(clone.inventory, clone.new_uuid, clone.new_domain)
    return Step(
        key="uuids",
        target=clone.target,
        title="Give the host and its control domain new UUIDs",
        why="CloudStack and XenServer tell hosts apart by these. A clone has its twin's, and is skipped without a visible error.",
        action=PutFile(INVENTORY, after, before=clone.inventory, existed=True),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(
            Condition("The inventory names the new UUID", Command(("grep", "-qxF", f"INSTALLATION_UUID='{clone.new_uuid}'", INVENTORY))),
        ),
        undo=CannotUndo(OLD_IDENTITY.format(kept=clone.kept)),
        danger=True,
    )


AWAY = """
for file; do [ ! -e "$file" ] || rm -f "$file" || exit 1; done
"""


def _database(clone: Clone) -> Step:
    files = tuple(f"{path}{end}" for path in DATABASES for end in ("", ".generation"))
    gone = Command(script='for file; do [ ! -e "$file" ] || { echo "$file"; }; done', argv=files, gist=f"ls {' '.join(DATABASES)}")
    return Step(
        key="database",
        target=clone.target,
        title="Remove xapi's database",
        why="It has the twin's pool, host, storage and network records. xapi makes a new one when it starts.",
        action=RunCommand(Command(script=AWAY, argv=files, gist=f"rm -f {' '.join(files)}"), timeout=60),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(is_silent(), Condition("There is a copy of the inventory", Command(("test", "-s", _copy(clone, INVENTORY))))),
        probe=(Condition("The old database is gone", gone, "empty"),),
        undo=CannotUndo(OLD_IDENTITY.format(kept=clone.kept)),
        danger=True,
    )


RENEW_PEM = """
pem=$1 kept=$2
[ -e "$pem" ] || { echo "there is no $pem: xapi makes one"; exit 0; }
cmp -s "$pem" "$kept" || { echo "it is a new one already"; exit 0; }
rm -f "$pem" || exit 1
for make in /opt/xensource/libexec/generate_ssl_cert /opt/xensource/libexec/gencert /opt/xensource/bin/gencert; do
  [ ! -x "$make" ] || { "$make" "$pem" "$(hostname -f 2>/dev/null || hostname)" && break; }
done
[ ! -x /etc/init.d/xapissl ] || service xapissl restart
:
"""


def _certificate(clone: Clone) -> Step:
    kept = _copy(clone, PEM)
    other = Command(script='[ ! -e "$1" ] || ! cmp -s "$1" "$2"', argv=(PEM, kept), gist=f"cmp {PEM} {kept}")
    return Step(
        key="certificate",
        target=clone.target,
        title="Make a certificate of its own",
        why="The clone shows its twin's certificate and has its private key.",
        action=RunCommand(Command(script=RENEW_PEM, argv=(PEM, kept), gist=f"rm {PEM}; generate_ssl_cert {PEM}"), timeout=300),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The twin's certificate is no longer in use", other),),
        undo=CannotUndo(f"The old certificate is in {clone.kept}."),
    )


def _start(clone: Clone) -> Step:
    return Step(
        key="start-xapi",
        target=clone.target,
        title="Start xapi with an empty database",
        why="It makes a new pool and a new host record, with the UUIDs of the inventory.",
        action=_start_command(clone.new_uuid),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(answers_as(clone.new_uuid, within=20), other_pool(clone)),
        undo=NothingToUndo(),
        settles="xapi",
    )


def other_pool(clone: Clone, within: int = 0) -> Condition:
    command = xe("pool-list", "params=uuid", "--minimal", seconds=20)
    return Condition("Its pool has another UUID", command, "hosts.xen.cloning.other_uuid", clone.old_pool, within=within, timeout=30)


def other_uuid(result: Result, wants: str) -> str:
    """A judge: one uuid was printed, and it is not `wants`."""
    said = result.out.strip().lower()
    if result.exit or not re.fullmatch(r"[0-9a-f-]{36}", said):
        return f"exit code {result.exit}, and it said {(said or result.err.strip())[-200:]!r}"
    return "it still is the old one" if said == wants.lower() else ""


def _templates(clone: Clone) -> Step:
    found = xe("template-list", "params=uuid", "--minimal")
    return Step(
        key="templates",
        target=clone.target,
        title="Create the built-in templates",
        why="They were records of the database that was removed; without them no virtual machine can be made.",
        action=RunCommand(Command((CREATE_TEMPLATES,)), timeout=900),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(answers_as(clone.new_uuid),),
        probe=(Condition("There are templates", found, "hosts.xen.cloning.answered"),),
        undo=NothingToUndo(),
    )


RESET = """
echo yes | xe-reset-networking "$@" || exit 1
# It reboots the host by itself. An end before that would look as if it had not.
sleep 900; echo "the host did not reboot within 15 minutes" >&2; exit 1
"""


def _reset(clone: Clone) -> Step:
    path = rebooting.note(clone.run, "network")
    command = rebooting.noted(path, *clone.network, script=f"PATH=$PATH:/opt/xensource/bin\n{RESET}")
    gist = f"echo yes | xe-reset-networking {' '.join(clone.network)}"
    return Step(
        key="network",
        target=clone.target,
        title="Reset the network; the host reboots for the first time",
        why="The old interface records went with the database. This makes new ones for the interfaces that the machine really has.",
        action=RunCommand(Command(script=command.script, argv=command.argv, gist=gist), timeout=1000),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(answers_as(clone.new_uuid),),
        probe=(rebooting.booted_anew(path, within=20),),
        undo=CannotUndo("The interface records before were the twin's."),
        danger=True,
    )


def _back(clone: Clone, key: str, boot: str, why: str) -> Step:
    conditions = (
        rebooting.booted_anew(rebooting.note(clone.run, boot), within=BOOT_SECONDS),
        answers_as(clone.new_uuid, within=BOOT_SECONDS),
        other_pool(clone, within=BOOT_SECONDS),
    )
    title = "Wait until the host is back"
    return Step(key, clone.target, title, why, WaitFor(conditions), Effect.NONE, True, (), (), NothingToUndo())


def _name(clone: Clone) -> Step:
    return Step(
        key="name",
        target=clone.target,
        title=f"Name it {clone.name}",
        why="A clone has its twin's name, and two hosts of one name cannot be told apart in a list.",
        action=RunCommand(xe_change("host-param-set", f"uuid={clone.new_uuid}", f"name-label={clone.name}"), timeout=120),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(named(clone),),
        undo=NothingToUndo(),
    )


def named(clone: Clone, within: int = 0) -> Condition:
    command = xe("host-param-get", f"uuid={clone.new_uuid}", "param-name=name-label", seconds=20)
    return Condition(f"It is named {clone.name}", command, "equals", clone.name, within=within, timeout=30)


REBOOT = """
xe host-disable "uuid=$1" && xe host-reboot "uuid=$1"
"""


def _reboot(clone: Clone) -> Step:
    path = rebooting.note(clone.run, "second")
    command = rebooting.noted(path, clone.new_uuid, script=REBOOT)
    gist = f"xe host-disable uuid={clone.new_uuid}; xe host-reboot uuid={clone.new_uuid}"
    return Step(
        key="second-reboot",
        target=clone.target,
        title="Reboot the host for the second time",
        why="So that every part of XenServer starts with the new identity, as it will from now on.",
        action=RunCommand(Command(script=command.script, argv=command.argv, gist=gist), timeout=300),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(answers_as(clone.new_uuid),),
        probe=(rebooting.is_noted(path),),
        undo=NothingToUndo(),
    )


def _proof(clone: Clone) -> Step:
    domains = xe("vm-list", "is-control-domain=true", "params=uuid", "--minimal", seconds=20)
    enabled = xe("host-param-get", f"uuid={clone.new_uuid}", "param-name=enabled", seconds=20)
    within = 600
    conditions = (
        answers_as(clone.new_uuid, within=within),
        Condition("Its control domain has the new UUID", domains, "equals", clone.new_domain, within=within, timeout=30),
        other_pool(clone, within=within),
        named(clone, within=within),
        Condition("It is enabled", enabled, "hosts.xen.judges.enabled_is", "true", within=within, timeout=30),
    )
    why = "Whatever the commands said, the host's own word counts."
    return Step("proof", clone.target, "Read its new identity", why, WaitFor(conditions), Effect.NONE, True, (), (), NothingToUndo())
