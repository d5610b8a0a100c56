"""Add a host to a pool and remove one: what is refused, and what the plans say, with HA on and off."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hosts.facts.portal import InventoryHost
from hosts.facts.restorations import HaLeftOff, LeftOff
from hosts.runbooks.add_host_to_pool import AddHost, AddParams
from hosts.runbooks.remove_host_from_pool import RemoveHost, RemoveParams
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolPifs, PoolStorage, PoolVms
from hosts.xen.more_facts import CalledCredential, Disk, DisksOn, InventoryCredential, InventoryPlace, Placed, Twins
from hosts.xen.state import Role, Sr, Storage, Voice
from opsportal.operations.facts import FactError
from opsportal.operations.steps import CannotUndo, PutSecret, RunCommand, WaitFor
from tests.hosts.runbooks.known import (
    ADDRESSES,
    LOCAL,
    NFS,
    U1,
    U2,
    U3,
    U9,
    Known,
    basics,
    blocks,
    commands,
    host,
    member,
    pif,
    pool,
    row,
    storage,
    vm,
)  # fmt: skip

ADD = AddParams(pool=1, joiner=9, credential=5)
OWN = "99999999-0000-4000-8000-000000000000"
PASSWORD = CalledCredential(5, "pool root", "root", True)


def joining(*, ha: bool = False) -> Known:
    """A pool of three, and xs09 alone beside it, reached by key."""
    known, target = pool(ha=ha), row(U9).target
    known.say(HaLeftOff("portal", "pool:1"), None)
    known.say(InventoryHost("portal", 9), row(U9))
    known.say(InventoryPlace("portal", 9), Placed(9, "xs09", None, "", "portal key", False, 1))
    known.say(InventoryCredential("portal", 5), PASSWORD)
    for uuid in (U1, U2, U9):
        known.say(Twins("portal", 9, uuid), ())
    known.say(MemberView(target), member(U9, U9, pool=OWN))
    known.say(PoolHosts(target), (host(U9),))
    known.say(PoolBasics(target), basics(U9, uuid=OWN))
    known.say(PoolVms(target), ())
    known.say(PoolStorage(target), Storage((Sr(LOCAL, "Local storage", "ext", False), Sr(OWN, "XenServer Tools", "iso", True)), ()))
    known.say(PoolPifs(target), (pif(U9),))
    return known


def keys(steps: Any) -> list[str]:
    return [step.key for step in steps]


def test_with_ha_off_it_just_joins() -> None:
    known = joining()
    steps = known.plan(AddHost(), ADD)
    assert commands(steps) == [
        "password",
        "try-password: xe -s 10.0.0.11 -pwf /root/.opsportal-join/login host-list params=uuid --minimal",
        "join: HOME=/root/.opsportal-join xe pool-join master-address=10.0.0.11 master-username=root",
        "joined",
        "forget-password: rm -rf /root/.opsportal-join",
    ]
    assert [step.target for step in steps] == ["host:9", "host:9", "host:9", "host:1", "host:9"]
    assert not blocks(known.findings(AddHost(), ADD))


def test_with_ha_on_it_goes_off_first_and_on_again_for_all_four() -> None:
    steps = joining(ha=True).plan(AddHost(), ADD)
    assert keys(steps) == [
        "password", "try-password", "ha-off", "ha-off-everywhere", "ha-off-still", "join", "joined", "forget-password",
        "ha-on", "ha-on-everywhere", "ha-on-still",
    ]  # fmt: skip
    on = next(step for step in steps if step.key == "ha-on")
    assert f"xe pool-ha-enable heartbeat-sr-uuids={NFS} ha-config:timeout=180" in commands([on])[0]
    assert {one.target for one in on.expect} == {"host:1", "host:2", "host:3", "host:9"}
    off = next(step for step in steps if step.key == "ha-off")
    assert off.opens is not None and off.opens.resource == "pool:1"
    assert steps[-1].settles == off.opens.key


def test_ha_that_an_operation_left_off_is_brought_back() -> None:
    known = joining()
    known.say(HaLeftOff("portal", "pool:1"), LeftOff(NFS, 180, 7))
    assert keys(known.plan(AddHost(), ADD))[2:4] == ["ha-off-everywhere", "ha-off-still"]
    assert keys(known.plan(AddHost(), ADD))[-1] == "ha-on-still"


def test_the_password_is_named_and_never_in_the_plan() -> None:
    put = joining().plan(AddHost(), ADD)[0]
    assert isinstance(put.action, PutSecret)
    assert put.action.secret == "credential:5" and put.action.content == "master-password={secret}\n"
    assert put.opens is not None and put.opens.resource == "host:9"
    join = joining().plan(AddHost(), ADD)[2]
    assert isinstance(join.action, RunCommand) and "password" not in join.action.command.shell()


def test_pool_join_is_not_trusted_by_its_exit_code() -> None:
    steps = {step.key: step for step in joining().plan(AddHost(), ADD)}
    (probe,) = steps["join"].probe
    assert probe.target == "host:9" and probe.wants == "slave:10.0.0.11"
    joined = steps["joined"].action
    assert isinstance(joined, WaitFor)
    assert [one.says for one in joined.conditions] == [
        "xs01 lists xs09",
        "xs09 names xs01 as master",
        "xs09 is not in emergency mode",
        "xs09 is enabled",
        "xs09 counts as live",
        "primary is plugged on xs09",
    ]


@pytest.mark.parametrize(
    ("change", "guard", "says"),
    [
        ("away", "join.asked", "cannot be asked"),
        ("slave", "join.asked", "follows a master already (10.0.0.12)"),
        ("silent", "join.asked", "does not answer"),
        ("leads", "join.alone", "master of xs02"),
        ("twin of a member", "join.twin", "it is a clone"),
        ("twin of the master", "join.twin", "uuid of xs01"),
        ("twin elsewhere", "join.twin-elsewhere", "same uuid as xs44"),
        ("version", "join.version", "runs XenServer 6.2.0"),
        ("build", "join.version", "builds differ"),
        ("patch", "join.version", "lacks 1 patches"),
        ("surplus", "join.version", "the master lacks: XS65E099"),
        ("vendor", "join.version", "processors of AuthenticAMD"),
        ("features", "join.version", "features"),
        ("vm", "join.vms", "i-2-10-VM"),
        ("suspended", "join.vms", "i-2-10-VM"),
        ("shared", "join.shared", "old nfs (nfs)"),
        ("ha", "join.ha", "HA is on for xs09"),
        ("bond", "join.network", "a bond"),
        ("password", "join.password", "stops working"),
        ("key", "join.password", "not a password of root"),
    ],
)
def test_what_pool_join_would_refuse_or_silently_spoil_is_blocked(change: str, guard: str, says: str) -> None:
    known, target = joining(), row(U9).target
    if change.startswith("twin of"):
        other = U2 if "member" in change else U1
        known.say(PoolHosts(target), (host(other),))
    changes: dict[str, tuple[Any, Any]] = {
        "slave": (MemberView(target), member(U9, U2)),
        "silent": (MemberView(target), member(U9, U9, voice=Voice.REFUSED, said="Error: Connection refused (calling connect )")),
        "leads": (PoolHosts(target), (host(U9), host(U2))),
        "twin of a member": (MemberView(target), dataclasses.replace(member(U9, U9, pool=OWN), uuid=U2)),
        "twin of the master": (MemberView(target), dataclasses.replace(member(U9, U9, pool=OWN), uuid=U1)),
        "twin elsewhere": (Twins("portal", 9, U9), ("xs44",)),
        "version": (PoolHosts(target), (host(U9, version="6.2.0"),)),
        "build": (PoolHosts(target), (host(U9, build="70446c"),)),
        "patch": (PoolHosts("host:1"), (host(U1, patches=("XS65E001",)), host(U2), host(U3))),
        "surplus": (PoolHosts(target), (host(U9, patches=("XS65E099",)),)),
        "vendor": (PoolHosts(target), (host(U9, cpu="AuthenticAMD 77bee3ff"),)),
        "features": (PoolHosts(target), (host(U9, cpu="GenuineIntel 00000000"),)),
        "vm": (PoolVms(target), (vm("i-2-10-VM", U9),)),
        "suspended": (PoolVms(target), (vm("i-2-10-VM", U9, "suspended"),)),
        "shared": (PoolStorage(target), Storage((Sr(NFS, "old nfs", "nfs", True),), ())),
        "ha": (PoolBasics(target), basics(U9, ha=True)),
        "bond": (PoolPifs(target), (pif(U9, "bond0", bond_slaves=("eth0", "eth1")),)),
        "password": (InventoryPlace("portal", 9), Placed(9, "xs09", None, "", "its own", True, 6)),
        "key": (InventoryCredential("portal", 5), CalledCredential(5, "portal key", "root", False)),
    }
    if change == "away":
        known.fail(MemberView(target), "host:9 could not be asked: No connection.")
    else:
        known.say(*changes[change])
    assert says in blocks(known.findings(AddHost(), ADD))[guard]


def test_newer_versions_are_content_with_levelled_processors() -> None:
    known, target = joining(), row(U9).target
    new = {"version": "8.2.0", "build": "1"}
    known.say(PoolHosts("host:1"), tuple(host(uuid, **new) for uuid in (U1, U2, U3)))
    known.say(PoolHosts(target), (host(U9, version="8.2.0", build="2", cpu="GenuineIntel 00000000"),))
    found = known.findings(AddHost(), ADD)
    assert "join.version" not in blocks(found)
    assert {one.level for one in found if one.guard == "join.version"} == {"warn"}


def test_a_host_reached_by_key_is_told_that_its_root_password_changes() -> None:
    assert any("becomes the pool's" in one.message for one in joining().findings(AddHost(), ADD))


def leaving(*, ha: bool = False, master: str = U1, uuids: tuple[str, ...] = (U1, U2, U3)) -> Known:
    known = pool(uuids, master=master, ha=ha)
    known.say(HaLeftOff("portal", "pool:1"), None)
    known.say(DisksOn(row(master).target, LOCAL), ())
    return known


REMOVE = RemoveParams(pool=1, host=U3)


def test_a_member_is_disabled_and_ejected_by_its_uuid() -> None:
    known = leaving()
    assert commands(known.plan(RemoveHost(), REMOVE)) == [
        f"disable-{U3}: xe host-disable uuid={U3}",
        f"eject: xe pool-eject host-uuid={U3} --force",
        "left",
        "came-back",
    ]
    assert not blocks(known.findings(RemoveHost(), REMOVE))
    assert any("erased. No virtual disk" in one.message for one in known.findings(RemoveHost(), REMOVE))


def test_the_master_hands_over_first_and_ha_comes_back_without_it() -> None:
    known = leaving(ha=True)
    params = RemoveParams(pool=1, host=U1, new_master=U2)
    steps = known.plan(RemoveHost(), params)
    assert keys(steps) == [
        "ha-off", "ha-off-everywhere", "ha-off-still", "members-answer", "designate", "members-follow", "members-live",
        f"disable-{U1}", "eject", "left", "ha-on", "ha-on-everywhere", "ha-on-still", "came-back",
    ]  # fmt: skip
    eject = next(step for step in steps if step.key == "eject")
    assert eject.target == "host:2" and eject.settles == f"disabled-{U1}"
    on = next(step for step in steps if step.key == "ha-on")
    assert {one.target for one in on.expect} == {"host:2", "host:3"}
    off = steps[0].opens
    assert off is not None and {one.target for one in off.proof} == {"host:2", "host:3"}


def test_before_the_eject_the_host_must_be_empty_and_a_member() -> None:
    eject = next(step for step in leaving().plan(RemoveHost(), REMOVE) if step.key == "eject")
    assert [one.says for one in eject.expect] == [
        "xs03's pool.conf follows xs01",
        "xs03 names xs01 as master",
        "No virtual machine is on xs03",
        "xs01 says that HA is off",
    ]
    assert [one.wants for one in eject.probe] == [U3]
    assert isinstance(eject.undo, CannotUndo) and eject.danger


def test_a_host_that_was_disabled_before_is_not_enabled_by_a_restoration() -> None:
    known = leaving()
    known.say(PoolHosts("host:1"), (host(U1), host(U2), host(U3, enabled=False)))
    step = known.plan(RemoveHost(), REMOVE)[0]
    assert step.opens is None


def test_without_a_successor_the_master_stays() -> None:
    known = leaving()
    assert "Choose the member" in blocks(known.findings(RemoveHost(), RemoveParams(pool=1, host=U1)))["remove.successor"]
    with pytest.raises(FactError, match="Choose the member"):
        known.plan(RemoveHost(), RemoveParams(pool=1, host=U1))


def test_an_older_successor_is_refused() -> None:
    known = leaving()
    known.say(PoolHosts("host:1"), (host(U1), host(U2, version="6.2.0"), host(U3)))
    found = blocks(known.findings(RemoveHost(), RemoveParams(pool=1, host=U1, new_master=U2)))
    assert "6.2.0" in found["remove.successor"]


@pytest.mark.parametrize("power", ["running", "suspended", "paused"])
def test_a_host_with_machines_on_it_stays(power: str) -> None:
    known = leaving()
    known.say(PoolVms("host:1"), (vm("i-2-10-VM", U3, power), vm("i-2-11-VM", U2)))
    found = blocks(known.findings(RemoveHost(), REMOVE))["remove.vms"]
    assert "1 virtual machines are on xs03: i-2-10-VM" in found


def test_local_disks_are_named_with_their_sizes_and_need_a_reason() -> None:
    known = leaving()
    known.say(DisksOn("host:1", LOCAL), (Disk("d1" + U1[2:], "data of billing", LOCAL, 50 * 1024**3),))
    (found,) = (one for one in known.findings(RemoveHost(), REMOVE) if one.guard == "remove.storage")
    assert "data of billing (50.0 GiB)" in found.message and "is erased" in found.message
    assert LOCAL in found.message and found.override
    look = RemoveHost().look("host", REMOVE, known.facts())
    assert look["local"][0]["disks"][0]["name"] == "data of billing"


def test_the_only_host_cannot_leave() -> None:
    known = leaving(uuids=(U1,))
    known.say(PoolStorage("host:1"), storage([U1], local=U1))
    assert "only host" in blocks(known.findings(RemoveHost(), RemoveParams(pool=1, host=U1)))["remove.only"]


def test_ha_with_two_hosts_needs_a_reason() -> None:
    (found,) = (one for one in leaving(ha=True).findings(RemoveHost(), REMOVE) if one.guard == "remove.few")
    assert "2 hosts would stay" in found.message and found.override


def test_a_dead_member_cannot_be_ejected() -> None:
    known = leaving()
    known.fail(MemberView("host:3"), "host:3 could not be asked: No connection.")
    assert "xen.members-answer" in blocks(known.findings(RemoveHost(), REMOVE))


def test_a_host_that_left_already_is_said_to_be_gone() -> None:
    found = blocks(leaving().findings(RemoveHost(), RemoveParams(pool=1, host=U9)))
    assert "may have left already" in found["remove.there"]


def test_roles_and_addresses_are_those_of_the_pool() -> None:
    assert ADDRESSES[U1] == "10.0.0.11" and member(U2).role is Role.SLAVE
