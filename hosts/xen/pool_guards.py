"""The rulebook on XenServer pools, for every runbook that works on one. Each rule reads what it needs through the survey of the pool.

A runbook's parameters have `pool`, the inventory's number of the pool, 0 while none is chosen: then no rule has anything to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hosts.facts.portal import InventoryPool
from hosts.facts.restorations import OpenRestorations
from hosts.xen.facts import PoolPifs, PoolStorage, ProtectedVms
from hosts.xen.ha_steps import XAPI_DEFAULT, unknown_sr
from hosts.xen.state import Role, Voice, XenHost
from hosts.xen.survey import Seen, Survey, silence, survey, views
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

FEW = 3
"""Live hosts below which HA does more harm than good."""


class OnAPool(Protocol):
    @property
    def pool(self) -> int: ...


def dead(found: Survey) -> tuple[tuple[XenHost, str], ...]:
    """Members that do not answer now, each with what is wrong in words. xapi's own word is up to ten minutes old without HA."""
    asked = {one.uuid: one for one in found.seen}
    wrong = ((host, _wrong(host, asked.get(host.uuid))) for host in found.hosts)
    return tuple((host, why) for host, why in wrong if why)


def _wrong(host: XenHost, seen: Seen | None) -> str:
    if seen is None:
        return ""
    if seen.view is None:
        return f"it cannot be asked: {seen.error}"
    if seen.view.voice is Voice.HANGS:
        return "its xe does not return, so it has lost the pool master"
    if seen.view.voice is not Voice.ANSWERS:
        return f"its xapi says: {seen.view.said or seen.view.voice}"
    return "" if host.live else "the pool counts it as dead"


def lively(found: Survey) -> int:
    """How many members are live and answer by themselves."""
    return len(found.hosts) - len(dead(found))


@guard(
    "xen.master-answers",
    title="The pool master answers",
    reason="Without its master a pool takes no command: xe hangs on every member, and what hung may be carried out much later.",
    source="xapi source, xapi_cli.ml and master_connection.ml: a member passes each command on and retries for ever",
)
def master_answers(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    pool, seen = views(params.pool, facts)
    if not any(one.view is not None and one.view.voice is Voice.ANSWERS for one in seen):
        message = f"No host of {pool.name} gets an answer from the pool master. {silence(seen)}"
        yield Finding(Level.BLOCK, f"{message} If it is dead, run “Recover a pool whose master is dead”.", "pool")


@guard(
    "xen.in-inventory",
    title="Every member is in the inventory",
    reason="The portal proves what it did on each member. One that it cannot reach is one that nobody looks at.",
    source="The pool's own list of hosts, compared with the inventory",
)
def in_inventory(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    here, members = {one.uuid for one in found.seen}, {host.uuid for host in found.hosts}
    for host in found.hosts:
        if host.uuid not in here:
            silent = [one.row.name for one in found.seen if one.view is None and not one.row.uuid]
            hint = f" Or it is {' or '.join(silent)}, which could not be read." if silent else ""
            message = f"{host.name} ({host.address}) is a member of {found.pool.name} and not in the inventory. Add it under Hosts.{hint}"
            yield Finding(Level.BLOCK, message, "pool")
    for one in found.seen:
        if one.view is not None and one.uuid not in members:
            message = f"{one.row.name} is under {found.pool.name} in the inventory, but the pool does not know it. Move it where it is."
            yield Finding(Level.WARN, message, "pool")


@guard(
    "xen.members-answer",
    title="Every member answers by itself",
    reason="Without HA xapi notices a dead host after 600 s only. Enabling HA with one does not return, and a new master needs every host.",
    source="xapi source: xapi_globs.ml (600 s), xapi_ha.ml (the clean-up retries every 30 s), xapi_pool.ml (two-phase commit)",
)
def members_answer(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if params.pool:
        for host, why in dead(survey(params.pool, facts)):
            yield Finding(Level.BLOCK, f"{host.name}: {why.rstrip('.')}.", "pool")


@guard(
    "xen.one-master",
    title="All members name the same master",
    reason="Two masters, or a member that follows another one, mean two databases: a change goes into one of them only.",
    source="/etc/xensource/pool.conf of each host, and what its xapi answers",
)
def one_master(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    names = {host.uuid: host.name for host in found.hosts}
    for one in found.seen:
        if one.uuid in names and (why := _astray(found, one, names)):
            yield Finding(Level.BLOCK, f"{one.row.name} {why}.", "pool")


def _astray(found: Survey, one: Seen, names: dict[str, str]) -> str:
    """In what a member's own word differs from the pool's; "" when it does not, or when it could not be asked."""
    view, leads = one.view, one.uuid == found.basics.master
    if view is None:
        return ""
    if view.pool and view.pool != found.basics.uuid:
        return f"belongs to another pool ({view.pool})"
    if view.says_master and view.says_master != found.basics.master:
        return f"names {names.get(view.says_master, view.says_master)} as master, not {found.master.name}"
    if view.role not in (Role.MASTER, Role.SLAVE):
        return "has a pool.conf that names neither a master nor itself"
    if leads != (view.role is Role.MASTER):
        return f"follows {view.master_address}, although it is the master" if leads else "says it is the master itself"
    if not leads and view.master_address != found.master.address:
        return f"follows {view.master_address}, but the master {found.master.name} is {found.master.address}"
    return ""


@guard(
    "xen.ha-agrees",
    title="Pool and members agree whether HA is on",
    reason="A member that is armed while the pool says off, or the other way round, refuses to follow a new master or fences itself.",
    source="xapi source, xapi_ha.ml; each host's local.db (ha.armed)",
)
def ha_agrees(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    wanted = found.basics.ha_enabled
    for one in found.seen:
        if one.view is None:
            continue
        if one.view.says_ha is not None and one.view.says_ha != wanted:
            message = f"{one.row.name} says that HA is {_on(one.view.says_ha)}, the pool that it is {_on(wanted)}. Read again in a minute."
            yield Finding(Level.BLOCK, message, "pool")
        elif one.view.ha_armed is not None and one.view.ha_armed != wanted:
            message = f"HA is {_on(wanted)} for the pool, and {_on(one.view.ha_armed)} in the files of {one.row.name} itself."
            yield Finding(Level.BLOCK, f"{message} Its xapi mends that when it restarts; do not restart it while HA is on.", "pool", True)


def _on(state: bool) -> str:
    return "on" if state else "off"


def mixed(found: Survey) -> str:
    """What differs between the versions of the members, "" when nothing does."""
    kinds: dict[str, list[str]] = {}
    for host in found.hosts:
        kinds.setdefault(f"{host.brand} {host.version} build {host.build}", []).append(host.name)
    if len(kinds) > 1:
        return "; ".join(f"{', '.join(hosts)}: {kind}" for kind, hosts in kinds.items())
    return "the pool is marked as in a rolling upgrade" if found.basics.rolling_upgrade else ""


@guard(
    "xen.same-version",
    title="All members run the same version",
    reason="During a rolling upgrade xapi refuses to turn HA on, so HA that is turned off now stays off.",
    source="xapi source, xapi_ha.ml: NOT_SUPPORTED_DURING_UPGRADE",
)
def same_version(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if params.pool and (differs := mixed(survey(params.pool, facts))):
        yield Finding(Level.BLOCK, f"The members do not run the same version: {differs}. Finish the upgrade first.", "pool")


@guard(
    "xen.twins",
    title="No two hosts have the same uuid",
    reason="The HA daemon knows hosts by their uuid, and a clone takes over its twin's record in the pool's database.",
    source="xhad.conf; xapi source, xapi_pool.ml (Pool.hello)",
)
def twins(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    _, seen = views(params.pool, facts)
    by_uuid: dict[str, list[str]] = {}
    for one in seen:
        if one.view is not None:
            by_uuid.setdefault(one.view.uuid, []).append(one.row.name)
    for uuid, names in by_uuid.items():
        if len(names) > 1:
            message = f"{' and '.join(names)} have the same uuid {uuid}: one is a clone. Run “Make a cloned XenServer unique” on it."
            yield Finding(Level.BLOCK, message, "pool")


@guard(
    "xen.restorations",
    title="Nothing is left changed for a time",
    reason="What an operation switched off for a while has to come back first, or the next one takes it for what it should be.",
    source="The portal's own record of restorations",
)
def restorations(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    yield from left_open(params, facts)


def left_open(params: OnAPool, facts: FactSet, but: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Findings for open restorations on the pool. One whose key is in `but` is settled by the plan itself."""
    if not params.pool:
        return
    resource = facts(InventoryPool("portal", params.pool)).resource
    for one in facts(OpenRestorations("portal", resource)):
        said = f"{one.title}: operation #{one.operation}"
        if not one.left:
            yield Finding(Level.NOTE, f"{said} is at work on this pool. This one waits for it.", "pool")
        elif one.key in but:
            yield Finding(Level.NOTE, f"{said} left it so. This plan goes on from there and settles it.", "pool")
        else:
            yield Finding(Level.BLOCK, f"{said} left it so. Settle it under Restorations first.", "pool")


@guard(
    "xen.protected-vms",
    title="No virtual machine is protected by HA",
    reason="CloudStack restarts its virtual machines itself. Two that restart the same one write to the same disk, and it is lost.",
    source="CloudStack's XenServer documentation (HA for the pool master only); the release manager's procedures",
)
def no_protected(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    for names in _protected(params, facts):
        yield Finding(Level.BLOCK, f"Protected by HA: {names}. Run “Un-protect VMs” first.", "pool")


@guard(
    "xen.protected-vms-now",
    title="Virtual machines that HA protects already",
    reason="HA restarts them after a crash, and so does CloudStack: two that restart the same one write to the same disk.",
    source="CloudStack's XenServer documentation (HA for the pool master only); the release manager's procedures",
)
def protected_now(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    for names in _protected(params, facts):
        yield Finding(Level.WARN, f"Protected by HA: {names}. This plan leaves that as it is; run “Un-protect VMs” for it.", "pool")


def _protected(params: OnAPool, facts: FactSet) -> Iterator[str]:
    if not params.pool:
        return
    vms = facts(ProtectedVms(survey(params.pool, facts).speaker.target))
    if vms:
        more = f" and {len(vms) - 5} more" if len(vms) > 5 else ""
        yield ", ".join(f"{vm.name or vm.uuid} ({vm.priority})" for vm in vms[:5]) + more


@guard(
    "xen.three-hosts",
    title="HA has at least three live hosts",
    reason="With two, the survivor of a crash cannot tell whether the other is dead or itself cut off. It fences itself, and so on.",
    source="The release manager's procedures; XCP-ng's documentation. xapi itself enforces no number",
)
def three_hosts(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    if (live := lively(found)) < FEW:
        message = f"{found.pool.name} has {live} live host{'s' if live != 1 else ''}, and HA wants {FEW}."
        yield Finding(Level.BLOCK, f"{message} To go on needs a reason, and the approval of two people.", "pool", override=True)


@guard(
    "xen.few-hosts-now",
    title="HA runs on fewer than three live hosts",
    reason="With two, the survivor of a crash cannot tell whether the other is dead or itself cut off. It fences itself, and so on.",
    source="The release manager's procedures; XCP-ng's documentation",
)
def few_hosts_now(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    if found.basics.ha_enabled and (live := lively(found)) < FEW:
        yield Finding(
            Level.WARN, f"HA is on with {live} live host{'s' if live != 1 else ''}. It is safer off until there are {FEW}.", "pool"
        )


@guard(
    "xen.ha-licence",
    title="The licence has HA",
    reason="Without the feature xapi refuses with a licence restriction.",
    source="xapi source, features.ml (enable_xha); Citrix's manuals for 6.0 and 6.1: HA from the Advanced edition on",
)
def licence(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    if found.basics.xha_licensed is False:
        yield Finding(Level.BLOCK, f"The licence of {found.pool.name} does not have HA (enable_xha is false).", "pool")
    elif found.basics.xha_licensed is None and (old := [host for host in found.hosts if host.version.startswith(("5.", "6.0", "6.1"))]):
        message = f"{old[0].name} runs {old[0].version}. Before 6.2 HA needs a paid edition, and the pool does not say whether it has one."
        yield Finding(Level.BLOCK, message, "pool", override=True)


@guard(
    "xen.required-pifs",
    title="Interfaces that must not be unplugged are attached",
    reason="HA sends its heartbeat over them: xapi refuses to turn it on while one is down.",
    source="xapi source, xapi_ha.ml: REQUIRED_PIF_IS_UNPLUGGED, which prints no sentence in 6.2 and 7.0",
)
def required_pifs(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    names = {host.uuid: host.name for host in found.hosts}
    for pif in facts(PoolPifs(found.speaker.target)):
        if pif.disallow_unplug and not pif.attached:
            where = names.get(pif.host, pif.host)
            yield Finding(Level.BLOCK, f"{pif.device} of {where} is not attached. Run xe pif-plug uuid={pif.uuid} there.", "pool")


@guard(
    "xen.ha-way-back",
    title="HA can be turned on again as it is",
    reason="HA goes off only when the same SR and timeout bring it back. xapi keeps both when it is off, but not whether they still work.",
    source="xapi source, xapi_ha.ml: what is checked when HA is turned on",
)
def way_back(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    if not found.basics.ha_enabled:
        return
    if why := unknown_sr(found):
        yield Finding(Level.BLOCK, f"{why} Turn HA off and on again with an SR that you choose.", "pool")
        return
    plugged = facts(PoolStorage(found.speaker.target)).plugged(found.basics.statefile_srs[0])
    if missing := [host.name for host in found.hosts if host.uuid not in plugged]:
        message = f"The heartbeat SR {found.basics.statefile_srs[0]} is not plugged on {', '.join(missing)}: HA would not come back."
        yield Finding(Level.BLOCK, f"{message} Plug its PBD there first.", "pool")
    if found.basics.ha_timeout is None:
        message = f"Nobody chose the timeout that HA runs with, so it is xapi's own: {XAPI_DEFAULT} s. It comes back with that;"
        yield Finding(Level.WARN, f"{message} “Change HA timeout” gives it a better one.", "pool")


def healthy(left: Guard = restorations) -> tuple[Guard, ...]:
    """What must be so before anybody changes a pool. `left` judges what was left changed: a plan may bring some of that back itself."""
    return (master_answers, in_inventory, members_answer, one_master, twins, ha_agrees, left)


HEALTHY = healthy()

COMES_BACK: tuple[Guard, ...] = (way_back, few_hosts_now, protected_now)
"""Besides, when HA may have to go off and on again."""
