"""Failover planning of pool HA: how many hosts may fail so that every protected VM can still be restarted."""

from __future__ import annotations

from opsportal.lab.xen.model import Database, Host, Vm
from opsportal.lab.xen.texts import XeError, failure


def whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise failure('Failure("int_of_string")') from None


def free_memory(database: Database, row: Host) -> int:
    used = sum(vm.memory for vm in database.vms.values() if vm.host == row.uuid and vm.power in ("running", "paused"))
    return max(0, row.memory - used)


def protected(database: Database) -> list[Vm]:
    return [vm for vm in database.vms.values() if vm.always_run and vm.priority == "restart"]


def bearable(database: Database, without: str = "", extra: int = 0) -> int:
    """The greatest number of hosts that may fail: the largest ones first. `without` is a host that will be disabled; `extra` more bytes
    are to be protected. With nothing protected it is the number of hosts."""
    hosts = sorted(
        (row for row in database.hosts.values() if row.live and row.enabled and row.uuid != without), key=lambda row: -row.memory
    )
    wanted = sum(vm.memory for vm in protected(database)) + extra
    if not wanted:
        return len(hosts)
    unprotected = sum(vm.memory for vm in database.vms.values() if vm.power == "running" and vm not in protected(database) and vm.host)
    for failures in range(len(hosts), -1, -1):
        if sum(row.memory for row in hosts[failures:]) - unprotected >= wanted:
            return failures
    return 0


def refresh(database: Database) -> None:
    """Writes down what can be borne now; only while HA is on."""
    pool = database.pool
    if pool.ha_enabled:
        able = bearable(database)
        pool.ha_plan_exists_for, pool.ha_overcommitted = min(able, pool.ha_tolerate), able < pool.ha_tolerate


def assert_plan(database: Database, without: str = "", extra: int = 0) -> None:
    """Refuses what would break a plan that exists."""
    pool = database.pool
    if not pool.ha_enabled or pool.ha_allow_overcommit or not pool.ha_plan_exists_for:
        return
    if bearable(database, without, extra) < pool.ha_plan_exists_for:
        raise XeError("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN")
