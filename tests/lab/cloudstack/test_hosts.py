"""Hosts of the simulated cloud: their states follow the pools, and the commands change them by CloudStack's rules."""

from __future__ import annotations

import pytest

from opsportal.lab.xen.world import World
from tests.lab.cloudstack.clouds import Asker, Refused

A = ("xen-a1", "xen-a2", "xen-a3")


def test_every_pool_is_a_cluster_and_clones_are_no_part_of_the_cloud() -> None:
    ask = Asker()
    assert [one["name"] for one in ask("listClusters")["cluster"]] == ["practice-a", "practice-b", "practice-kvm"]
    assert list(ask.hosts()) == [*A, "xen-b1", "xen-b2", "kvm1"]
    assert {host["type"] for host in ask("listHosts")["host"]} == {"Routing", "ConsoleProxy", "SecondaryStorageVM"}
    assert list(ask.hosts(clusterid=ask.cluster("practice-b")["id"])) == ["xen-b1", "xen-b2"]
    assert ask.hosts()["xen-a1"]["ipaddress"] == ask.world.machine("xen-a1").address


def test_a_dead_member_goes_alert_and_down_and_comes_back() -> None:
    ask = Asker()
    ask.world.pull_plug("xen-a3")
    ask.later(100)
    assert ask.states(*A) == ["Up", "Up", "Up"], "it is not missed before the ping timeout"
    ask.later(60)
    assert ask.states(*A) == ["Up", "Up", "Alert"]
    ask.later(60)
    host = ask.hosts()["xen-a3"]
    assert host["state"] == "Down" and "disconnected" in host
    ask.world.power_on("xen-a3")
    ask.later(400)
    assert ask.states(*A) == ["Up", "Up", "Up"]


def test_without_ha_a_dead_master_takes_its_cluster_with_it() -> None:
    ask = Asker()
    ask.world.pull_plug("xen-a1")
    ask.later(400)
    assert ask.states(*A, "xen-b1") == ["Alert", "Alert", "Alert", "Up"]


def test_with_ha_another_master_brings_the_members_back() -> None:
    ask = Asker(World.pool("8.2", 3, ha=60))
    ask.world.pull_plug("xen1")
    ask.later(600)
    assert ask.states("xen1", "xen2", "xen3") == ["Down", "Up", "Up"]


def test_a_disabled_host_goes_alert_until_it_is_enabled() -> None:
    ask = Asker()
    uuid = next(row.uuid for row in ask.world.machine("xen-a1").db.hosts.values() if row.name == "xen-a2")
    ask.world.run("xen-a1", "xe", "host-disable", f"uuid={uuid}")
    ask.later(300)
    assert ask.states(*A) == ["Up", "Alert", "Up"]
    ask.world.run("xen-a1", "xe", "host-enable", f"uuid={uuid}")
    ask.later(120)
    assert ask.states(*A) == ["Up", "Up", "Up"]


def change_master(ask: Asker) -> None:
    uuid = next(row.uuid for row in ask.world.machine("xen-a1").db.hosts.values() if row.name == "xen-a2")
    ask.world.run("xen-a1", "xe", "pool-designate-new-master", f"host-uuid={uuid}")


def test_a_change_of_master_disturbs_a_managed_cluster() -> None:
    ask = Asker()
    change_master(ask)
    seen = set[str]()
    for _ in range(30):
        ask.later(5)
        seen |= set(ask.states(*A))
    assert "Disconnected" in seen and ask.states(*A) == ["Up", "Up", "Up"]


def test_an_unmanaged_cluster_is_left_alone_and_comes_back() -> None:
    ask = Asker()
    cluster = ask.cluster("practice-a")["id"]
    reply = ask.reply("updateCluster", id=cluster, managedstate="Unmanaged")
    assert reply.wait >= 5 and '"managedstate": "Unmanaged"' in reply.body
    assert ask.cluster("practice-a")["managedstate"] == "PrepareUnmanaged"
    ask.later(6)
    assert ask.cluster("practice-a")["managedstate"] == "Unmanaged"
    assert ask.states(*A, "xen-b1") == ["Disconnected", "Disconnected", "Disconnected", "Up"]
    change_master(ask)
    ask.world.pull_plug("xen-a3")
    ask.later(600)
    assert ask.states(*A) == ["Disconnected", "Disconnected", "Disconnected"], "nobody is declared dead"
    ask("updateCluster", id=cluster, managedstate="Managed")
    ask.later(300)
    assert ask.states(*A) == ["Up", "Up", "Disconnected"]
    ask.later(1800)
    assert ask.states(*A) == ["Up", "Up", "Down"]


def test_maintenance_moves_the_machines_and_the_job_is_earlier() -> None:
    ask = Asker()
    host = ask.id("xen-a2")
    running = ask("listVirtualMachines", hostid=host)["count"]
    row = ask.done("prepareHostForMaintenance", id=host)
    assert (row["jobstatus"], row["jobresult"]["host"]["resourcestate"]) == (1, "PrepareForMaintenance")
    assert running and ask("listVirtualMachines", hostid=host)["count"] == running
    ask.later(120)
    assert ask.hosts()["xen-a2"]["resourcestate"] == "Maintenance" and ask.states("xen-a2") == ["Up"]
    assert ask("listVirtualMachines", hostid=host) == {}
    assert all(vm["state"] == "Running" for vm in ask("listVirtualMachines")["virtualmachine"] if vm["name"] != "i-2-99-VM")
    row = ask.done("cancelHostMaintenance", id=host)
    assert row["jobresult"]["host"]["resourcestate"] == "Enabled"


def test_two_at_once_are_refused() -> None:
    ask = Asker()
    ask("prepareHostForMaintenance", id=ask.id("xen-a2"))
    row = ask.done("prepareHostForMaintenance", id=ask.id("xen-a3"))
    assert (row["jobstatus"], row["jobresultcode"]) == (2, 431)
    assert row["jobresult"]["errortext"].startswith("There are other servers in PrepareForMaintenance OR ErrorInMaintenance STATUS")
    assert ask.hosts()["xen-a3"]["resourcestate"] == "Enabled"


def test_on_the_last_host_of_a_cluster_machines_are_stopped() -> None:
    ask = Asker()
    for name in ("xen-b2", "xen-b1"):
        ask("prepareHostForMaintenance", id=ask.id(name))
        ask.later(200)
        assert ask.hosts()[name]["resourcestate"] == "Maintenance"
    pool = ask.world.machine("xen-b1").db
    assert not [vm for vm in pool.vms.values() if vm.power == "running" and not vm.control_domain and not vm.template]


def test_a_host_that_sticks_can_be_cancelled() -> None:
    ask = Asker()
    ask.cloud.stick()
    ask("prepareHostForMaintenance", id=ask.id("xen-a2"))
    ask.later(3600)
    assert ask.hosts()["xen-a2"]["resourcestate"] == "PrepareForMaintenance"
    ask.done("cancelHostMaintenance", id=ask.id("xen-a2"))
    ask("prepareHostForMaintenance", id=ask.id("xen-a2"))
    ask.later(200)
    assert ask.hosts()["xen-a2"]["resourcestate"] == "Maintenance"


def test_machines_that_cannot_leave_end_in_an_error() -> None:
    ask = Asker()
    for vm in (vms := ask.world.machine("xen-a1").db.vms).values():
        vm.memory = 60 << 30 if vm.power == "running" and vm.name.endswith("-VM") else vm.memory
    assert vms
    ask("prepareHostForMaintenance", id=ask.id("xen-a2"))
    ask.later(900)
    assert ask.hosts()["xen-a2"]["resourcestate"] == "ErrorInMaintenance"


def test_a_job_that_shall_fail_changes_nothing() -> None:
    ask = Asker()
    ask.cloud.fail_job()
    row = ask.done("prepareHostForMaintenance", id=ask.id("xen-a2"))
    assert (row["jobstatus"], row["jobresultcode"]) == (2, 530)
    assert ask.hosts()["xen-a2"]["resourcestate"] == "Enabled"


def test_what_is_not_in_maintenance_cannot_be_cancelled() -> None:
    ask = Asker()
    row = ask.done("cancelHostMaintenance", id=ask.id("xen-a2"))
    assert row["jobstatus"] == 2 and "Cannot perform cancelMaintenance when resource state is Enabled" in row["jobresult"]["errortext"]


def test_reconnecting() -> None:
    ask = Asker()
    assert ask.done("reconnectHost", id=ask.id("xen-a2"))["jobstatus"] == 1
    ask.later(30)
    assert ask.states("xen-a2") == ["Up"]
    ask.world.pull_plug("xen-a2")
    assert ask.done("reconnectHost", id=ask.id("xen-a2"))["jobresult"]["errortext"] == "Failed to reconnect host"


def test_only_a_host_in_maintenance_is_deleted_unless_forced() -> None:
    ask = Asker()
    with pytest.raises(Refused, match=r"530 Host .* cannot be deleted as it is not in maintenance mode") as refused:
        ask("deleteHost", id=ask.id("xen-a3"))
    assert refused.value.detail == 4250
    ask("prepareHostForMaintenance", id=ask.id("xen-a3"))
    ask.later(200)
    deleted = ask.id("xen-a3")
    assert ask("deleteHost", id=deleted) == {"success": "true"}
    assert ask("listHosts", id=deleted) == {}, "what was there once is no wrong parameter"
    with pytest.raises(Refused, match=r"431 Host with id .* doesn't exist"):
        ask("deleteHost", id=deleted)
    ask("deleteHost", id=ask.id("xen-a2"), forced="true")
    assert list(ask.hosts()) == ["xen-a1", "xen-b1", "xen-b2", "kvm1"]
    lost = ask("listVirtualMachines", state="Stopped")["count"]
    assert lost > 1, "those that ran on the host count as stopped"


def test_allocation_and_tags() -> None:
    ask = Asker()
    host = ask.id("xen-a2")
    ask("updateHost", id=host, allocationstate="Disable", hosttags="ssd,fast")
    assert (ask.hosts()["xen-a2"]["resourcestate"], ask.hosts()["xen-a2"]["hosttags"]) == ("Disabled", "ssd,fast")
    with pytest.raises(Refused, match="only Enable/Disable are allowed"):
        ask("updateHost", id=host, allocationstate="Disabled")
    ask("updateHost", id=host, allocationstate="Enable", hosttags="")
    assert ask.hosts()["xen-a2"]["hosttags"] == ""
    ask("updateCluster", id=ask.cluster("practice-a")["id"], allocationstate="Disabled")
    assert ask.cluster("practice-a")["allocationstate"] == "Disabled"
    with pytest.raises(Refused, match="431 Unable to resolve Managed State 'Off'"):
        ask("updateCluster", id=ask.cluster("practice-a")["id"], managedstate="Off")


def test_the_password_of_a_pool_is_that_of_its_cluster() -> None:
    ask = Asker()
    given = {"username": "root", "password": "new~one"}
    with pytest.raises(Refused, match="one of cluster id or a host id"):
        ask("updateHostPassword", **given)
    with pytest.raises(Refused, match="use the cluster id"):
        ask("updateHostPassword", hostid=ask.id("xen-a1"), **given)
    assert ask("updateHostPassword", clusterid=ask.cluster("practice-a")["id"], **given) == {"success": "true"}
