"""Changing the pool master and taking a host out of its pool. From xapi_pool.ml and xapi_pool_transition.ml."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from opsportal.lab.xen import dom0, install, power, toolstack
from opsportal.lab.xen.clock import job
from opsportal.lab.xen.model import Host, Job, Machine, Site, since
from opsportal.lab.xen.selectors import host
from opsportal.lab.xen.texts import XeError, failure
from opsportal.lab.xen.xe_cli import Ask, command, goes_on

FUSE = 10.0


@command("pool-designate-new-master", "host-uuid")
def designate(ask: Ask) -> None:
    target = host(ask)
    if target.uuid == ask.db.pool.master:
        return
    if ask.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    ask.machine(target)
    if _busy(ask):
        raise XeError("DESIGNATE_NEW_MASTER_IN_PROGRESS")
    ask.then(5.0, "designate")


def _busy(ask: Ask) -> bool:
    here = (each for each in ask.site.jobs if each.kind == "xe-goes-on" and each.machine == ask.home.id)
    return since(ask.version, "8.2") and any(each.data["name"] == "designate" for each in here)


@goes_on("designate")
def _designate(ask: Ask, data: dict[str, Any]) -> None:
    """The database goes to every host first, then all agree; any host that is away makes it fail before anything has changed."""
    target = host(ask)
    if ask.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    members = [ask.machine(row) for row in ask.db.hosts.values()]
    new = ask.machine(target)
    ask.db.pool.master = target.uuid
    for machine in members:
        if machine is not ask.home:
            machine.database = deepcopy(ask.db)
    for machine in members:
        ask.after(2.0, "follow", machine, master=new.id)


@job("follow")
def _follow(site: Site, job: Job) -> None:
    machine, master = site.machines[job.machine], site.machines[job.data["master"]]
    why = "it is pool master now" if machine is master else f"the pool has a new master, {master.hostname}"
    writes = dom0.pool_conf("" if machine is master else master.address)
    machine.files.update(writes)
    toolstack.restart(site, machine, why, writes, 5.0 if machine is master else 12.0)


@command("pool-eject", "host-uuid")
def eject(ask: Ask) -> None:
    target = host(ask)
    own = [pbd.sr for pbd in ask.db.pbds_of(host=target.uuid) if not ask.db.srs[pbd.sr].shared]
    doomed = [vdi for vdi in ask.db.vdis.values() if vdi.sr in own]
    if not ask.confirm(_warnings([(vdi.uuid, vdi.name) for vdi in doomed])):
        return
    machine = _ejectable(ask, target)
    install.forget_host(ask.db, target.uuid)
    ask.after(FUSE, "ejected", machine)
    ask.say("Specified host will attempt to restart as a master of a new pool in 10.000 seconds...")


def _warnings(doomed: list[tuple[str, str]]) -> list[str]:
    lines = [
        "WARNING: Ejecting a host from the pool will reinitialise that host's local SRs.",
        "WARNING: Any data contained with the local SRs will be lost.",
    ]
    if doomed:
        lines.append("The following VDI objects will be destroyed:")
    return [*lines, *(f"VDI: {uuid} ({name})" for uuid, name in doomed)]


def _ejectable(ask: Ask, target: Host) -> Machine:
    machine = ask.machine(target)
    if ask.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    if target.uuid == ask.db.pool.master or len(ask.db.hosts) == 1:
        raise failure("Xapi_pool.Cannot_eject_master")
    if any(vm.power != "halted" for vm in ask.db.guests(target.uuid)):
        raise XeError("OPERATION_NOT_ALLOWED", "VM resident on host")
    return machine


@job("ejected")
def _ejected(site: Site, job: Job) -> None:
    """It reboots as the master of a new pool, with its uuid and address; local storage is made anew at the first boot."""
    machine = site.machines[job.machine]
    machine.database, machine.firstboot = None, True
    writes = {**dom0.pool_conf(), dom0.state_db(machine): None, dom0.SECRET: f"{site.uuid()}/{site.uuid()}"}
    site.tell("files", machine, "it was ejected from its pool", writes)
    power.go_down(site, machine, "it was ejected from its pool and reboots as the master of a new one")
