"""Steps that give a pool a master again when its own is dead, and that bring hosts back which follow the wrong one.

Sources: xapi (xapi_pool.ml, xapi_pool_transition.ml, pool_role.ml) and the release manager's procedures. Emergency commands are local
and ask nobody: xapi checks neither that the master is dead nor that the host is in emergency mode, so the conditions here do.
"""

from __future__ import annotations

from collections.abc import Iterator

from hosts.xen.command import GONE, TIMED_OUT, xe, xe_change
from hosts.xen.ha_steps import READ, SAYS_WHY, At
from hosts.xen.master_steps import POOL_CONF, names, no_emergency
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, RunCommand, Step, WaitFor
from opsportal.transport.base import Result
from opsportal.transport.command import Command

FUSE = 90
"""Seconds until pool.conf has changed: the command returns at once, and xapi restarts ten seconds later."""

RETURNS = 900
"""Seconds until xapi answers in its new role: 30 to 120 are usual."""

FORGET = (
    "Keep the old master switched off. If it comes back by itself, look at it here before anybody works on it: run this runbook again "
    "with “Bring a host back behind the master”. If it never comes back, its records go with: xe host-forget uuid={uuid} --force."
)


def rescue(survivor: At, others: tuple[At, ...], armed: tuple[At, ...]) -> Iterator[Step]:
    """`others` are the members that can be reached, `armed` those of all survivors on which HA has to be switched off by force."""
    yield from (disarm(one) for one in armed)
    yield transition(survivor, (survivor, *others))
    yield answers(survivor)
    if others:
        yield recover(survivor)
        yield follow(survivor, others)
    yield everybody(survivor, (survivor, *others))


def conf(member: At, wants: str, within: int = 0) -> Condition:
    """`wants` as in pool.conf; "slave" stands for any master's."""
    sentence = f"{member.name}'s pool.conf says {'that it follows a master' if wants == 'slave' else wants}"
    return Condition(sentence, Command(("cat", POOL_CONF)), "hosts.xen.judges.pool_conf_is", wants, within, target=member.target)


def no_answer(member: At) -> Condition:
    return Condition(
        f"{member.name} gets no answer from the pool master",
        xe("pool-list", "params=master", "--minimal", seconds=READ),
        judge="hosts.xen.recovery.silent",
        timeout=READ + 15,
        target=member.target,
    )


def silent(result: Result, _wants: str) -> str:
    """A judge, and the one place where a hang is what should be: an answer means that there is a master."""
    if result.exit == 0 and result.out.strip():
        return f"the pool has a master that answers ({result.out.strip()[:80]}): a second one would split the pool"
    return ""


ARMED = r"""
for file in /var/lib/xcp/local.db /var/xapi/local.db; do
  [ -r "$file" ] || continue
  grep -o '<row[^>]*"ha\.armed"[^>]*>' "$file" | grep -q 'value="true"' && echo armed || echo disarmed
  exit 0
done
echo "no local.db can be read"; exit 1
"""


def disarmed(member: At) -> Condition:
    command = Command(script=ARMED, gist="grep ha.armed /var/lib/xcp/local.db")
    return Condition(f"HA is no longer armed on {member.name}", command, "equals", "disarmed", within=30, target=member.target)


def disarm(member: At) -> Step:
    return Step(
        key=f"disarm-{member.uuid}",
        target=member.target,
        title=f"Switch HA off on {member.name}, by force and on this host only",
        why="xapi refuses to make a host the master while HA is armed on it, and HA itself has not elected one.",
        action=RunCommand(xe_change("host-emergency-ha-disable", "--force", seconds=180), timeout=240, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(no_answer(member),),
        probe=(disarmed(member),),
        undo=CannotUndo("HA is turned on for the whole pool at once, when it has a master again: “Enable pool HA” does that."),
        danger=True,
        progress=SAYS_WHY,
    )


def transition(survivor: At, asked: tuple[At, ...]) -> Step:
    return Step(
        key="transition",
        target=survivor.target,
        title=f"Make {survivor.name} the pool master",
        why=(
            "The old master is dead and takes no command any more. This host goes on with its own copy of the database, which may be "
            "some minutes old: what was started, stopped or moved since is not in it."
        ),
        action=RunCommand(xe_change("pool-emergency-transition-to-master", seconds=120), timeout=180, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(conf(survivor, "slave"), *(no_answer(one) for one in asked)),
        probe=(conf(survivor, "master", FUSE),),
        undo=CannotUndo("A master does not step back. “Change pool master” gives the role to another member once all of them follow."),
        danger=True,
        progress=SAYS_WHY,
    )


def answers(survivor: At) -> Step:
    return Step(
        key="answers",
        target=survivor.target,
        title=f"{survivor.name} answers as the master",
        why="Its xapi restarts with its own database. The members can be told only by a master that answers.",
        action=WaitFor((names(survivor, survivor, RETURNS), no_emergency(survivor, RETURNS))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def recover(survivor: At) -> Step:
    return Step(
        key="recover-slaves",
        target=survivor.target,
        title="Tell the other members whom to follow",
        why="Their xapis go on looking for the old master for ever; the new one tells each of them. Those it cannot reach it leaves out.",
        action=RunCommand(xe_change("pool-recover-slaves", seconds=300), timeout=360, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(names(survivor, survivor, 30),),
        probe=(names(survivor, survivor, 30),),
        undo=NothingToUndo(),
        danger=True,
    )


def follow(survivor: At, others: tuple[At, ...]) -> Step:
    asked = tuple(
        one
        for member in others
        for one in (conf(member, "slave", RETURNS), names(member, survivor, RETURNS), no_emergency(member, RETURNS))
    )
    return Step(
        key="members-follow",
        target=survivor.target,
        title=f"Every member that can be reached names {survivor.name} as master",
        why=(
            "pool-recover-slaves prints whom it reached and swallows every failure, so each member is asked itself. One that does not "
            "follow is brought back by this runbook: “Bring a host back behind the master”."
        ),
        action=WaitFor(asked),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def everybody(survivor: At, members: tuple[At, ...]) -> Step:
    """Compared with the new master's own list of hosts."""
    return Step(
        key="everybody",
        target=survivor.target,
        title="The pool counts them as live and enabled",
        why="The list of hosts is the new master's own. The old master stays in it, as not live.",
        action=WaitFor((listed(survivor, members, "host-metrics-live=true"), listed(survivor, members, "enabled=true"))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def listed(where: At, members: tuple[At, ...], what: str) -> Condition:
    command = xe("host-list", what, "params=uuid", "--minimal", seconds=READ)
    wants = ",".join(sorted(one.uuid for one in members))
    sentence = f"The pool lists {', '.join(one.name for one in members)} with {what}"
    return Condition(sentence, command, "hosts.xen.judges.lists_all", wants, RETURNS, READ + 15, where.target)


def bring_back(host: At, was: str, master: At) -> Iterator[Step]:
    """`was` is what its pool.conf says now."""
    yield Step(
        key="reset-master",
        target=host.target,
        title=f"Have {host.name} follow {master.name}",
        why=(
            "It believes in a master that the pool no longer has, or in itself. xapi does not ask whether this host is the master: "
            "on the real master the same command would take it out of office, so that is looked at first."
        ),
        action=RunCommand(
            xe_change("pool-emergency-reset-master", f"master-address={master.address}", seconds=120),
            timeout=180,
            ok=(0, 1),
            unsure=(GONE, TIMED_OUT),
        ),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(conf(host, was), names(master, master), knows(master, host)),
        probe=(conf(host, f"slave:{master.address}", FUSE),),
        undo=CannotUndo("It had a database of its own, which nobody else follows."),
        danger=True,
        progress=SAYS_WHY,
    )
    asked = (names(host, master, RETURNS), no_emergency(host, RETURNS))
    why = "Its xapi restarts, connects to the master and takes over the master's database."
    title = f"{host.name} names {master.name} as master"
    yield Step("follows", host.target, title, why, WaitFor(asked), Effect.NONE, True, (), (), NothingToUndo())
    yield everybody(master, (host,))


def knows(master: At, host: At) -> Condition:
    command = xe("host-list", "params=uuid", "--minimal", seconds=READ)
    sentence = f"{master.name} has {host.name} in its database"
    return Condition(sentence, command, "hosts.xen.judges.host_there", host.uuid, timeout=READ + 15, target=master.target)
