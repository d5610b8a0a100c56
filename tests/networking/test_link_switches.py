"""Two real switches linked over a tunnel, and taken apart again."""

from __future__ import annotations

from typing import Any

import pytest

from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from tests.networking.conftest import Net, dump

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]


def link(net: Net, **params: Any) -> Operation:
    wanted = {
        "other": net.hosts[net.second.name].pk, "bridge": "br-tun", "kind": "vxlan", "number": 204, "tunnel": "vx0", "port": "vi0",
        "underlay": net.first.underlay, "other_underlay": net.second.underlay, "address": "10.250.204.10/24",
        "other_address": "10.250.204.20/24",
    }  # fmt: skip
    return net.plan("link-switches", net.first, **{**wanted, **params})


@pytest.mark.parametrize(("kind", "number", "mtu"), [("vxlan", 204, 1450), ("gre", 7, 1458), ("gre", None, 1462), ("geneve", 9, 1450)])
def test_both_ends_reach_each_other_with_the_largest_packet_and_not_one_byte_more(
    net: Net, kind: str, number: int | None, mtu: int
) -> None:
    before = dump(net.first), dump(net.second)
    operation = net.go(link(net, kind=kind, number=number))
    assert operation.state == S.SUCCEEDED, operation.outcome + str(list(operation.steps.values_list("title", "message")))
    assert f"mtu {mtu}" in net.first.sh("ip link show vi0") and f"mtu {mtu}" in net.second.sh("ip link show vi0")
    again = link(net, kind=kind, number=number)
    assert not again.frozen().steps and "linked like this already" in again.frozen().because
    assert net.undo(operation).state == S.SUCCEEDED
    assert (dump(net.first), dump(net.second)) == before


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"other_underlay": "192.0.2.77"}, "has no route to 192.0.2.77"),
        ({"mtu": 1500}, "do not fit: 1500 - 50 (IPv4 20 + UDP 8 + VXLAN 8 + Ethernet 14) = 1450"),
        ({"other_address": "10.9.9.9/24"}, "are not in one network"),
        ({"other_address": "10.250.204.10/24"}, "the same address"),
        ({"port": "eth1"}, "has a eth1 already"),
    ],
)
def test_what_would_pass_nothing_is_refused(net: Net, params: dict[str, Any], says: str) -> None:
    operation = link(net, **params)
    assert any(says in one["message"] for one in operation.findings if one["level"] == "block"), operation.findings


def test_an_address_of_the_underlay_is_refused(net: Net) -> None:
    operation = link(net, address=f"{net.underlay(44)}/24", other_address=f"{net.underlay(45)}/24")
    assert any("in the same network" in one["message"] for one in operation.findings if one["level"] == "block"), operation.findings


def test_a_second_tunnel_to_the_same_end_is_refused(net: Net) -> None:
    net.first.sh(
        "ovs-vsctl add-br br-tun -- set Bridge br-tun datapath_type=netdev"
        f" -- add-port br-tun old0 -- set Interface old0 type=gre options:remote_ip={net.second.underlay}"
    )
    operation = link(net)
    assert any("go round for ever" in one["message"] for one in operation.findings)


def test_the_way_out_over_the_management_nic_is_refused_in_user_space(net: Net) -> None:
    operation = link(net, underlay=net.first.address, other_underlay=net.second.address)
    assert any("which is not in Open vSwitch" in one["message"] for one in operation.findings if one["level"] == "block")
