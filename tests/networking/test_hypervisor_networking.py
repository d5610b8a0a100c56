"""A network design brought onto real hosts, one after the other, and taken back."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from hosts import connections
from networking.design import Design, Vlan
from networking.models import HostNetwork, NetworkDesign
from opsportal.operations import followers, planning
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from tests.networking.conftest import Net, dump
from tests.networking.ground import GroundHost
from tests.networking.test_commit_confirm import follow

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]

BOTH = ("eth1", "eth2")
THREE = (Vlan("mgmt0", 100), Vlan("storage0", 200), Vlan("guest0", 300))


def saved(**values: Any) -> NetworkDesign:
    wanted = {"bridge": "cloudbr0", "nics": BOTH, "integration": "br-int", "vlans": THREE}
    return NetworkDesign.objects.create(name=f"d{secrets.token_hex(3)}", wanted=Design(**{**wanted, **values}).dump())


def plan(net: Net, design: NetworkDesign, *hosts: Any, timer: int = 30) -> Operation:
    chosen = [net.hosts[host.name].pk for host in hosts]
    return net.plan_for("hypervisor-networking", design=design.pk, hosts=chosen, timer=timer, token=secrets.token_hex(6))


def said(operation: Operation) -> str:
    return operation.outcome + " ".join(operation.steps.values_list("message", flat=True))


def cables(net: Net) -> None:
    """Both ends of both wires are switched on, as on machines with a switch."""
    for host in (net.first, net.second):
        host.sh("ip link set eth1 up; ip link set eth2 up")


def test_all_of_it_at_once_with_lacp_and_three_vlans(net: Net) -> None:
    net.second.sh(
        "ovs-vsctl add-br brx -- set Bridge brx datapath_type=netdev -- add-bond brx bondx eth1 eth2 lacp=active bond_mode=balance-tcp;"
        "ip link set eth1 up; ip link set eth2 up"
    )
    before, design = dump(net.first), saved()
    operation = net.go(plan(net, design, net.first))
    assert operation.state == S.SUCCEEDED, said(operation)
    assert "lacp_status: negotiated" in net.first.sh("ovs-appctl bond/show bond0")
    assert {net.first.sh(f"ovs-vsctl br-to-vlan {vlan.name}").strip() for vlan in THREE} == {"100", "200", "300"}
    assert HostNetwork.objects.get(host=net.hosts[net.first.name]).reading, "it is read again at once"
    again = plan(net, design, net.first)
    assert not again.frozen().steps and "has the design" in again.frozen().because
    assert net.undo(operation).state == S.SUCCEEDED
    assert dump(net.first) == before


def test_many_hosts_one_after_the_other_and_those_that_have_it_are_left_alone(net: Net) -> None:
    cables(net)
    before = [dump(host) for host in (net.first, net.second)]
    design = saved(mode="balance-slb", lacp="off", fast=False)
    first = net.go(plan(net, design, net.first))
    assert first.state == S.SUCCEEDED, said(first)
    operation = plan(net, design, net.first, net.second)
    assert {step.target for step in operation.frozen().steps} == {f"host:{net.hosts[net.second.name].pk}"}
    operation = net.go(operation)
    assert operation.state == S.SUCCEEDED, said(operation)
    assert not plan(net, design, net.first, net.second).frozen().steps
    assert [net.undo(one).state for one in (operation, first)] == [S.SUCCEEDED] * 2
    assert [dump(host) for host in (net.first, net.second)] == before


def test_it_stops_at_the_first_that_fails_and_goes_on_there(net: Net) -> None:
    """On the second host the bond cannot be proved: the host takes it back, the first one keeps it, and what is left is done later."""
    cables(net)
    before = [dump(host) for host in (net.first, net.second)]
    net.second.sh("chmod 644 /usr/bin/ovs-appctl")
    design = saved(mode="balance-slb", lacp="off", fast=False)
    try:
        operation = net.go(plan(net, design, net.first, net.second, timer=20))
        assert operation.state == S.FAILED and "no such bond" in said(operation), said(operation)
        rest = taken_up(net, operation)
        assert "nobody confirmed" in rest.plan_error
        gone(net.second, "cloudbr0")
    finally:
        net.second.sh("chmod 755 /usr/bin/ovs-appctl")
    assert dump(net.second) == before[1] and "cloudbr0" in net.first.sh("ovs-vsctl list-br")
    planning.replan(rest)
    planning.work(rest.pk)
    rest.refresh_from_db()
    assert {step.target for step in rest.frozen().steps} == {f"host:{net.hosts[net.second.name].pk}"}
    rest = net.go(rest)
    assert rest.state == S.SUCCEEDED, said(rest)
    assert [net.undo(one).state for one in (rest, operation)] == [S.SUCCEEDED] * 2
    assert [dump(host) for host in (net.first, net.second)] == before


def taken_up(net: Net, operation: Operation) -> Operation:
    found = followers.retry(operation, user=net.olga, token=secrets.token_hex(8))
    planning.work(found.pk)
    found.refresh_from_db()
    return found


def gone(host: GroundHost, bridge: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while bridge in host.sh("ovs-vsctl list-br") and time.monotonic() < deadline:
        time.sleep(0.2)


def test_all_of_it_is_there_after_a_power_cycle(net: Net) -> None:
    cables(net)
    before = dump(net.first)
    design = saved(mode="balance-slb", lacp="off", fast=False)
    operation = net.go(plan(net, design, net.first))
    assert operation.state == S.SUCCEEDED, said(operation)
    net.first.power_cycle()
    connections.forget_all()
    again = plan(net, design, net.first)
    assert again.plan and not again.frozen().steps, (again.plan_error, again.findings, again.plan and again.frozen().steps)
    up = {line.split()[1].rstrip(":").partition("@")[0] for line in net.first.sh("ip -o link show up").splitlines()}
    assert up >= {"cloudbr0", "mgmt0", "eth1", "eth2"}
    assert net.undo(operation).state == S.SUCCEEDED
    assert dump(net.first) == before


def test_name_servers_of_an_interface_go_with_its_address(net: Net) -> None:
    """systemd-resolved stands in by a program that writes down what it is told, as the test hosts have none."""
    net.first.sh(RESOLVED)
    try:
        operation = net.go(plan(net, saved(nics=("eth0",), vlans=(), management="cloudbr0", integration=""), net.first))
        assert operation.state == S.SUCCEEDED, said(operation)
        assert any("systemd-resolved for eth0 alone" in one["message"] for one in operation.findings)
        told = net.first.sh("cat /run/told").splitlines()
        assert told == ["dns cloudbr0 192.0.2.53", "domain cloudbr0 example.org"]
        assert net.undo(operation).state == S.SUCCEEDED
        assert net.first.sh("cat /run/told").splitlines()[2:] == ["revert cloudbr0"]
    finally:
        net.first.sh("rm -f /usr/local/bin/resolvectl /run/told; systemctl stop systemd-resolved")


RESOLVED = r"""
cat >/usr/local/bin/resolvectl <<'END'
#!/bin/sh
case $# in
  1) [ "$1" = dns ] && echo "Link 2 (eth0): 192.0.2.53" || echo "Link 2 (eth0): example.org" ;;
  *) echo "$*" >>/run/told ;;
esac
END
chmod 755 /usr/local/bin/resolvectl
systemd-run --quiet --unit=systemd-resolved sleep infinity
"""


@pytest.mark.parametrize("management", ["cloudbr0", "mgmt0"])
def test_the_management_address_moves_with_its_routes_or_the_host_takes_all_of_it_back(net: Net, management: str) -> None:
    """Into the bridge it stays reachable. Into a VLAN that the switch does not pass it is not, and comes back by itself."""
    gateway = net.first.address.rpartition(".")[0] + ".1"
    net.first.sh(f"ip route replace 203.0.113.0/24 via {gateway} dev eth0 metric 50")
    before, routes = dump(net.first), net.first.sh("ip route")
    design = saved(nics=("eth0",), vlans=THREE[:1], management=management, integration="")
    operation = net.approved(plan(net, design, net.first))
    assert [step.key.partition("-")[2] for step in operation.frozen().steps][:3] == ["arm", "design", "confirm"]
    follow(operation, 120)
    if management == "mgmt0":
        assert operation.state == S.FAILED and "Rolled back" in said(operation), (operation.state, said(operation))
    else:
        assert operation.state == S.SUCCEEDED, said(operation)
        assert f"{net.first.address}/24" in net.first.sh("ip addr show cloudbr0") and "inet " not in net.first.sh("ip addr show eth0")
        assert f"203.0.113.0/24 via {gateway} dev cloudbr0 metric 50" in net.first.sh("ip route")
        assert net.first.sh("cat /sys/class/net/eth0/address") == net.first.sh("cat /sys/class/net/cloudbr0/address")
        again = plan(net, design, net.first)
        assert not again.frozen().steps, [(step.title, step.why) for step in again.frozen().steps]
        back = net.undo(operation)
        assert back.state == S.SUCCEEDED, said(back)
    assert dump(net.first) == before
    assert sorted(net.first.sh("ip route").splitlines()) == sorted(routes.splitlines())
    net.first.sh("ip route delete 203.0.113.0/24")
