"""Hosts: disabling, evacuating, enabling, powering, forgetting. From xapi_host.ml and xapi_host_helpers.ml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsportal.lab.xen import dom0, install, planning, toolstack
from opsportal.lab.xen.model import Host, Machine, Vm, since
from opsportal.lab.xen.printing import listing
from opsportal.lab.xen.selectors import host, hosts
from opsportal.lab.xen.texts import XeError, ref, render
from opsportal.lab.xen.xe_cli import Ask, command, goes_on
from opsportal.lab.xen.xe_ha import spread
from opsportal.lab.xen.xe_pool import FUSE
from opsportal.lab.xen.xe_vm import fitting, migrate_to

MIGRATION = 5.0


def each_host(ask: Ask, act: Callable[[Host], None]) -> None:
    """With --multiple what fails is told on stdout and the rest goes on."""
    chosen = hosts(ask)
    if len(chosen) == 1:
        act(chosen[0])
        return
    for row in chosen:
        try:
            act(row)
        except XeError as error:
            ask.out += f"operation failed on {row.uuid}: {render(error, ask.version, ask.db)}\n"
            ask.code = 1


@command("host-disable")
def disable(ask: Ask) -> None:
    def act(row: Host) -> None:
        ask.machine(row)
        planning.assert_plan(ask.db, without=row.uuid)
        row.enabled = False
        planning.refresh(ask.db)

    each_host(ask, act)


@command("host-enable")
def enable(ask: Ask) -> None:
    def act(row: Host) -> None:
        row.other_config.pop("MAINTENANCE_MODE", None)
        if row.enabled and row.live:
            return
        machine = ask.machine(row)
        if machine.disabled_until_reboot:
            raise XeError("HOST_DISABLED_UNTIL_REBOOT")
        if ask.db.pool.ha_enabled:
            _assert_protected_storage(ask, row)
        row.enabled = True
        planning.refresh(ask.db)

    each_host(ask, act)


def _assert_protected_storage(ask: Ask, row: Host) -> None:
    """Only what a protected VM needs counts."""
    for vm in planning.protected(ask.db):
        for uuid in vm.vdis:
            sr = ask.db.vdis[uuid].sr
            if not any(pbd.attached for pbd in ask.db.pbds_of(host=row.uuid, sr=sr)):
                raise XeError("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", ref(sr))


@command("host-evacuate")
def evacuate(ask: Ask) -> None:
    row = hosts(ask, many=False)[0]
    ask.machine(row)
    running = (each for each in ask.site.jobs if each.kind == "xe-goes-on" and each.machine == ask.home.id)
    if since(ask.version, "8.2") and any(each.data["data"].get("evacuated") == row.uuid for each in running):
        raise XeError("HOST_EVACUATE_IN_PROGRESS", ref(row.uuid))
    planning.assert_plan(ask.db, without=row.uuid)
    for vm, error in _obstacles(ask, row):
        raise error if error.code != "NO_HOSTS_AVAILABLE" else XeError("NO_HOSTS_AVAILABLE", ref(vm.uuid))
    if _guests(ask, row):
        ask.then(MIGRATION, "evacuate", evacuated=row.uuid)


@goes_on("evacuate")
def _evacuate(ask: Ask, data: dict[str, Any]) -> None:
    """One VM after the other."""
    row = ask.db.hosts.get(data["evacuated"])
    if row is None:
        return
    guests = _guests(ask, row)
    if guests:
        for _, error in _obstacles(ask, row):
            raise error
        migrate_to(ask, guests[0], fitting(ask, guests[0], row.uuid))
    if len(guests) > 1:
        ask.then(MIGRATION, "evacuate", evacuated=row.uuid)


def _guests(ask: Ask, row: Host) -> list[Vm]:
    return [vm for vm in ask.db.guests(row.uuid) if vm.power in ("running", "paused")]


def _obstacles(ask: Ask, row: Host) -> list[tuple[Vm, XeError]]:
    """With HA on, a VM that is not protected cannot leave: the error speaks of memory."""
    found = list[tuple[Vm, XeError]]()
    for vm in _guests(ask, row):
        if ask.db.pool.ha_enabled and not (vm.always_run and vm.priority == "restart"):
            found.append((vm, XeError("HOST_NOT_ENOUGH_FREE_MEMORY", ref(vm.uuid))))
            continue
        try:
            fitting(ask, vm, row.uuid)
        except XeError as error:
            found.append((vm, error))
    return found


@command("host-get-vms-which-prevent-evacuation", "uuid")
def prevent_evacuation(ask: Ask) -> None:
    row = host(ask, "uuid")
    records = []
    for vm, error in _obstacles(ask, row):
        params = (f"OpaqueRef:{each.removeprefix('ref:')}" if each.startswith("ref:") else each for each in error.params)
        reason = ",".join([error.code, *params])
        records.append([("uuid ( RO)", vm.uuid), ("name-label ( RW)", vm.name), ("reason ( RO)", reason)])
    ask.out += listing(records, minimal=ask.minimal) if records or ask.minimal else ""


@command("host-reboot")
def reboot(ask: Ask) -> None:
    each_host(ask, lambda row: _go_down(ask, row, again=True))


@command("host-shutdown")
def shutdown(ask: Ask) -> None:
    each_host(ask, lambda row: _go_down(ask, row, again=False))


def _go_down(ask: Ask, row: Host, *, again: bool) -> None:
    """Only `enabled` is looked at: VMs that are still there go down with the host."""
    if row.enabled:
        raise XeError("HOST_NOT_DISABLED")
    machine = ask.machine(row)
    group = ask.site.groups.get(machine.group)
    if group is not None and not ask.site.sees_storage(machine, group.sr):
        raise XeError("HA_LOST_STATEFILE")
    machine.disabled_until_reboot = True
    ask.site.tell("files", machine, "it is disabled until it has rebooted", dom0.local_flags(machine))
    why = "xe host-reboot" if again else "xe host-shutdown"
    ask.after(FUSE, "go-down", machine, again=again, why=why)


FORGET = [
    "WARNING: A host should only be forgotten if it is physically unrecoverable;",
    "WARNING: if possible, Hosts should be 'ejected' from the Pool instead.",
    "WARNING: Once a host has been forgotten it will have to be re-installed.",
    "WARNING: This operation is irreversible.",
]
DEAD = [
    "WARNING: A host should only be declared dead if it is verified offline.",
    "WARNING: Performing this operation if the host is still online and has any running VMs may lead "
    "to possible data loss and/or corruption.",
    "WARNING: This operation is irreversible.",
]


@command("host-forget", "uuid")
def forget(ask: Ask) -> None:
    row = host(ask, "uuid")
    if not ask.confirm(FORGET):
        return
    _assert_dead(ask, row)
    if ask.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    if ask.db.guests(row.uuid):
        raise XeError("HOST_HAS_RESIDENT_VMS", ref(row.uuid))
    install.forget_host(ask.db, row.uuid)


@command("host-declare-dead", "uuid")
def declare_dead(ask: Ask) -> None:
    """Its VMs count as halted from now on."""
    row = host(ask, "uuid")
    if not ask.confirm(DEAD):
        return
    _assert_dead(ask, row)
    for vm in ask.db.guests(row.uuid):
        vm.power, vm.host = "halted", ""


def _assert_dead(ask: Ask, row: Host) -> None:
    if row.live or row.uuid == ask.db.pool.master:
        raise XeError("HOST_IS_LIVE", ref(row.uuid))


@command("host-restart-agent")
def restart_agent(ask: Ask) -> None:
    each_host(ask, lambda row: _restart(ask, ask.machine(row)))


def _restart(ask: Ask, machine: Machine) -> None:
    toolstack.restart(ask.site, machine, "xe host-restart-agent", pause=2.0)


@command("host-set-hostname-live", "host-uuid", "host-name")
def set_hostname(ask: Ask) -> None:
    row = host(ask)
    machine = ask.machine(row)
    row.hostname = machine.hostname = ask.args["host-name"]


@command("pool-sync-database")
def sync_database(ask: Ask) -> None:
    for row in ask.db.hosts.values():
        ask.machine(row)
    spread(ask)
