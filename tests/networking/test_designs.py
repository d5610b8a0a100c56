"""Network designs: what a host lacks of one, and the pages where they are written."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from django.test import Client

from hosts.models import Cloud
from networking import matching
from networking.design import Design, Vlan
from networking.models import NetworkDesign
from networking.seen import Seen
from networking.state import Nic, Switches
from tests.networking.stored import seen, stored

DESIGN = Design("cloudbr0", ("eth4", "eth5"), integration="br-int", vlans=(Vlan("mgmt0", 100),), management="mgmt0")


def nic(name: str, *addresses: str, up: bool = True, kind: str = "physical") -> Nic:
    return Nic(name, kind, "02:00:00:00:00:01", 1500, up, up, "", addresses)


def bare(*nics: Nic, ours: str = "eth0") -> Seen:
    """A host with Open vSwitch and nothing in it."""
    found = seen()
    assert found.switches is not None
    return Seen(Switches("3.1.0", "8.3.1", (), (), None, ()), None, dataclasses.replace(found.kernel, nics=nics, routes=(), ours=ours))


def lacks(design: Design, found: Seen) -> list[str]:
    return [part.says for part in matching.differences(design, found)]


def commands(design: Design, found: Seen) -> list[str]:
    return [" ".join(command) for change in matching.wanted(design, found) for command in change.do]


class TestMatching:
    def test_a_bare_host_lacks_all_of_it_and_all_of_it_can_be_made(self) -> None:
        found = bare(nic("eth4"), nic("eth5"), nic("eth0", "192.0.2.5/24"))
        assert lacks(DESIGN, found) == [
            "has no bridge br-int",
            "has no bridge cloudbr0",
            "has no bond bond0 of eth4, eth5 in cloudbr0",
            "has no mgmt0 for VLAN 100",
            "has its management address 192.0.2.5/24 on eth0",
        ]
        assert not any(part.stuck for part in matching.differences(DESIGN, found))

    def test_an_address_of_a_nic_in_the_bridge_takes_the_mac_along_and_another_one_does_not(self) -> None:
        inside = bare(nic("eth4", "192.0.2.5/24"), nic("eth5"), ours="eth4")
        outside = bare(nic("eth4"), nic("eth5"), nic("eth0", "192.0.2.5/24"))
        assert any('set Interface mgmt0 mac="02:00:00:00:00:01"' in one for one in commands(DESIGN, inside))
        assert not any("mac=" in one for one in commands(DESIGN, outside))
        straight = dataclasses.replace(DESIGN, management="cloudbr0")
        assert any('set Bridge cloudbr0 other_config:hwaddr="02:00:00:00:00:01"' in one for one in commands(straight, inside))

    @pytest.mark.parametrize(
        ("found", "says"),
        [
            (bare(nic("eth4")), "has no NIC eth5"),
            (bare(nic("eth4"), dataclasses.replace(nic("eth5"), master="bond9")), "has eth5 in bond9 of the kernel"),
            (bare(nic("eth4", "192.0.2.9/24"), nic("eth5"), nic("eth0", "192.0.2.5/24")), "has 192.0.2.9/24 on eth4, which would"),
            (bare(nic("eth4"), nic("eth5"), nic("mgmt0"), nic("eth0", "192.0.2.5/24")), "has an interface mgmt0, where VLAN 100 shall be"),
            (bare(nic("eth4"), nic("eth5"), ours=""), "does not say over which interface the portal comes in"),
            (bare(nic("eth4"), nic("eth5"), nic("br9", "192.0.2.5/24", kind="bridge"), ours="br9"), "a bridge of the kernel: only what"),
        ],
    )  # fmt: skip
    def test_what_only_a_person_can_decide(self, found: Seen, says: str) -> None:
        assert any(says in part.says for part in matching.differences(DESIGN, found) if part.stuck), lacks(DESIGN, found)

    def test_what_is_there_in_another_way_is_changed_as_it_stands(self) -> None:
        """The recorded host has bond0 of eth1, eth2 and a third NIC in br0, and mgmt100 for VLAN 100."""
        found = seen()
        assert found.switches is not None
        held = found.switches.port("bond0")
        assert held is not None
        nics = tuple(one.name for one in held[1].interfaces)
        design = Design("br0", nics, mode="balance-slb", lacp="off", fast=False, vlans=(Vlan("mgmt100", 101),))
        assert "has mgmt100 in VLAN 100 instead of 101" in lacks(design, found)
        assert any(one.startswith("has bond0 as balance-tcp with LACP active") for one in lacks(design, found))
        assert any("set Port mgmt100 tag=101" in one for one in commands(design, found))

    def test_a_design_of_another_shape_is_none(self) -> None:
        assert Design.load({"nics": 7}) is None and Design.load({}) is None
        assert Design.load(DESIGN.dump()) == DESIGN


GOOD = {
    "name": "compute", "bridge": "cloudbr0", "nics": "eno49 eno50", "bond": "bond0", "mode": "balance-tcp", "lacp": "active", "fast": "on",
    "vlans": "mgmt0 100\nstorage0 200", "management": "mgmt0", "integration": "br-int",
}  # fmt: skip


@pytest.mark.django_db
class TestPages:
    def test_written_shown_copied_and_removed(self, operator: Client) -> None:
        page = operator.post("/networks/designs/new/", GOOD, follow=True).content.decode()
        design = NetworkDesign.objects.get()
        assert design.design == Design(
            "cloudbr0", ("eno49", "eno50"), integration="br-int", vlans=(Vlan("mgmt0", 100), Vlan("storage0", 200)), management="mgmt0"
        )
        for name in ("cloudbr0", "bond0", "eno49", "eno50", "mgmt0", "storage0", "br-int"):
            assert len(re.findall(rf'<text class="name"[^>]*>{name}</text>', page)) == 1, name
        assert "No host to hold against it" in page
        copied = operator.get(f"/networks/designs/new/?copy={design.pk}").content.decode()
        assert 'value="compute copy"' in copied and "storage0 200" in copied
        operator.post(f"/networks/designs/{design.pk}/edit/", {**GOOD, "vlans": "mgmt0 101"})
        design.refresh_from_db()
        assert design.design is not None and design.design.vlans == (Vlan("mgmt0", 101),)
        assert "was removed" in operator.post(f"/networks/designs/{design.pk}/remove/", follow=True).content.decode()

    @pytest.mark.parametrize(
        ("answers", "says"),
        [
            ({"nics": "eno49 eno49"}, "A NIC is named twice"),
            ({"nics": ","}, "Name one NIC at least"),
            ({"nics": "eno49 a/b"}, "is no name for an interface"),
            ({"vlans": "mgmt0 4095"}, "is no VLAN"),
            ({"vlans": "mgmt0"}, "is no name and VLAN"),
            ({"vlans": "mgmt0 100\nother0 100"}, "The VLAN 100 is given twice"),
            ({"management": "nowhere"}, "is neither the cloud bridge nor one of the VLANs"),
            ({"lacp": "off"}, "balance-tcp without LACP"),
            ({"bond": "mgmt0"}, "mgmt0 stands for two things"),
            ({"name": ""}, "required"),
        ],
    )
    def test_bad_input_is_named_at_its_field(self, operator: Client, answers: dict[str, Any], says: str) -> None:
        answer = operator.post("/networks/designs/new/", {**GOOD, **answers})
        assert answer.status_code == 422 and says in answer.content.decode()

    def test_hosts_are_held_against_it(self, operator: Client) -> None:
        one, other = stored("kvm1"), stored("kvm2", bare(nic("eth4"), nic("eth5"), nic("eth0", "192.0.2.5/24")))
        design = NetworkDesign.objects.create(name="compute", wanted=DESIGN.dump())
        page = operator.get(design.get_absolute_url()).content.decode()
        assert "Bring 1 host to it" in page and f"design={design.pk}&amp;hosts={other.host_id}" in page
        assert "has no bridge br-int" in page and "has no NIC eth4" in page
        assert page.index("Hosts that differ") < page.index("Hosts that need a decision first")
        same = seen()
        assert same.switches is not None
        held = same.switches.port("bond0")
        assert held is not None
        names = tuple(each.name for each in held[1].interfaces)
        fit = NetworkDesign.objects.create(name="as it is", wanted=Design("br0", names).dump())
        assert one.host.name in operator.get(fit.get_absolute_url()).content.decode()

    def test_a_design_of_a_cloud_is_for_its_hosts(self, viewer: Client) -> None:
        stored("kvm1")
        cloud = Cloud.objects.create(name="other")
        design = NetworkDesign.objects.create(name="compute", cloud=cloud, wanted=DESIGN.dump())
        page = viewer.get(design.get_absolute_url()).content.decode()
        assert "No host of other with Open vSwitch" in page and "Edit</a>" not in page

    def test_the_first_step_is_taught(self, operator: Client, viewer: Client) -> None:
        assert "Write the first design" in operator.get("/networks/designs/").content.decode()
        NetworkDesign.objects.create(name="old", wanted={"shape": "another"})
        assert "written by another version" in viewer.get("/networks/designs/").content.decode()
