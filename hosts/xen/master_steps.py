"""Steps that give a pool another master. Pure. `target` is the new master throughout: the connection to the old one does not matter."""

from __future__ import annotations

from hosts.xen.command import GONE, TIMED_OUT, xe, xe_change
from hosts.xen.ha_steps import READ, SAYS_WHY, At, live, says
from opsportal.operations.steps import Condition, Effect, NothingToUndo, RunCommand, Step, Undo, WaitFor
from opsportal.transport.command import Command

SWITCH = 300
"""Seconds for the command. It synchronises the database to every host and returns before the xapis restart."""

SETTLES = 600
"""Seconds until every xapi is back and follows: about a minute is usual, and start-up scripts can take several."""

THERE = 60
"""Seconds that a member may need to answer before the switch."""

POOL_CONF = "/etc/xensource/pool.conf"


def role(member: At, master: At, within: int = 0) -> Condition:
    """By its own file, which is there while xapi restarts."""
    leads_itself = member.uuid == master.uuid
    return Condition(
        f"{member.name}'s pool.conf {'makes it the master' if leads_itself else f'follows {master.name}'}",
        Command(("cat", POOL_CONF)),
        judge="hosts.xen.judges.pool_conf_is",
        wants="master" if leads_itself else f"slave:{master.address}",
        within=within,
        target=member.target,
    )


def names(member: At, master: At, within: int = 0) -> Condition:
    return Condition(
        f"{member.name} names {master.name} as master",
        xe("pool-list", "params=master", "--minimal", seconds=READ),
        judge="hosts.xen.judges.master_is",
        wants=master.uuid,
        within=within,
        timeout=READ + 15,
        target=member.target,
    )


def no_emergency(member: At, within: int = 0) -> Condition:
    return Condition(
        f"{member.name} is not in emergency mode",
        xe("host-is-in-emergency-mode", seconds=READ),
        judge="hosts.xen.judges.emergency_is",
        wants="false",
        within=within,
        timeout=READ + 15,
        target=member.target,
    )


def enabled(member: At, where: At, *, state: bool = True, within: int = 0) -> Condition:
    return Condition(
        f"{member.name} is {'enabled' if state else 'disabled'}",
        xe("host-param-get", f"uuid={member.uuid}", "param-name=enabled", seconds=READ),
        judge="hosts.xen.judges.enabled_is",
        wants="true" if state else "false",
        within=within,
        timeout=READ + 15,
        target=where.target,
    )


def members_answer(target: At, old: At, members: tuple[At, ...]) -> Step:
    """Immediately before the switch: one dead host makes it fail half-way."""
    asked = tuple(one for member in members for one in (names(member, old, THERE), no_emergency(member, THERE)))
    return Step(
        key="members-answer",
        target=target.target,
        title="Every member is there",
        why="The new master copies the database to every host first: with one that is dead the switch fails. xapi itself may not know yet.",
        action=WaitFor((*asked, live(target, members, THERE))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def leads(target: At, old: At, members: tuple[At, ...], undo: Undo) -> Step:
    """The switch itself. Its exit code says little: 0 with nothing done on the master itself, 1 when its own xapi restarts too soon."""
    return Step(
        key="designate",
        target=target.target,
        title=f"Make {target.name} the pool master",
        why=f"It takes over from {old.name}. Every xapi of the pool restarts now; running virtual machines do not notice.",
        action=RunCommand(
            xe_change("pool-designate-new-master", f"host-uuid={target.uuid}", seconds=SWITCH),
            timeout=SWITCH + 60,
            ok=(0, 1),
            unsure=(GONE, TIMED_OUT),
        ),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(role(target, old, 30), names(target, old, 30), says(target, on=False, within=30)),
        probe=(role(target, target, 90),),
        undo=undo,
        danger=True,
        progress=SAYS_WHY,
    )


def members_follow(target: At, members: tuple[At, ...]) -> Step:
    told = tuple(
        one for member in members for one in (role(member, target, SETTLES), names(member, target, SETTLES), no_emergency(member, SETTLES))
    )
    return Step(
        key="members-follow",
        target=target.target,
        title=f"Every member names {target.name} as master",
        why="xapis restart one after the other. Until the last one follows, the pool has two opinions, and HA must not go on.",
        action=WaitFor(told),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def members_live(target: At, members: tuple[At, ...], were_enabled: tuple[At, ...]) -> Step:
    back = tuple(enabled(member, target, within=SETTLES) for member in were_enabled)
    return Step(
        key="members-live",
        target=target.target,
        title="Every host is live and enabled again",
        why="A host that connects to its new master is disabled until its own start-up is done.",
        action=WaitFor((live(target, members, SETTLES), *back)),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def disable_again(target: At, member: At) -> Step:
    return Step(
        key=f"disable-{member.uuid}",
        target=target.target,
        title=f"Disable {member.name} again",
        why="It was disabled when this was planned. Its xapi restarted since, and forgot that.",
        action=RunCommand(xe_change("host-disable", f"uuid={member.uuid}", seconds=120), timeout=180, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(enabled(member, target, state=False, within=30),),
        undo=RunCommand(xe_change("host-enable", f"uuid={member.uuid}", seconds=120), timeout=180),
        progress=SAYS_WHY,
    )
