"""A virtual address on two real hosts: one holder, failover, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from tests.networking.conftest import Net, dump
from tests.networking.ground import GroundHost

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]


def vip(net: Net) -> str:
    return f"{net.underlay(99)}/24"


def wanted(net: Net, **params: Any) -> Operation:
    hosts = [net.hosts[one.name].pk for one in (net.first, net.second)]
    given = {"hosts": hosts, "interface": "br-underlay", "name": "gateway", "addresses": [vip(net)], "router": 51, "seconds": 1}
    operation = net.plan_for("virtual-address", **{**given, **params})
    return operation


def holders(net: Net) -> list[str]:
    return [one.name for one in (net.first, net.second) if vip(net) in one.sh("ip -o addr show dev br-underlay")]


def configuration(host: GroundHost) -> str:
    return host.sh("cat /etc/keepalived/keepalived.conf 2>/dev/null; systemctl is-active keepalived; systemctl is-enabled keepalived; true")


@pytest.mark.parametrize("params", [{"secret": "abc123"}, {"version": 3, "unicast": True}], ids=["v2-multicast", "v3-unicast"])
def test_one_holder_failover_and_the_way_back(net: Net, params: dict[str, Any]) -> None:
    before = dump(net.first), dump(net.second), configuration(net.first), configuration(net.second)
    operation = net.go(wanted(net, **params))
    assert operation.state == S.SUCCEEDED, operation.outcome + str(list(operation.steps.values_list("title", "message")))
    assert holders(net) == [net.first.name]
    again = wanted(net, **params)
    assert not again.frozen().steps and "have this already" in again.frozen().because
    net.first.sh("systemctl stop keepalived; sleep 2")
    assert holders(net) == [net.second.name]
    net.first.sh("systemctl start keepalived")
    back = net.undo(operation)
    assert back.state == S.SUCCEEDED, back.outcome
    assert (dump(net.first), dump(net.second), configuration(net.first), configuration(net.second)) == before


def test_what_else_is_in_the_file_stays(net: Net) -> None:
    lines = ["vrrp_instance other {", "interface eth0", "virtual_router_id 7", "virtual_ipaddress {", "198.18.200.250/24", "}", "}"]
    other = "".join(f"{line}\n" for line in lines)
    net.first.sh(f"printf '%s' '{other}' >/etc/keepalived/keepalived.conf")
    try:
        operation = net.go(wanted(net))
        assert operation.state == S.SUCCEEDED, operation.outcome
        text = net.first.sh("cat /etc/keepalived/keepalived.conf")
        assert text.startswith(other) and "vrrp_instance gateway" in text
        assert net.undo(operation).state == S.SUCCEEDED
        assert net.first.sh("cat /etc/keepalived/keepalived.conf") == other
    finally:
        net.first.sh("systemctl stop keepalived; rm -f /etc/keepalived/keepalived.conf")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"interface": "nosuch"}, "has no interface nosuch"),
        ({"interface": "eth1"}, "eth1 of"),
    ],
)
def test_what_ends_badly_is_refused(net: Net, params: dict[str, Any], says: str) -> None:
    operation = wanted(net, **params)
    assert any(says in one["message"] for one in operation.findings if one["level"] == "block"), operation.findings


def test_the_address_of_a_host_cannot_move(net: Net) -> None:
    operation = wanted(net, addresses=[f"{net.first.underlay}/24"])
    assert any("own address" in one["message"] for one in operation.findings if one["level"] == "block"), operation.findings


def test_a_drill_counts_what_a_failover_costs_and_leaves_it_as_it_was(net: Net) -> None:
    made = net.go(wanted(net))
    assert made.state == S.SUCCEEDED, made.outcome
    hosts = [net.hosts[one.name].pk for one in (net.first, net.second)]
    drill = {"hosts": hosts, "interface": "br-underlay", "address": vip(net), "observer": hosts[1], "seconds": 15, "token": "t1"}
    operation = net.go(net.plan_for("failover-drill", **drill))
    assert operation.state == S.SUCCEEDED, operation.outcome
    said = operation.steps.get(key="count").message
    assert "pings lost, the longest gap was" in said
    lost, sent = int(said.split()[0]), int(said.split()[2])
    assert 0 < lost < 60 and sent > 100
    net.first.sh("sleep 5")
    assert holders(net) == [net.first.name]
    assert not Restoration.objects.exclude(state=Restoration.State.SETTLED).exists()
    assert "drill-t1" not in net.second.sh("ls /var/lib/opsportal")
    assert net.undo(made).state == S.SUCCEEDED


def test_no_drill_without_exactly_one_holder(net: Net) -> None:
    hosts = [net.hosts[one.name].pk for one in (net.first, net.second)]
    drill = {"hosts": hosts, "interface": "br-underlay", "address": vip(net), "observer": hosts[1], "seconds": 15, "token": "t1"}
    operation = net.plan_for("failover-drill", **drill)
    assert any("held by none of them" in one["message"] for one in operation.findings)
