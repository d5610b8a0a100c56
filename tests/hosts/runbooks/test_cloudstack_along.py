"""CloudStack taken along by the runbooks on a pool: what the plans say, and what the rulebook does."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hosts.facts.restorations import CLUSTER, LeftOff, Open, OpenRestorations
from hosts.runbooks.change_pool_master import ChangePoolMaster, MasterParams
from hosts.runbooks.rolling_maintenance import RollingMaintenance
from opsportal.operations.facts import FactError
from opsportal.operations.plan import Plan
from opsportal.operations.steps import RunCommand, Step, WaitFor
from tests.hosts.runbooks import test_rolling_maintenance as rolling
from tests.hosts.runbooks.clouds import cloud_host, silent_cloud, with_cloud
from tests.hosts.runbooks.known import NFS, U1, U2, U3, blocks, commands
from tests.hosts.runbooks.pools import three
from tests.hosts.runbooks.test_change_pool_master import OFF, SWITCH, on

BOOK, TO_2 = ChangePoolMaster(), MasterParams(1, U2)
UNMANAGE = "cloudstack-unmanage: CloudStack: updateCluster id=c1 managedstate=Unmanaged"
MANAGE = ["cloudstack-manage: CloudStack: updateCluster id=c1 managedstate=Managed", "cloudstack-up"]


def step(steps: tuple[Step, ...], key: str) -> Step:
    return next(one for one in steps if one.key == key)


def messages(found: Any, guard: str) -> list[str]:
    return [f"{one.level}: {one.message}" for one in found if one.guard == guard]


def test_the_cluster_is_left_alone_before_anything_and_managed_after_everything() -> None:
    steps = with_cloud(three(ha=True)).plan(BOOK, TO_2)
    assert commands(steps) == [UNMANAGE, *OFF, *SWITCH, *on(), *MANAGE]
    off, back = step(steps, "cloudstack-unmanage"), step(steps, "cloudstack-manage")
    assert off.target == "local" and off.opens is not None and off.opens.resource == "pool:1" and off.opens.key == CLUSTER
    assert back.settles == CLUSTER
    assert isinstance(off.action, RunCommand) and off.action.unsure == (75,) and off.action.ok == (0,)
    assert [one.wants for one in off.probe] == ["Unmanaged"] and [one.wants for one in back.probe] == ["Managed"]


def test_every_host_has_to_be_up_again_but_not_one_that_is_out_of_service() -> None:
    known = with_cloud(three(ha=False), cloud_host(U1), cloud_host(U2), cloud_host(U3, "Up", "Maintenance"))
    action = step(known.plan(BOOK, TO_2), "cloudstack-up").action
    assert isinstance(action, WaitFor)
    assert '"h1"' in action.conditions[0].wants and '"h3"' not in action.conditions[0].wants
    assert all(one.within for one in action.conditions)
    assert "xs03 is in Maintenance" in messages(known.findings(BOOK, TO_2), "cloudstack.in-maintenance")[0]


def test_a_host_that_connects_elsewhere_is_no_other_plan() -> None:
    plans = []
    for state in ("Up", "Alert"):
        known = with_cloud(three(ha=True), cloud_host(U1), cloud_host(U2), cloud_host(U3, state))
        facts = known.facts()
        plans.append(Plan("x", 1, tuple(BOOK.plan(TO_2, facts)), facts.used).digest())
    assert plans[0] == plans[1]


def test_a_cluster_that_an_operation_left_alone_is_managed_again() -> None:
    known = with_cloud(three(ha=False, left=LeftOff(NFS, 180, 7)), managed="Unmanaged", left=7)
    known.say(OpenRestorations("portal", "pool:1"), (Open(CLUSTER, "The cluster xenpool is unmanaged in CloudStack", 7, True),))
    assert commands(known.plan(BOOK, TO_2)) == ["cloudstack-unmanaged", *OFF[1:], *SWITCH, *on(), *MANAGE]
    found = known.findings(BOOK, TO_2)
    assert not blocks(found)
    assert "goes on from there and settles it" in messages(found, "cloudstack.restorations")[0]


def test_a_cluster_that_somebody_unmanaged_stays_so() -> None:
    known = with_cloud(three(ha=False), managed="Unmanaged")
    assert commands(known.plan(BOOK, TO_2)) == SWITCH
    assert messages(known.findings(BOOK, TO_2), "cloudstack.cluster-state")[0].startswith("note: Somebody unmanaged")


def test_without_a_connection_the_plan_is_as_ever_and_says_that_cloudstack_is_not_told() -> None:
    known = three(ha=True)
    assert commands(known.plan(BOOK, TO_2)) == [*OFF, *SWITCH, *on()]
    assert "note: The portal has no connection to the CloudStack of cloud" in messages(known.findings(BOOK, TO_2), "cloudstack.told")[0]


def test_a_pool_that_cloudstack_does_not_have() -> None:
    known = with_cloud(three(ha=True), cloud_host(U1, address="10.9.9.9"))
    assert commands(known.plan(BOOK, TO_2)) == [*OFF, *SWITCH, *on()]
    assert messages(known.findings(BOOK, TO_2), "cloudstack.told")[0].startswith("warn: CloudStack has no host with an address of pool-a")


def test_a_cloudstack_that_does_not_answer_stops_it_unless_somebody_says_why() -> None:
    known = silent_cloud(three(ha=True))
    assert commands(known.plan(BOOK, TO_2)) == [*OFF, *SWITCH, *on()]
    (found,) = [one for one in known.findings(BOOK, TO_2) if one.guard == "cloudstack.told"]
    assert found.level == "block" and found.override and "It cannot be reached." in found.message


@pytest.mark.parametrize("state", ["PrepareUnmanaged", "PrepareUnmanagedError"])
def test_a_cluster_in_between_is_refused(state: str) -> None:
    found = with_cloud(three(ha=True), managed=state).findings(BOOK, TO_2)
    assert state in blocks(found)["cloudstack.cluster-state"]


def test_a_host_in_alert_is_brought_back_first() -> None:
    found = with_cloud(three(ha=True), cloud_host(U1), cloud_host(U2, "Alert"), cloud_host(U3)).findings(BOOK, TO_2)
    assert "xs02 is Alert in CloudStack. Run “Bring back a host in Alert” first" in blocks(found)["cloudstack.hosts-up"]


def test_a_pool_in_two_clusters_is_refused() -> None:
    known = with_cloud(three(ha=True), cloud_host(U1), cloud_host(U2, cluster="c2"))
    with pytest.raises(FactError, match="2 clusters"):
        known.plan(BOOK, TO_2)
    assert "Hosts of pool-a are in xenpool and kvm" in blocks(known.findings(BOOK, TO_2))["cloudstack.told"]


def test_rolling_maintenance_leaves_the_cluster_alone_for_the_whole_run() -> None:
    known = with_cloud(rolling.running(ha=True))
    params = dataclasses.replace(rolling.PARAMS, skip=(U2, U3))
    keys = [one.key for one in known.plan(RollingMaintenance(), params)]
    assert keys[:2] == ["cloudstack-unmanage", "ha-off"] and keys[-3:] == ["ha-on-still", "cloudstack-manage", "cloudstack-up"]
    assert not blocks(known.findings(RollingMaintenance(), params))


def test_a_run_of_maintenance_is_taken_up_with_the_cluster_as_it_was_left() -> None:
    known = with_cloud(rolling.running(), managed="Unmanaged", left=7)
    known.say(OpenRestorations("portal", "pool:1"), (Open(CLUSTER, "The cluster xenpool is unmanaged in CloudStack", 7, True),))
    keys = [one.key for one in known.plan(RollingMaintenance(), rolling.PARAMS)]
    assert keys[0] == "cloudstack-unmanaged" and keys[-2] == "cloudstack-manage"
    assert not blocks(known.findings(RollingMaintenance(), rolling.PARAMS))
