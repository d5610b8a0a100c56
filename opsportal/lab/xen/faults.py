"""What a trainer or a test does to the machines."""

from __future__ import annotations

from collections.abc import Iterator

from opsportal.lab.xen import dom0, power, toolstack
from opsportal.lab.xen.model import Cut, Database, Machine, Pbd, Site, Vm

NOBODY = "10.254.254.254"
"""An address that no machine has."""


def pull_plug(site: Site, host: str) -> None:
    power.go_down(site, site.machines[host], "somebody pulled the plug", boot=None)


def power_on(site: Site, host: str) -> None:
    machine = site.machines[host]
    if not machine.on and not any(each.kind == "boot" and each.machine == host for each in site.jobs):
        site.later(power.BOOT, "boot", machine)


def _databases(site: Site) -> Iterator[Database]:
    """The masters' first, so that what counts is found before old copies."""
    masters = list(site.running_masters())
    yield from (machine.db for machine in masters)
    yield from (machine.database for machine in site.machines.values() if machine.database and machine not in masters)


def _sr(site: Site, name: str) -> str:
    for database in _databases(site):
        for sr in database.srs.values():
            if name in (sr.uuid, sr.name):
                return sr.uuid
    raise LookupError(f"No SR has the uuid or the name {name}.")


def cut_storage(site: Site, sr: str, seconds: float, hosts: list[str] | None) -> None:
    uuid = _sr(site, sr)
    for host in [""] if hosts is None else hosts:
        site.cuts.append(Cut(uuid, host, site.now + seconds))
    for machine in site.machines.values():
        power.watch_heartbeat(site, machine)


def cut_network(site: Site, host: str, seconds: float) -> None:
    machine = site.machines[host]
    machine.cut_until = max(machine.cut_until, site.now + seconds)
    power.watch_heartbeat(site, machine)


def hang_xe(site: Site, host: str, seconds: float) -> None:
    site.machines[host].hangs_until = site.now + seconds


def kill_xapi(site: Site, host: str) -> None:
    toolstack.stop(site, site.machines[host], "xapi was killed")


def fail_next(site: Site, host: str, command: str, code: str) -> None:
    site.machines[host].failing.setdefault(command, []).append(code)


def protect_vm(site: Site, vm: str) -> None:
    found = next((each for each in _vms(site) if vm in (each.uuid, each.name)), None)
    if found is None:
        raise LookupError(f"No VM has the uuid or the name {vm}.")
    found.priority, found.always_run = "restart", found.power == "running"


def _vms(site: Site) -> Iterator[Vm]:
    for database in _databases(site):
        yield from (vm for vm in database.vms.values() if not vm.template and not vm.control_domain)


def unplug_pbd(site: Site, host: str, sr: str) -> None:
    pbd = _pbd(site, site.machines[host], _sr(site, sr))
    pbd.attached = False


def _pbd(site: Site, machine: Machine, sr: str) -> Pbd:
    for database in _databases(site):
        for pbd in database.pbds_of(host=dom0.host_uuid(machine), sr=sr):
            return pbd
    raise LookupError(f"{machine.hostname} has no PBD of that SR.")


def disagree(site: Site, host: str) -> None:
    machine = site.machines[host]
    writes = dom0.pool_conf(NOBODY)
    machine.files.update(writes)
    toolstack.restart(site, machine, "its pool.conf names a master that is not there", writes)
