"""Changes of one host's network on real Open vSwitch, over real SSH, through the engine."""

from __future__ import annotations

from typing import Any

import pytest

from opsportal.operations.states import OperationState as S
from tests.networking.conftest import Net, dump

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]


def test_bridge_vlan_port_and_mtu_are_made_proved_not_made_twice_and_taken_back(net: Net) -> None:
    before = dump(net.first)
    made = []
    for runbook, params in (
        ("add-bridge", {"name": "br7"}),
        ("add-vlan", {"bridge": "br7", "name": "mgmt0", "vlan": 123, "addresses": ["10.99.7.1/24"]}),
        ("add-internal-port", {"bridge": "br7", "name": "vi0", "addresses": ["10.98.7.1/24"], "mtu": 1412}),
        ("set-mtu", {"name": "vi0", "mtu": 1300}),
    ):
        operation = net.do(runbook, net.first, **params)
        assert operation.state == S.SUCCEEDED, (runbook, operation.outcome)
        again = net.plan(runbook, net.first, **params)
        assert not again.frozen().steps and "has it already" in again.frozen().because
        made.append(operation)
    assert "1300" in net.first.sh("ip link show vi0") and "10.98.7.1/24" in net.first.sh("ip addr show vi0")
    assert net.first.sh("ovs-vsctl br-to-vlan mgmt0").strip() == "123"
    for operation in reversed(made):
        assert net.undo(operation).state == S.SUCCEEDED
    assert dump(net.first) == before


def test_a_bond_is_negotiated_with_the_other_host(net: Net) -> None:
    net.second.sh(
        "ovs-vsctl add-br brx -- set Bridge brx datapath_type=netdev -- add-bond brx bondx eth1 eth2 lacp=active bond_mode=balance-tcp;"
        "ip link set eth1 up; ip link set eth2 up"
    )
    net.first.sh("ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev")
    before = dump(net.first)
    bond = {"bridge": "br0", "name": "bond0", "nics": ["eth1", "eth2"], "mode": "balance-tcp", "lacp": "active", "fast": True}
    made = net.do("add-bond", net.first, **bond)
    assert made.state == S.SUCCEEDED, made.outcome
    assert "lacp_status: negotiated" in net.first.sh("ovs-appctl bond/show bond0")
    removed = net.do("remove-port", net.first, name="bond0")
    assert removed.state == S.SUCCEEDED, removed.outcome
    assert net.undo(removed).state == S.SUCCEEDED
    assert "lacp_status: negotiated" in net.first.sh("sleep 1; ovs-appctl bond/show bond0")
    assert net.undo(made).state == S.SUCCEEDED
    assert dump(net.first) == before


def test_a_bond_that_nobody_answers_fails_with_the_reason(net: Net) -> None:
    net.first.sh("ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev")
    bond = {"bridge": "br0", "name": "bond0", "nics": ["eth1", "eth2"], "mode": "balance-tcp", "lacp": "active", "fast": True}
    operation = net.do("add-bond", net.first, **bond)
    assert operation.state == S.FAILED
    assert "nobody on the other side answers" in operation.outcome + "".join(operation.steps.values_list("message", flat=True))


def test_a_removed_bridge_comes_back_with_all_that_was_in_it(net: Net) -> None:
    net.first.sh(
        "ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev other_config:disable-in-band=true -- add-br mgmt0 br0 77"
        " -- add-port br0 vi0 tag=5 -- set Interface vi0 type=internal mtu_request=1400;"
        "ip link set br0 up; ip link set mgmt0 up; ip addr add 10.1.2.3/24 dev mgmt0; ip link set vi0 up"
    )
    before = dump(net.first)
    removed = net.do("remove-bridge", net.first, name="br0")
    assert removed.state == S.SUCCEEDED, removed.outcome
    assert "br0" not in net.first.sh("ovs-vsctl list-br")
    assert net.undo(removed).state == S.SUCCEEDED
    assert dump(net.first) == before


@pytest.mark.parametrize(
    ("runbook", "params", "says"),
    [
        ("add-bond", {"bridge": "br0", "name": "bond0", "nics": ["eth0", "eth1"]}, "The portal comes in over eth0"),
        ("add-bond", {"bridge": "br0", "name": "bond0", "nics": ["eth1", "eth9"]}, "no NIC eth9"),
        ("add-bond", {"bridge": "br0", "name": "bond0", "nics": ["eth1", "eth3"]}, "eth3 is in eth3 of br-underlay already"),
        ("add-vlan", {"bridge": "br0", "name": "other", "vlan": 77}, "has the fake bridge mgmt0 already"),
        ("add-vlan", {"bridge": "br9", "name": "other", "vlan": 78}, "no bridge br9"),
        ("add-bridge", {"name": "mgmt0"}, "mgmt0 is there already"),
        ("add-bridge", {"name": "eth1"}, "has an interface eth1 already"),
    ],
)
def test_what_ends_badly_is_refused_before_anything_runs(net: Net, runbook: str, params: dict[str, Any], says: str) -> None:
    net.first.sh("ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev -- add-br mgmt0 br0 77")
    operation = net.plan(runbook, net.first, **params)
    blocks = [finding["message"] for finding in operation.findings if finding["level"] == "block"]
    assert any(says in message for message in blocks), operation.findings


def test_with_vswitchd_down_nothing_hangs_and_the_change_is_taken_back(net: Net) -> None:
    operation = net.plan("add-bridge", net.first, name="br7")
    net.first.sh("systemctl stop ovs-vswitchd; systemctl start ovsdb-server || :; ovs-vsctl --timeout=5 show >/dev/null || :")
    try:
        failed = net.go(operation)
        assert failed.state in (S.FAILED, S.STALE), failed.outcome
    finally:
        net.first.sh("systemctl restart openvswitch-switch; systemctl restart ground-underlay; ovs-vsctl --timeout=20 show")
    assert "br7" not in net.first.sh("ovs-vsctl list-br")
