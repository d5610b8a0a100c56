"""Steps that turn pool HA off and on again, for every runbook that has to. Pure: nothing here reads or runs anything.

Off is three steps (`off`), on is three steps (`on`): the command, every member's word, and every member's word ten seconds later.
With `brings_back`, `off` writes the way back down before HA goes off, and the last step of `on(..., settles=True)` takes it off the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hosts.facts.restorations import HA, HaLeftOff
from hosts.xen.command import GONE, LIMITED, TIMED_OUT, xe, xe_change
from hosts.xen.facts import PoolStorage
from hosts.xen.state import Storage
from hosts.xen.survey import Survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, RunCommand, Step, Undo, WaitFor, WayBack
from opsportal.transport.command import Command

RESTORATION = HA
"""The key of the restoration "HA on again": the same in every runbook, so that any of them can settle it."""

XAPI_DEFAULT = 60
"""Seconds that xapi takes when nobody gives a timeout."""

READ = 10
"""Seconds for a reading xe: a member whose xapi waits for its master does not return by itself."""

AGAIN = 10
"""Seconds until every member is asked a second time."""

PROVED = 120
"""Seconds for the proof of a command that ended: a member that is only slow to let us in must not make a failure of it."""

SAYS_WHY = "hosts.xen.saying.Said"


@dataclass(frozen=True)
class At:
    """A member of the pool as steps need it. `address` is the one in the pool's database, which pool.conf of its slaves names."""

    uuid: str
    name: str
    target: str
    address: str


@dataclass(frozen=True)
class Heartbeat:
    """What HA is turned on with. `timeout` in seconds. `sr_name` is for people and may be ""."""

    sr: str
    timeout: int
    sr_name: str = ""

    @property
    def called(self) -> str:
        return short(self.sr_name) or self.sr


def at(survey: Survey, uuid: str) -> At:
    """Raises `FactError` for a host that is not a member or not in the inventory."""
    host = survey.host(uuid)
    return At(host.uuid, short(host.name) or host.uuid, survey.target(uuid), host.address)


def short(name: str) -> str:
    """A name-label as part of a title: XenServer sets no limit to it, titles have one."""
    return name if len(name) <= 80 else f"{name[:79]}…"


def everybody(survey: Survey) -> tuple[At, ...]:
    """Every host that the pool's database knows. Raises `FactError` when one of them is not in the inventory."""
    return tuple(at(survey, host.uuid) for host in survey.hosts)


def remembered(survey: Survey, storage: Storage) -> Heartbeat:
    """What HA runs with now. Raises `FactError` when it could not be turned on again in the same way."""
    found = survey.basics.statefile_srs
    if len(found) != 1:
        raise FactError(f"{unknown_sr(survey)} Turning HA off now would be a way of no return.")
    names = {sr.uuid: sr.name for sr in storage.srs}
    return Heartbeat(found[0], survey.basics.ha_timeout or XAPI_DEFAULT, names.get(found[0], ""))


@dataclass(frozen=True)
class Before:
    """How HA is to be when all is done. `on` is whether it has to be turned off first: not when an operation left it off."""

    beat: Heartbeat
    on: bool


def before(survey: Survey, facts: FactSet) -> Before | None:
    """What to bring back: HA as it is now, or as an operation found it and left it off; None when it is off by somebody's wish."""
    storage = facts(PoolStorage(survey.speaker.target))
    if survey.basics.ha_enabled:
        return Before(remembered(survey, storage), True)
    left = facts(HaLeftOff("portal", survey.pool.resource))
    names = {sr.uuid: sr.name for sr in storage.srs}
    return Before(Heartbeat(left.sr, left.timeout, names.get(left.sr, "")), False) if left else None


def unknown_sr(survey: Survey) -> str:
    """Why nobody can say which SR carries HA's heartbeat; "" when it is known."""
    found, statefiles = survey.basics.statefile_srs, survey.basics.ha_statefiles
    if len(found) == 1:
        return ""
    if found:
        return f"HA's statefiles lie on {len(found)} SRs ({', '.join(found)}), and xapi takes only one when HA is turned on again."
    if not statefiles:
        return "HA is on, but the pool names no statefile, so the portal cannot tell which SR carries its heartbeat."
    return f"HA's statefiles ({', '.join(statefiles)}) lie on no SR that the pool knows: the disks or their SR are gone."


def limit(timeout: int) -> int:
    """Seconds that turning HA on or off may take: the live set forms within `timeout` + 60, and storage needs its time."""
    return max(600, timeout + 420)


def says(member: At, *, on: bool, within: int = 0) -> Condition:
    """What this member's own xapi answers, which has to ask its master: so it also shows that the two talk."""
    return Condition(
        f"{member.name} says that HA is {'on' if on else 'off'}",
        xe("pool-list", "params=ha-enabled", "--minimal", seconds=READ),
        judge="hosts.xen.judges.ha_is",
        wants="true" if on else "false",
        within=within,
        timeout=READ + 15,
        target=member.target,
    )


def has_timeout(member: At, timeout: int, within: int = 0) -> Condition:
    return Condition(
        f"{member.name} says that the timeout is {timeout} s",
        xe("pool-list", "params=ha-configuration", "--minimal", seconds=READ),
        judge="hosts.xen.judges.ha_timeout_is",
        wants=str(timeout),
        within=within,
        timeout=READ + 15,
        target=member.target,
    )


STATEFILE_SRS = """
for vdi in $(xe pool-list params=ha-statefiles --minimal | tr ';,' '  '); do
  xe vdi-list uuid="$vdi" params=sr-uuid --minimal
done | sort -u
"""


def beats_on(member: At, sr: str, within: int = 0) -> Condition:
    """Where the statefiles really lie: xapi picks an SR by itself when it does not understand the one it was given."""
    gist = "xe vdi-list uuid=STATEFILE params=sr-uuid --minimal"
    command = Command(script=LIMITED, argv=(str(2 * READ), "sh", "-c", STATEFILE_SRS), gist=gist)
    return Condition("HA's statefiles lie on the SR that was chosen", command, "equals", sr, within, 3 * READ, member.target)


def live(member: At, members: tuple[At, ...], within: int = 0) -> Condition:
    """xapi's own word, which pool-ha-enable goes by."""
    command = xe("host-list", "host-metrics-live=true", "params=uuid", "--minimal", seconds=READ)
    return _lists("The pool counts every host as live", command, member, members, within)


def plugged(member: At, members: tuple[At, ...], sr: str, within: int = 0) -> Condition:
    command = xe("pbd-list", f"sr-uuid={sr}", "currently-attached=true", "params=host-uuid", "--minimal", seconds=READ)
    return _lists("The heartbeat SR is plugged on every host", command, member, members, within)


def _lists(sentence: str, command: Command, member: At, members: tuple[At, ...], within: int) -> Condition:
    wants = ",".join(sorted(one.uuid for one in members))
    return Condition(sentence, command, "hosts.xen.judges.lists_all", wants, within, READ + 15, member.target)


def off(where: At, members: tuple[At, ...], *, brings_back: WayBack | None, why: str, undo: Undo) -> Iterator[Step]:
    """Turns HA off through `where`, and has every member say so. `members` are those that must be asked: all, but for dead ones."""
    yield Step(
        key="ha-off",
        target=where.target,
        title="Turn pool HA off",
        why=why,
        action=_run(disable(), limit(0)),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=tuple(says(one, on=True, within=30) for one in members),
        probe=tuple(says(one, on=False, within=PROVED) for one in members),
        undo=undo,
        danger=True,
        opens=brings_back,
        progress=SAYS_WHY,
    )
    yield from still_off(where, members)


def still_off(where: At, members: tuple[At, ...]) -> Iterator[Step]:
    """Only the proof: for a plan that goes on from where another one left HA off."""
    yield from _proof("ha-off", where, members, says_so=tuple(says(one, on=False, within=120) for one in members), state="off")


def on(where: At, members: tuple[At, ...], beat: Heartbeat, *, why: str, undo: Undo, settles: bool = False) -> Iterator[Step]:
    """Turns HA on with an explicit SR and timeout. Every member is asked immediately before: with a dead one the command never returns."""
    asked = tuple(says(one, on=False, within=30) for one in members)
    yield Step(
        key="ha-on",
        target=where.target,
        title=f"Turn pool HA on with a timeout of {beat.timeout} s",
        why=why,
        action=_run(enable(beat), limit(beat.timeout)),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(*asked, live(where, members, 60), plugged(where, members, beat.sr, 30)),
        probe=(
            *(says(one, on=True, within=PROVED) for one in members),
            has_timeout(where, beat.timeout, PROVED),
            beats_on(where, beat.sr, PROVED),
        ),
        undo=undo,
        danger=True,
        progress=SAYS_WHY,
    )
    says_so = (*(says(one, on=True, within=120) for one in members), *(has_timeout(one, beat.timeout, 120) for one in members))
    yield from _proof("ha-on", where, members, says_so=says_so, state="on", settles=RESTORATION if settles else "")


def disable() -> Command:
    """Left after `limit(0)`: a host that cannot be disarmed makes xapi try for ever."""
    return xe_change("pool-ha-disable", seconds=limit(0))


def enable(beat: Heartbeat) -> Command:
    return xe_change("pool-ha-enable", f"heartbeat-sr-uuids={beat.sr}", f"ha-config:timeout={beat.timeout}", seconds=limit(beat.timeout))


def _run(command: Command, seconds: int) -> RunCommand:
    """Exit code 1 is left to the probe as well: whatever xe says, the state of the pool counts."""
    return RunCommand(command, timeout=seconds + 60, ok=(0, 1), unsure=(GONE, TIMED_OUT))


def _proof(
    key: str, where: At, members: tuple[At, ...], *, says_so: tuple[Condition, ...], state: str, settles: str = ""
) -> Iterator[Step]:
    count = f"all {len(members)} members" if len(members) > 1 else "the only member"
    pause = Condition(f"{AGAIN} seconds have passed", Command(("sleep", str(AGAIN))), within=AGAIN + 20, target=where.target)
    first = f"HA is {state} for {count}"
    yield _wait(f"{key}-everywhere", where, first, "The command's own word is not enough: each member is asked.", says_so)
    again = "A member that joined late, or a clean-up that was still running, shows now."
    yield _wait(f"{key}-still", where, f"{first}, {AGAIN} seconds later", again, (pause, *says_so), settles)


def _wait(key: str, where: At, title: str, why: str, conditions: tuple[Condition, ...], settles: str = "") -> Step:
    return Step(key, where.target, title, why, WaitFor(conditions), Effect.NONE, True, (), (), NothingToUndo(), settles=settles)


def way_back(resource: str, members: tuple[At, ...], beat: Heartbeat) -> WayBack:
    """ "HA on again", as a restoration on the pool. `resource` is `PoolRow.resource`."""
    return WayBack(
        key=RESTORATION,
        resource=resource,
        title=f"Pool HA is off, and was on with the heartbeat SR {beat.called} and a timeout of {beat.timeout} s",
        action=_run(enable(beat), limit(beat.timeout)),
        proof=(*(says(one, on=True, within=PROVED) for one in members), *(has_timeout(one, beat.timeout, PROVED) for one in members)),
    )


def undone_by(runbook: str, why: str) -> CannotUndo:
    """For steps whose bare reverse would leave the pool without HA, or without anybody looking."""
    return CannotUndo(f"{why} Run “{runbook}” instead: it looks at the pool first and proves what it did.")
