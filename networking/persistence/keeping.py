"""Steps that write what a change wants after a reboot. No runbook knows which system a host has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from networking.changes import JUDGE, RUN, asked, key
from networking.persistence import ways
from networking.persistence.boot import Boot, BootFiles, OwnFile
from opsportal.operations.steps import Condition, Effect, PutFile, RunCommand, Step
from opsportal.transport.command import Command

REMOVE = f"""{RUN}
run rm -f "$1"
"""

ENABLE = f"""{RUN}
run systemctl daemon-reload && run systemctl enable "$1"
"""

DISABLE = f"""{RUN}
run systemctl disable "$1"
"""


def steps(target: str, wanted: Iterable[Boot], files: BootFiles, prefix: str = "") -> Iterator[Step]:
    """Nothing for what is written already, and nothing about an interface that a person's own file speaks of: see `findings`.

    `prefix` keeps the keys of several hosts in one plan apart.
    """
    put = [step for one in newest(wanted) for step in _interface(target, one, files, prefix)]
    if any(isinstance(step.action, PutFile) and step.action.path.startswith(ways.OWN.folder) for step in put):
        yield from _unit(target, files, prefix)
    yield from put


def newest(wanted: Iterable[Boot]) -> list[Boot]:
    """The last word about each interface."""
    return list({one.interface: one for one in wanted}.values())


def _interface(target: str, wanted: Boot, files: BootFiles, prefix: str) -> Iterator[Step]:
    kept, why = ways.way(files, wanted)
    path = kept.path(wanted.interface) if kept and wanted.stays and not files.persons(wanted.interface) else ""
    for way in ways.WAYS:
        old = files.file(way.path(wanted.interface))
        if kept and way.path(wanted.interface) == path:
            if old is None or old.text != kept.text(wanted):
                yield _written(target, wanted, kept, old, why, prefix)
        elif old is not None:
            yield _removed(target, wanted, way, old, prefix)


def _written(target: str, wanted: Boot, way: ways.Way, old: OwnFile | None, why: str, prefix: str) -> Step:
    name, path, text = wanted.interface, way.path(wanted.interface), way.text(wanted)
    lost = f"that {name} is switched on and has {', '.join(wanted.addresses)}" if wanted.addresses else f"that {name} is switched on"
    reasons = f"A reboot would forget {lost}. Open vSwitch keeps the rest in its database."
    back = PutFile(path, old.text, way.mode, before=text, existed=True, sudo=True) if old else _gone(path)
    return Step(
        key=_key(prefix, "keep", name),
        target=target,
        title=f"Keep {name} over a reboot, by {way.title}",
        why=f"{reasons} {why}".strip(),
        action=PutFile(path, text, way.mode, before=old.text if old else "", existed=old is not None, sudo=True),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=_checked(way, name),
        undo=back,
    )


def _checked(way: ways.Way, name: str) -> tuple[Condition, ...]:
    if not way.check:
        return ()
    return (Condition(f"{way.title} understands it", asked(*(word.format(name) for word in way.check)), JUDGE + "understood"),)


def _removed(target: str, wanted: Boot, way: ways.Way, old: OwnFile, prefix: str) -> Step:
    return Step(
        key=_key(prefix, f"forget-{type(way).__name__.lower()}", wanted.interface),
        target=target,
        title=f"Take {wanted.interface} out of what {way.title} brings up at boot",
        why="The portal wrote this file when the interface was made. It would be looked for at each boot in vain.",
        action=_gone(old.path),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=(Condition(f"{old.path} is gone", asked("test", "!", "-e", old.path)),),
        undo=PutFile(old.path, old.text, way.mode, sudo=True),
    )


def _gone(path: str) -> RunCommand:
    return RunCommand(Command(script=REMOVE, argv=(path,), gist=f"rm -f {path}"), 30)


def _unit(target: str, files: BootFiles, prefix: str) -> Iterator[Step]:
    old = files.file(ways.UNIT_PATH)
    if old is None or old.text != ways.UNIT_TEXT:
        yield Step(
            key=_key(prefix, "write", "unit"),
            target=target,
            title="Write the unit that brings interfaces up after Open vSwitch",
            why=f"It runs what is in {ways.OWN.folder} at each boot, and does nothing else.",
            action=PutFile(ways.UNIT_PATH, ways.UNIT_TEXT, 0o644, before=old.text if old else "", existed=old is not None, sudo=True),
            effect=Effect.IDEMPOTENT,
            interruptible=True,
            expect=(),
            probe=(),
            undo=PutFile(ways.UNIT_PATH, old.text, 0o644, before=ways.UNIT_TEXT, existed=True, sudo=True) if old else _gone(ways.UNIT_PATH),
        )
    if not files.enabled:
        yield Step(
            key=_key(prefix, "enable", "unit"),
            target=target,
            title="Have it started at each boot",
            why="It is not started now: everything is up already.",
            action=RunCommand(Command(script=ENABLE, argv=(ways.UNIT,), gist=f"systemctl enable {ways.UNIT}"), 60),
            effect=Effect.IDEMPOTENT,
            interruptible=True,
            expect=(),
            probe=(Condition("It starts at boot", asked("systemctl", "is-enabled", ways.UNIT), "equals", "enabled"),),
            undo=RunCommand(Command(script=DISABLE, argv=(ways.UNIT,), gist=f"systemctl disable {ways.UNIT}"), 60),
        )


def _key(prefix: str, verb: str, name: str) -> str:
    return f"{prefix}{verb}-{key(name)}"[:63]
