"""Pool HA on a clock: heartbeats, the statefile, who is fenced, who becomes master.

From xha (sm.c) and xapi_ha.ml. A host survives when it is in the best partition as the statefile has it (the largest; of equal ones that
with the first host), or when all have lost the statefile but every member is heard by every other. Pools of two are harder than that
in practice: the survivor of a crash takes itself for isolated, fences itself, and does so again after each boot until the other is back.
"""

from __future__ import annotations

from copy import deepcopy

from opsportal.lab.xen import dom0, toolstack
from opsportal.lab.xen.clock import CLOCKS, SETTLERS, job
from opsportal.lab.xen.model import Database, Job, LiveSet, Machine, Site, Vm
from opsportal.lab.xen.power import fence

JOIN_MARGIN = 60.0
"""A host that starts waits for the others for the timeout and so much more."""
ELECTION = 10.0
HEALTH = 180.0
"""xhad looks at xapi every 60 s and gives it 120 s to answer; it restarts xapi once."""


def form(site: Site, master: Machine, members: list[Machine], sr: str, timeout: float) -> LiveSet:
    """Arms all members, of whom each must see the statefile and the others."""
    ids = [each.id for each in sorted(members, key=dom0.host_uuid)]
    group = LiveSet(site.uuid(), sr, timeout, ids, list(ids), master.id)
    site.groups[group.id] = group
    for machine in members:
        machine.armed, machine.group, machine.xapi.restarts = True, group.id, 0
        site.tell("files", machine, "HA is armed", {**dom0.local_flags(machine), dom0.XHAD_CONF: _config(site, group)})
    return group


def _config(site: Site, group: LiveSet) -> str:
    hosts = "".join(
        f"    <host>\n      <HostID>{dom0.host_uuid(each)}</HostID>\n      <IPaddress>{each.address}</IPaddress>\n    </host>\n"
        for each in (site.machines[member] for member in group.members)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<xhad-config version="1.0">\n  <common-config>\n'
        f"    <GenerationUUID>{group.id}</GenerationUUID>\n    <UDPport>694</UDPport>\n{hosts}"
        f"    <parameters>\n      <HeartbeatTimeout>{group.timeout:g}</HeartbeatTimeout>\n"
        f"      <StateFileTimeout>{group.timeout:g}</StateFileTimeout>\n    </parameters>\n  </common-config>\n</xhad-config>\n"
    )


def configured(site: Site, machine: Machine) -> LiveSet | None:
    """The live set that xhad.conf of the machine speaks of, when its statefile is still valid."""
    text = machine.files.get(dom0.XHAD_CONF) or ""
    return next((group for group in site.groups.values() if group.valid and group.id in text), None)


def dissolve(site: Site, group: LiveSet) -> None:
    """The statefile is marked invalid: who reads that disarms, who cannot read it fences itself, who is off disarms when it boots."""
    group.valid = False
    for machine in _here(site, group):
        if site.sees_storage(machine, group.sr):
            toolstack.disarm(site, machine, "HA is off")
        else:
            site.later(group.timeout, "ha-blind", machine)
    site.groups = {key: each for key, each in site.groups.items() if each.valid}


@job("ha-blind")
def _blind(site: Site, job: Job) -> None:
    machine = site.machines[job.machine]
    if machine.on and machine.armed:
        fence(site, machine, "it lost the statefile before it could read there that HA was turned off")


def _here(site: Site, group: LiveSet) -> list[Machine]:
    """Members whose daemon runs, whoever knows about it."""
    machines = (site.machines[member] for member in group.members)
    return [machine for machine in machines if machine.on and machine.group == group.id]


@job("xapi-ready")
def _gate(site: Site, job: Job) -> None:
    """With HA armed xapi first has to be in the live set, and takes its role from there."""
    machine = site.machines[job.machine]
    group = configured(site, machine)
    if not dom0.host_uuid(machine) or not dom0.inventory(machine).get("CONTROL_DOMAIN_UUID"):
        toolstack.stop(site, machine, "xapi ended: /etc/xensource-inventory names no INSTALLATION_UUID or no CONTROL_DOMAIN_UUID")
        return
    if machine.files.get(dom0.local_db(machine)) is None:
        toolstack.disarm(site, machine, "local.db is gone, and with it the flag that HA is armed")
    if not machine.armed:
        toolstack.connect(site, machine)
    elif group is None:
        toolstack.disarm(site, machine, "the statefile says that HA is off")
        toolstack.connect(site, machine)
    elif machine.id in group.live and machine.group == group.id:
        _take_role(site, group, machine)
    elif not site.sees_storage(machine, group.sr):
        machine.xapi.state, machine.xapi.error = "emergency", ["HA_HOST_CANNOT_ACCESS_STATEFILE"]
        site.later(5.0, "xapi-ready", machine, bound=True)
    else:
        machine.xapi.state, machine.group = "starting", group.id
        group.joining[machine.id] = site.now


def _take_role(site: Site, group: LiveSet, machine: Machine) -> None:
    master = site.machines[group.master]
    site.tell("files", machine, "the live set has a master", dom0.pool_conf("" if master is machine else master.address))
    toolstack.connect(site, machine)


def _watch(site: Site) -> None:
    for group in list(site.groups.values()):
        _notice(site, group)
        _judge(site, group)
        _admit(site, group)
    for machine in site.machines.values():
        _check_health(site, machine)


def _notice(site: Site, group: LiveSet) -> None:
    """Who is silent, who is blind, and since when."""
    here = _here(site, group)
    for member in group.live:
        machine = site.machines[member]
        _since(group.silent, member, site.now, machine not in here or site.cut(machine))
        _since(group.blind, member, site.now, machine in here and not site.sees_storage(machine, group.sr))
    group.joining = {key: at for key, at in group.joining.items() if site.machines[key].xapi.state == "starting"}


def _since(times: dict[str, float], member: str, now: float, holds: bool) -> None:
    if holds:
        times.setdefault(member, now)
    else:
        times.pop(member, None)


def _judge(site: Site, group: LiveSet) -> None:
    silent = [member for member in group.live if site.now - group.silent.get(member, site.now) >= group.timeout]
    blind = [member for member in group.live if site.now - group.blind.get(member, site.now) >= group.timeout]
    if not silent and not blind:
        return
    alive = [machine.id for machine in _here(site, group) if machine.id in group.live]
    doomed = _doomed(site, group, alive, silent, blind)
    for member, why in doomed.items():
        fence(site, site.machines[member], why)
    lost = [member for member in group.live if member in doomed or (member in silent and member not in alive)]
    if lost:
        _lose(site, group, lost)


def _doomed(site: Site, group: LiveSet, alive: list[str], silent: list[str], blind: list[str]) -> dict[str, str]:
    """Machine id -> why it is fenced."""
    span = f"{group.timeout:g} s"
    if len(group.members) == 2 and silent:
        return dict.fromkeys(alive, f"of the pool's two hosts one was not heard for {span}, so this one takes itself for isolated")
    seeing = [member for member in alive if member not in group.blind]
    if not seeing:
        if len(alive) == len(group.live) and not group.silent:
            return {}
        return {member: f"neither the statefile nor all other hosts were in reach for {span}" for member in alive if member in blind}
    best = _best(site, seeing)
    doomed = {member: f"it could not write to the statefile for {span}" for member in blind if member in alive}
    cut_off = (member for member in alive if member in silent and member not in best and member not in doomed)
    return doomed | dict.fromkeys(cut_off, f"it was cut off from the other hosts for {span}")


def _best(site: Site, seeing: list[str]) -> list[str]:
    """The largest partition by heartbeat; `seeing` is in the order of the hosts."""
    together = [member for member in seeing if not site.cut(site.machines[member])]
    if len(together) > 1 or seeing[0] in together:
        return together
    return seeing[:1]


def _lose(site: Site, group: LiveSet, lost: list[str]) -> None:
    group.live = [member for member in group.live if member not in lost]
    for member in lost:
        group.silent.pop(member, None)
        group.blind.pop(member, None)
    if not group.live:
        return
    master = site.machines[group.master]
    if group.master in group.live:
        _bury(site, group, master.db)
    elif not group.electing:
        group.electing = True
        site.later(ELECTION, "ha-elect", group=group.id)


@job("ha-elect")
def _elect(site: Site, job: Job) -> None:
    """The first survivor leads, with the database as the redo log on the heartbeat SR has it."""
    group = site.groups.get(job.data["group"])
    if group is None:
        return
    group.electing = False
    if not group.live or group.master in group.live:
        return
    _enthrone(site, group)
    for member in group.live:
        machine = site.machines[member]
        writes = dom0.pool_conf("" if member == group.master else site.machines[group.master].address)
        pause = 2.0 if member == group.master else 10.0
        toolstack.restart(site, machine, "HA has chosen a new pool master", writes, pause)


def _enthrone(site: Site, group: LiveSet) -> None:
    old, new = site.machines[group.master], site.machines[group.live[0]]
    new.database = deepcopy(old.db)
    new.db.pool.master = dom0.host_uuid(new)
    group.master = new.id
    _bury(site, group, new.db)


def _bury(site: Site, group: LiveSet, database: Database) -> None:
    """What the master writes when the live set has lost hosts: they are dead, their VMs halted, and the protected ones start elsewhere."""
    peers = sorted(dom0.host_uuid(site.machines[member]) for member in group.live)
    for row in database.hosts.values():
        row.live = row.uuid in peers
        row.ha_peers = list(peers)
        if not row.live:
            for vm in database.guests(row.uuid):
                vm.power, vm.host = "halted", ""
    site.later(60.0, "ha-restart-vms", site.machines[group.master])


@job("ha-restart-vms")
def _restart_vms(site: Site, job: Job) -> None:
    master = site.machines[job.machine]
    if not (master.on and master.xapi.state == "running" and master.xapi.role == "master" and master.armed):
        return
    for vm in sorted(master.db.vms.values(), key=lambda each: (each.priority != "restart", each.order)):
        if vm.priority and vm.always_run and vm.power == "halted" and not vm.template:
            _start_somewhere(site, master, vm)


def _start_somewhere(site: Site, master: Machine, vm: Vm) -> None:
    for row in master.db.hosts.values():
        machine = toolstack.connected(site, master, row)
        if machine is not None and row.enabled:
            vm.power, vm.host = "running", row.uuid
            machine.domains.append(vm.uuid)
            return


def _admit(site: Site, group: LiveSet) -> None:
    if not group.joining:
        return
    if group.live:
        ready = [member for member in group.joining if not site.cut(site.machines[member])]
        _enter(site, group, ready)
    elif len(group.joining) == len(group.members):
        _enter(site, group, list(group.joining))
    elif site.now >= min(group.joining.values()) + group.timeout + JOIN_MARGIN:
        _start_short(site, group)


def _start_short(site: Site, group: LiveSet) -> None:
    """Not all members came within the time for joining."""
    waiting = list(group.joining)
    if len(group.members) > 2:
        _enter(site, group, waiting)
        return
    for member in waiting:
        fence(site, site.machines[member], "the other of the pool's two hosts did not come back, so this one takes itself for isolated")
    group.joining = {}


def _enter(site: Site, group: LiveSet, members: list[str]) -> None:
    group.live = [each for each in group.members if each in group.live or each in members]
    group.joining = {key: at for key, at in group.joining.items() if key not in members}
    if not members:
        return
    if group.master not in group.live and not group.electing:
        _enthrone(site, group)
    if group.master in group.live:
        database = site.machines[group.master].db
        peers = sorted(dom0.host_uuid(site.machines[member]) for member in group.live)
        for row in database.hosts.values():
            row.ha_peers = list(peers)
    for member in sorted(members, key=lambda each: each != group.master):
        _take_role(site, group, site.machines[member])


def _check_health(site: Site, machine: Machine) -> None:
    if not (machine.on and machine.group and machine.xapi.state == "stopped"):
        return
    jobs = (each for each in site.jobs if each.machine == machine.id and each.epoch == machine.xapi.epoch)
    planned = any(each.kind in ("ha-health", "xapi-start") for each in jobs)
    if not planned:
        site.later(HEALTH, "ha-health", machine, bound=True)


@job("ha-health")
def _health(site: Site, job: Job) -> None:
    machine = site.machines[job.machine]
    if not machine.group:
        return
    if machine.xapi.restarts:
        fence(site, machine, "xapi did not answer the HA daemon, not even after it had been restarted once")
        return
    machine.xapi.restarts += 1
    toolstack.start(site, machine, "the HA daemon found xapi dead and restarted it")


@job("ha-toolstack")
def _toolstack(site: Site, job: Job) -> None:
    machine = site.machines[job.machine]
    if machine.on and machine.group:
        fence(site, machine, "xapi did not answer the HA daemon's health check while the toolstack was restarted")


def _dues(site: Site) -> list[float]:
    times: list[float] = []
    for group in site.groups.values():
        times += [at + group.timeout for at in (*group.silent.values(), *group.blind.values())]
        times += [at + group.timeout + JOIN_MARGIN for at in group.joining.values()]
    return [at for at in times if at > site.now]


SETTLERS.append(_watch)
CLOCKS.append(_dues)
