"""The emergency card: the right commands for this pool, in every condition it was read in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hosts.xen import card
from hosts.xen.card import Card, Part
from hosts.xen.roster import Row, roster
from hosts.xen.state import PoolState, Sr, Vm, VmTable
from tests.hosts.xen.samples import SR, U1, U2, U3, VM1, P
from tests.hosts.xen.test_findings import BASICS, HOSTS, WELL, off, with_host

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def made(state: PoolState | None, *, paper: bool = False) -> Card:
    rows = roster(state) if state else (Row.of_inventory(1, "xs1", "10.0.0.11", ""),)
    return card.make("pool-a", "Amsterdam", P, state, rows, paper=paper)


def part(found: Card, begins: str) -> Part:
    return next(one for one in found.parts if one.title.startswith(begins))


def commands(found: Card, begins: str) -> list[str]:
    return [line.command for line in part(found, begins).lines if line.command]


def test_ha_goes_on_with_the_pools_own_sr_and_timeout() -> None:
    assert f"xe pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=180" in commands(made(WELL), "Switch")
    slower = replace(WELL, basics=replace(BASICS, ha_timeout=240))
    assert f"xe pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=240" in commands(made(slower), "Switch")


def test_ha_never_goes_on_with_the_default() -> None:
    unchosen = replace(WELL, basics=replace(BASICS, ha_timeout=None))
    assert f"xe pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=180" in commands(made(unchosen), "Switch")
    assert "after 60 s" in part(made(unchosen), "The master is dead and HA is ON").lead


def test_without_a_heartbeat_sr_the_candidates_are_named_and_none_is_chosen() -> None:
    assert WELL.storage is not None
    more = replace(WELL.storage, srs=(*WELL.storage.srs, Sr("u-iso", "isos", "iso", True), Sr("u-local", "local", "ext", False)))
    found = made(replace(off(statefile_srs=()), storage=more))
    assert "xe pool-ha-enable heartbeat-sr-uuids=SR-UUID ha-config:timeout=180" in commands(found, "Switch")
    assert [line.command for line in found.storage] == [SR]


def test_the_dead_master_is_named_and_every_survivor_has_its_address() -> None:
    found = part(made(WELL), "The master (xs1) is dead and HA is OFF")
    text = " ".join(f"{line.words} {line.command}" for line in found.lines)
    assert found.grave and "may be minutes old" in found.lead
    assert "xs2 (10.0.0.12), xs3 (10.0.0.13)" in text
    assert "master-address=10.0.0.12" in text and "master-address=10.0.0.13" in text and "master-address=10.0.0.11" not in text
    assert f"xe host-forget uuid={U1} --force" in text
    order = [
        text.index(word) for word in ("transition-to-master", "params=master --minimal", "recover-slaves", "reset-master", "host-forget")
    ]
    assert order == sorted(order)


def test_the_pools_own_addresses_count_and_not_how_the_portal_reaches_a_host() -> None:
    elsewhere = replace(WELL, members=tuple(replace(one, address=f"192.0.2.{one.pk}") for one in WELL.members))
    assert "192.0.2" not in card.text(made(elsewhere), NOW)


def test_force_comes_before_the_toolstack() -> None:
    assert commands(made(WELL), "HA is on and the pool has lost itself") == ["xe host-emergency-ha-disable --force", "xe-toolstack-restart"]


def test_every_host_can_be_enabled_by_its_uuid() -> None:
    assert commands(made(WELL), "A host is back")[:3] == [f"xe host-enable uuid={uuid}" for uuid in (U1, U2, U3)]


def test_protected_vms_by_name() -> None:
    vms = VmTable(1, (), (Vm(VM1, "r-12-VM", "running", U1, "restart", True),), 1)
    assert f"xe vm-param-set uuid={VM1} ha-restart-priority=" in commands(made(replace(WELL, vms=vms)), "Unprotect")


def test_what_must_never_be_done() -> None:
    said = " ".join(line.words for line in part(made(WELL), "Never").lines)
    for words in (
        "xe-toolstack-restart while HA is on",
        "pool-emergency-reset-master on the master",
        "without ha-config:timeout=",
        "pool-enable-ha",
    ):
        assert words in said


def test_a_pool_that_was_never_read_has_placeholders() -> None:
    text = card.text(made(None), NOW)
    assert "never: put in what stands in capitals yourself" in text
    assert "heartbeat-sr-uuids=SR-UUID" in text and "xe host-enable uuid=HOST-UUID" in text and P in text


def test_no_command_is_broken_over_two_lines_in_the_text() -> None:
    found = made(WELL)
    lines = [line.strip().split("   # ")[0] for line in card.text(found, NOW).splitlines()]
    for one in found.parts:
        for line in one.lines:
            assert not line.command or line.command in lines


def test_the_text_says_from_when_it_is() -> None:
    text = card.text(made(WELL), NOW)
    assert "Read from the pool: 2026-01-01 00:00:00 UTC" in text and "Written: 2026-01-01 12:00:00 UTC" in text
    assert text.isprintable() or all(line.isprintable() for line in text.splitlines())


def test_what_a_host_calls_itself_cannot_become_a_command() -> None:
    state = replace(with_host(2, name="xs2\nevil #", address="10.0.0.12; evil"), members=())
    text = card.text(made(state), NOW)
    assert "\nevil" not in text
    assert "master-address='10.0.0.12; evil'" in text
    assert card.typed("$(evil)", "X") == "'$(evil)'" and card.typed("", "X") == "X" and card.typed("fd00::1", "X") == "fd00::1"


@pytest.mark.parametrize(("paper", "number"), [(False, 20), (True, 1)])
def test_a_large_pool_is_shorter_on_paper_only(paper: bool, number: int) -> None:
    hosts = tuple(
        replace(HOSTS[0], uuid=f"00000000-0000-4000-8000-{place:012}", name=f"xs{place}", address=f"10.0.1.{place}") for place in range(20)
    )
    large = replace(WELL, members=(), hosts=hosts, basics=replace(BASICS, master=hosts[0].uuid))
    found = made(large, paper=paper)
    assert len([one for one in commands(found, "A host is back") if one.startswith("xe host-enable")]) == number
    assert len(found.machines) == 20
