"""Machines going down and coming up."""

from __future__ import annotations

from opsportal.lab.xen import dom0, toolstack
from opsportal.lab.xen.clock import SETTLERS, job
from opsportal.lab.xen.model import EventKind, Job, Machine, Site

BOOT = 90.0
"""Seconds from power to a system that answers."""
HEARTBEAT_LIMIT = 120.0
"""CloudStack's xenheartbeat.sh resets the host when a primary storage could not be written for so long."""


def go_down(site: Site, machine: Machine, why: str, kind: EventKind = "down", *, boot: float | None = BOOT) -> None:
    """`boot`: seconds until it is up again, None when somebody has to power it on."""
    if not machine.on:
        return
    toolstack.die(site, machine)
    machine.on, machine.booted = False, False
    machine.domains, machine.hangs_until, machine.group = [], 0.0, ""
    site.jobs = [each for each in site.jobs if not (each.machine == machine.id and each.kind in ("boot", "go-down"))]
    site.tell(kind, machine, why)
    if boot is not None:
        site.later(boot, "boot", machine)


def fence(site: Site, machine: Machine, why: str) -> None:
    """The hypervisor's watchdog resets the machine."""
    go_down(site, machine, why, "fenced")


def go_up(site: Site, machine: Machine, why: str) -> None:
    if machine.on:
        return
    machine.on, machine.booted = True, True
    machine.boots += 1
    machine.disabled_until_reboot = False
    if machine.network_reset:
        machine.network_reset, machine.hostname = False, machine.dns_name or machine.hostname
    site.tell("up", machine, why, dom0.local_flags(machine))
    toolstack.start(site, machine, "the host has booted")


@job("boot")
def _boot(site: Site, job: Job) -> None:
    go_up(site, site.machines[job.machine], "it has booted")


@job("go-down")
def _go_down(site: Site, job: Job) -> None:
    """In good order, so the live set does not wait for it."""
    machine = site.machines[job.machine]
    leave(site, machine)
    go_down(site, machine, job.data["why"], boot=BOOT if job.data["again"] else None)


def leave(site: Site, machine: Machine) -> None:
    for group in site.groups.values():
        if machine.id in group.live:
            group.live.remove(machine.id)
            if machine.id == group.master and group.live and not group.electing:
                group.electing = True
                site.later(5.0, "ha-elect", group=group.id)


@job("heartbeat-script")
def _heartbeat_script(site: Site, job: Job) -> None:
    machine = site.machines[job.machine]
    if machine.on and not site.sees_storage(machine, job.data["sr"]):
        fence(site, machine, "CloudStack's heartbeat script could not write to primary storage for 120 s and reset the host")


def watch_heartbeat(site: Site, machine: Machine) -> None:
    """Called when storage goes out of reach. Only NFS that the host has plugged is written to."""
    if not (machine.on and machine.heartbeat_script and machine.database):
        return
    for sr in machine.db.srs.values():
        mounted = any(pbd.attached for pbd in machine.db.pbds_of(host=dom0.host_uuid(machine), sr=sr.uuid))
        if sr.type == "nfs" and mounted and not site.sees_storage(machine, sr.uuid):
            site.later(HEARTBEAT_LIMIT, "heartbeat-script", machine, sr=sr.uuid)


def _calm(site: Site) -> None:
    """The script begins to count anew when it could write."""
    for each in [each for each in site.jobs if each.kind == "heartbeat-script"]:
        if site.sees_storage(site.machines[each.machine], each.data["sr"]):
            site.jobs.remove(each)


SETTLERS.append(_calm)
