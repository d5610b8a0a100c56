"""Steps that take one host after the other out of a pool's service, and back. Never a second one at the same time.

The order is that of a rolling update: the master first, HA off for the whole of it, each host empty before it reboots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hosts.xen import rebooting
from hosts.xen.command import GONE, TIMED_OUT, xe, xe_change
from hosts.xen.ha_steps import READ, SAYS_WHY, At, live, says
from hosts.xen.master_steps import enabled, names, no_emergency
from hosts.xen.membership import disable, disabled_key, enable_command, nothing_runs
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, RunCommand, Step, WaitFor
from opsportal.transport.command import Command

OTHERS = 300
"""Seconds that the others have to be well before the next host goes."""

BOOT = 3600
"""Seconds for a reboot: firmware, memory test, file system checks."""

ENABLES = 900


@dataclass(frozen=True)
class Work:
    """What is done with each host. Scripts run as root on the host itself, with `sh`. `run` tells one run's notes from another's."""

    run: str
    resource: str
    pre_script: str
    post_script: str
    patches: str
    reboot: bool
    evacuate_seconds: int


@dataclass(frozen=True)
class Turn:
    """One host and what was right about it before: what must be attached and have a signal again afterwards."""

    host: At
    enabled: bool
    pbds: tuple[str, ...]
    pifs: tuple[str, ...]
    carriers: tuple[str, ...]


def rounds(work: Work, master: At, members: tuple[At, ...], turns: tuple[Turn, ...]) -> Iterator[Step]:
    for number, turn in enumerate(turns, 1):
        others = tuple(one for one in members if one != turn.host)
        yield from one_host(work, master, others, turn, f"Host {number} of {len(turns)}.")


def one_host(work: Work, master: At, others: tuple[At, ...], turn: Turn, which: str) -> Iterator[Step]:
    host = turn.host
    if others:
        yield others_are_well(master, others, host, which)
    yield disable(
        host,
        host,
        work.resource,
        turn.enabled,
        f"{which} No virtual machine may be started on it from now on.",
        (says(host, on=False, within=30), names(host, master, 30)),
    )
    if work.pre_script:
        yield script(host, "pre", work.pre_script, "Run the script before the host is emptied", "It was given for every host of this run.")
    yield evacuate(host, work.evacuate_seconds)
    if work.post_script:
        yield script(host, "post", work.post_script, "Run the script after the host is empty", "It was given for every host of this run.")
    if work.patches:
        yield script(host, "patch", work.patches, "Install patches", "The host is empty: whatever the patches restart disturbs nobody.")
    if work.reboot:
        yield reboot(work, host, others, master)
        yield back(work, host, master)
    yield enable(host)
    yield check(turn, master)


def others_are_well(master: At, others: tuple[At, ...], host: At, which: str) -> Step:
    asked = tuple(one for other in others for one in (names(other, master, OTHERS), enabled(other, other, within=OTHERS)))
    return Step(
        key=f"others-{host.uuid}",
        target=host.target,
        title=f"All others are well before {host.name} goes",
        why=f"{which} Never a second host down: each of the others answers by itself, is enabled and counts as live.",
        action=WaitFor((*asked, live(host, others, OTHERS))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def script(host: At, kind: str, text: str, title: str, why: str) -> Step:
    """The operator's own text, as it stands in the plan. Its exit code counts."""
    return Step(
        key=f"{kind}-{host.uuid}",
        target=host.target,
        title=f"{title}: {host.name}",
        why=why,
        action=RunCommand(Command(script=text), timeout=4 * 3600),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(enabled(host, host, state=False) if kind == "pre" else nothing_runs(host, host),),
        probe=(),
        undo=CannotUndo("The portal does not know what the script does."),
        danger=True,
    )


def evacuate(host: At, seconds: int) -> Step:
    return Step(
        key=f"evacuate-{host.uuid}",
        target=host.target,
        title=f"Move all virtual machines away from {host.name}",
        why="They go on running on the others. A host reboots whatever is still on it, so it has to be empty.",
        action=RunCommand(
            xe_change("host-evacuate", f"uuid={host.uuid}", seconds=seconds), timeout=seconds + 60, ok=(0, 1), unsure=(GONE, TIMED_OUT)
        ),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(says(host, on=False), enabled(host, host, state=False)),
        probe=(nothing_runs(host, host),),
        undo=CannotUndo("CloudStack and the operators decide where virtual machines go; they are not moved back."),
        progress=SAYS_WHY,
    )


REBOOT = """
xe host-disable "uuid=$1" || exit 1
left=$(xe vm-list "resident-on=$1" is-control-domain=false params=uuid --minimal) || exit 1
[ -z "$left" ] || { echo "virtual machines are on the host again: $left" >&2; exit 1; }
xe host-reboot "uuid=$1"
"""
"""Patches may restart xapi, which then enables the host by itself: so it is disabled again, and looked at once more."""


def reboot(work: Work, host: At, others: tuple[At, ...], master: At) -> Step:
    """xapi only asks whether the host is disabled: with virtual machines left on it, it would reboot all the same."""
    path = rebooting.note(work.run, host.uuid)
    command = rebooting.noted(path, host.uuid, script=REBOOT)
    gist = f"xe host-disable uuid={host.uuid}; xe host-reboot uuid={host.uuid}"
    return Step(
        key=f"reboot-{host.uuid}",
        target=host.target,
        title=f"Reboot {host.name}",
        why="New kernels and hypervisors run only after a boot.",
        action=RunCommand(Command(script=command.script, argv=command.argv, gist=gist), timeout=300),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(nothing_runs(host, host), *(names(one, master, 60) for one in others)),
        probe=(rebooting.is_noted(path),),
        undo=CannotUndo("A reboot is not taken back."),
        danger=True,
        progress=SAYS_WHY,
    )


def back(work: Work, host: At, master: At) -> Step:
    path = rebooting.note(work.run, host.uuid)
    return Step(
        key=f"back-{host.uuid}",
        target=host.target,
        title=f"{host.name} is back",
        why="By another boot than the one before, with SSH and with a xapi that gets answers from the master.",
        action=WaitFor((rebooting.booted_anew(path, BOOT), names(host, master, BOOT), no_emergency(host, BOOT))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def enable(host: At) -> Step:
    return Step(
        key=f"enable-{host.uuid}",
        target=host.target,
        title=f"Enable {host.name}",
        why="Virtual machines may be started on it again. While xapi is starting it refuses, so it is asked again until it agrees.",
        action=enable_command(host, ENABLES),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(enabled(host, host, within=30),),
        undo=NothingToUndo(),
        settles=disabled_key(host.uuid),
        progress=SAYS_WHY,
    )


def check(turn: Turn, master: At) -> Step:
    """Bonds are compared by their parts: every interface that was attached is, and every one that had a signal has it."""
    host = turn.host
    asked = (
        _as_before(turn, "Every SR that was plugged is plugged", "pbd-list", "currently-attached=true", turn.pbds),
        _as_before(turn, "Every interface, bond and VLAN is attached as before", "pif-list", "currently-attached=true", turn.pifs),
        _as_before(turn, "Every interface that had a signal has one", "pif-list", "carrier=true", turn.carriers),
    )
    counts = live(master, (host,), 600)
    return Step(
        key=f"check-{host.uuid}",
        target=host.target,
        title=f"{host.name} is as it was before",
        why="A host that came back without one leg of a bond, or without its storage, is no help when the next one goes.",
        action=WaitFor((counts, *(one for one in asked if one is not None))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def _as_before(turn: Turn, sentence: str, listing: str, what: str, uuids: tuple[str, ...]) -> Condition | None:
    if not uuids:
        return None
    command = xe(listing, f"host-uuid={turn.host.uuid}", what, "params=uuid", "--minimal", seconds=READ)
    wants = ",".join(sorted(uuids))
    return Condition(sentence, command, "hosts.xen.judges.lists_all", wants, 600, READ + 15)
