"""What the rulebook says to a pool as it was read: pure rules over its state, each naming the runbook that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hosts.models import Pool
from hosts.xen.state import MemberState, Pbd, PoolState, Role, Voice, XenHost
from hosts.xen.twins import Bearer, among
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

FEW = 3
"""Hosts below which pool HA does more harm than good."""

SHORTEST = 120
"""Seconds. A timeout below races with CloudStack's own heartbeat script, which reboots a host after as long."""

MENDS = {
    "enable-pool-ha": "Turn pool HA on",
    "disable-pool-ha": "Turn pool HA off",
    "change-ha-timeout": "Change the HA timeout",
    "add-host-to-pool": "Add a host to the pool",
    "remove-host-from-pool": "Remove the host from the pool",
    "re-enable-host": "Re-enable the host",
    "recover-pool": "Recover the pool",
    "unprotect-vms": "Un-protect the VMs",
    "rolling-maintenance": "Start rolling maintenance",
    "make-unique": "Make it unique",
}
"""The words on the button, by the runbook's name."""


@dataclass(frozen=True)
class PoolFinding(Finding):
    """`runbook` is the name of the one that mends it, "" when none does; `host` the inventory's pk of the host that it concerns."""

    runbook: str = ""
    host: int | None = None


@dataclass(frozen=True)
class Case:
    """A pool as it was read, and who else has one of its uuids."""

    name: str
    state: PoolState
    twins: tuple[Bearer, ...] = ()

    def called(self, uuid: str) -> str:
        """A host's name: the pool's, or else the inventory's."""
        if host := self.state.host(uuid):
            return host.name
        member = self.state.member(uuid)
        return member.name if member else uuid

    def pk(self, uuid: str) -> int | None:
        member = self.state.member(uuid)
        return member.pk if member else None


def judged(pool: Pool, state: PoolState, twins: tuple[Bearer, ...] = ()) -> list[dict[str, Any]]:
    """As stored in `Pool.findings`, in the order of the rules."""
    case, nothing = Case(pool.name, state, twins), FactSet({})
    return [_stored(rule, finding) for rule in RULES for finding in rule.check(case, nothing)]


def _stored(rule: Guard, finding: Finding) -> dict[str, Any]:
    kept = {"guard": rule.ident, "title": rule.title, "reason": rule.reason, "source": rule.source, **asdict(finding)}
    name = kept.get("runbook", "")
    return kept | {"level": finding.level.value, "mends": MENDS.get(name, "")}


@guard(
    "pool.answers",
    title="A member speaks for the pool",
    reason="Without its master a pool takes no command, and CloudStack loses every host of it at once.",
    source="xapi source, master_connection.ml: members wait for their master for ever; CloudStack's XenServer documentation",
)
def answers(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if case.state.silence:
        yield PoolFinding(Level.BLOCK, case.state.silence, runbook="recover-pool")


@guard(
    "pool.members-answer",
    title="Every member can be asked and gets an answer",
    reason="A member whose xe hangs or fails is not part of the pool any more, whatever the pool's database says. Without HA xapi itself "
    "notices a dead host after 600 s only.",
    source="xapi source: xapi_cli.ml, xapi.ml (emergency mode), xapi_globs.ml (600 s)",
)
def members_answer(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for one in case.state.members:
        if why := _ails(one, case.state.answers):
            lost = one.view is not None and one.view.voice in (Voice.HANGS, Voice.EMERGENCY)
            yield PoolFinding(Level.BLOCK, f"{one.name}: {why}", runbook="recover-pool" if lost else "", host=one.pk)
    if case.state.answers:
        reached = {one.view.uuid for one in case.state.members if one.view}
        for host in case.state.hosts:
            if not host.live and host.uuid not in reached:
                yield PoolFinding(Level.BLOCK, f"{host.name} counts as dead in the pool.", runbook="remove-host-from-pool")


def _ails(one: MemberState, others_answer: bool) -> str:
    view = one.view
    if view is None:
        return one.error
    waits = (
        "although the pool answers others: it has lost the pool master." if others_answer else "because its pool master does not answer."
    )
    return {
        Voice.ANSWERS: "",
        Voice.HANGS: f"xe does not return here, {waits}",
        Voice.REFUSED: f"its xapi takes no connections. {view.said}",
        Voice.EMERGENCY: f"it is in emergency mode. {view.said}",
        Voice.ERROR: f"its xapi fails. {view.said}",
    }[view.voice]


@guard(
    "pool.one-master",
    title="All members name the same master",
    reason="Two masters, or a member that follows another one, mean two databases: a change goes into one of them only.",
    source="/etc/xensource/pool.conf of each host and what its xapi answers; xapi source, pool_role.ml and xapi_pool_transition.ml",
)
def one_master(case: Case, _facts: FactSet) -> Iterator[Finding]:
    leaders = [one for one in case.state.members if one.view and one.view.role is Role.MASTER]
    if len(leaders) > 1 and len({one.view.pool for one in leaders if one.view and one.view.pool}) < len(leaders):
        yield PoolFinding(Level.BLOCK, f"{_names(leaders)} each say that they are the master.", runbook="recover-pool")
    for one in case.state.members:
        if why := _astray(case, one):
            yield PoolFinding(Level.BLOCK, f"{one.name} {why}", runbook="recover-pool", host=one.pk)


def _astray(case: Case, one: MemberState) -> str:
    view, state = one.view, case.state
    if view is None:
        return ""
    if view.role in (Role.BROKEN, Role.UNKNOWN):
        return "has a pool.conf that names neither a master nor itself."
    if not state.answers or not state.basics or not state.host(view.uuid):
        return ""
    if view.says_master and view.says_master != state.basics.master:
        return f"names {case.called(view.says_master)} as master, the pool {case.called(state.basics.master)}."
    master = state.master
    if view.role is Role.SLAVE and master and view.uuid == master.uuid:
        return f"follows {view.master_address}, although the pool says that it is the master itself."
    if view.role is Role.SLAVE and master and view.master_address != master.address:
        return f"follows {view.master_address}, but the master {master.name} is {master.address}."
    return ""


@guard(
    "pool.membership",
    title="Inventory and pool have the same members",
    reason="The portal proves what it does on each member. One that it cannot reach is one that nobody looks at.",
    source="The pool's own list of hosts, compared with the inventory",
)
def membership(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if not case.state.answers or case.state.basics is None:
        return
    unread = [one for one in case.state.members if one.view is None]
    for host in case.state.hosts:
        if case.state.member(host.uuid) is None and not any(one.address == host.address for one in unread):
            message = f"{host.name} ({host.address}) is a member of the pool, but not in the inventory. Add it under Hosts."
            yield PoolFinding(Level.WARN, message)
    for one in case.state.members:
        if one.view and case.state.host(one.view.uuid) is None:
            message = f"{one.name} is here in the inventory, but no member of the pool. Let it join, or move it to where it belongs."
            yield PoolFinding(Level.WARN, message, runbook="add-host-to-pool", host=one.pk)


@guard(
    "pool.ha-off",
    title="Pool HA is on",
    reason="From CloudStack 4.4 on nobody but pool HA gives a pool a new master. Without it a dead master takes the whole pool out: "
    "all its hosts go to Alert.",
    source="CloudStack's XenServer documentation (upgrade notes for 4.4)",
)
def ha_off(case: Case, _facts: FactSet) -> Iterator[Finding]:
    basics, count = case.state.basics, len(case.state.hosts)
    if not case.state.answers or basics is None or basics.ha_enabled:
        return
    if count < FEW:
        message = f"Pool HA is off. With {_hosts(count)} it should stay off: add hosts until there are {FEW}."
        yield PoolFinding(Level.WARN, message, runbook="add-host-to-pool")
    elif basics.xha_licensed is False:
        yield PoolFinding(Level.BLOCK, "Pool HA is off, and the pool's licence does not have it (enable_xha is false in restrictions).")
    else:
        yield PoolFinding(Level.BLOCK, "Pool HA is off. When the master dies nobody replaces it.", runbook="enable-pool-ha")


@guard(
    "pool.ha-timeout",
    title="Somebody chose the HA timeout",
    reason="Left out, xapi takes 60 s: a host is then fenced by the pool long before CloudStack's own heartbeat script would, which waits "
    "120 s. 120 to 180 s are recommended.",
    source="xapi source, xapi_globs.ml (60 s); CloudStack's XenServer documentation and xenheartbeat.sh",
)
def ha_timeout(case: Case, _facts: FactSet) -> Iterator[Finding]:
    basics = case.state.basics
    if not case.state.answers or basics is None or not basics.ha_enabled:
        return
    if basics.ha_timeout is None:
        message = "Pool HA is on with a timeout that nobody chose: xapi took its default of 60 s."
        yield PoolFinding(Level.WARN, message, runbook="change-ha-timeout")
    elif basics.ha_timeout < SHORTEST:
        message = f"Pool HA has a timeout of {basics.ha_timeout} s, less than CloudStack's own script waits for storage."
        yield PoolFinding(Level.WARN, message, runbook="change-ha-timeout")


@guard(
    "pool.few-hosts",
    title="Pool HA has at least three live hosts",
    reason="With two hosts neither can tell a dead partner from a cut network: a fault of the storage or the network then fences both. "
    "xapi does not refuse it.",
    source="XCP-ng documentation on HA; xapi source, xapi_ha.ml (no minimum is enforced)",
)
def few_hosts(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if not case.state.answers or case.state.basics is None or not case.state.basics.ha_enabled:
        return
    live = sum(host.live for host in case.state.hosts)
    if live < FEW:
        message = f"Pool HA is on with {_hosts(live)} alive. Turn it off, or bring the pool to at least {FEW}."
        yield PoolFinding(Level.BLOCK, message, runbook="disable-pool-ha")


@guard(
    "pool.ha-agrees",
    title="Pool and members agree whether HA is on",
    reason="A member that is not armed is not protected and refuses to follow a new master; one that is armed without need may fence "
    "itself.",
    source="xapi source, xapi_ha.ml; the flag ha.armed in each host's local.db",
)
def ha_agrees(case: Case, _facts: FactSet) -> Iterator[Finding]:
    basics = case.state.basics
    if not case.state.answers or basics is None:
        return
    for one in case.state.members:
        if one.view is None or case.state.host(one.view.uuid) is None:
            continue
        if one.view.says_ha is not None and one.view.says_ha != basics.ha_enabled:
            said = f"{one.name} says that HA is {_on(one.view.says_ha)}, the pool that it is {_on(basics.ha_enabled)}."
            yield PoolFinding(Level.BLOCK, said, runbook="change-ha-timeout" if basics.ha_enabled else "", host=one.pk)
        elif one.view.ha_armed is False and basics.ha_enabled:
            message = f"Pool HA is on, but {one.name} is not armed. Turn HA off and on again with the same SR; it then joins in."
            yield PoolFinding(Level.BLOCK, message, runbook="change-ha-timeout", host=one.pk)
        elif one.view.ha_armed and not basics.ha_enabled:
            message = f"Pool HA is off, but {one.name} is still armed. xe-toolstack-restart on that host disarms it, now that HA is off."
            yield PoolFinding(Level.BLOCK, message, host=one.pk)


@guard(
    "pool.heartbeat-sr",
    title="The heartbeat SR is plugged on every host",
    reason="A host that loses the heartbeat disk fences itself, unless all hosts lose it and still see each other.",
    source="xapi and xhad source: xapi_ha.ml, sm.c",
)
def heartbeat_sr(case: Case, _facts: FactSet) -> Iterator[Finding]:
    basics, storage = case.state.basics, case.state.storage
    if not case.state.answers or basics is None or storage is None or not basics.ha_enabled:
        return
    names = {sr.uuid: sr.name for sr in storage.srs}
    for sr in basics.statefile_srs:
        missing = [host for host in case.state.hosts if host.uuid not in storage.plugged(sr)]
        if missing:
            message = f"The heartbeat SR {names.get(sr) or sr} is not plugged on {', '.join(host.name for host in missing)}."
            yield PoolFinding(Level.BLOCK, message, host=case.pk(missing[0].uuid))
    if not basics.statefile_srs:
        message = "Pool HA is on, but its statefile lies on no SR that the pool knows."
        yield PoolFinding(Level.BLOCK, message, runbook="change-ha-timeout")


@guard(
    "pool.disabled-hosts",
    title="Every host is enabled",
    reason="After a crash a host comes back disabled, and with HA on it stays so when one of its PBDs does not plug. CloudStack then keeps "
    "it in Alert and places nothing there; when it is the master, CloudStack cannot use the pool at all.",
    source="xapi source, xapi_host_helpers.ml (consider_enabling_host); CloudStack's XenServerConnectionPool",
)
def disabled_hosts(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if not case.state.answers or case.state.basics is None:
        return
    for host in case.state.hosts:
        if not host.enabled and host.live:
            leads = host.uuid == case.state.basics.master
            unplugged = len(_unplugged(case.state, host))
            message = f"{host.name}{', the pool master,' if leads else ''} is disabled."
            message += f" {unplugged} of its PBDs {'is' if unplugged == 1 else 'are'} not plugged." if unplugged else ""
            yield PoolFinding(Level.BLOCK if leads else Level.WARN, message, runbook="re-enable-host", host=case.pk(host.uuid))


def _unplugged(state: PoolState, host: XenHost) -> list[Pbd]:
    return [pbd for pbd in state.storage.pbds if pbd.host == host.uuid and not pbd.attached] if state.storage else []


@guard(
    "pool.pbds",
    title="Every PBD is plugged",
    reason="Virtual machines on that SR cannot start on this host. After a crash, with HA on, the host stays disabled because of it.",
    source="xapi source, xapi_host_helpers.ml (consider_enabling_host)",
)
def pbds(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if not case.state.answers or case.state.storage is None:
        return
    names = {sr.uuid: sr.name or sr.uuid for sr in case.state.storage.srs}
    for host in case.state.hosts:
        for pbd in _unplugged(case.state, host):
            message = (
                f"The SR {names.get(pbd.sr, pbd.sr)} is not plugged on {host.name}. Mend the storage, then: xe pbd-plug uuid={pbd.uuid}"
            )
            yield PoolFinding(Level.WARN, message, runbook="" if host.enabled else "re-enable-host", host=case.pk(host.uuid))


@guard(
    "pool.required-pifs",
    title="Interfaces that must stay plugged are plugged",
    reason="Pool HA cannot be turned on while such an interface is down, and what runs over it is cut already.",
    source="xapi source, xapi_ha.ml (REQUIRED_PIF_IS_UNPLUGGED)",
)
def required_pifs(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if case.state.answers:
        for pif in case.state.pifs:
            if pif.disallow_unplug and not pif.attached:
                message = f"{pif.device} of {case.called(pif.host)} must stay plugged and is not. xe pif-plug uuid={pif.uuid}"
                yield PoolFinding(Level.WARN, message, host=case.pk(pif.host))


@guard(
    "pool.protected-vms",
    title="No virtual machine is protected by pool HA",
    reason="CloudStack restarts its own virtual machines. When xapi restarts one as well, it runs twice and its disks are corrupted.",
    source="CloudStack's XenServer documentation: HA for the pool master, not for virtual machines",
)
def protected_vms(case: Case, _facts: FactSet) -> Iterator[Finding]:
    basics, vms = case.state.basics, case.state.vms
    if not case.state.answers or basics is None or vms is None or not vms.protected_total:
        return
    shown = ", ".join(vm.name or vm.uuid for vm in vms.protected[:5]) + (" …" if vms.protected_total > 5 else "")
    now = "Pool HA is on, so both may restart them." if basics.ha_enabled else "It takes effect once pool HA is on."
    message = f"{vms.protected_total} virtual machine{'s have' if vms.protected_total > 1 else ' has'} a restart priority: {shown}. {now}"
    yield PoolFinding(Level.BLOCK if basics.ha_enabled else Level.WARN, message, runbook="unprotect-vms")


@guard(
    "pool.same-version",
    title="All hosts run the same version",
    reason="While versions differ pool HA cannot be turned on, and virtual machines cannot move to an older host.",
    source="xapi source, xapi_ha.ml (NOT_SUPPORTED_DURING_UPGRADE); XCP-ng documentation on updates",
)
def same_version(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if not case.state.answers or case.state.basics is None:
        return
    by_version: dict[str, list[str]] = {}
    for host in case.state.hosts:
        by_version.setdefault(f"{host.brand} {host.version} ({host.build})", []).append(host.name)
    if len(by_version) > 1:
        told = "; ".join(f"{version}: {', '.join(names)}" for version, names in sorted(by_version.items()))
        yield PoolFinding(Level.WARN, f"The hosts run different versions: {told}.", runbook="rolling-maintenance")
    elif case.state.basics.rolling_upgrade:
        yield PoolFinding(Level.WARN, "The pool says that a rolling upgrade goes on.", runbook="rolling-maintenance")


@guard(
    "pool.twins",
    title="No uuid is there twice",
    reason="A clone takes over the record of its twin when it boots or joins, without any error; in pool HA hosts are told apart by their "
    "uuid alone; and CloudStack skips a host whose uuid it has already.",
    source="xapi source, xapi_pool.ml (create_or_get_host_on_master, hello); CloudStack's XcpServerDiscoverer",
)
def twins(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for uuid, members in among(case.state).items():
        message = f"{_names(members)} have the same host UUID {uuid}. All but one are clones."
        yield PoolFinding(Level.BLOCK, message, runbook="make-unique", host=_clone(case, members).pk)
    for twin in case.twins:
        own = case.name if case.state.basics and twin.uuid == case.state.basics.uuid else case.called(twin.uuid)
        what = "pool UUID" if case.state.basics and twin.uuid == case.state.basics.uuid else "host UUID"
        message = f"{own} and {twin.name} have the same {what} {twin.uuid}: one is a clone of the other, or it is in the inventory twice."
        yield PoolFinding(Level.BLOCK, message, runbook="make-unique", host=twin.host)


def _clone(case: Case, members: list[MemberState]) -> MemberState:
    """The one that the pool does not mean: its address is not on record. The last when nobody can tell."""
    filed = {host.address for host in case.state.hosts}
    return next((one for one in members if one.address not in filed), members[-1])


def _names(members: list[MemberState]) -> str:
    return " and ".join([", ".join(one.name for one in members[:-1]), members[-1].name] if len(members) > 1 else [members[0].name])


def _hosts(count: int) -> str:
    return f"{count} host{'s' * (count != 1)}"


def _on(flag: bool) -> str:
    return "on" if flag else "off"


RULES: tuple[Guard, ...] = (
    answers, members_answer, one_master, twins, ha_off, few_hosts, ha_agrees, heartbeat_sr, ha_timeout, protected_vms, disabled_hosts,
    pbds, required_pifs, same_version, membership,
)  # fmt: skip
"""In the order in which an operator should look at them."""
