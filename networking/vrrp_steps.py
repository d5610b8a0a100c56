"""Steps that bring a virtual address onto hosts, and prove that exactly one has it."""

from __future__ import annotations

from collections.abc import Iterator

from networking.changes import JUDGE, RUN, asked
from networking.facts.keepalived import PATH
from networking.vrrp import Virtual
from networking.vrrp_guards import Place
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, PutFile, RunCommand, Step, WaitFor
from opsportal.transport.command import Command

TEST = f"""{RUN}
file=$(mktemp) && cat >"$file" && root keepalived --config-test -f "$file"; code=$?
rm -f "$file"
exit "$code"
"""

START = f"""{RUN}
run systemctl enable keepalived || exit $?
if systemctl is-active --quiet keepalived; then run systemctl reload keepalived; else run systemctl restart keepalived; fi
"""

STOP = f"""{RUN}
run systemctl stop keepalived
[ "$1" = enabled ] || run systemctl disable keepalived
"""

BACK = f"""{RUN}
if [ "$2" = none ]; then run rm -f "$1" || exit $?
else
  new=$1.opsportal-new
  file=$(mktemp) && cat >"$file" && root cp "$file" "$new" && root chmod 644 "$new" && root mv -f "$new" "$1"
  code=$?; rm -f "$file"; [ "$code" = 0 ] || exit "$code"
fi
[ "$3" = stay ] || run systemctl reload keepalived
"""

ELECTION = 15
"""Seconds. The first election takes 3.4 s with advertisements every second."""


def configure(place: Place) -> Iterator[Step]:
    name, target = place.host.name, place.host.target
    if place.wanted != place.text:
        yield Step(
            key=f"configure-{place.host.pk}",
            target=target,
            title=f"Write keepalived's configuration on {name}",
            why="Only our own part of the file changes. keepalived itself tests the whole file before it is put in place.",
            action=PutFile(PATH, place.wanted, 0o644, before=place.text, existed=place.existed, sudo=True),
            effect=Effect.IDEMPOTENT,
            interruptible=False,
            expect=(Condition("keepalived takes the new file", _test(place.wanted), JUDGE + "config_good"),),
            probe=(),
            undo=_file_back(place),
        )
    yield Step(
        key=f"start-{place.host.pk}",
        target=target,
        title=f"{'Reload' if place.running else 'Start'} keepalived on {name}, now and at every boot",
        why="A reload keeps the addresses that it holds; a start takes part in the election.",
        action=RunCommand(Command(script=START, gist="systemctl enable keepalived\nsystemctl reload-or-restart keepalived"), 60),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("keepalived runs", asked("systemctl", "is-active", "keepalived"), "equals", "active", within=10),),
        undo=_service_back(place),
    )


def _test(text: str) -> Command:
    return Command(script=TEST, stdin=text, gist="keepalived --config-test -f FILE")


def _file_back(place: Place) -> RunCommand:
    """The old file, or none, and a running keepalived told of it: the way back of the service was gone before."""
    command = Command(
        script=BACK,
        argv=(PATH, "file" if place.existed else "none", "reload" if place.running else "stay"),
        stdin=place.text,
        gist=f"put {PATH} back as it was" if place.existed else f"rm -f {PATH}",
    )
    return RunCommand(command, 60)


def _service_back(place: Place) -> RunCommand | NothingToUndo:
    if place.running:
        return NothingToUndo()
    kept = "enabled" if place.enabled else "disabled"
    return RunCommand(Command(script=STOP, argv=(kept,), gist="systemctl stop keepalived"), 60)


def one_holder(virtual: Virtual, found: list[Place]) -> Iterator[Step]:
    first, *others = found
    address = virtual.addresses[0]
    shown = [asked("ip", "-o", "addr", "show", "dev", virtual.interface)] * len(found)
    yield Step(
        key="holder",
        target=first.host.target,
        title=f"Exactly one host holds {address}: {first.host.name}",
        why="Two holders mean that they do not hear each other, none that nobody took it. Both are seen only by asking every host.",
        action=WaitFor(
            (
                Condition(f"{first.host.name} holds it", shown[0], JUDGE + "address", address, within=ELECTION),
                *(
                    Condition(
                        f"{place.host.name} does not", command, JUDGE + "no_address", address, within=ELECTION, target=place.host.target
                    )
                    for place, command in zip(others, shown[1:], strict=True)
                ),
            )
        ),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=CannotUndo("It only looks."),
    )
