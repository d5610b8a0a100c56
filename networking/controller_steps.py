"""Steps that make a switch known to a manager and lead it there: its certificate, its record in NSX, its connection."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from networking import nsx
from networking.changes import JUDGE, RUN, VSCTL, Change, Words, asked, listed, script, separated, shown
from networking.controller_guards import same_ssl, ssl_for
from networking.facts.controller import CACERT, FOLDER, Certificates, nsx_command
from networking.nsx import REQUEST, Request
from networking.state import Ssl, Switches
from opsportal.operations.models import Operation
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, PutSecret, RunCommand, Step, WayBack
from opsportal.transport.command import Command
from opsportal.transport.tls import fingerprint_of

SETTLES = 60
"""Seconds until a manager is connected: the first contact only fetches its certificate, and the backoff grows to 8 s."""

PASSWORD_KEY = "nsx-password"  # noqa: S105 - the key of a restoration

MAKE = f"""{RUN}
root sh -c '
  umask 077; cd "$1" || exit 1
  key=$2-privkey.pem cert=$2-cert.pem
  if [ ! -e "$cert" ]; then
    new=$(mktemp -d "$PWD/.new-XXXXXX") && cd "$new" || exit 1
    trap "rm -rf \\"$new\\"" EXIT
    ovs-pki req "$2" >&2 && ovs-pki self-sign "$2" >&2 || exit 1
    chown --reference=.. ./*.pem
    for kind in privkey req cert; do mv -n "$2-$kind.pem" ..; done
    cd ..
  fi
  [ -e "$key" ] && openssl x509 -in "$cert" -noout -subject -enddate -fingerprint -sha256 && openssl x509 -in "$cert"
' sh "$1" "$2"
"""
"""Made in a folder of its own and moved into place, so that a half-made one never stands there."""

CONNECT = f"""{RUN}
undo=$1 target=$2 left=$3; shift 3
each "$@"
code=$?
while [ "$code" = 0 ] && [ "$left" -gt 0 ]; do
  on=$(root ovs-vsctl --timeout=5 get Manager "$target" is_connected)
  since=$(root ovs-vsctl --timeout=5 --if-exists get Manager "$target" status:sec_since_connect | tr -d '"')
  [ "$on" = true ] && [ "${{since:-0}}" -ge 3 ] && echo "$target has been connected for $since s." && exit 0
  sleep 1; left=$((left - 1))
done
[ "$code" != 0 ] || echo "$target was not connected for three seconds on end within the time."
root ovs-vsctl --timeout=5 list Manager
echo "Taking back what was done."
printf '%s\\n' "$undo" | sh
[ "$code" = 0 ] && exit 1
exit "$code"
"""

PUT_BACK = 'if [ -e "$1" ]; then mv -f "$1" "$2"; fi'


@dataclass(frozen=True)
class Leading(Change):
    """A change that also waits until `target` leads the switch, and takes itself back when it does not."""

    target: str = ""

    def command(self) -> Command:
        argv = (script(self.undo), self.target, str(SETTLES), *separated(self.do))
        return Command(script=CONNECT, argv=argv, gist=f"{shown(self.do)}\n# and wait until {self.target} has been connected for 3 s")


# The certificate.


def certificate(target: str, name: str, found: Certificates) -> Step:
    """Its output ends with the certificate as PEM, which `keep` stores for the registration."""
    made = not found.good
    files = tuple(f"{FOLDER}/{name}-{kind}.pem" for kind in ("privkey", "req", "cert"))
    gist = f"cd {FOLDER} && umask 077 && ovs-pki req {name} && ovs-pki self-sign {name}"
    show = f"openssl x509 -in {FOLDER}/{name}-cert.pem"
    return Step(
        key="certificate",
        target=target,
        title=f"Make the switch's key and certificate {name}" if made else f"Show the switch's certificate {name}",
        why="With it the switch proves who it is. The key never leaves the host and is readable for root alone."
        if made
        else "It is there and good, so that everybody who knows it goes on knowing it.",
        action=RunCommand(Command(script=MAKE, argv=(FOLDER, name), gist=f"{gist}\n{show}" if made else show), 60),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The certificate is good", asked(*show.split(), "-noout", "-enddate"), JUDGE + "certificate_shown"),),
        undo=RunCommand(Command(script=f'{RUN}\nrun rm -f "$@"\n', argv=files, gist=f"rm -f {' '.join(files)}"), 30)
        if made
        else NothingToUndo(),
        record="networking.controller_steps.keep",
    )


def folder(token: str) -> Path:
    """On the portal's own machine, for one run: the password of NSX and the switch's certificate."""
    return Path(settings.STATE_DIR) / "nsx" / token


def keep(operation_id: int, _key: str, output: bytes) -> str:
    """Stores the certificate from the output of `certificate` for the registration, and says its fingerprint."""
    text = output.decode("utf-8", "replace")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if begin not in text or end not in text:
        raise ValueError("openssl printed no certificate")
    pem = text[text.rindex(begin) : text.rindex(end) + len(end)] + "\n"
    params = Operation.objects.get(pk=operation_id).params
    place = folder(str(params["token"]))
    if params.get("kind") == "nsx":
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        (place / "switch.pem").write_text(pem)
    return f"SHA-256 {fingerprint_of(pem)}"


# NSX.


def request(params: Any, username: str, pem: str) -> Request:
    """Of a registration, or only the name of a node where `params` have no more."""
    node = Request(params.api, params.api_port, username, pem, params.node)
    if not hasattr(params, "zone"):
        return node
    management = params.tunnel if params.by == "address" else ""
    return dataclasses.replace(
        node, bridge=params.bridge, zone=params.zone, connector=params.connector, tunnel=params.tunnel, management=management
    )


def password(params: Any, called: str) -> Step:
    place = folder(params.token)
    remove = RunCommand(Command(("rm", "-rf", str(place))), timeout=30)
    gone = Condition("The folder is gone", Command(("test", "!", "-e", str(place))))
    return Step(
        key="nsx-password",
        target="local",
        title="Put the password of NSX where the portal's client reads it",
        why="As an argument every process list would show it. This file only the portal can read, and it is removed after use.",
        action=PutSecret(str(place / "password"), f"credential:{params.credential}", f"the password in the credential {called}"),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=(Condition("The file is there", Command(("test", "-s", str(place / "password")))),),
        undo=remove,
        opens=WayBack(PASSWORD_KEY, f"host:{params.host}", "The portal keeps the password of NSX in a file", remove, (gone,)),
    )


def ask_nsx(verb: str, asked_for: Request, token: str, title: str, why: str, gist: str) -> Step:
    """`verb` is "look", "register" or "remove" of the client, which looks by itself what became of a change."""
    place, changes = folder(token), verb != "look"
    command = nsx_command(
        verb, str(place / "password"), str(place / "switch.pem"), stdin=REQUEST.dump_json(asked_for).decode(), gist=gist
    )  # fmt: skip
    return Step(
        key=f"nsx-{verb}",
        target="local",
        title=title,
        why=why,
        action=RunCommand(command, timeout=240, unsure=(nsx.UNSURE,) if changes else ()),
        effect=Effect.IDEMPOTENT if changes else Effect.NONE,
        interruptible=not changes,
        expect=(),
        probe=(),
        undo=CannotUndo(_STAYS[verb]) if changes else NothingToUndo(),
        danger=changes,
    )


_STAYS = {
    "register": "NSX keeps the transport node: an undo has no password. “Leave a controller” takes it out.",
    "remove": "NSX has forgotten the transport node: “Register with a controller” makes it known again.",
}


def forget(params: Any) -> Step:
    place = str(folder(params.token))
    return Step(
        key="nsx-forget",
        target="local",
        title="Remove the password of NSX",
        why="It is not needed any more.",
        action=RunCommand(Command(("rm", "-rf", place)), timeout=30),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The folder is gone", Command(("test", "!", "-e", place))),),
        undo=NothingToUndo(),
        settles=PASSWORD_KEY,
    )


# The switch.


def ssl_back(was: Ssl | None) -> Words:
    if was is None:
        return (*VSCTL, "del-ssl")
    boot = ("--bootstrap",) if was.bootstrap else ()
    return (*VSCTL, "--", *boot, "set-ssl", was.private_key, was.certificate, was.ca_cert)


def managers_back(was: tuple[str, ...]) -> Words:
    return (*VSCTL, "set-manager", *was) if was else (*VSCTL, "del-manager")


def aside(token: str) -> str:
    return f"{CACERT}.before-{token}"


def follow(switches: Switches, target: str, name: str, bridge: str, token: str, found: Certificates | None) -> Leading:
    """`found` are the files of a host that speaks TLS, else None."""
    return Leading(
        key="manager",
        title=f"Have {target} lead the switch",
        why="The switch calls its manager and stays connected. If it is not within a minute, all of this is taken back at once.",
        do=tuple(_follow(switches, target, name, bridge, token, found)),
        undo=tuple(_unfollow(switches, name, bridge, token, found, target)),
        proof=(Condition(f"{target} is connected and stays so", MANAGERS, JUDGE + "manager_settled", target, within=15),),
        target=target,
    )


MANAGERS = listed("target,is_connected,status", "Manager")


def _moves(switches: Switches, target: str, found: Certificates | None) -> bool:
    """The peer's certificate that is there belongs to somebody else."""
    return found is not None and "cacert" in found.kinds and target not in switches.managers


def _follow(switches: Switches, target: str, name: str, bridge: str, token: str, found: Certificates | None) -> Iterator[Words]:
    if bridge and switches.bridge(bridge) is None:
        yield (*VSCTL, "add-br", bridge, "--", "set", "Bridge", bridge, *_integration(switches, bridge))
    if _moves(switches, target, found):
        yield ("mv", "-f", CACERT, aside(token))
    wanted = ssl_for(name)
    secure = () if found is None or same_ssl(switches.ssl, wanted) else (
        "--", "--bootstrap", "set-ssl", wanted.private_key, wanted.certificate, wanted.ca_cert)  # fmt: skip
    yield (*VSCTL, *secure, "--", "set-manager", target)


def _integration(switches: Switches, bridge: str) -> Iterator[str]:
    """As NSX wants its bridge: it drops what no controller allowed, and answers no controller over its own ports."""
    if switches.datapath:
        yield f"datapath_type={switches.datapath}"
    yield from (f"external_ids:bridge-id={bridge}", "other_config:disable-in-band=true", "fail_mode=secure")


def _unfollow(switches: Switches, name: str, bridge: str, token: str, found: Certificates | None, target: str) -> Iterator[Words]:
    """The manager first, so that nobody calls while its certificate changes."""
    yield (*VSCTL, "del-manager")
    if found is not None:
        if not same_ssl(switches.ssl, ssl_for(name)):
            yield ssl_back(switches.ssl)
        if _moves(switches, target, found):
            yield ("sh", "-c", PUT_BACK, "sh", aside(token), CACERT)
        elif "cacert" not in found.kinds:
            yield ("rm", "-f", CACERT)
    if switches.managers:
        yield managers_back(switches.managers)
    if bridge and switches.bridge(bridge) is None:
        yield (*VSCTL, "--if-exists", "del-br", bridge)
