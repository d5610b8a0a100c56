"""Add a host to a pool and remove one, with CloudStack taken along: the order of both books, and what its book refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hosts.cloudstack.state import CloudHost
from hosts.facts.portal import InventoryPool, PoolRow
from hosts.runbooks.add_host_to_pool import AddHost, AddParams
from hosts.runbooks.remove_host_from_pool import RemoveHost, RemoveParams
from hosts.xen.facts import MemberView, PoolHosts, PoolStorage, PoolVms
from opsportal.operations.steps import PutSecret, RunCommand
from tests.hosts.runbooks.clouds import cloud_host, silent_cloud, with_cloud
from tests.hosts.runbooks.known import ADDRESSES, POOL_UUID, U1, U2, U3, U9, Known, blocks, commands, host, member, row, storage, vm
from tests.hosts.runbooks.test_membership import ADD, REMOVE, joining, keys, leaving

JOINER, LEADER = AddParams(pool=1, joiner=9, credential=5, run="0" * 16), RemoveParams(pool=1, host=U1, new_master=U2)
TOLD = ["cloudstack-password", "cloudstack-add", "cloudstack-up", "cloudstack-forget"]


def in_pool_already(*, ha: bool = False) -> Known:
    """xs09 is a member of the pool; only CloudStack does not have it."""
    known = joining(ha=ha)
    rows = tuple(row(uuid) for uuid in (U1, U2, U3, U9))
    known.say(InventoryPool("portal", 1), PoolRow(1, "pool-a", POOL_UUID, "xenserver", "cloud", rows))
    known.say(MemberView(row(U9).target), member(U9, U1, ha=ha))
    known.say(PoolStorage("host:1"), storage((U1, U2, U3, U9)))
    known.say(PoolHosts("host:1"), tuple(host(uuid) for uuid in (U1, U2, U3, U9)))
    known.say(PoolHosts(row(U9).target), tuple(host(uuid) for uuid in (U1, U2, U3, U9)))
    return known


def changed(uuid: str, **other: Any) -> tuple[CloudHost, ...]:
    """The cloud's hosts with one of them otherwise."""
    return tuple(cloud_host(one, **other) if one == uuid else cloud_host(one) for one in (U1, U2, U3))


def notes(found: Any, guard: str) -> list[str]:
    return [one.message for one in found if one.guard == guard and one.level != "block"]


def test_the_host_joins_is_added_and_up_before_ha_comes_back() -> None:
    steps = with_cloud(joining(ha=True)).plan(AddHost(), JOINER)
    made = keys(steps)
    off, joined, on = made.index("ha-off-still"), made.index("joined"), made.index("ha-on")
    assert off < joined < on and made[-1] == "ha-on-still"
    assert [one for one in made[joined + 1 : on] if one in TOLD] == TOLD


def test_the_password_goes_into_a_file_of_the_portal_and_away_again() -> None:
    steps = with_cloud(joining()).plan(AddHost(), JOINER)
    bring, add, _, forget = (one for one in steps if one.key in TOLD)
    assert isinstance(bring.action, PutSecret) and bring.action.secret == "credential:5" and bring.target == "local"
    assert isinstance(forget.action, RunCommand) and JOINER.run in forget.action.command.shell()
    assert isinstance(add.action, RunCommand) and f"url=http://{ADDRESSES[U9]}" in add.action.command.gist
    assert add.action.unsure == (75,), "a connection that broke off says nothing of the host"


def test_a_member_that_cloudstack_does_not_have_is_only_added_there() -> None:
    known = with_cloud(in_pool_already(ha=True))
    made = keys(known.plan(AddHost(), JOINER))
    assert "join" not in made and "try-password" not in made
    assert [one for one in made if one.startswith("cloudstack")] == TOLD
    found = known.findings(AddHost(), JOINER)
    assert not blocks(found) and "only added to CloudStack" in " ".join(notes(found, "cloudstack.discovers"))


def test_others_that_cloudstack_lacks_come_along_with_it() -> None:
    known = with_cloud(joining(), *(cloud_host(uuid) for uuid in (U1, U2)))
    assert "does not have xs03 either" in " ".join(notes(known.findings(AddHost(), JOINER), "cloudstack.discovers"))


@pytest.mark.parametrize(
    ("hosts", "managed", "guard", "says"),
    [
        ((), "Unmanaged", "cloudstack.managed-now", "is Unmanaged in CloudStack"),
        ((), "PrepareUnmanaged", "cloudstack.managed-now", "is PrepareUnmanaged"),
        ((cloud_host(U9, address="10.0.9.9", uuid=U9),), "Managed", "cloudstack.not-known-yet", "has a host xs09 at 10.0.9.9 already (Up)"),
        ((cloud_host(U9, "Alert", cluster="c2"),), "Managed", "cloudstack.not-known-yet", "has a host xs09 at 10.0.0.19 already (Alert)"),
    ],
)  # fmt: skip
def test_what_cloudstack_would_silently_skip_is_refused(hosts: tuple[CloudHost, ...], managed: str, guard: str, says: str) -> None:
    rows = tuple(cloud_host(uuid) for uuid in (U1, U2, U3)) + hosts
    assert says in blocks(with_cloud(joining(), *rows, managed=managed).findings(AddHost(), JOINER))[guard]


def test_a_host_that_both_have_is_nothing_to_add() -> None:
    rows = tuple(cloud_host(uuid) for uuid in (U1, U2, U3, U9))
    assert "already" in blocks(with_cloud(in_pool_already(), *rows).findings(AddHost(), JOINER))["cloudstack.not-known-yet"]


def test_a_silent_cloudstack_stops_both_unless_somebody_says_why() -> None:
    for known, book, params in ((joining(), AddHost(), ADD), (leaving(), RemoveHost(), REMOVE)):
        found = [one for one in silent_cloud(known).findings(book, params) if one.level == "block"]
        assert [one.override for one in found] == [True] and "cannot be reached" in found[0].message
        assert not [one for one in keys(known.plan(book, params)) if one.startswith("cloudstack")]


def test_the_master_hands_over_is_emptied_ejected_and_deleted_in_the_order_that_works() -> None:
    made = keys(with_cloud(leaving(ha=True)).plan(RemoveHost(), LEADER))
    order = ["ha-off-still", "designate", "members-live", "cloudstack-reconnected", "maintain", "maintained",
             f"disable-{U1}", "eject", "left", "cloudstack-delete", "ha-on", "ha-on-still"]  # fmt: skip
    assert [one for one in made if one in order] == order
    off = next(one for one in with_cloud(leaving(ha=True)).plan(RemoveHost(), LEADER) if one.key == "ha-off")
    assert off.opens is not None, "HA comes back whatever happens in between"


def test_the_maintenance_is_settled_by_the_deletion_and_undone_by_a_way_back() -> None:
    steps = with_cloud(leaving()).plan(RemoveHost(), REMOVE)
    maintain, delete = (next(one for one in steps if one.key == key) for key in ("maintain", "cloudstack-delete"))
    assert maintain.opens is not None and maintain.opens.key == delete.settles and maintain.opens.resource == "pool:1"


def test_virtual_machines_are_moved_by_cloudstack_and_not_a_reason_to_stop() -> None:
    known = leaving()
    known.say(PoolVms("host:1"), (vm("i-2-10-VM", U3),))
    assert "remove.vms" in blocks(known.findings(RemoveHost(), REMOVE))
    found = with_cloud(known).findings(RemoveHost(), REMOVE)
    assert not blocks(found) and "moves its own" in " ".join(notes(found, "remove.vms"))


def test_a_host_in_maintenance_is_not_put_there_again() -> None:
    made = keys(with_cloud(leaving(), *changed(U3, resource="Maintenance")).plan(RemoveHost(), REMOVE))
    assert "maintain" not in made and "cloudstack-delete" in made


def test_a_host_that_cloudstack_does_not_have_only_leaves_the_pool() -> None:
    known = with_cloud(leaving(), cloud_host(U1), cloud_host(U2))
    assert commands(known.plan(RemoveHost(), REMOVE)) == commands(leaving().plan(RemoveHost(), REMOVE))
    assert "nothing to delete" in " ".join(notes(known.findings(RemoveHost(), REMOVE), "cloudstack.leaves-too"))


@pytest.mark.parametrize(
    ("other", "guard", "says"),
    [
        ({"resource": "PrepareForMaintenance"}, "cloudstack.leaves-too", "is in PrepareForMaintenance"),
        ({"resource": "ErrorInMaintenance"}, "cloudstack.leaves-too", "is in ErrorInMaintenance"),
        ({"state": "Alert"}, "cloudstack.leaves-too", "Bring back a host in Alert"),
        ({"state": "Disconnected"}, "cloudstack.leaves-too", "which cannot empty it so"),
    ],
)
def test_a_host_that_cloudstack_cannot_empty_stays(other: dict[str, str], guard: str, says: str) -> None:
    assert says in blocks(with_cloud(leaving(), *changed(U3, **other)).findings(RemoveHost(), REMOVE))[guard]


def test_the_last_enabled_host_of_a_cluster_needs_a_reason() -> None:
    rows = (cloud_host(U1, resource="Maintenance"), dataclasses.replace(cloud_host(U2), state="Alert"), cloud_host(U3))
    (found,) = (one for one in with_cloud(leaving(), *rows).findings(RemoveHost(), REMOVE) if one.guard == "cloudstack.room")
    assert "the last enabled host of xenpool" in found.message and found.override
