"""What surprises people: commands that hang and happen later, masters that come back, old databases."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from opsportal.lab.xen.model import VERSIONS, since
from opsportal.lab.xen.world import World
from tests.lab.xen.worlds import SR, U1, U2, U3, VM1, db, hosts, later, master, outcome, pool, run_guest, xe


def test_a_hung_command_is_executed_when_the_master_is_back_though_its_client_was_killed() -> None:
    world = pool("6.5")
    world.pull_plug("xen1")
    call = world.start("xen2", ["xe", "host-disable", f"uuid={U3}"], {})
    later(world, 60)
    assert not call.done
    assert xe(world, "host-is-in-emergency-mode", "xen2").out == "false\n"
    world.power_on("xen1")
    later(world, 200)
    assert hosts(world, "enabled") == {"xs01": "true", "xs02": "true", "xs03": "false"}


def test_a_client_that_waited_gets_its_answer_then() -> None:
    world = pool("6.5")
    world.pull_plug("xen1")
    call = world.start("xen2", ["xe", "pool-list", "params=master", "--minimal"], {})
    world.power_on("xen1")
    later(world, 200)
    assert call.done and call.out == f"{U1}\n"


def test_what_hangs_ends_when_the_members_own_xapi_restarts() -> None:
    world = pool("6.5")
    world.pull_plug("xen1")
    call = world.start("xen2", ["xe", "host-disable", f"uuid={U3}"], {})
    world.run("xen2", "xe-toolstack-restart")
    assert (call.code, call.err) == (1, "Lost connection to the server.\n")
    later(world, 30)
    said = xe(world, "pool-list", "xen2")
    assert said.code == 1 and 'message: INTERNAL_ERROR: [ Unix.Unix_error(Unix.EHOSTUNREACH, "connect", "") ]' in said.err
    world.power_on("xen1")
    later(world, 400)
    assert xe(world, "pool-list", "xen2").code == 0
    assert set(hosts(world, "enabled").values()) == {"true"}


def test_hang_xe() -> None:
    world = pool("8.2")
    world.hang_xe("xen2", 120)
    call = world.start("xen2", ["xe", "host-list", "--minimal"], {})
    later(world, 119)
    assert not call.done and xe(world, "host-list --minimal", "xen3").code == 0
    assert xe(world, "host-is-in-emergency-mode", "xen2").code == 0
    later(world, 2)
    assert call.done and call.code == 0


def test_live_says_false_after_ten_minutes() -> None:
    world = pool("6.5")
    world.pull_plug("xen3")
    later(world, 590)
    assert hosts(world, "host-metrics-live")["xs03"] == "true"
    said = xe(world, "host-disable host=xs03")
    assert said.err.startswith("Cannot forward messages because the host cannot be contacted.  The host may be switched off")
    later(world, 20)
    assert hosts(world, "host-metrics-live")["xs03"] == "false"
    assert outcome(xe(world, "host-disable host=xs03"), "6.5") == "HOST_OFFLINE"


def lost_master(version: str = "7.0") -> World:
    """xen2 leads by decree, xen3 has been called; the database is older than the last change."""
    world = pool(version)
    later(world, 300)
    run_guest(world)
    world.pull_plug("xen1")
    assert "transition" in xe(world, "pool-emergency-transition-to-master", "xen2").out
    later(world, 40)
    assert xe(world, "pool-recover-slaves", "xen2").out == f"{U3}\n"
    later(world, 60)
    return world


def test_an_emergency_master_leads_with_an_old_database() -> None:
    world = lost_master()
    assert {master(world, host) for host in ("xen2", "xen3")} == {"xen2"}
    assert VM1 not in db(world, "xen2").vms
    assert hosts(world, "host-metrics-live", "xen2")["xs01"] == "true"
    later(world, 601)
    assert hosts(world, "host-metrics-live", "xen2")["xs01"] == "false"


def test_the_old_master_demotes_itself_when_it_comes_back() -> None:
    world = lost_master("8.2")
    world.power_on("xen1")
    later(world, 300)
    assert {master(world, host) for host in world.hosts()} == {"xen2"}
    assert world.files("xen1")["/etc/xensource/pool.conf"] == "slave:10.0.0.12"


def test_a_needless_transition_reverts_by_itself() -> None:
    world = pool("6.5")
    xe(world, "pool-emergency-transition-to-master", "xen2")
    later(world, 120)
    assert {master(world, host) for host in world.hosts()} == {"xen1"}


def test_an_isolated_master_that_never_restarted_stays_a_second_one() -> None:
    world = pool("6.5")
    world.cut_network("xen1", 300)
    xe(world, "pool-emergency-transition-to-master", "xen2")
    later(world, 40)
    xe(world, "pool-recover-slaves", "xen2")
    later(world, 300)
    assert (master(world, "xen1"), master(world, "xen2"), master(world, "xen3")) == ("xen1", "xen2", "xen2")
    xe(world, "pool-emergency-reset-master master-address=10.0.0.12", "xen1")
    later(world, 60)
    assert {master(world, host) for host in world.hosts()} == {"xen2"}


def test_members_in_emergency_mode_are_recovered() -> None:
    world = pool("8.2")
    world.pull_plug("xen1")
    for host in ("xen2", "xen3"):
        world.run(host, "xe-toolstack-restart")
    later(world, 30)
    assert xe(world, "host-is-in-emergency-mode", "xen3").out == "true\n"
    xe(world, "pool-emergency-transition-to-master", "xen2")
    later(world, 40)
    assert xe(world, "pool-recover-slaves", "xen2").out == f"{U3}\n"
    later(world, 60)
    assert master(world, "xen3") == "xen2"
    assert xe(world, "host-is-in-emergency-mode", "xen3").out == "false\n"


def test_a_member_that_names_a_dead_master() -> None:
    world = pool("6.5")
    world.disagree("xen3")
    later(world, 60)
    assert world.files("xen3")["/etc/xensource/pool.conf"].startswith("slave:10.254.")
    assert xe(world, "host-is-in-emergency-mode", "xen3").out == "true\n"
    assert xe(world, "pool-recover-slaves").out == f"{U3}\n{U2}\n"
    later(world, 60)
    assert master(world, "xen3") == "xen1"


def test_a_broken_pool_conf_and_a_host_that_follows_itself() -> None:
    world = pool("6.2")
    for text, code in (("", "HOST_BROKEN"), ("slave:10.0.0.12", "HOST_ITS_OWN_SLAVE")):
        world.saw("xen2", {"/etc/xensource/pool.conf": text})
        world.run("xen2", "xe-toolstack-restart")
        later(world, 30)
        assert outcome(xe(world, "pool-list", "xen2"), "6.2") == code


def test_a_phantom_guest_is_declared_dead_before_its_host_is_forgotten() -> None:
    world = pool("6.5")
    run_guest(world, host="xen3")
    world.pull_plug("xen3")
    assert outcome(xe(world, f"host-declare-dead --force uuid={U3}"), "6.5") == "HOST_IS_LIVE"
    later(world, 601)
    assert outcome(xe(world, f"host-forget --force uuid={U3}"), "6.5") == "HOST_HAS_RESIDENT_VMS"
    said = xe(world, f"host-declare-dead uuid={U3}", stdin="yes\n")
    assert said.code == 0 and said.out.count("WARNING") == 3
    assert outcome(xe(world, f"host-forget --force uuid={U3}"), "6.5") == "ok"


def test_a_guest_that_nobody_runs_is_reset() -> None:
    world = pool("6.5")
    run_guest(world, host="xen3")
    world.pull_plug("xen3")
    assert xe(world, f"vm-reset-powerstate uuid={VM1}").code == 1
    assert xe(world, f"vm-reset-powerstate uuid={VM1} --force").code == 0
    assert xe(world, f"vm-start uuid={VM1} on=xs02").code == 0
    assert xe(world, f"vm-param-get uuid={VM1} param-name=resident-on").out == f"{U2}\n"
    said = xe(world, f"vm-start uuid={VM1}")
    assert said.err.splitlines()[1:] == [f"vm: {VM1} (i-2-10-VM)", "expected: halted", "actual: running"]
    assert xe(world, f"vm-migrate uuid={VM1} host=xs01 live=true").code == 0
    assert VM1 in world.machine("xen1").domains
    assert xe(world, f"vm-shutdown uuid={VM1}").code == 0
    assert xe(world, f"vm-param-get uuid={VM1} param-name=resident-on").out == "<not in database>\n"


def test_pbds_plug_and_unplug() -> None:
    world = pool("6.5", ha=180)
    run_guest(world, host="xen2")
    pbd = db(world).pbds_of(host=U2, sr=SR)[0].uuid
    assert outcome(xe(world, f"pbd-unplug uuid={pbd}"), "6.5") == "HA_IS_ENABLED"
    xe(world, "pool-ha-disable")
    assert xe(world, f"pbd-unplug uuid={pbd}").err.startswith("Error code: VDI_IN_USE\n")
    world.unplug_pbd("xen2", SR)
    world.cut_storage(SR, 60, ["xen2"])
    assert "NFS mount error" in xe(world, f"pbd-plug uuid={pbd}").err
    later(world, 61)
    assert xe(world, f"pbd-plug uuid={pbd}").code == 0


def test_storage_that_nobody_has_plugged_can_be_forgotten_and_introduced_again() -> None:
    world = pool("6.5", hosts=1)
    assert "SR_HAS_PBD" in xe(world, f"sr-forget uuid={SR}").err
    pbd = db(world).pbds_of(sr=SR)[0].uuid
    assert [xe(world, line).code for line in (f"pbd-unplug uuid={pbd}", f"sr-forget uuid={SR}")] == [0, 0]
    assert SR not in xe(world, "sr-list params=uuid --minimal").out
    xe(world, f"sr-introduce uuid={SR} type=nfs name-label=back")
    new = xe(world, f"pbd-create host-uuid={U1} sr-uuid={SR} device-config:server=10.0.0.5").out.strip()
    assert xe(world, f"pbd-plug uuid={new}").code == 0
    assert xe(world, f"sr-list uuid={SR} params=name-label,host --minimal").out == "back\n"


def test_xapi_does_not_come_up_without_its_uuid() -> None:
    world = pool("6.5", hosts=1)
    world.saw("xen1", {"/etc/xensource-inventory": "PRODUCT_BRAND='XenServer'\n"})
    world.run("xen1", "xe-toolstack-restart")
    later(world, 30)
    assert xe(world, "host-list").err == "Error: Connection refused (calling connect )\n"


def test_injected_errors_come_once() -> None:
    world = pool("8.3")
    world.fail_next("xen1", "pool-ha-disable", "HA_DISABLE_IN_PROGRESS")
    assert outcome(xe(world, "pool-ha-disable"), "8.3") == "HA_DISABLE_IN_PROGRESS"
    assert outcome(xe(world, "pool-ha-disable"), "8.3") == "HA_NOT_ENABLED"


def test_a_world_survives_being_written_down_at_any_moment() -> None:
    world = pool("8.2", ha=60)
    world.pull_plug("xen1")
    call = world.start("xen2", ["xe", "host-disable", f"uuid={U2}"], {})
    other = World.load(json.loads(json.dumps(world.dump())))
    later(world, 45)
    for _ in range(4):
        later(other, 11.25)
        other = World.load(json.loads(json.dumps(other.dump())))
    for each in (world, other):
        later(each, 200)
    assert other.dump() == world.dump()
    assert master(other, "xen2") == "xen3"
    assert call.done


def test_the_same_seed_makes_the_same_world() -> None:
    assert World.practice(3).dump() == World.practice(3).dump()
    assert World.practice(3).dump() != World.practice(4).dump()


def test_the_practice_cloud() -> None:
    world = World.practice()
    assert world.hosts() == ["xen-a1", "xen-a2", "xen-a3", "xen-b1", "xen-b2", "xen-c1", "xen-c2"]
    assert xe(world, "pool-list params=name-label --minimal", "xen-a3").out == "practice-a\n"
    assert xe(world, "pool-list params=name-label --minimal", "xen-b2").out == "practice-b\n"
    assert "true,true,true" in xe(world, "pbd-list params=currently-attached --minimal", "xen-a1").out
    assert xe(world, "pbd-list currently-attached=false --minimal", "xen-b1").out.count(",") == 0
    assert xe(world, "vm-list ha-restart-priority=restart params=name-label --minimal", "xen-b1").out == "i-2-10-VM\n"
    names = xe(world, "vm-list is-control-domain=false params=name-label --minimal", "xen-a2").out
    assert all(name in names for name in ("i-2-10-VM", "v-2-VM", "s-1-VM", "r-4-VM"))
    assert xe(world, "host-list params=uuid --minimal", "xen-c1").out == xe(world, "host-list params=uuid --minimal", "xen-c2").out
    assert world.next_at() is not None


def test_services_and_other_programs() -> None:
    world = pool("6.5")
    assert world.run("xen2", "service", "xapi", "status").code == 0
    world.run("xen2", "service", "xapi", "stop")
    assert world.run("xen2", "service", "xapi", "status").code == 3
    assert world.run("xen2", "systemctl", "status", "xapi").code == 127
    world.run("xen2", "chkconfig", "make_unique", "on")
    assert "3:on" in world.run("xen2", "chkconfig", "--list", "make_unique").out
    assert world.run("xen2", "hostname").out == "xs02\n"
    new = pool("8.2")
    assert new.run("xen2", "systemctl", "is-active", "xapi").out == "active\n"
    assert [since("7.0", each) for each in ("6.5", "7.0", "8.2")] == [True, True, False]
    assert new.run("xen2", "shutdown", "-r", "now").code == 0
    later(new, 9)
    assert not new.powered("xen2")
    assert new.start("xen2", ["xe", "host-list"], {}).code == 137
    later(new, 120)
    assert [event.kind for event in new.take_events() if event.kind in ("down", "up")] == ["down", "up"]
    new.run("xen2", "poweroff")
    later(new, 600)
    assert not new.powered("xen2")


def test_parameters_of_maps_and_sets() -> None:
    world = pool("6.5")
    key = f"uuid={U1}"
    assert xe(world, f"host-param-set {key} other-config:rack=4").code == 0
    assert xe(world, f"host-param-get {key} param-name=other-config param-key=rack").out == "4\n"
    assert xe(world, "host-list other-config:rack=4 params=uuid --minimal").out == f"{U1}\n"
    assert xe(world, f"host-param-remove {key} param-name=other-config param-key=rack").code == 0
    assert xe(world, f"host-param-get {key} param-name=other-config param-key=rack").err == "Error: Key rack not found in map\n"
    assert xe(world, f"host-param-add {key} param-name=tags param-key=new").code == 0
    assert xe(world, "host-list tags:contains=new params=uuid --minimal").out == f"{U1}\n"
    assert xe(world, f"host-param-clear {key} param-name=tags").code == 0
    assert xe(world, f"host-param-set {key} enabled=true").err == "Error: Field 'enabled' is read-only.\n"
    said = xe(world, f"host-param-set {key} other-config=x").err
    assert said == "Error: Field 'other-config' is a map or set. use the 'name:key=value' syntax.\n"
    assert xe(world, f"host-param-set {key} colour=x").err == "Error: Unknown field 'colour'\n"
    assert xe(world, f"host-param-get {key} param-name=colour").err == "Error code: Missing parameter\nError parameters: colour\n"
    assert xe(world, "host-list colour=x").err == "Error: Unknown field 'colour'\n"
    assert xe(world, "host-list uuid=none").out == ""
    assert xe(world, "host-is-in-emergency-mode --minimal").out == "\n"
    assert xe(world, "").code == 0


@pytest.mark.parametrize("seed", range(6))
def test_any_mixture_of_faults_and_commands_ends_in_a_world_that_can_be_written_down(seed: int) -> None:
    dice = random.Random(seed)
    world = pool(dice.choice(VERSIONS), ha=dice.choice([0, 60]), guests=1, seed=seed)
    faults: list[Callable[[str], None]] = [
        world.pull_plug,
        world.power_on,
        world.kill_xapi,
        world.disagree,
        lambda host: world.cut_network(host, 70),
        lambda host: world.cut_storage(SR, 70, [host]),
        lambda host: world.hang_xe(host, 50),
    ]
    lines = ["pool-ha-disable", f"pool-designate-new-master host-uuid={U2}", "pool-emergency-transition-to-master", "pool-recover-slaves"]
    lines += [f"host-reboot uuid={U3}", f"host-disable uuid={U3}", f"host-evacuate uuid={U1}", "host-emergency-ha-disable --force"]
    for _ in range(25):
        host = dice.choice(world.hosts())
        if dice.random() < 0.4:
            dice.choice(faults)(host)
        else:
            world.start(host, ["xe", *dice.choice(lines).split()], {})
        later(world, dice.choice([1, 20, 100]))
    for host in world.hosts():
        world.power_on(host)
        world.start(host, ["service", "xapi", "start"], {})
    later(world, 1500)
    assert all(world.powered(host) for host in world.hosts())
    assert all(world.machine(host).xapi.state != "stopped" for host in world.hosts())
    assert World.load(json.loads(json.dumps(world.dump()))).dump() == world.dump()
