"""Steps that make a host a hypervisor: edits as whole files, units, and the proofs from the host itself."""

from __future__ import annotations

from collections.abc import Iterator

from networking.changes import RUN, asked
from networking.config_files import value
from networking.facts.kvm import AGENT
from networking.kvm_packages import DOCS
from networking.kvm_state import LOG4J, SELINUX, SYSTEMD, Edit, Kvm
from opsportal.operations.steps import (
    CannotUndo,
    Condition,
    Effect,
    NothingToUndo,
    PutFile,
    RunCommand,
    Step,
    Undo,
)
from opsportal.transport.command import Command

JUDGE = "networking.kvm_judges."

SERVICE = r"""
service_does() { if [ -d /run/systemd/system ]; then run systemctl "$2" "$1"; else run service "$1" "$2"; fi; }
"""

HOLD = f"""{RUN}{SERVICE}
service=$1 installed=$2 was=$3
shift 3
[ "$was" = stopped ] || service_does "$service" stop || exit $?
[ $# = 0 ] && exit 0
[ "$installed" = no ] || run systemctl stop "$@" || exit $?
run systemctl mask "$@"
"""

RELEASE = f"""{RUN}{SERVICE}
service=$1 installed=$2 was=$3 enabled=$4 woke=$5
shift 5
[ $# = 0 ] || run systemctl unmask "$@" || exit $?
[ "$installed" = no ] && exit 0
service_does "$service" stop
if [ -d /run/systemd/system ]; then
  case $enabled in enabled | disabled) run systemctl "${{enabled%d}}" "$service" || exit $? ;; esac
  for one in $woke; do run systemctl start "$one" || exit $?; done
fi
[ "$was" = stopped ] || service_does "$service" start
"""

START = f"""{RUN}{SERVICE}
if [ -d /run/systemd/system ]; then
  run systemctl daemon-reload && run systemctl enable "$1" && run systemctl restart "$1"
else
  run service "$1" restart || run service "$1" start
fi
"""

AGENT_AGAIN = f"""{RUN}
if [ -d /run/systemd/system ]; then ! systemctl is-active --quiet cloudstack-agent || run systemctl restart cloudstack-agent
elif service cloudstack-agent status >/dev/null 2>&1; then run service cloudstack-agent restart; fi
"""

REMOVE = f"""{RUN}
[ -e "$1" ] || exit 0
run rm -f "$1" && {{ root rmdir "$(dirname "$1")" 2>/dev/null; exit 0; }}
"""
"""A folder that held nothing else came with the file."""

KEYS = f"""{RUN}
root sh -c "$@"
"""
KEYS_CODE = r"""
umask 077
program=$1 file=$2 new=$2.opsportal-new
shift 2
cp -p "$file" "$new" || exit 1
for change; do
  KEY=${change%%=*} LINE=${change#*=} awk "$program" "$new" >"$new.next" && cat "$new.next" >"$new" || exit 1
done
rm -f "$new.next"
mv -f "$new" "$file"
"""
KEYS_LINE = r"""
function key(line, name) { name = line; if (!sub(/[ \t]*=.*/, "", name)) return ""; sub(/^[ \t]*/, "", name); return name }
key($0) == ENVIRON["KEY"] { if (!done && ENVIRON["LINE"] != "") print ENVIRON["LINE"]; done = 1; next }
{ print }
END { if (!done && ENVIRON["LINE"] != "") print ENVIRON["LINE"] }
"""
"""Owner and mode stay, and so does everything else in the file. Each change is KEY=LINE, or KEY= to take it away."""


def hold(found: Kvm) -> Step:
    """The undo of this one runs last, when the files are as they were."""
    unit = found.virt.unit(f"{found.service}.service")
    woke = [one.name for one in found.virt.sockets if one.active]
    installed = "yes" if found.installed else "no"
    state = ("running" if unit.active else "stopped", unit.enabled or "unknown", " ".join(woke))
    shown = [
        *([f"systemctl stop {found.service}"] if found.installed else []),
        *([f"systemctl mask {' '.join(found.mask)}"] if found.mask else []),
    ]
    return Step(
        key="hold",
        target=found.host.target,
        title=_hold_title(found),
        why=_hold_why(found),
        action=RunCommand(Command(script=HOLD, argv=(found.service, installed, state[0], *found.mask), gist="\n".join(shown)), 120),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(_masked(found.mask),) if found.mask else (),
        undo=RunCommand(
            Command(
                script=RELEASE,
                argv=(found.service, installed, *state, *found.mask),
                gist=f"systemctl unmask; start {found.service} as it ran",
            ),
            120,
        ),
    )


def _hold_title(found: Kvm) -> str:
    sockets = "keep systemd from listening in its place" if found.mask else ""
    return " and ".join(part for part in ("stop libvirt" if found.installed else "", sockets) if part).capitalize()


def _hold_why(found: Kvm) -> str:
    said = ["Virtual machines go on without libvirt; it starts again at the end, with the new files."] if found.installed else []
    if found.mask:
        said.append(f"libvirt refuses to listen itself while its sockets are at work ({DOCS[:-1]}).")
    return " ".join(said)


def _masked(units: tuple[str, ...]) -> Condition:
    return Condition("systemd leaves the sockets alone", asked("systemctl", "is-enabled", *units), JUDGE + "masked", within=5)


def edit(found: Kvm, one: Edit) -> Iterator[Step]:
    target = found.host.target
    if one.path == AGENT:
        yield _backup(target, one)
    masked = one.text is not None and one.text.masked
    mode = one.text.mode if one.text else 0o600 if one.path.endswith("qemu.conf") else 0o644
    put = PutFile(one.path, one.wanted, mode, before=one.text.text if one.text else "", existed=one.text is not None, sudo=True)
    yield Step(
        key=f"file-{one.key}",
        target=target,
        title=f"{'Write' if one.text is None else 'Change'} {one.path}",
        why=one.why,
        action=_keyed(one, one.settings) if masked else put,
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(_values(one),) if masked else (),
        undo=_back(one, mode),
    )


def _backup(target: str, one: Edit) -> Step:
    copy = f"{one.path}.before-opsportal"
    script = f'{RUN}\n[ -e "$2" ] || run cp -p "$1" "$2"\n'
    return Step(
        key=f"backup-{one.key}",
        target=target,
        title=f"Keep a copy of {one.path}",
        why="CloudStack's own setup rewrites this file when the host is added. The copy stays on the host, with its secrets.",
        action=RunCommand(Command(script=script, argv=(one.path, copy), gist=f"cp -p {one.path} {copy}"), 30),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The copy is there", asked("test", "-e", copy)),),
        undo=RunCommand(Command(script=REMOVE, argv=(copy,), gist=f"rm -f {copy}"), 30),
    )


def _back(one: Edit, mode: int) -> Undo:
    """The agent's file by its keys: CloudStack writes others into it meanwhile. The others as a whole, unless somebody changed them."""
    if one.text is None:
        return RunCommand(Command(script=REMOVE, argv=(one.path,), gist=f"rm -f {one.path}"), 30)
    if one.text.masked or one.path == AGENT:
        return _keyed(one, tuple((name, value(one.text.text, name, one.style)) for name, _ in one.settings))
    return PutFile(one.path, one.text.text, mode, before=one.wanted, existed=True, sudo=True)


def _keyed(one: Edit, settings: tuple[tuple[str, str | None], ...]) -> RunCommand:
    """Line by line on the host, so that what else is in the file never leaves it. None takes a key away."""
    lines = [f"{name}{one.style.between}{wanted}" for name, wanted in settings if wanted is not None]
    gone = [name for name, wanted in settings if wanted is None]
    words = (*(f"{line.partition(one.style.between)[0]}={line}" for line in lines), *(f"{name}=" for name in gone))
    shown = "\n".join([f"in {one.path}:", *(f"+ {line}" for line in lines), *(f"- {name}" for name in gone)])
    return RunCommand(Command(script=KEYS, argv=(KEYS_CODE, "sh", KEYS_LINE, one.path, *words), gist=shown), 30)


def _values(one: Edit) -> Condition:
    wants = "\n".join(f"{name}={wanted}" for name, wanted in one.settings)
    names = "|".join(name.replace(".", "[.]") for name, _ in one.settings)
    return Condition("The file reads back so", asked("grep", "-E", f"^[ \t]*({names})[ \t]*=", one.path), JUDGE + "has_values", wants)


def start(found: Kvm) -> Step:
    wanted = " ".join(map(str, found.ports))
    port = f"Port {wanted} is open, and no other of libvirt's" if wanted else "Neither 16509 nor 16514 is open"
    script = "if command -v ss >/dev/null 2>&1; then root ss -ltn; else root netstat -ltn; fi"
    listening = Command(script=f"{RUN}\n{script}\n", gist="ss -ltn")
    active = asked("systemctl", "is-active", found.service) if found.system.systemd else asked("service", found.service, "status")
    return Step(
        key="start",
        target=found.host.target,
        title="Start libvirt, now and at every boot",
        why="It reads its files only when it starts. Virtual machines that run are not touched.",
        action=RunCommand(
            Command(script=START, argv=(found.service,), gist=f"systemctl enable {found.service}\nsystemctl restart {found.service}"), 120
        ),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(
            Condition("libvirt runs", active, "contains", "active" if found.system.systemd else "running", within=20),
            Condition("It answers", asked("virsh", "-c", "qemu:///system", "uri"), within=20),
            Condition(port, listening, JUDGE + "listens", wanted, within=10),
        ),
        undo=NothingToUndo(),
    )


def agent_again(found: Kvm) -> Step:
    return Step(
        key="agent",
        target=found.host.target,
        title="Start CloudStack's agent again, if it runs",
        why="It reads its files only when it starts.",
        action=RunCommand(
            Command(script=AGENT_AGAIN, gist="systemctl is-active cloudstack-agent && systemctl restart cloudstack-agent"), 120
        ),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def relax(found: Kvm) -> Iterator[Step]:
    if found.virt.selinux == "Enforcing":
        yield _confinement(
            found,
            "selinux",
            "Let SELinux write down what it would refuse, and refuse nothing",
            (("setenforce", "0"),),
            (("setenforce", "1"),),
            (Condition("SELinux is permissive", asked("getenforce"), JUDGE + "permissive"),),
        )
    if found.virt.apparmor and found.virt.profiles:
        folder = "/etc/apparmor.d"
        disable = [("ln", "-sf", f"{folder}/{name}", f"{folder}/disable/{name}") for name in found.virt.profiles]
        unload = [("apparmor_parser", "-R", f"{folder}/{name}") for name in found.virt.profiles]
        back = [("rm", "-f", f"{folder}/disable/{name}") for name in found.virt.profiles]
        load = [("apparmor_parser", "-r", f"{folder}/{name}") for name in found.virt.profiles]
        gone = tuple(Condition(f"{name} is out of use", asked("test", "-e", f"{folder}/disable/{name}")) for name in found.virt.profiles)
        yield _confinement(found, "apparmor", "Take libvirt out of AppArmor", (*disable, *unload), (*back, *load), gone)


def _confinement(
    found: Kvm, key: str, title: str, do: tuple[tuple[str, ...], ...], back: tuple[tuple[str, ...], ...], proof: tuple[Condition, ...]
) -> Step:
    script = f'{RUN}\neach "$@"\n'
    words = tuple(tuple(part for line in lines for part in (*line, ",")) for lines in (do, back))
    shown = ["\n".join(" ".join(line) for line in lines) for lines in (do, back)]
    return Step(
        key=key,
        target=found.host.target,
        title=title,
        why="CloudStack's agent does what their rules do not foresee. Rules of one's own would be better, and are work.",
        action=RunCommand(Command(script=script, argv=words[0], gist=shown[0]), 60),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=proof,
        undo=RunCommand(Command(script=script, argv=words[1], gist=shown[1]), 60),
        danger=True,
    )


def initrd(found: Kvm) -> Step:
    return Step(
        key="initrd",
        target=found.host.target,
        title="Build the initial RAM disk again",
        why="systemd mounts the control groups before the disk is there. It counts from the next boot on.",
        action=RunCommand(Command(script=f"{RUN}\nrun dracut -f\n", gist="dracut -f"), 600),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(),
        undo=CannotUndo("Run dracut -f once more when the file is as it was, and reboot."),
    )


def others(path: str) -> bool:
    """Files that libvirt does not read."""
    return path in (AGENT, LOG4J, SELINUX, SYSTEMD)
