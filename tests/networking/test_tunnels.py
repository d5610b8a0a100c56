"""Sizes of tunnels and the way to their other end."""

from __future__ import annotations

import dataclasses

import pytest

from networking import tunnels
from networking.state import Kernel, Nic, Route
from tests.networking.stored import seen


@pytest.mark.parametrize(
    ("kind", "key", "version", "largest"),
    [
        ("vxlan", 204, 4, 1450),
        ("vxlan", None, 6, 1430),
        ("geneve", 7, 4, 1450),
        ("geneve", 7, 6, 1430),
        ("gre", None, 4, 1462),
        ("gre", None, 6, 1442),
        ("gre", 7, 4, 1458),
        ("gre", 7, 6, 1438),
    ],
)
def test_what_fits_is_what_was_found_by_bisection(kind: str, key: int | None, version: int, largest: int) -> None:
    assert tunnels.inner(kind, key, version, 1500).mtu == largest


def test_the_arithmetic_is_shown() -> None:
    assert tunnels.inner("vxlan", 1, 4, 1500).said == "1500 - 50 (IPv4 20 + UDP 8 + VXLAN 8 + Ethernet 14) = 1450"
    assert tunnels.inner("gre", 1, 6, 9000, tagged=True).said.endswith("(IPv6 40 + GRE 4 + key 4 + Ethernet 14 + VLAN tag 4) = 8934")


def kernel(*routes: tuple[str, str]) -> Kernel:
    nics = tuple(Nic(name, "physical", "", mtu, True, True, "", ()) for name, mtu in (("eth0", 1500), ("eth1", 9000)))
    return Kernel(nics, tuple(Route(to, "", device) for to, device in routes), "eth0", "")


def test_the_longest_prefix_wins() -> None:
    found = kernel(("0.0.0.0/0", "eth0"), ("198.51.100.0/24", "eth1"))
    assert tunnels.underlay_mtu(found, "198.51.100.7") == 9000
    assert tunnels.underlay_mtu(found, "192.0.2.7") == 1500


def test_an_address_that_is_not_routed() -> None:
    assert tunnels.underlay_mtu(kernel(("198.51.100.0/24", "eth1")), "192.0.2.7") is None
    assert tunnels.underlay_mtu(kernel(("0.0.0.0/0", "eth0")), "2001:db8::1") is None


def test_the_same_tunnel_is_recognised_by_kind_end_and_key() -> None:
    assert tunnels.same_tunnel(seen(), "br-tun", "vx0", "vxlan", "198.51.100.12", 204)
    assert not tunnels.same_tunnel(seen(), "br-tun", "vx0", "vxlan", "198.51.100.12", 205)
    assert not tunnels.same_tunnel(seen(), "br0", "vx0", "vxlan", "198.51.100.12", 204)


def test_an_address_of_ipv6_is_quoted_for_open_vswitch() -> None:
    (command,) = tunnels.add_tunnel("br0", "vx0", "vxlan", "2001:db8::1", None).do
    assert 'options:remote_ip="2001:db8::1"' in command
    assert dataclasses.asdict(tunnels.add_tunnel("br0", "vx0", "gre", "192.0.2.1", 7))["undo"][0][-2:] == ("br0", "vx0")
