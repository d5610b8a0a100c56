"""Virtual machines: starting, stopping, moving. From xapi_vm.ml and xapi_vm_helpers.ml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from opsportal.lab.xen import planning, toolstack
from opsportal.lab.xen.model import Host, Vm
from opsportal.lab.xen.selectors import vms
from opsportal.lab.xen.texts import XeError, mistake, ref, render
from opsportal.lab.xen.xe_cli import Ask, command, goes_on
from opsportal.lab.xen.xe_tables import assert_agile

Row = TypeVar("Row", Host, Vm)


def each_vm(ask: Ask, act: Callable[[Vm], None], *ignored: str) -> None:
    chosen = vms(ask, *ignored)
    if len(chosen) == 1:
        act(chosen[0])
        return
    for vm in chosen:
        try:
            act(vm)
        except XeError as error:
            ask.out += f"operation failed on {vm.uuid}: {render(error, ask.version, ask.db)}\n"
            ask.code = 1


def fitting(ask: Ask, vm: Vm, without: str = "") -> Host:
    """The enabled host with the most room that can run it; raises for the first reason why there is none."""
    usable = [row for row in ask.db.hosts.values() if row.enabled and row.uuid != without and toolstack.connected(ask.site, ask.home, row)]
    if not usable:
        raise XeError("NO_HOSTS_AVAILABLE")
    for uuid in vm.vdis:
        sr = ask.db.vdis[uuid].sr
        usable = [row for row in usable if any(pbd.attached for pbd in ask.db.pbds_of(host=row.uuid, sr=sr))]
        if not usable:
            raise XeError("VM_REQUIRES_SR", ref(vm.uuid), ref(sr))
    best = max(usable, key=lambda row: planning.free_memory(ask.db, row))
    if planning.free_memory(ask.db, best) < vm.memory:
        raise XeError("HOST_NOT_ENOUGH_FREE_MEMORY", str(vm.memory), str(planning.free_memory(ask.db, best)))
    return best


def migrate_to(ask: Ask, vm: Vm, row: Host) -> None:
    target = ask.machine(row)
    for machine in ask.site.machines.values():
        if vm.uuid in machine.domains:
            machine.domains.remove(vm.uuid)
    vm.host = row.uuid
    target.domains.append(vm.uuid)


def _power(vm: Vm, *expected: str) -> None:
    if vm.power not in expected:
        raise XeError("VM_BAD_POWER_STATE", ref(vm.uuid), expected[0], vm.power)


def _named_host(ask: Ask, wanted: str) -> Host:
    for row in ask.db.hosts.values():
        if wanted in (row.uuid, row.name):
            return row
    raise mistake("No matching hosts found")


def _still(rows: dict[str, Row], uuid: str, kind: str) -> Row:
    """The row, which may have gone since the command began."""
    if uuid not in rows:
        raise XeError("HANDLE_INVALID", kind, f"OpaqueRef:{uuid}")
    return rows[uuid]


def _place(ask: Ask, vm: Vm) -> Host:
    if "on" not in ask.args:
        return fitting(ask, vm)
    row = _named_host(ask, ask.args["on"])
    if not row.enabled:
        raise XeError("HOST_DISABLED", ref(row.uuid))
    ask.machine(row)
    return row


@command("vm-start")
def start(ask: Ask) -> None:
    def act(vm: Vm) -> None:
        _power(vm, "halted")
        if ask.db.pool.ha_enabled and vm.priority == "restart":
            assert_agile(ask.db, vm)
            planning.assert_plan(ask.db, extra=vm.memory)
        ask.then(3.0, "vm-start", vm=vm.uuid, host=_place(ask, vm).uuid)

    each_vm(ask, act, "on", "paused", "order")


@goes_on("vm-start")
def _start(ask: Ask, data: dict[str, Any]) -> None:
    vm, row = _still(ask.db.vms, data["vm"], "VM"), _still(ask.db.hosts, data["host"], "host")
    machine = ask.machine(row)
    vm.power, vm.host, vm.always_run = "running", row.uuid, bool(vm.priority)
    machine.domains.append(vm.uuid)
    planning.refresh(ask.db)


@command("vm-shutdown")
def shutdown(ask: Ask) -> None:
    """A protected VM is not refused; it loses ha-always-run."""

    def act(vm: Vm) -> None:
        _power(vm, "running", "paused")
        ask.then(5.0, "vm-stop", vm=vm.uuid)

    each_vm(ask, act)


@goes_on("vm-stop")
def _stop(ask: Ask, data: dict[str, Any]) -> None:
    vm = _still(ask.db.vms, data["vm"], "VM")
    for machine in ask.site.machines.values():
        if vm.uuid in machine.domains:
            machine.domains.remove(vm.uuid)
    vm.power, vm.host, vm.always_run = "halted", "", False
    planning.refresh(ask.db)


@command("vm-migrate")
def migrate(ask: Ask) -> None:
    def act(vm: Vm) -> None:
        _power(vm, "running")
        row = _named_host(ask, ask.args.get("host-uuid") or ask.need("host"))
        if not row.enabled:
            raise XeError("HOST_DISABLED", ref(row.uuid))
        ask.machine(row)
        ask.then(5.0, "vm-migrate", vm=vm.uuid, host=row.uuid)

    each_vm(ask, act, "host", "host-uuid", "live", "remote-master")


@goes_on("vm-migrate")
def _migrate(ask: Ask, data: dict[str, Any]) -> None:
    vm, row = _still(ask.db.vms, data["vm"], "VM"), _still(ask.db.hosts, data["host"], "host")
    _power(vm, "running")
    for uuid in vm.vdis:
        sr = ask.db.vdis[uuid].sr
        if not any(pbd.attached for pbd in ask.db.pbds_of(host=row.uuid, sr=sr)):
            raise XeError("VM_REQUIRES_SR", ref(vm.uuid), ref(sr))
    migrate_to(ask, vm, row)


@command("vm-reset-powerstate")
def reset_powerstate(ask: Ask) -> None:
    """Writes `halted` into the database without asking the host."""
    if not ask.has("force"):
        raise mistake("This operation is dangerous and may cause data loss. This operation must be forced (use --force).")

    def act(vm: Vm) -> None:
        vm.power, vm.host, vm.always_run = "halted", "", False

    each_vm(ask, act)
