"""OVN for real: a southbound database over TLS on one host, chassis on both, and a network that OVN makes between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from networking import judges
from networking.controller_ovn import with_options
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from opsportal.transport.base import Result
from tests.networking.conftest import Net, dump
from tests.networking.ground import GroundHost
from tests.networking.nsx_stand_in import certificate

CENTRAL = "/usr/share/ovn/scripts/ovn-ctl"
HOST = "/usr/bin/ovn-controller"
UNITS = "ovn-central ovn-ovsdb-server-nb ovn-ovsdb-server-sb ovn-northd"
"""By name: that of ovn-central returns before the others have stopped."""

OURS = ("--ovn-controller-ssl-key=/k", "--ovn-controller-ssl-cert=/c")


@pytest.fixture
def southbound(net: Net, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """On the second host, over TLS; believes the hosts whose certificates are appended to /etc/ovn/believed.pem."""
    if not (Path(CENTRAL).exists() and Path(HOST).exists()):
        pytest.skip("NO OVN: install ovn-central and ovn-host. What OVN does was not tested.")
    path, pem = certificate(tmp_path, "southbound")
    host = net.second
    host.sh(f"mkdir -p /etc/ovn; printf '%s' '{path.read_text()}' >/etc/ovn/own.pem; cp /etc/ovn/own.pem /etc/ovn/believed.pem")
    host.sh(f"systemctl start {UNITS}; until [ -S /run/ovn/ovnsb_db.sock ]; do sleep 0.2; done", timeout=120)
    host.sh("ovn-sbctl --timeout=60 set-ssl /etc/ovn/own.pem /etc/ovn/own.pem /etc/ovn/believed.pem")
    host.sh(f"ovn-sbctl --timeout=60 set-connection pssl:6642:{host.underlay}")
    yield {"target": f"ssl:{host.underlay}:6642", "ca": pem, "encap": "geneve"}
    for one in (net.first, net.second):
        one.sh(
            "systemctl stop ovn-host; ovs-vsctl --if-exists del-br br-int; rm -f /etc/openvswitch/*.pem; systemctl disable ovn-host; true"
        )
        one.sh("for key in remote encap-type encap-ip bridge-datapath-type; do ovs-vsctl remove Open_vSwitch . external_ids ovn-$key; done")
        one.sh("sed -i '/^OVN_CTL_OPTS/d' /etc/default/ovn-host")
    host.sh(f"systemctl stop {UNITS}; rm -rf /var/lib/ovn/* /etc/ovn/*.pem", timeout=120)


def state(host: GroundHost) -> str:
    """What a chassis has to bring back besides the switch's dump."""
    ids = host.sh("ovs-vsctl --format=json --columns=external_ids list Open_vSwitch")
    service = host.sh(
        "systemctl is-active ovn-host; systemctl is-enabled ovn-host; cat /etc/default/ovn-host; ls /etc/openvswitch/*.pem; true"
    )
    return dump(host) + ids + service


def chassis(central: GroundHost) -> list[str]:
    rows = json.loads(central.sh("ovn-sbctl --timeout=20 --format=json --columns=name list Chassis"))["data"]
    return sorted(row[0] for row in rows)


def own_name(host: GroundHost) -> str:
    return host.sh("ovs-vsctl get Open_vSwitch . external_ids:system-id").strip().strip('"')


def told(operation: Operation) -> str:
    return operation.outcome + str(list(operation.steps.values_list("key", "state", "message")))


def believed(net: Net, host: GroundHost) -> Operation:
    """Makes the host's certificate, and has the southbound database believe it."""
    made = net.do("register-with-controller", host, kind="certificate")
    assert made.state == S.SUCCEEDED, told(made)
    pem = host.sh("openssl x509 -in /etc/openvswitch/ovsclient-cert.pem")
    net.second.sh(f"printf '%s' '{pem}' >>/etc/ovn/believed.pem")
    return made


def plug(host: GroundHost, port: str, mac: str, address: str) -> None:
    options = f"type=internal mac='\"{mac}\"' external_ids:iface-id={port}"
    host.sh(f"ovs-vsctl --timeout=20 add-port br-int {port} -- set Interface {port} {options}")
    host.sh(f"ip addr add {address}/24 dev {port}; ip link set {port} mtu 1400 up")


@pytest.mark.network
@pytest.mark.django_db(transaction=True)
def test_two_chassis_over_tls_with_a_network_between_them(net: Net, southbound: dict[str, Any]) -> None:
    before = {}
    joined = {}
    for host in (net.first, net.second):
        believed(net, host)
        before[host.name] = state(host)
        joined[host.name] = net.do("join-ovn", host, **southbound, tunnel=host.underlay)
        assert joined[host.name].state == S.SUCCEEDED, told(joined[host.name])
    assert chassis(net.second) == sorted(own_name(host) for host in (net.first, net.second))
    again = net.plan("join-ovn", net.first, **southbound, tunnel=net.first.underlay)
    assert not again.frozen().steps and "has it already" in again.frozen().because

    net.second.sh("ovn-nbctl --timeout=20 ls-add net -- lsp-add net lp1 -- lsp-set-addresses lp1 '02:00:00:00:00:01 10.7.7.1'")
    net.second.sh("ovn-nbctl --timeout=20 lsp-add net lp2 -- lsp-set-addresses lp2 '02:00:00:00:00:02 10.7.7.2'")
    plug(net.first, "lp1", "02:00:00:00:00:01", "10.7.7.1")
    plug(net.second, "lp2", "02:00:00:00:00:02", "10.7.7.2")
    net.second.sh("ovn-nbctl --timeout=60 --wait=hv sync", timeout=90)
    assert " 0% packet loss" in net.first.sh("ping -c 1 -W 5 10.7.7.2 >/dev/null; ping -c 3 -i 0.2 -W 5 10.7.7.2 || :")
    for host, port in ((net.first, "lp1"), (net.second, "lp2")):
        host.sh(f"ovs-vsctl del-port br-int {port}")

    left = net.do("leave-controller", net.first, kind="ovn")
    assert left.state == S.SUCCEEDED, told(left)
    assert chassis(net.second) == [own_name(net.second)]
    assert not net.plan("leave-controller", net.first, kind="ovn").frozen().steps
    assert net.undo(left).state == S.SUCCEEDED
    for host in (net.first, net.second):
        back = net.undo(joined[host.name])
        assert back.state == S.SUCCEEDED, told(back)
        assert state(host) == before[host.name]
    assert chassis(net.second) == []


@pytest.mark.network
@pytest.mark.django_db(transaction=True)
def test_what_ends_badly_is_named(net: Net, southbound: dict[str, Any]) -> None:
    net.first.sh("ovs-vsctl set-manager ptcp:6699:127.0.0.1 -- set-ssl /k /c /a")
    try:
        found = net.plan("join-ovn", net.first, **southbound, tunnel="203.0.113.9").findings
    finally:
        net.first.sh("ovs-vsctl del-manager -- del-ssl")
    blocks = {one["message"]: one["override"] for one in found if one["level"] == "block"}
    for words, override in (("no address 203.0.113.9", False), ("ptcp:6699", True), ("SSL table has /c", True)):
        assert any(words in message and can == override for message, can in blocks.items()), (words, blocks)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", 'OVN_CTL_OPTS="--ovn-controller-ssl-key=/k --ovn-controller-ssl-cert=/c"\n'),
        ("# a comment", '# a comment\nOVN_CTL_OPTS="--ovn-controller-ssl-key=/k --ovn-controller-ssl-cert=/c"\n'),
        (
            'A=1\nOVN_CTL_OPTS="--verbose --ovn-controller-ssl-key=/old"\nB=2\n',
            'A=1\nOVN_CTL_OPTS="--verbose --ovn-controller-ssl-key=/k --ovn-controller-ssl-cert=/c"\nB=2\n',
        ),
        ("OVN_CTL_OPTS=--x\n", 'OVN_CTL_OPTS="--x --ovn-controller-ssl-key=/k --ovn-controller-ssl-cert=/c"\n'),
    ],
)
def test_other_options_of_the_daemon_stay(text: str, wanted: str) -> None:
    assert with_options(text, OURS) == wanted
    assert with_options(wanted, OURS) == wanted


@pytest.mark.parametrize("text", ['OVN_CTL_OPTS="a\n', "OVN_CTL_OPTS=a\nOVN_CTL_OPTS=b\n"])
def test_options_that_are_not_understood_are_not_touched(text: str) -> None:
    with pytest.raises(ValueError):
        with_options(text, OURS)


@pytest.mark.parametrize(
    ("result", "holds"),
    [
        (Result(0, '{"data":[["one"],["two"]],"headings":["name"]}\n', ""), True),
        (Result(0, '{"data":[["two"]],"headings":["name"]}\n', ""), False),
        (Result(0, '{"data":[],"headings":["name"]}\n', ""), False),
        (Result(1, "", "ovn-sbctl: ssl:192.0.2.1:6642: database connection failed ()"), False),
        (Result(0, "", ""), False),
    ],
)
def test_only_the_southbound_database_says_who_is_a_chassis(result: Result, holds: bool) -> None:
    assert (judges.chassis_known(result, "one") == "") == holds
