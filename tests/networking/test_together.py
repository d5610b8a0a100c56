"""The network of a cloud: tunnels between hosts, and hosts that should be alike."""

from __future__ import annotations

import dataclasses

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from hosts.models import Cloud, Host, Pool
from networking import together, together_pictures
from networking.seen import Seen
from networking.state import Bridge, Interface, Port
from networking.together import Member
from tests.networking.stored import seen, stored


def tunnel(remote: str, key: str = "204", kind: str = "vxlan", name: str = "vx0") -> Port:
    options = (*((("key", key),) if key else ()), ("remote_ip", remote))
    return Port(name, (Interface(name, kind, 3, "", None, options, ()),), None, (), "", "", "", False, (), ())


def host(address: str, *ports: Port) -> Seen:
    """The recorded host with this address and these tunnels only."""
    found = seen()
    assert found.switches is not None
    bridge = Bridge("br-tun", "netdev", "", ports, (), False, False, (), ())
    nics = tuple(dataclasses.replace(nic, addresses=(f"{address}/24",) if nic.name == "eth0" else ()) for nic in found.kernel.nics)
    return Seen(dataclasses.replace(found.switches, bridges=(bridge,)), None, dataclasses.replace(found.kernel, nics=nics))


A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


class TestTunnels:
    def test_two_ends_are_one_tunnel(self) -> None:
        (found,) = together.tunnels([Member(1, "a", host(A, tunnel(B))), Member(2, "b", host(B, tunnel(A)))])
        assert (found.here, found.there, found.label, len(found.ends), found.trouble) == ("a", "b", "VXLAN 204", 2, "")

    def test_keys_that_differ(self) -> None:
        (found,) = together.tunnels([Member(1, "a", host(A, tunnel(B))), Member(2, "b", host(B, tunnel(A, "205")))])
        assert found.trouble == "the keys differ, so nothing passes" and found.label == "VXLAN 204 / 205"

    def test_an_end_is_missing(self) -> None:
        (found,) = together.tunnels([Member(1, "a", host(A, tunnel(B))), Member(2, "b", host(B))])
        assert found.trouble == "b has no end of it"

    def test_two_kinds_are_two_tunnels_and_keys_find_each_other(self) -> None:
        one = host(A, tunnel(B, "1"), tunnel(B, "2", name="vx1"), tunnel(B, "", "gre", "g0"))
        two = host(B, tunnel(A, "2"), tunnel(A, "1", name="vx1"), tunnel(A, "", "gre", "g0"))
        found = together.tunnels([Member(1, "a", one), Member(2, "b", two)])
        assert sorted(one.label for one in found) == ["GRE", "VXLAN 1", "VXLAN 2"] and not any(one.trouble for one in found)

    def test_an_end_outside(self) -> None:
        (found,) = together.tunnels([Member(1, "a", host(A, tunnel("203.0.113.9")))])
        assert found.outside and found.there == "203.0.113.9" and not found.trouble

    def test_every_end_is_drawn_once_and_inside(self) -> None:
        members = [Member(number, f"h{number}", host(f"192.0.2.{number}", *(tunnel(f"192.0.2.{other}", name=f"v{other}")
                   for other in range(1, 9) if other != number))) for number in range(1, 9)]  # fmt: skip
        found = together.tunnels(members)
        drawn = together_pictures.draw(found, {member.name: member.pk for member in members})
        assert len(found) == len(drawn.lines) == 28 and len(drawn.nodes) == 8
        assert all(node.left >= 0 and node.left + drawn.box_width <= drawn.width for node in drawn.nodes)
        assert all(node.top >= 0 and node.top + drawn.box_height <= drawn.height for node in drawn.nodes)


class TestDifferences:
    def test_equal_hosts_do_not_differ(self) -> None:
        assert together.differences([Member(1, "a", seen()), Member(2, "b", seen())]) == []

    def test_what_one_of_three_has_otherwise(self) -> None:
        found = seen()
        assert found.switches is not None
        nics = tuple(dataclasses.replace(nic, mtu=9000) if nic.name == "br0" else nic for nic in found.kernel.nics)
        bridges = tuple(
            dataclasses.replace(
                bridge, ports=tuple(dataclasses.replace(port, tag=101) if port.name == "mgmt100" else port for port in bridge.ports)
            )
            for bridge in found.switches.bridges
            if bridge.name != "br-tun"
        )
        other = Seen(dataclasses.replace(found.switches, bridges=bridges), None, dataclasses.replace(found.kernel, nics=nics))
        rows = {one.what: one for one in together.differences([Member(1, "a", seen()), Member(2, "b", other), Member(3, "c", seen())])}
        assert rows["VLAN of mgmt100"].most == "100 in br0" and rows["VLAN of mgmt100"].others == (("101 in br0", ("b",)),)
        assert rows["MTU of br0"].others == (("9000", ("b",)),)
        assert rows["bridge br-tun"].others == (("not there", ("b",)),) and rows["bridge br-tun"].same == 2


@pytest.mark.django_db
class TestPages:
    @pytest.fixture
    def pool(self) -> Pool:
        return Pool.objects.create(name="cluster1", cloud=Cloud.objects.create(name="north"), kind=Pool.Kind.KVM)

    def put(self, pool: Pool, **found: Seen) -> None:
        for name, one in found.items():
            stored(name, one)
        Host.objects.update(pool=pool, cloud=pool.cloud)

    def test_a_cloud_draws_its_tunnels_and_says_what_differs(self, operator: Client, pool: Pool) -> None:
        self.put(pool, kvm1=host(A, tunnel(B)), kvm2=host(B, tunnel(A)), kvm3=seen())
        page = operator.get(f"/networks/clouds/{pool.cloud_id}/").content.decode()
        assert "VXLAN 204 between kvm1 and kvm2" in page and "two ends" in page
        assert "bridge br0" in page and "kvm3" in page and "Differences in" in page
        assert "VXLAN 204 between" in operator.get(f"/networks/pools/{pool.pk}/").content.decode()

    def test_alike_hosts_without_tunnels(self, viewer: Client, pool: Pool) -> None:
        self.put(pool, kvm1=host(A), kvm2=host(A))
        page = viewer.get(f"/networks/pools/{pool.pk}/").content.decode()
        assert "2 hosts are alike" in page and "No tunnel begins on these 2 hosts" in page and "Link two switches</a>" not in page

    def test_the_first_step_is_taught_and_the_pages_are_found(self, viewer: Client, pool: Pool) -> None:
        assert "No network of north was read yet" in viewer.get(f"/networks/clouds/{pool.cloud_id}/").content.decode()
        assert f"/networks/clouds/{pool.cloud_id}/" in viewer.get("/hosts/clouds/").content.decode()
        assert f"/networks/pools/{pool.pk}/" in viewer.get(f"/hosts/pools/{pool.pk}/").content.decode()
        self.put(pool, kvm1=seen())
        assert f"/networks/pools/{pool.pk}/" in viewer.get("/networks/").content.decode()

    def test_as_many_queries_for_sixty_hosts(
        self, viewer: Client, pool: Pool, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        self.put(pool, **{f"kvm{number}": host(f"192.0.2.{number}", tunnel(f"192.0.2.{number + 1}")) for number in range(1, 61)})
        with django_assert_max_num_queries(10):
            page = viewer.get(f"/networks/clouds/{pool.cloud_id}/").content.decode()
        assert "more ends are only in the table" in page
