"""Every operation in every situation: what xapi's source says about HA on and off, the master, a member, a lone host, running VMs and a
dead master."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsportal.lab.xen.world import World
from tests.lab.xen.worlds import SR, U1, U2, VM1, db, hosts, later, master, outcome, pool, run_guest, xe

Situation = Callable[[str], World]


def ha_on(version: str) -> World:
    return pool(version, ha=180)


def ha_off(version: str) -> World:
    return pool(version)


def alone(version: str) -> World:
    return pool(version, hosts=1)


def guests(version: str) -> World:
    world = pool(version)
    run_guest(world, host="xen2")
    return world


def lone_guest(version: str) -> World:
    world = pool(version, hosts=1)
    run_guest(world)
    return world


def ha_guest(version: str) -> World:
    world = pool(version, ha=180)
    run_guest(world, host="xen2")
    return world


def dead_master(version: str) -> World:
    world = pool(version)
    world.pull_plug("xen1")
    return world


def dead_member(version: str) -> World:
    world = pool(version)
    world.pull_plug("xen2")
    later(world, 601)
    return world


def silent_member(version: str) -> World:
    """Dead for less than ten minutes."""
    world = pool(version)
    world.pull_plug("xen2")
    later(world, 60)
    return world


def ha_dead_member(version: str) -> World:
    world = pool(version, ha=180)
    world.pull_plug("xen2")
    later(world, 200)
    return world


def disabled(version: str) -> World:
    world = guests(version)
    xe(world, f"host-disable uuid={U2}")
    return world


def ha_disabled_blind(version: str) -> World:
    world = pool(version, ha=180)
    xe(world, f"host-disable uuid={U2}")
    world.cut_storage(SR, 60)
    return world


def recorded_guest(version: str) -> World:
    world = guests(version)
    world.pull_plug("xen2")
    later(world, 601)
    return world


ENABLE = f"pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=180"
DESIGNATE = "pool-designate-new-master host-uuid="
EJECT = "pool-eject --force host-uuid="
TOLERATE = "pool-param-set uuid=3f2c9a10-77aa-4b0e-8f11-5a6b7c8d9e00 ha-host-failures-to-tolerate=1"
COMPUTE = "pool-ha-compute-max-host-failures-to-tolerate"
TO_MASTER = "pool-emergency-transition-to-master"
RESET = "pool-emergency-reset-master master-address=10.0.0.12"

ROWS: list[tuple[str, Situation, str, str]] = [
    # command, situation, typed on, what happens
    (ENABLE, ha_on, "xen1", "HA_IS_ENABLED"),
    (ENABLE, ha_off, "xen1", "ok"),
    (ENABLE, ha_off, "xen2", "ok"),
    (ENABLE, alone, "xen1", "ok"),
    (ENABLE, guests, "xen1", "ok"),
    (ENABLE, dead_master, "xen2", "hang"),
    (ENABLE, dead_member, "xen1", "HOST_OFFLINE"),
    (ENABLE, silent_member, "xen1", "hang"),
    ("pool-ha-disable", ha_on, "xen1", "ok"),
    ("pool-ha-disable", ha_off, "xen1", "HA_NOT_ENABLED"),
    ("pool-ha-disable", ha_on, "xen3", "ok"),
    ("pool-ha-disable", ha_guest, "xen1", "ok"),
    ("pool-ha-disable", ha_dead_member, "xen1", "ok"),
    (TOLERATE, ha_on, "xen1", "ok"),
    (TOLERATE, ha_off, "xen1", "ok"),
    (TOLERATE, dead_master, "xen2", "hang"),
    (COMPUTE, ha_on, "xen1", "ok"),
    (COMPUTE, ha_off, "xen2", "ok"),
    (COMPUTE, alone, "xen1", "ok"),
    (COMPUTE, dead_master, "xen2", "hang"),
    (DESIGNATE + U2, ha_on, "xen1", "HA_IS_ENABLED"),
    (DESIGNATE + U1, ha_on, "xen1", "ok"),
    (DESIGNATE + U1, ha_off, "xen1", "ok"),
    (DESIGNATE + U2, ha_off, "xen1", "ok"),
    (DESIGNATE + U2, ha_off, "xen3", "ok"),
    (DESIGNATE + U1, alone, "xen1", "ok"),
    (DESIGNATE + U2, guests, "xen1", "ok"),
    (DESIGNATE + U2, dead_master, "xen2", "hang"),
    (DESIGNATE + U2, dead_member, "xen1", "HOST_OFFLINE"),
    (DESIGNATE + U2, silent_member, "xen1", "CANNOT_CONTACT_HOST"),
    (EJECT + U2, ha_on, "xen1", "HA_IS_ENABLED"),
    (EJECT + U2, ha_off, "xen1", "ok"),
    (EJECT + U2, ha_off, "xen2", "ok"),
    (EJECT + U1, ha_off, "xen1", "INTERNAL_ERROR"),
    (EJECT + U1, alone, "xen1", "INTERNAL_ERROR"),
    (EJECT + U2, guests, "xen1", "OPERATION_NOT_ALLOWED"),
    (EJECT + U2, dead_master, "xen3", "hang"),
    (EJECT + U2, dead_member, "xen1", "HOST_OFFLINE"),
    (TO_MASTER, ha_on, "xen2", "HA_IS_ENABLED"),
    (TO_MASTER, ha_off, "xen2", "ok"),
    (TO_MASTER, alone, "xen1", "ok"),
    (TO_MASTER, guests, "xen2", "ok"),
    (TO_MASTER, dead_master, "xen2", "ok"),
    (RESET, ha_on, "xen3", "HA_IS_ENABLED"),
    (RESET, ha_off, "xen1", "ok"),
    (RESET, ha_off, "xen3", "ok"),
    (RESET, dead_master, "xen3", "ok"),
    ("pool-recover-slaves", ha_on, "xen1", "ok"),
    ("pool-recover-slaves", ha_off, "xen1", "ok"),
    ("pool-recover-slaves", alone, "xen1", "ok"),
    (f"host-disable uuid={U2}", ha_on, "xen1", "ok"),
    (f"host-disable uuid={U2}", ha_off, "xen2", "ok"),
    (f"host-disable uuid={U1}", alone, "xen1", "ok"),
    (f"host-disable uuid={U2}", guests, "xen1", "ok"),
    (f"host-disable uuid={U2}", dead_master, "xen2", "hang"),
    (f"host-disable uuid={U2}", dead_member, "xen1", "HOST_OFFLINE"),
    (f"host-evacuate uuid={U2}", ha_guest, "xen1", "HOST_NOT_ENOUGH_FREE_MEMORY"),
    (f"host-evacuate uuid={U2}", ha_off, "xen1", "ok"),
    (f"host-evacuate uuid={U1}", alone, "xen1", "ok"),
    (f"host-evacuate uuid={U1}", lone_guest, "xen1", "NO_HOSTS_AVAILABLE"),
    (f"host-evacuate uuid={U2}", guests, "xen1", "ok"),
    (f"host-evacuate uuid={U2}", dead_master, "xen2", "hang"),
    (f"host-enable uuid={U2}", ha_on, "xen1", "ok"),
    (f"host-enable uuid={U2}", disabled, "xen1", "ok"),
    (f"host-enable uuid={U2}", dead_master, "xen2", "hang"),
    (f"host-enable uuid={U2}", dead_member, "xen1", "HOST_OFFLINE"),
    (f"host-reboot uuid={U2}", ha_on, "xen1", "HOST_NOT_DISABLED"),
    (f"host-reboot uuid={U2}", ha_disabled_blind, "xen1", "HA_LOST_STATEFILE"),
    (f"host-reboot uuid={U2}", ha_off, "xen1", "HOST_NOT_DISABLED"),
    (f"host-reboot uuid={U2}", disabled, "xen1", "ok"),
    (f"host-shutdown uuid={U2}", disabled, "xen1", "ok"),
    (f"host-shutdown uuid={U2}", ha_off, "xen1", "HOST_NOT_DISABLED"),
    (f"host-reboot uuid={U2}", dead_master, "xen2", "hang"),
    (f"host-forget --force uuid={U2}", ha_on, "xen1", "HOST_IS_LIVE"),
    (f"host-forget --force uuid={U2}", ha_dead_member, "xen1", "HA_IS_ENABLED"),
    (f"host-forget --force uuid={U2}", dead_member, "xen1", "ok"),
    (f"host-forget --force uuid={U2}", silent_member, "xen1", "HOST_IS_LIVE"),
    (f"host-forget --force uuid={U1}", ha_off, "xen1", "HOST_IS_LIVE"),
    (f"host-forget --force uuid={U1}", alone, "xen1", "HOST_IS_LIVE"),
    (f"host-forget --force uuid={U2}", recorded_guest, "xen1", "HOST_HAS_RESIDENT_VMS"),
    (f"host-forget --force uuid={U2}", dead_master, "xen3", "hang"),
    ("host-emergency-ha-disable --force", ha_on, "xen2", "ok"),
    ("host-emergency-ha-disable --force", ha_off, "xen2", "HA_NOT_ENABLED"),
    ("host-emergency-ha-disable --force", dead_master, "xen2", "HA_NOT_ENABLED"),
    ("host-is-in-emergency-mode", ha_on, "xen1", "ok"),
    ("host-is-in-emergency-mode", dead_master, "xen2", "ok"),
]


@pytest.mark.parametrize("version", ["6.2", "7.0", "8.2", "8.3"])
@pytest.mark.parametrize(("line", "situation", "host", "expected"), ROWS, ids=lambda each: getattr(each, "__name__", str(each))[:40])
def test_operation(line: str, situation: Situation, host: str, expected: str, version: str) -> None:
    world = situation(version)
    assert outcome(xe(world, line, host), version) == expected


@pytest.mark.parametrize("version", ["6.2", "7.0"])
def test_old_versions_execute_the_emergency_transition_on_the_master_too(version: str) -> None:
    world = pool(version)
    assert "restart and transition" in xe(world, TO_MASTER).out
    later(world, 60)
    assert master(world, "xen2") == "xen1"


def test_reset_master_demotes_the_master() -> None:
    world = pool("8.2")
    xe(world, "pool-emergency-reset-master master-address=10.0.0.12")
    later(world, 60)
    assert world.files("xen1")["/etc/xensource/pool.conf"] == "slave:10.0.0.12"
    assert outcome(xe(world, "pool-list", "xen3"), "8.2") == "hang"


def test_designate_moves_the_master_and_enables_what_was_disabled_by_hand() -> None:
    world = pool("7.0")
    run_guest(world, host="xen2")
    xe(world, "host-disable host=xs03")
    assert hosts(world, "enabled")["xs03"] == "false"
    assert outcome(xe(world, DESIGNATE + U2), "7.0") == "ok"
    later(world, 4)
    assert outcome(xe(world, "pool-list", "xen2"), "7.0") == "Error: Connection refused (calling connect )"
    later(world, 6)
    assert outcome(xe(world, "pool-list", "xen2"), "7.0") == "HOST_STILL_BOOTING"
    later(world, 60)
    assert {master(world, host) for host in world.hosts()} == {"xen2"}
    assert set(hosts(world, "enabled").values()) == {"true"}
    assert db(world, "xen2").vms[VM1].power == "running"
    assert [world.files(host)["/etc/xensource/pool.conf"] for host in world.hosts()] == ["slave:10.0.0.12", "master", "slave:10.0.0.12"]


def test_evacuating_moves_every_guest_and_leaves_the_host_enabled() -> None:
    world = pool("6.5", guests=2)
    assert outcome(xe(world, f"host-evacuate uuid={U2}"), "6.5") == "ok"
    assert xe(world, f"vm-list resident-on={U2} is-control-domain=false params=uuid --minimal").out == "\n"
    assert hosts(world, "enabled")["xs02"] == "true"
    assert not world.machine("xen2").domains


def test_reboot_takes_the_guests_down_with_the_host() -> None:
    world = disabled("7.0")
    xe(world, f"host-reboot uuid={U2}")
    later(world, 9)
    assert world.powered("xen2")
    assert outcome(xe(world, f"host-enable uuid={U2}"), "7.0") == "HOST_DISABLED_UNTIL_REBOOT"
    later(world, 5)
    assert not world.powered("xen2")
    later(world, 150)
    assert hosts(world, "enabled")["xs02"] == "true"
    assert xe(world, f"vm-param-get uuid={VM1} param-name=power-state").out == "halted\n"


def test_an_ejected_host_leads_a_pool_of_its_own() -> None:
    world = pool("7.0")
    before = xe(world, "pool-list params=uuid --minimal").out
    xe(world, EJECT + U2)
    assert U2 not in xe(world, "host-list params=uuid --minimal").out
    later(world, 200)
    assert world.machine("xen2").boots == 2
    assert xe(world, "host-list params=uuid --minimal", "xen2").out == f"{U2}\n"
    assert xe(world, "pool-list params=uuid --minimal", "xen2").out != before
    assert "Local storage" in xe(world, "sr-list params=name-label --minimal", "xen2").out
    assert world.files("xen2")["/etc/xensource/pool.conf"] == "master"


def test_several_hosts_and_a_partial_failure() -> None:
    world = dead_member("8.2")
    said = xe(world, "host-disable --multiple")
    assert said.code == 1 and said.err == ""
    assert said.out.startswith(f"operation failed on {U2}: You attempted an operation which involves a host which could not be contacted.")
    assert hosts(world, "enabled") == {"xs01": "false", "xs02": "true", "xs03": "false"}
