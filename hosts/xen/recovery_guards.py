"""The rulebook on recovering a pool without its master, and on hosts that follow the wrong one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from hosts.facts.portal import HostRow, InventoryPool, PoolRow
from hosts.xen import recovery
from hosts.xen.facts import PoolBasics, PoolHosts, PoolVms
from hosts.xen.more_facts import LastReading, LastWord, Posture, Stance
from hosts.xen.state import Role, Voice, XenHost
from hosts.xen.survey import Seen, views
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard

SOURCE = "xapi source, xapi_pool.ml and xapi_pool_transition.ml"
PROMOTE, FOLLOW = "promote", "follow"
VOICES = {Voice.HANGS: "its xe does not return", Voice.REFUSED: "its xapi is down"}


class Recovering(Protocol):
    """`what` is `PROMOTE` or `FOLLOW`; `host` the uuid of the survivor, or of the host that is brought back."""

    @property
    def pool(self) -> int: ...
    @property
    def what(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def master_off(self) -> bool: ...
    @property
    def disarm(self) -> bool: ...


def _seen(params: Recovering, facts: FactSet, what: str = PROMOTE) -> tuple[Seen, ...]:
    return views(params.pool, facts)[1] if params.pool and params.what == what else ()


def last(params: Recovering, facts: FactSet) -> LastWord:
    return facts(LastReading("portal", params.pool))


@guard(
    "recover.needless",
    title="The master really is gone",
    reason="A second master beside one that lives splits the pool in two databases, or takes itself back when it finds the first.",
    source=f"{SOURCE}: no check that the host is in emergency mode; xapi.ml, check_no_other_masters",
)
def needless(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    for one in _seen(params, facts):
        if one.view and one.view.voice is Voice.ANSWERS:
            what = "is the pool master and answers" if one.view.role is Role.MASTER else "gets answers from the pool master"
            message = f"{one.row.name} {what}: there is nothing to recover. To give the role to another host, run “Change pool master”."
            yield Finding(Level.BLOCK, message, "pool")


@guard(
    "recover.master-there",
    title="The old master is not merely without xapi",
    reason="A master whose machine runs still holds the newest database. Starting its xapi again loses nothing.",
    source=SOURCE,
)
def master_there(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    for one in _seen(params, facts):
        if one.view and one.view.role is Role.MASTER and one.view.voice is not Voice.ANSWERS:
            how = {Voice.HANGS: "its xe does not return", Voice.REFUSED: "its xapi is down"}.get(
                one.view.voice, one.view.said or "xapi fails"
            )
            message = f"The master {one.row.name} can be reached over SSH, but {how}."
            if one.view.ha_armed:
                advice = "HA is armed there, so do not restart its toolstack: HA decides what becomes of it."
            else:
                advice = "Run xe-toolstack-restart there first and read the pool again. If it cannot be helped, switch it off."
            yield Finding(Level.BLOCK, f"{message} {advice}", "pool")


@guard(
    "recover.ha",
    title="HA elects a new master by itself",
    reason="With HA armed the surviving hosts agree on a new master through the statefile. Somebody who interferes makes two.",
    source=f"xapi source, xapi_ha.ml; {SOURCE}: HA_IS_ENABLED on an armed host",
)
def ha(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    seen = _seen(params, facts)
    armed = [one.row.name for one in seen if one.view and one.view.ha_armed]
    unknown = [one.row.name for one in seen if one.view and one.view.ha_armed is None]
    if unknown:
        message = f"Whether HA is armed on {', '.join(unknown)} could not be read. xapi refuses the transition if it is."
        yield Finding(Level.WARN, message, "pool")
    if not armed:
        return
    timeout = last(params, facts).ha_timeout or 60
    wait = f"HA is armed on {', '.join(armed)}. Wait: a dead master is replaced {timeout} s after it fell silent, and xapi then restarts."
    if not params.disarm:
        again = f"Read the facts again in {timeout // 60 + 5} minutes. Only if HA failed, tick the last resort."
        yield Finding(Level.BLOCK, f"{wait} {again}", "disarm")
        return
    resort = "The last resort switches HA off by force on each survivor. A master that HA elects meanwhile would then be a second one."
    yield Finding(Level.BLOCK, f"{wait} {resort} Give the reason why HA will not act.", "disarm", override=True)


@guard(
    "recover.master-off",
    title="The old master stays switched off",
    reason="When it returns it still believes that it is the master, and its virtual machines may run twice on the same disks.",
    source=SOURCE,
)
def master_off(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    if params.pool and params.host and params.what == PROMOTE and not params.master_off:
        message = "Switch the old master's power off, by its management board or by hand, and tick that it is off."
        yield Finding(Level.BLOCK, message, "master_off")


@guard(
    "recover.survivor",
    title="The survivor can become the master",
    reason="It must be a member of this pool that the portal can reach: its copy of the database is what the pool goes on with.",
    source=SOURCE,
)
def survivor(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    seen = _seen(params, facts)
    if not params.host or not seen:
        return
    chosen = next((one for one in seen if one.view and one.view.uuid == params.host), None)
    if chosen is None or chosen.view is None:
        yield Finding(Level.BLOCK, "The chosen host cannot be reached any more. Choose another survivor.", "host")
    elif chosen.view.role is not Role.SLAVE:
        yield Finding(Level.BLOCK, f"{chosen.row.name} is not a member that follows a master. Choose another survivor.", "host")


@guard(
    "recover.price",
    title="What the recovery costs",
    reason="Members keep a copy of the database and get changes with a delay; the newest ones died with the master.",
    source="The release manager's procedures; CloudStack gave up electing masters itself for this reason",
)
def price(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    if params.pool and params.what == PROMOTE:
        message = "The survivor's database may be some minutes old. Virtual machines and disks that were made, moved or removed in the last"
        yield Finding(Level.WARN, f"{message} minutes before the crash may be wrong in it: compare with CloudStack afterwards.", "pool")


@guard(
    "recover.away",
    title="Members that cannot be reached now",
    reason="The new master tells only those that it reaches. The others go on looking for the old one when they return.",
    source=f"{SOURCE}: pool-recover-slaves swallows every failure",
)
def away(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    seen = _seen(params, facts)
    known = last(params, facts) if seen else LastWord()
    lost = [one for one in seen if one.view is None and not (known.master and one.row.uuid == known.master)]
    for one in lost:
        message = (
            f"{one.row.name} cannot be asked ({one.error.rstrip('.')}). If it is not the old master, bring it back afterwards with this"
        )
        yield Finding(Level.WARN, f"{message} runbook.", "pool")
    here = {one.uuid for one in seen}
    if missing := [name for uuid, name in known.hosts if uuid not in here]:
        yield Finding(Level.WARN, f"Not in the inventory, so nobody looks at them: {', '.join(missing)}.", "pool")


@guard(
    "recover.return",
    title="If the old master comes back",
    reason="It asks the hosts of its database at its start, and steps back if it reaches the new master. Cut off from it, it does not.",
    source="xapi source, xapi.ml (check_no_other_masters), from 6.2 on",
)
def returns(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    if params.pool and params.what == PROMOTE:
        yield Finding(Level.NOTE, recovery.FORGET.format(uuid=last(params, facts).master or "ITS-UUID"), "pool")


@dataclass(frozen=True)
class Led:
    """The pool by the word of its present master, whatever the host says that is brought back."""

    pool: PoolRow
    stances: dict[HostRow, Stance]
    master: XenHost
    target: str
    ha_enabled: bool
    hosts: tuple[XenHost, ...]


def stances(pool: int, facts: FactSet) -> tuple[PoolRow, dict[HostRow, Stance]]:
    found = facts(InventoryPool("portal", pool))
    facts.need(*(Posture(host.target) for host in found.hosts))
    return found, {host: facts(Posture(host.target)) for host in found.hosts}


def led(params: Recovering, facts: FactSet) -> Led:
    """By the master that most of the other hosts name. Raises `FactError` where there is none, or where two have as many."""
    pool, seen = stances(params.pool, facts)
    talking = [(host, one) for host, one in seen.items() if one.answers and one.uuid != params.host]
    votes = Counter(one.names for _, one in talking).most_common(2)
    if not votes:
        raise FactError(f"No other host of {pool.name} gets an answer from a pool master. Make a survivor the master first.")
    if len(votes) > 1 and votes[0][1] == votes[1][1]:
        raise FactError(f"{pool.name} has two masters, and nobody can tell which one counts. Bring the old master back first.")
    host, _ = min((pair for pair in talking if pair[1].names == votes[0][0]), key=lambda pair: pair[1].role is not Role.MASTER)
    facts.need(PoolBasics(host.target), PoolHosts(host.target))
    basics, hosts = facts(PoolBasics(host.target)), facts(PoolHosts(host.target))
    master = next((one for one in hosts if one.uuid == basics.master), None)
    target = next((row.target for row, one in seen.items() if one.uuid == basics.master), "")
    if master is None or not target:
        raise FactError(f"The master of {pool.name} ({basics.master}) is not in the inventory. Add it first.")
    return Led(pool, seen, master, target, basics.ha_enabled, hosts)


def _found(params: Recovering, facts: FactSet) -> Led | None:
    """None when there is no master to go by, which `no_master` says."""
    found = _led(params, facts)
    return found if isinstance(found, Led) else None


def _led(params: Recovering, facts: FactSet) -> Led | str:
    """The sentence why not, "" when another kind of recovery is wanted."""
    if not params.pool or params.what != FOLLOW:
        return ""
    try:
        return led(params, facts)
    except FactError as error:
        return str(error)


@guard(
    "follow.master",
    title="The pool has a master to follow",
    reason="A host is pointed to an address. If nobody answers there it waits for ever.",
    source=SOURCE,
)
def no_master(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    found = _led(params, facts)
    if isinstance(found, str) and found:
        yield Finding(Level.BLOCK, found, "pool")


@guard(
    "follow.not-the-master",
    title="The host is not the pool master itself",
    reason="xapi does not check it: typed on the master, the command takes it out of office and leaves the pool without one.",
    source=f"{SOURCE}: pool-emergency-reset-master",
)
def not_the_master(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    found = _found(params, facts)
    if found is None or not params.host:
        return
    if params.host == found.master.uuid:
        yield Finding(Level.BLOCK, f"{found.master.name} is the master of this pool. Choose the host that does not follow it.", "host")
    elif params.host not in {host.uuid for host in found.hosts}:
        message = f"{found.pool.name} has no record of this host any more (it was forgotten or ejected). It has to join again"
        yield Finding(Level.BLOCK, f"{message}: install it anew, then run “Add a host to a pool”.", "host")


@guard(
    "follow.ha",
    title="HA is off while a host is brought back",
    reason="An armed host refuses, and a host that joins the master's side while HA is on is not armed and goes into emergency mode.",
    source=f"{SOURCE}: HA_IS_ENABLED; HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED",
)
def follow_ha(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    found = _found(params, facts)
    if found is None:
        return
    armed = [host.name for host, one in found.stances.items() if one.armed and one.uuid == params.host]
    if found.ha_enabled or armed:
        where = f" on {armed[0]}" if armed and not found.ha_enabled else ""
        yield Finding(Level.BLOCK, f"HA is on{where}. Run “Disable pool HA” first, and enable it again when the host is back.", "pool")


@guard(
    "follow.twice",
    title="No virtual machine runs twice",
    reason="While the old master was taken for dead, CloudStack may have started its virtual machines elsewhere, on the same disks.",
    source="CloudStack's investigators and fencers; general knowledge of shared storage",
)
def twice(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    found = _found(params, facts)
    mine = [(host, one) for host, one in found.stances.items() if params.host and one.uuid == params.host] if found else []
    if not mine or mine[0][1].role is not Role.MASTER:
        return
    row = mine[0][0]
    vms = facts.try_(PoolVms(row.target))
    if isinstance(vms, FactError):
        yield Finding(Level.WARN, f"What runs on {row.name} could not be read: look at it with xl list there.", "host")
    elif running := [vm.name or vm.uuid for vm in vms if vm.power == "running" and vm.host == params.host]:
        message = f"{row.name} says that {len(running)} virtual machines run on it ({', '.join(running[:5])})."
        yield Finding(Level.BLOCK, f"{message} If they run elsewhere as well, shut them down here first.", "host", override=True)


@guard(
    "follow.reachable",
    title="The host can be reached",
    reason="The command is typed on the host itself.",
    source=SOURCE,
)
def reachable(params: Recovering, facts: FactSet) -> Iterator[Finding]:
    for one in _seen(params, facts, FOLLOW):
        if one.row.uuid == params.host and params.host and not facts(Posture(one.row.target)).reachable:
            yield Finding(Level.BLOCK, f"{one.row.name} cannot be reached: {one.error}", "host")


RULES = (
    needless, master_there, ha, master_off, survivor, away, price, returns, no_master, not_the_master, follow_ha, reachable, twice,
)  # fmt: skip
