"""Pool HA against the clock: who is fenced when, who becomes master, what is left afterwards."""

from __future__ import annotations

import pytest

from opsportal.lab.xen import dom0
from opsportal.lab.xen.world import World
from tests.lab.xen.worlds import POOL, SR, SR2, U1, U2, U3, VM1, db, hosts, later, master, outcome, pool, run_guest, xe


def kinds(world: World) -> list[tuple[str, str]]:
    """Machines that went down or came up since the last call."""
    return [(event.kind, event.host) for event in world.take_events() if event.kind in ("down", "up", "fenced")]


@pytest.mark.parametrize("timeout", [60, 180])
def test_survivors_elect_a_master_after_the_timeout(timeout: int) -> None:
    world = pool("6.5", ha=timeout)
    world.pull_plug("xen1")
    later(world, timeout - 5)
    assert world.files("xen3")["/etc/xensource/pool.conf"] == "slave:10.0.0.11"
    later(world, 90)
    assert {master(world, host) for host in ("xen2", "xen3")} == {"xen3"}
    assert hosts(world, "host-metrics-live", "xen2") == {"xs01": "false", "xs02": "true", "xs03": "true"}
    assert kinds(world) == [("down", "xen1")]


def test_the_old_master_comes_back_as_a_member() -> None:
    world = pool("7.0", ha=60)
    world.pull_plug("xen1")
    later(world, 200)
    world.power_on("xen1")
    later(world, 200)
    assert {master(world, host) for host in world.hosts()} == {"xen3"}
    assert world.files("xen1")["/etc/xensource/pool.conf"] == "slave:10.0.0.13"
    assert set(hosts(world, "host-metrics-live").values()) == {"true"}


def test_a_master_that_is_back_within_the_timeout_stays_master() -> None:
    world = pool("8.2", ha=180)
    world.pull_plug("xen1")
    world.power_on("xen1")
    later(world, 300)
    assert {master(world, host) for host in world.hosts()} == {"xen1"}


def test_the_dead_hosts_guests_are_halted_and_only_protected_ones_start_elsewhere() -> None:
    world = pool("6.5", ha=60)
    run_guest(world, host="xen2")
    run_guest(world, "c0ffee00-0002-4002-8002-000000000002", "i-2-11-VM", "xen2", "restart")
    world.pull_plug("xen2")
    later(world, 30)
    assert xe(world, f"vm-list resident-on={U2} is-control-domain=false params=name-label --minimal").out == "i-2-10-VM,i-2-11-VM\n"
    later(world, 120)
    assert xe(world, f"vm-param-get uuid={VM1} param-name=power-state").out == "halted\n"
    assert xe(world, "vm-list name-label=i-2-11-VM params=power-state --minimal").out == "running\n"


def test_a_short_outage_of_storage_fences_nobody() -> None:
    world = pool("6.5", ha=180)
    world.cut_storage(SR, 170)
    later(world, 600)
    assert kinds(world) == []


def test_all_survive_without_the_statefile_while_they_hear_each_other() -> None:
    world = pool("6.5", ha=60)
    world.cut_storage(SR, 300)
    later(world, 600)
    assert kinds(world) == []
    assert master(world, "xen2") == "xen1"


def test_one_host_without_the_statefile_is_fenced() -> None:
    world = pool("6.5", ha=60)
    world.cut_storage(SR, 100, ["xen2"])
    later(world, 59)
    assert kinds(world) == []
    later(world, 2)
    assert kinds(world) == [("fenced", "xen2")]
    later(world, 300)
    assert kinds(world) == [("up", "xen2")]
    assert set(hosts(world, "enabled").values()) == {"true"}


def test_an_isolated_member_is_fenced_and_an_isolated_master_replaced() -> None:
    world = pool("8.2", ha=60)
    world.cut_network("xen1", 90)
    later(world, 61)
    assert kinds(world) == [("fenced", "xen1")]
    later(world, 100)
    assert master(world, "xen2") == "xen3"
    later(world, 200)
    assert world.files("xen1")["/etc/xensource/pool.conf"] == "slave:10.0.0.13"


def test_an_outage_of_the_whole_network_reboots_every_host() -> None:
    """Storage goes over the same wire."""
    world = pool("6.5", ha=60)
    for host in world.hosts():
        world.cut_network(host, 90)
    later(world, 61)
    assert sorted(kinds(world)) == [("fenced", "xen1"), ("fenced", "xen2"), ("fenced", "xen3")]
    later(world, 400)
    assert {master(world, host) for host in world.hosts()} == {"xen1"}
    assert set(hosts(world, "host-metrics-live").values()) == {"true"}


def test_with_two_hosts_the_survivor_fences_itself_again_and_again() -> None:
    world = pool("8.2", hosts=2, ha=60)
    world.pull_plug("xen1")
    later(world, 61)
    assert kinds(world) == [("down", "xen1"), ("fenced", "xen2")]
    later(world, 600)
    assert kinds(world)[:4] == [("up", "xen2"), ("fenced", "xen2"), ("up", "xen2"), ("fenced", "xen2")]
    world.power_on("xen1")
    later(world, 600)
    assert world.powered("xen1") and world.powered("xen2")
    assert master(world, "xen2") == "xen1"


def test_a_lone_host_with_ha_is_not_fenced_for_want_of_others() -> None:
    world = pool("8.2", hosts=1, ha=60)
    world.cut_storage(SR, 300)
    later(world, 600)
    assert kinds(world) == []


def test_after_a_crash_a_host_stays_disabled_when_a_pbd_does_not_plug() -> None:
    world = pool("6.5", ha=60)
    world.cut_storage("ISO library", 4000, ["xen2"])
    world.pull_plug("xen2")
    later(world, 100)
    world.power_on("xen2")
    later(world, 200)
    assert hosts(world, "enabled") == {"xs01": "true", "xs02": "false", "xs03": "true"}
    assert outcome(xe(world, f"host-enable uuid={U2}"), "6.5") == "ok"
    assert hosts(world, "enabled")["xs02"] == "true"


def test_without_ha_an_unplugged_pbd_keeps_no_host_disabled() -> None:
    world = pool("6.5")
    world.cut_storage("ISO library", 4000, ["xen2"])
    world.pull_plug("xen2")
    world.power_on("xen2")
    later(world, 200)
    assert hosts(world, "enabled")["xs02"] == "true"
    assert "false" in xe(world, f"pbd-list host-uuid={U2} params=currently-attached --minimal").out


def test_enabling_a_host_needs_the_storage_of_protected_vms() -> None:
    world = pool("6.5", ha=180)
    run_guest(world, host="xen1", priority="restart")
    db(world).hosts[U2].enabled = False
    world.unplug_pbd("xen2", SR2)
    assert outcome(xe(world, f"host-enable uuid={U2}"), "6.5") == "ok"
    db(world).hosts[U2].enabled = False
    world.unplug_pbd("xen2", SR)
    said = xe(world, f"host-enable uuid={U2}")
    assert outcome(said, "6.5") == "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED"
    assert f"SR: {SR} " in said.err


def test_disabling_arms_nobody_and_keeps_the_configuration() -> None:
    world = pool("7.0", ha=180)
    assert 'key="ha.armed" value="true"' in world.files("xen2")["/var/lib/xcp/local.db"]
    assert xe(world, "pool-ha-disable", "xen3").code == 0
    assert all('key="ha.armed" value="false"' in world.files(host)["/var/lib/xcp/local.db"] for host in world.hosts())
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-enabled").out == "false\n"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-configuration").out == "timeout: 180\n"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-statefiles").out != "\n"


def test_a_member_that_was_off_while_ha_was_turned_off_disarms_itself() -> None:
    world = pool("8.2", ha=60)
    world.pull_plug("xen2")
    later(world, 100)
    assert outcome(xe(world, "pool-ha-disable"), "8.2") == "ok"
    world.power_on("xen2")
    later(world, 200)
    assert not world.machine("xen2").armed
    assert set(hosts(world, "enabled").values()) == {"true"}


def test_without_the_statefile_disabling_waits_for_every_host() -> None:
    world = pool("8.2", ha=180)
    world.cut_storage(SR, 100)
    world.kill_xapi("xen2")
    call = world.start("xen1", ["xe", "pool-ha-disable"], {})
    later(world, 90)
    assert not call.done
    assert outcome(xe(world, "pool-ha-disable"), "8.2") == "HA_DISABLE_IN_PROGRESS"
    later(world, 60)
    assert call.done and call.code == 0


def test_enabling_with_a_silent_member_ends_when_it_is_back() -> None:
    world = pool("8.2")
    world.pull_plug("xen2")
    call = world.start("xen1", ["xe", "pool-ha-enable", f"heartbeat-sr-uuids={SR}", "ha-config:timeout=60"], {})
    later(world, 400)
    assert not call.done
    assert outcome(xe(world, "pool-ha-enable"), "8.2") == "HA_ENABLE_IN_PROGRESS"
    world.power_on("xen2")
    later(world, 200)
    assert call.done and outcome(call, "8.2") == "CANNOT_CONTACT_HOST"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-configuration").out == "timeout: 60\n"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-enabled").out == "false\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (f"heartbeat-sr-uuid={SR2}", "ok"),
        ("heartbeat-sr-uuids=", "UUID_INVALID"),
        (f"heartbeat-sr-uuids={SR} ha-config:timeout=x", "INTERNAL_ERROR"),
        (f"heartbeat-sr-uuids={SR},{SR2}", "ok"),
        ("", "ok"),
    ],
)
def test_traps_of_published_commands(arguments: str, expected: str) -> None:
    world = pool("6.5")
    assert outcome(xe(world, f"pool-ha-enable {arguments}"), "6.5") == expected
    if expected == "ok":
        [vdi] = db(world).pool.ha_statefiles
        assert db(world).vdis[vdi].sr == next(sr.uuid for sr in db(world).srs.values() if sr.type in ("ext", "nfs") and sr.shared)


def test_a_toggle_that_fails_leaves_the_configuration_behind() -> None:
    world = pool("8.2")
    xe(world, f"pool-param-set uuid={POOL} other-config:default_ha_timeout=120")
    assert xe(world, f"pool-ha-enable heartbeat-sr-uuids={SR} ha-config:colour=blue").code == 0
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-configuration").out == "colour: blue\n"
    assert next(iter(world.site.groups.values())).timeout == 120


def test_the_first_check_that_fails_is_the_one_that_is_told() -> None:
    world = pool("8.2")
    db(world).hosts[U3].software["platform_version"] = "3.1.0"
    db(world).pool.restrictions["enable_xha"] = "false"
    world.unplug_pbd("xen2", SR)
    line = f"pool-ha-enable heartbeat-sr-uuids={SR}"
    assert outcome(xe(world, line), "8.2") == "NOT_SUPPORTED_DURING_UPGRADE"
    db(world).hosts[U3].software["platform_version"] = "3.2.1"
    assert outcome(xe(world, line), "8.2") == "LICENCE_RESTRICTION"
    db(world).pool.restrictions["enable_xha"] = "true"
    pif = next(iter(db(world).pifs.values()))
    pif.disallow_unplug, pif.attached = True, False
    assert outcome(xe(world, line), "8.2") == "REQUIRED_PIF_IS_UNPLUGGED"
    pif.attached = True
    assert outcome(xe(world, line), "8.2") == "SR_HAS_NO_PBDS"
    iso = next(sr for sr in db(world).srs.values() if sr.type == "iso")
    assert outcome(xe(world, f"pool-ha-enable heartbeat-sr-uuids={iso.uuid}"), "8.2") == "SR_OPERATION_NOT_SUPPORTED"
    db(world).srs[SR2].used = db(world).srs[SR2].size
    assert outcome(xe(world, f"pool-ha-enable heartbeat-sr-uuids={SR2}"), "8.2") == "SR_SOURCE_SPACE_INSUFFICIENT"


def test_a_plan_forbids_what_would_break_it() -> None:
    world = pool("8.2", hosts=2, ha=180)
    run_guest(world, priority="restart")
    db(world).vms[VM1].memory = 40 << 30
    assert outcome(xe(world, f"pool-param-set uuid={POOL} ha-host-failures-to-tolerate=-1"), "8.2") == "INVALID_VALUE"
    assert outcome(xe(world, f"pool-param-set uuid={POOL} ha-host-failures-to-tolerate=1"), "8.2") == "ok"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-plan-exists-for").out == "1\n"
    assert outcome(xe(world, f"host-disable uuid={U2}"), "8.2") == "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN"
    xe(world, f"pool-param-set uuid={POOL} ha-allow-overcommit=true")
    assert outcome(xe(world, f"host-disable uuid={U2}"), "8.2") == "ok"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-overcommitted").out == "true\n"


def test_restart_priorities() -> None:
    world = pool("6.5")
    run_guest(world)
    said = xe(world, f"vm-param-set uuid={VM1} ha-restart-priority=1")
    assert said.err == "The value given is invalid\nfield: ha_restart_priority\nvalue: 1\n"
    xe(world, f"vm-param-set uuid={VM1} ha-restart-priority=restart")
    shown = "params=ha-always-run,ha-restart-priority"
    assert "ha-always-run ( RW) [DEPRECATED]" in xe(world, f"vm-list uuid={VM1} {shown}").out
    assert db(world).vms[VM1].always_run
    world.run("xen1", "xe", "vm-param-set", f"uuid={VM1}", "ha-restart-priority=")
    assert not db(world).vms[VM1].always_run
    assert xe(world, f"vm-param-get uuid={VM1} param-name=ha-restart-priority").out == "\n"


def test_restarting_the_toolstack_with_ha_on_may_fence() -> None:
    fenced = 0
    for seed in range(8):
        world = pool("8.2", ha=60, seed=seed)
        world.run("xen2", "xe-toolstack-restart")
        later(world, 120)
        fenced += ("fenced", "xen2") in kinds(world)
    assert 0 < fenced < 8


def test_a_dead_xapi_is_restarted_once_by_the_ha_daemon() -> None:
    world = pool("8.2", ha=60)
    world.kill_xapi("xen2")
    later(world, 250)
    assert xe(world, "host-list --minimal", "xen2").code == 0
    world.kill_xapi("xen2")
    later(world, 200)
    assert ("fenced", "xen2") in kinds(world)


def test_emergency_disable_acts_on_one_host_only() -> None:
    world = pool("7.0", ha=180)
    said = xe(world, "host-emergency-ha-disable", "xen2")
    assert said.err == (
        "Error: This operation is extremely dangerous and may cause data loss. This operation must be forced (use --force).\n"
    )
    assert xe(world, "host-emergency-ha-disable --force", "xen2").code == 0
    assert [world.machine(host).armed for host in world.hosts()] == [True, False, True]
    assert xe(world, "host-emergency-ha-disable --force soft=true", "xen2").code == 0


def test_a_member_armed_no_more_cannot_start_in_an_armed_pool() -> None:
    world = pool("7.0", ha=180)
    xe(world, "host-emergency-ha-disable --force", "xen2")
    world.run("xen2", "xe-toolstack-restart")
    later(world, 30)
    assert xe(world, "host-is-in-emergency-mode", "xen2").out == "true\n"
    assert outcome(xe(world, "pool-list", "xen2"), "7.0") == "HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED"


def test_a_master_whose_own_flag_is_off_turns_the_pools_off() -> None:
    world = pool("7.0", ha=180)
    xe(world, "host-emergency-ha-disable --force", "xen1")
    world.run("xen1", "xe-toolstack-restart")
    later(world, 30)
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-enabled").out == "false\n"


def test_a_clean_reboot_of_the_master_hands_over_at_once() -> None:
    world = pool("8.2", ha=180)
    xe(world, f"host-disable uuid={U1}")
    xe(world, f"host-reboot uuid={U1}")
    later(world, 70)
    assert master(world, "xen2") == "xen3"
    later(world, 200)
    assert set(hosts(world, "host-metrics-live").values()) == {"true"}
    assert all(event.kind != "fenced" for event in world.take_events())


def test_cloudstacks_heartbeat_script_resets_a_host_that_cannot_write() -> None:
    world = pool("6.5", heartbeat_script=True)
    world.cut_storage(SR2, 130, ["xen2"])
    later(world, 125)
    [event] = [event for event in world.take_events() if event.kind == "fenced"]
    assert event.host == "xen2" and "heartbeat script" in event.why


def test_the_heartbeat_script_counts_anew_once_it_could_write() -> None:
    world = pool("6.5", heartbeat_script=True)
    world.cut_storage(SR2, 70, ["xen2"])
    later(world, 80)
    world.cut_storage(SR2, 70, ["xen2"])
    later(world, 300)
    assert kinds(world) == []


def test_xhad_conf_names_every_host() -> None:
    world = pool("8.2", ha=180)
    text = world.files("xen2")[dom0.XHAD_CONF]
    assert [uuid in text for uuid in (U1, U2, U3)] == [True] * 3
    assert "<HeartbeatTimeout>180</HeartbeatTimeout>" in text
