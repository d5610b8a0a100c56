"""One row for each host of a pool, and the pictures made of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from hosts.xen import pictures
from hosts.xen.ha_clock import What, clock
from hosts.xen.roster import Row, Standing, roster
from hosts.xen.state import HostVms, MemberState, PoolState, Role, VmTable, Voice
from tests.hosts.xen.samples import SR, U1, U2, U3
from tests.hosts.xen.test_findings import BASICS, HOSTS, WELL, member, off, with_host, with_member


def row(state: PoolState, name: str, **known: Any) -> Row:
    return next(one for one in roster(state, **known) if one.name == name)


def test_the_master_leads_and_numbers_are_counted() -> None:
    names = [one.name for one in roster(WELL)]
    assert names == ["xs1", "xs2", "xs3"]
    many = replace(WELL, members=(), hosts=tuple(replace(HOSTS[0], uuid=str(number), name=f"xs{number}") for number in (10, 2, 1)))
    assert [one.name for one in roster(replace(many, basics=replace(BASICS, master="10")))] == ["xs10", "xs1", "xs2"]


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (WELL, Standing.FINE),
        (with_host(2, enabled=False), Standing.DISABLED),
        (with_host(2, live=False, enabled=False), Standing.DEAD),
        (with_member(member(2, voice=Voice.HANGS)), Standing.HANGS),
        (with_member(member(2, voice=Voice.EMERGENCY, said="HOST_STILL_BOOTING")), Standing.EMERGENCY),
        (with_member(member(2, voice=Voice.REFUSED)), Standing.REFUSED),
        (with_member(member(2, voice=Voice.ERROR, said="x")), Standing.ERROR),
        (with_member(MemberState(2, "xs2", "10.0.0.12", None, "no route")), Standing.UNREACHABLE),
        (replace(WELL, hosts=(HOSTS[0], HOSTS[2])), Standing.STRANGER),
        (replace(WELL, hosts=(), basics=None, silence="nobody"), Standing.UNKNOWN),
    ],
)
def test_how_a_host_stands(state: PoolState, standing: Standing) -> None:
    found = row(state, "xs2")
    assert found.standing == standing
    assert (found.tone == "ok") == (standing is Standing.FINE)


def test_what_a_host_does_weighs_more_than_what_the_master_remembers() -> None:
    assert row(replace(with_member(member(2, voice=Voice.HANGS)), hosts=HOSTS), "xs2").standing == Standing.HANGS


def test_a_host_that_cannot_be_asked_is_found_by_its_address_or_by_an_earlier_reading() -> None:
    lost = with_member(MemberState(2, "xs2", "10.0.0.12", None, "no route"))
    assert row(lost, "xs2").uuid == U2
    moved = with_member(MemberState(2, "xs2", "10.9.9.9", None, "no route"))
    assert row(moved, "xs2").uuid == "" and len(roster(moved)) == 4
    assert row(moved, "xs2", uuids={2: U2}).uuid == U2 and len(roster(moved, {2: U2})) == 3


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (member(2), ""),
        (member(2, role=Role.MASTER, master_address=""), "says it is master"),
        (member(2, says_master=U3), "names xs3 as master"),
        (member(2, master_address="10.0.0.99"), "follows 10.0.0.99, not 10.0.0.11"),
        (member(1, role=Role.SLAVE, master_address="10.0.0.12"), "follows 10.0.0.12, although it is the master"),
    ],
)
def test_two_words_about_the_master(changed: MemberState, words: str) -> None:
    assert row(with_member(changed), changed.name).disagrees == words


def test_the_heartbeat_counts_only_while_ha_is_on() -> None:
    assert WELL.storage is not None
    pbds = tuple(replace(pbd, attached=pbd.host != U2) for pbd in WELL.storage.pbds)
    unplugged = replace(WELL, storage=replace(WELL.storage, pbds=pbds))
    assert [one.plugged for one in roster(unplugged)] == [True, False, True]
    assert {one.plugged for one in roster(off(statefile_srs=(SR,)))} == {None}


class TestPictures:
    def test_the_pool_is_well_formed_and_says_everything_in_text(self) -> None:
        state = replace(with_host(2, enabled=False), vms=VmTable(20, (HostVms(U1, running=12),)))
        drawn = str(pictures.pool("pool-a", state, roster(state)))
        ElementTree.fromstring(f"<div>{drawn}</div>")
        words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn)
        assert {"HA is on, timeout 180 s", "xs1", "master", "12 VMs", "disabled", "heartbeat SR, nfs", "primary"} <= set(words)
        assert "HA is on with a timeout of 180 s, heartbeat on primary. xs1: master, enabled, 12 running VMs" in drawn

    def test_ids_are_not_used_twice(self) -> None:
        found = re.findall(r' id="([^"]+)"', str(pictures.pool("pool-a", WELL, roster(WELL))))
        assert len(found) == len(set(found)) == 4

    def test_names_are_text_and_cut(self) -> None:
        state = with_host(2, name="<b>" + "x" * 60)
        drawn = str(pictures.pool("<i>", replace(state, members=()), roster(replace(state, members=()))))
        assert "<b>" not in drawn and "<i>" not in drawn and "x" * 20 + "…" not in drawn

    @pytest.mark.parametrize("what", What)
    @pytest.mark.parametrize(("timeout", "outage"), [(10, 1), (60, 90), (180, 180), (3600, 3600)])
    def test_the_clock_is_well_formed_and_stays_within_its_frame(self, timeout: int, outage: int, what: What) -> None:
        drawn = str(pictures.clock(clock(timeout, outage, what)))
        ElementTree.fromstring(drawn)
        places = [float(place) for place in re.findall(r'(?:x|x1|x2|width)="([0-9.]+)%"', drawn)]
        assert all(0 <= place <= 100 for place in places)
        assert f"back at {outage} s" in drawn
        assert all(lane.verdict in drawn.replace("&#x27;", "'") for lane in clock(timeout, outage, what).lanes)

    def test_what_the_outage_did_not_reach_is_pale(self) -> None:
        drawn = str(pictures.clock(clock(180, 90, "network")))
        assert 'class="fenced later"' in drawn and 'class="lives"' in drawn
        assert drawn.count('class="fenced"') == 1, "only the default of 60 s fences within 90 s"
