"""What a trainer sees of a seat, and no operator could: the truth about its hosts and pools, as plain data."""

from __future__ import annotations

from typing import Any

from opsportal.lab.xen import dom0
from opsportal.lab.xen.model import Database, Machine, Site, Sr


def hosts(site: Site) -> dict[str, dict[str, Any]]:
    """By their ids. `xapi` is stopped, starting, running or emergency; `cut_for` and `hangs_for` are seconds of the world."""
    return {machine.id: _host(site, machine) for machine in site.machines.values()}


def pools(site: Site) -> list[dict[str, Any]]:
    """In the cloud's order. Every host is in the pool that its own database names, clones each in a pool of their own."""
    by_pool: dict[str, list[Machine]] = {}
    for machine in site.machines.values():
        if machine.database is not None:
            lonely = len(machine.database.hosts) == 1
            by_pool.setdefault(machine.id if lonely else machine.database.pool.uuid, []).append(machine)
    return [_pool(site, machines) for machines in by_pool.values()]


def leads(site: Site, ident: str) -> bool:
    """By its own database, it is its pool's master, and not alone there."""
    machine = site.machines[ident]
    return machine.database is not None and machine.db.pool.master == dom0.host_uuid(machine) and len(machine.db.hosts) > 1


def _host(site: Site, machine: Machine) -> dict[str, Any]:
    uuid = dom0.host_uuid(machine)
    record = _newest(site, machine).hosts.get(uuid) if machine.database else None
    return {
        "uuid": uuid,
        "brand": machine.brand,
        "version": machine.version,
        "role": machine.xapi.role,
        "xapi": machine.xapi.state,
        "armed": machine.armed,
        "enabled": bool(record and record.enabled),
        "vms": sum(1 for vm in machine.domains if not _is_dom0(machine, vm)),
        "cut_for": max(0.0, machine.cut_until - site.now),
        "hangs_for": max(0.0, machine.hangs_until - site.now),
    }


def _is_dom0(machine: Machine, vm: str) -> bool:
    return machine.database is not None and vm in machine.db.vms and machine.db.vms[vm].control_domain


def _newest(site: Site, machine: Machine) -> Database:
    """That of the machine's master, when it can be found: a member's own copy is as old as its last synchronisation."""
    if len(machine.db.hosts) == 1:
        return machine.db
    ours = [other for other in site.running_masters() if other.db.pool.uuid == machine.db.pool.uuid]
    return ours[0].db if ours else machine.db


def _pool(site: Site, machines: list[Machine]) -> dict[str, Any]:
    database = _newest(site, machines[0])
    pool = database.pool
    masters = [machine.id for machine in machines if machine.on and machine.xapi.role == "master"]
    heartbeat = {database.vdis[vdi].sr for vdi in pool.ha_statefiles if vdi in database.vdis} if pool.ha_enabled else set()
    return {
        "uuid": pool.uuid,
        "name": pool.name,
        "ha": pool.ha_enabled,
        "timeout": pool.ha_configuration.get("timeout", "") if pool.ha_enabled else "",
        "masters": masters,
        "hosts": [machine.id for machine in machines],
        "storage": [_storage(site, sr, sr.uuid in heartbeat) for sr in database.srs.values() if sr.shared],
        "vms": sorted(vm.name for vm in database.vms.values() if not (vm.template or vm.control_domain)),
        "protected": sorted(vm.name for vm in database.vms.values() if vm.priority == "restart"),
    }


def _storage(site: Site, sr: Sr, heartbeat: bool) -> dict[str, Any]:
    left = [cut.until - site.now for cut in site.cuts if cut.sr == sr.uuid and cut.until > site.now]
    return {"uuid": sr.uuid, "name": sr.name, "type": sr.type, "heartbeat": heartbeat, "cut_for": max(left, default=0.0)}
