"""Networks as an operator sees them."""

from __future__ import annotations

import dataclasses
import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hosts.models import Host, Kind
from networking import findings, pictures, reading
from networking.models import HostNetwork
from networking.seen import Seen
from networking.state import Bond, BondMember, Lacp
from tests.networking.stored import seen, stored

pytestmark = pytest.mark.django_db


class TestPage:
    def test_it_draws_every_port_once_with_its_state_in_words(self, viewer: Client) -> None:
        page = viewer.get(stored().get_absolute_url()).content.decode()
        for name in ("eth1", "eth2", "bond0", "br0", "mgmt100", "vx0", "gre0", "vi0", "br-underlay", "eth0"):
            assert len(re.findall(rf'<text class="name"[^>]*>{name}</text>', page)) == 1, name
        assert "bond bond0, 2 of 2 carry" in page
        assert "VXLAN vx0, up, to 198.51.100.12, key 204" in page
        assert "fake bridge mgmt100, up, VLAN 100, MTU 1500, 10.99.100.1/24" in page

    def test_what_is_not_in_work_is_said_first(self, viewer: Client) -> None:
        page = viewer.get(stored().get_absolute_url()).content.decode()
        assert "nosuchnic on br0 is configured and not in work" in page

    def test_a_host_that_nobody_read(self, viewer: Client) -> None:
        host = Host.objects.create(name="new", address="192.0.2.9")
        page = viewer.get(f"/networks/{host.pk}/").content.decode()
        assert "not read yet" in page and not HostNetwork.objects.exists()

    def test_reading_now_asks_a_worker(self, operator: Client) -> None:
        host = Host.objects.create(name="new", address="192.0.2.9")
        assert operator.post(f"/networks/{host.pk}/read/").status_code == 302
        network = HostNetwork.objects.get()
        assert network.reading and reading.due()
        assert "as soon as one is free" in operator.get(f"/networks/{host.pk}/").content.decode()

    def test_a_viewer_asks_nobody(self, viewer: Client) -> None:
        network = stored()
        assert viewer.post(f"/networks/{network.host_id}/read/").status_code == 403
        assert "hx-post" not in viewer.get(network.get_absolute_url()).content.decode()

    def test_a_failed_reading_keeps_the_older_picture_and_says_so(self, viewer: Client) -> None:
        network = stored()
        HostNetwork.objects.update(problem="kvm1 does not answer.", tried_at=timezone.now())
        page = viewer.get(network.get_absolute_url()).content.decode()
        assert "kvm1 does not answer." in page and "What is shown is older" in page and "bond0" in page

    def test_a_reading_of_another_shape_counts_as_none(self, viewer: Client) -> None:
        network = stored()
        HostNetwork.objects.update(seen={"switches": 7})
        assert "not read yet" in viewer.get(network.get_absolute_url()).content.decode()

    def test_hostile_names_are_text(self, viewer: Client) -> None:
        found = seen()
        nic = dataclasses.replace(found.kernel.nics[0], name="<script>alert(1)</script>", kind="physical")
        hostile = dataclasses.replace(found, kernel=dataclasses.replace(found.kernel, nics=(nic, *found.kernel.nics)))
        page = viewer.get(stored(found=hostile).get_absolute_url()).content.decode()
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page


class TestList:
    def test_what_needs_attention_is_named(self, viewer: Client) -> None:
        stored("kvm1")
        page = viewer.get("/networks/").content.decode()
        assert "kvm1" in page and "nosuchnic on br0" in page and "3.1.0" in page

    def test_search(self, viewer: Client) -> None:
        stored("kvm1"), stored("kvm2")
        page = viewer.get("/networks/?q=kvm2").content.decode()
        assert ">kvm2</a>" in page and ">kvm1</a>" not in page

    def test_as_many_queries_for_one_as_for_fifty(self, viewer: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
        for number in range(60):
            stored(f"kvm{number}")
        with django_assert_max_num_queries(8):
            assert "60 hosts" in viewer.get("/networks/").content.decode()

    def test_the_first_step_is_taught(self, viewer: Client) -> None:
        assert "No switch was read yet" in viewer.get("/networks/").content.decode()


class TestAdoption:
    def test_hypervisors_and_hosts_with_open_vswitch_go_on_the_schedule(self) -> None:
        read = {"facts_at": timezone.now()}
        Host.objects.create(name="kvm", address="192.0.2.1", kind=Kind.KVM, **read)
        Host.objects.create(name="box", address="192.0.2.2", facts={"services": [{"name": "openvswitch-switch"}]}, **read)
        Host.objects.create(name="web", address="192.0.2.3", facts={"services": [{"name": "mysql"}]}, **read)
        Host.objects.create(name="xen", address="192.0.2.4", kind=Kind.XENSERVER, facts={"services": [{"name": "openvswitch"}]}, **read)
        Host.objects.create(name="new", address="192.0.2.5", kind=Kind.KVM)
        reading.adopt()
        assert set(HostNetwork.objects.exclude(next_read_at=None).values_list("host__name", flat=True)) == {"kvm", "box"}
        assert HostNetwork.objects.count() == 4

    def test_a_host_without_a_pinned_key_is_answered_at_once(self) -> None:
        host = Host.objects.create(name="kvm", address="192.0.2.1", kind=Kind.KVM)
        reading.ask(host)
        reading.read_slice()
        assert "has no credential" in HostNetwork.objects.get().problem


def bonded(bond: Bond) -> Seen:
    found = seen()
    assert found.links is not None
    return dataclasses.replace(found, links=dataclasses.replace(found.links, bonds=(bond,)))


class TestFindings:
    @pytest.mark.parametrize(
        ("lacp", "on", "says"),
        [
            (Lacp.CONFIGURED, (False, False), "asks for LACP and nobody answers"),
            (Lacp.NEGOTIATED, (True, False), "lost eth2"),
            (Lacp.OFF, (False, False), "are all disabled"),
        ],
    )
    def test_bonds(self, lacp: Lacp, on: tuple[bool, bool], says: str) -> None:
        bond = Bond("bond0", "balance-tcp", lacp, tuple(BondMember(f"eth{n}", up, False) for n, up in enumerate(on, 1)))
        assert any(says in one.message for one in findings.findings(bonded(bond)))

    def test_two_tunnels_to_one_end_make_a_loop(self) -> None:
        assert any("gre0 and vx0 on br-tun lead to the same end" in one.message for one in findings.findings(seen()))

    def test_a_manager_that_is_away(self) -> None:
        assert any("ssl:203.0.113.1:6632 is not connected" in one.message for one in findings.findings(seen()))

    def test_the_worst_comes_first(self) -> None:
        levels = [one.level.value for one in findings.findings(seen())]
        assert levels == sorted(levels, key=["block", "warn", "note"].index)


class TestOurs:
    def test_a_connection_over_a_plain_nic(self) -> None:
        assert pictures.ours(seen()) == {"eth0"}

    def test_a_connection_over_a_fake_bridge_runs_over_bridge_bond_and_nics(self) -> None:
        found = seen()
        moved = dataclasses.replace(found, kernel=dataclasses.replace(found.kernel, ours="mgmt100"))
        assert pictures.ours(moved) == {"mgmt100", "br0", "bond0", "eth1", "eth2", "nosuchnic"}
