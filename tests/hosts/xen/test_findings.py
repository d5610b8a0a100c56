"""What the rulebook says to a pool as it was read: a well pool hears nothing, and each way to be unwell is told with its runbook."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hosts.models import Pool
from hosts.xen import errors, findings
from hosts.xen.state import Basics, Member, MemberState, Pbd, Pif, PoolState, Role, Sr, Storage, Vm, VmTable, Voice, XenHost
from hosts.xen.twins import Bearer
from tests.hosts.xen.samples import SR, U1, U2, U3, VM1, P, sample

UUIDS = (U1, U2, U3)
BASICS = Basics(P, "pool-a", U1, SR, True, 180, "timeout: 180", ("s",), (SR,), 1, False, False, True)
HOSTS = tuple(
    XenHost(uuid, f"xs{number}", f"xs{number}", f"10.0.0.1{number}", True, True, "XenServer", "6.5.0", "90233c", "1.9.0")
    for number, uuid in enumerate(UUIDS, 1)
)


def member(number: int, **view: Any) -> MemberState:
    role = {"role": Role.MASTER, "master_address": ""} if number == 1 else {"role": Role.SLAVE, "master_address": "10.0.0.11"}
    given: dict[str, Any] = {
        "uuid": UUIDS[number - 1], "control_domain": "", "hostname": f"xs{number}", "brand": "XenServer", "version": "6.5.0",
        "build": "90233c", **role, "voice": Voice.ANSWERS, "pool": P, "says_master": U1, "says_ha": True, "emergency": False,
        "ha_armed": True,
    } | view  # fmt: skip
    return MemberState(number, f"xs{number}", f"10.0.0.1{number}", Member(**given))


MEMBERS = tuple(member(number) for number in (1, 2, 3))
STORAGE = Storage((Sr(SR, "primary", "nfs", True),), tuple(Pbd(f"pbd{number}", uuid, SR, True) for number, uuid in enumerate(UUIDS, 1)))
WELL = PoolState(MEMBERS, basics=BASICS, hosts=HOSTS, storage=STORAGE, vms=VmTable(), whole_at="2026-01-01T00:00:00+00:00", speaker=1)
DISARMED = tuple(member(number, says_ha=False, ha_armed=False) for number in (1, 2, 3))


def judged(state: PoolState, *twins: Bearer) -> list[dict[str, Any]]:
    return findings.judged(Pool(name="pool-a"), state, twins)


def one(state: PoolState, *twins: Bearer) -> dict[str, Any]:
    (found,) = judged(state, *twins)
    return found


def off(**basics: Any) -> PoolState:
    return replace(WELL, basics=replace(BASICS, ha_enabled=False, **basics), members=DISARMED)


def with_host(number: int, **fields: Any) -> PoolState:
    return replace(WELL, hosts=tuple(replace(host, **fields) if place == number else host for place, host in enumerate(HOSTS, 1)))


def with_member(changed: MemberState) -> PoolState:
    return replace(WELL, members=tuple(changed if one.pk == changed.pk else one for one in MEMBERS))


def test_a_well_pool() -> None:
    assert judged(WELL) == []


def test_a_pool_that_nobody_speaks_for_is_not_judged_by_what_it_said_before() -> None:
    state = replace(off(), silence="No host of pool-a gives an answer.", members=tuple(member(n, voice=Voice.HANGS) for n in (1, 2, 3)))
    assert {found["guard"] for found in judged(state)} == {"pool.answers", "pool.members-answer"}


CASES: dict[str, tuple[PoolState, str, str, str, int | None]] = {
    "HA off": (off(), "pool.ha-off", "block", "enable-pool-ha", None),
    "HA off, without the licence": (off(xha_licensed=False), "pool.ha-off", "block", "", None),
    "HA off with two hosts": (
        replace(off(), hosts=HOSTS[:2], members=DISARMED[:2]), "pool.ha-off", "warn", "add-host-to-pool", None
    ),
    "HA on with two hosts": (replace(WELL, hosts=HOSTS[:2], members=MEMBERS[:2]), "pool.few-hosts", "block", "disable-pool-ha", None),
    "nobody chose the timeout": (
        replace(WELL, basics=replace(BASICS, ha_timeout=None)), "pool.ha-timeout", "warn", "change-ha-timeout", None
    ),
    "a short timeout": (replace(WELL, basics=replace(BASICS, ha_timeout=60)), "pool.ha-timeout", "warn", "change-ha-timeout", None),
    "a host disabled after a crash": (with_host(2, enabled=False), "pool.disabled-hosts", "warn", "re-enable-host", 2),
    "the master disabled": (with_host(1, enabled=False), "pool.disabled-hosts", "block", "re-enable-host", 1),
    "a member that follows another master": (
        with_member(member(3, master_address="10.0.0.12")), "pool.one-master", "block", "recover-pool", 3
    ),
    "a member that names another master": (with_member(member(3, says_master=U2)), "pool.one-master", "block", "recover-pool", 3),
    "a broken pool.conf": (with_member(member(2, role=Role.BROKEN, master_address="")), "pool.one-master", "block", "recover-pool", 2),
    "HA said otherwise": (with_member(member(2, says_ha=False)), "pool.ha-agrees", "block", "change-ha-timeout", 2),
    "a member that is not armed": (with_member(member(2, ha_armed=False)), "pool.ha-agrees", "block", "change-ha-timeout", 2),
    "an interface down that must not be": (
        replace(WELL, pifs=(Pif("p", U2, "eth0", "aa", -1, False, True, True),)), "pool.required-pifs", "warn", "", 2
    ),
    "versions differ": (with_host(3, version="7.0.0"), "pool.same-version", "warn", "rolling-maintenance", None),
    "a rolling upgrade": (
        replace(WELL, basics=replace(BASICS, rolling_upgrade=True)), "pool.same-version", "warn", "rolling-maintenance", None
    ),
    "a member that is not in the inventory": (replace(WELL, members=MEMBERS[:2]), "pool.membership", "warn", "", None),
    "a host that hangs": (with_member(member(3, voice=Voice.HANGS, says_ha=None)), "pool.members-answer", "block", "recover-pool", 3),
    "a host in emergency": (
        with_member(member(3, voice=Voice.EMERGENCY, said="It lost its master.", says_ha=None)),
        "pool.members-answer", "block", "recover-pool", 3,
    ),
    "a host that cannot be reached": (
        with_member(MemberState(3, "xs3", "10.0.0.13", error="xs3 cannot be reached.")), "pool.members-answer", "block", "", 3
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_thing_wrong_is_one_finding(case: str) -> None:
    state, guard, level, runbook, host = CASES[case]
    found = one(state)
    assert (found["guard"], found["level"], found["runbook"], found["host"]) == (guard, level, runbook, host)
    assert found["message"].endswith((".", ")", "=p")) and found["reason"] and found["source"]
    assert bool(found["mends"]) == bool(runbook)


def test_a_member_still_armed_without_ha() -> None:
    state = replace(off(), members=(*DISARMED[:2], member(3, says_ha=False, ha_armed=True)))
    assert [found["guard"] for found in judged(state)] == ["pool.ha-off", "pool.ha-agrees"]
    assert "xe-toolstack-restart on that host disarms it" in judged(state)[1]["message"]


def test_an_unplugged_heartbeat_sr() -> None:
    storage = replace(STORAGE, pbds=(replace(STORAGE.pbds[0], attached=False), *STORAGE.pbds[1:]))
    found = judged(replace(WELL, storage=storage))
    assert [(each["guard"], each["level"]) for each in found] == [("pool.heartbeat-sr", "block"), ("pool.pbds", "warn")]
    assert "primary is not plugged on xs1" in found[0]["message"] and "xe pbd-plug uuid=pbd1" in found[1]["message"]


def test_two_masters() -> None:
    state = with_member(member(2, role=Role.MASTER, master_address="", says_master=U2))
    assert [found["message"] for found in judged(state)] == [
        "xs1 and xs2 each say that they are the master.",
        "xs2 names xs2 as master, the pool xs1.",
    ]


@pytest.mark.parametrize(("on", "level"), [(True, "block"), (False, "warn")])
def test_protected_vms(on: bool, level: str) -> None:
    vms = VmTable(2, protected=(Vm(VM1, "i-2-3-VM", "running", U1, "restart", True),), protected_total=1)
    found = [each for each in judged(replace(WELL if on else off(), vms=vms)) if each["guard"] == "pool.protected-vms"]
    assert [(each["level"], each["runbook"]) for each in found] == [(level, "unprotect-vms")]
    assert "1 virtual machine has a restart priority: i-2-3-VM." in found[0]["message"]


def test_clones_in_one_pool_elsewhere_and_of_a_whole_pool() -> None:
    clone = replace(member(3, uuid=U2), address="10.0.0.99")
    found = judged(with_member(clone))
    assert (found[0]["guard"], found[0]["host"], found[0]["runbook"]) == ("pool.twins", 3, "make-unique")
    assert "xs2 and xs3 have the same host UUID" in found[0]["message"]
    assert one(WELL, Bearer(U2, "xs9", "10.9.9.9", host=9))["host"] == 9
    assert "same pool UUID" in one(WELL, Bearer(P, "the pool pool-b", pool=4))["message"]


def test_a_dead_host_that_nobody_asked() -> None:
    state = replace(with_host(3, live=False), members=MEMBERS[:2])
    assert "xs3 counts as dead in the pool." in [found["message"] for found in judged(state)]


def test_every_rule_is_exercised() -> None:
    exercised = {case[1] for case in CASES.values()} | {
        "pool.answers",
        "pool.twins",
        "pool.heartbeat-sr",
        "pool.pbds",
        "pool.protected-vms",
    }
    assert exercised == {rule.ident for rule in findings.RULES}


@pytest.mark.django_db
def test_the_rules_stand_on_the_rulebook(viewer: Client) -> None:
    page = viewer.get(reverse("rulebook"), {"q": "create_or_get_host_on_master"}).content.decode()
    assert "No uuid is there twice" in page and "Every reading is held against it" in page


def test_emergency_is_told_in_the_words_of_the_error() -> None:
    assert (
        "pool master does not know this host"
        in one(with_member(member(2, voice=Voice.EMERGENCY, said=errors.said(sample(40)), says_ha=None)))["message"]
    )
