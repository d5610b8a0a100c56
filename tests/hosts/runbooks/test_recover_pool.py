"""Recover a pool whose master is dead: who is asked, what is refused, and what the plan says."""

from __future__ import annotations

from typing import Any

import pytest

from hosts.facts.portal import InventoryPool, PoolRow
from hosts.runbooks.recover_pool import RecoverParams, RecoverPool
from hosts.xen import recovery
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolVms
from hosts.xen.more_facts import LastReading, LastWord, Posture, Stance, stance
from hosts.xen.recovery_guards import FOLLOW
from hosts.xen.state import Member, Role, Voice
from opsportal.operations.facts import FactError
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import Condition, WaitFor
from opsportal.transport.base import Result
from tests.hosts.runbooks.known import (
    ADDRESSES,
    NAMES,
    POOL_UUID,
    U1,
    U2,
    U3,
    Known,
    basics,
    blocks,
    commands,
    host,
    member,
    pool,
    row,
    silent,
    vm,
)  # fmt: skip

PROMOTE = RecoverParams(pool=1, host=U2, master_off=True)
LAST = LastWord("2026-01-01T10:00:00", U1, ((U1, "xs01"), (U2, "xs02"), (U3, "xs03")), False, None)


def sees(known: Known, uuid: str, view: Member | None) -> None:
    """One host, as both facts have it; None stands for one that cannot be reached."""
    target = row(uuid).target
    if view is None:
        known.fail(MemberView(target), f"{target} could not be asked: No connection to {NAMES[uuid]}: timed out.")
        known.say(Posture(target), Stance(False))
    else:
        known.say(MemberView(target), view)
        known.say(Posture(target), stance(view))


def bereft(**views: Member | None) -> Known:
    """xs01 was the master and is gone; xs02 hangs, xs03 restarted its xapi and is in emergency mode."""
    known = Known()
    known.say(InventoryPool("portal", 1), PoolRow(1, "pool-a", POOL_UUID, "xenserver", "cloud", tuple(row(one) for one in (U1, U2, U3))))
    known.say(LastReading("portal", 1), LAST)
    seen = {"xs01": None, "xs02": silent(U2), "xs03": silent(U3, Voice.EMERGENCY, emergency=True)} | views
    for uuid in (U1, U2, U3):
        sees(known, uuid, seen[NAMES[uuid]])
    return known


def of(condition: Condition) -> tuple[str, str]:
    return condition.target, condition.says


def test_a_survivor_becomes_the_master_and_the_others_follow() -> None:
    known = bereft()
    steps = known.plan(RecoverPool(), PROMOTE)
    assert commands(steps) == [
        "transition: xe pool-emergency-transition-to-master",
        "answers",
        "recover-slaves: xe pool-recover-slaves",
        "members-follow",
        "everybody",
    ]
    assert {step.target for step in steps} == {"host:2"}
    assert not blocks(known.findings(RecoverPool(), PROMOTE))
    texts = " ".join(one.message for one in known.findings(RecoverPool(), PROMOTE))
    assert "some minutes old" in texts and "Keep the old master switched off" in texts and f"host-forget uuid={U1} --force" in texts


def test_before_the_transition_every_survivor_is_asked_whether_there_is_a_master_after_all() -> None:
    expect = bereft().plan(RecoverPool(), PROMOTE)[0].expect
    assert [of(one) for one in expect] == [
        ("host:2", "xs02's pool.conf says that it follows a master"),
        ("host:2", "xs02 gets no answer from the pool master"),
        ("host:3", "xs03 gets no answer from the pool master"),
    ]


def test_members_are_asked_themselves_whom_they_follow() -> None:
    follow = bereft().plan(RecoverPool(), PROMOTE)[3].action
    assert isinstance(follow, WaitFor)
    assert [one.says for one in follow.conditions] == [
        "xs03's pool.conf says that it follows a master",
        "xs03 names xs02 as master",
        "xs03 is not in emergency mode",
    ]


def test_the_only_survivor_is_not_asked_to_recover_anybody() -> None:
    known = bereft(xs03=None)
    assert [step.key for step in known.plan(RecoverPool(), PROMOTE)] == ["transition", "answers", "everybody"]
    assert any("xs03 cannot be asked" in one.message for one in known.findings(RecoverPool(), PROMOTE))


def test_whether_a_survivor_hangs_or_is_in_emergency_mode_makes_no_other_plan() -> None:
    first, second = bereft(), bereft(xs02=silent(U2, Voice.EMERGENCY, emergency=True, said="The host toolstack is still initialising."))
    assert first.plan(RecoverPool(), PROMOTE) == second.plan(RecoverPool(), PROMOTE)
    assert not Posture.volatile


@pytest.mark.parametrize("voice", ["master", "member"])
def test_a_needless_transition_is_refused(voice: str) -> None:
    known = bereft(xs01=member(U1)) if voice == "master" else bereft(xs03=member(U3))
    found = blocks(known.findings(RecoverPool(), PROMOTE))
    assert "nothing to recover" in found["recover.needless"]
    with pytest.raises(NothingToDo, match="split the pool"):
        known.plan(RecoverPool(), PROMOTE)


@pytest.mark.parametrize(
    ("voice", "armed", "says"),
    [(Voice.HANGS, False, "xe-toolstack-restart"), (Voice.REFUSED, False, "its xapi is down"), (Voice.ERROR, True, "do not restart")],
)
def test_a_master_that_only_lost_its_xapi_is_mended_not_replaced(voice: Voice, armed: bool, says: str) -> None:
    known = bereft(xs01=silent(U1, voice, ha_armed=armed, said="The host toolstack is still initialising."))
    assert says in blocks(known.findings(RecoverPool(), PROMOTE))["recover.master-there"]


def armed() -> Known:
    known = bereft(xs02=silent(U2, ha_armed=True), xs03=silent(U3, ha_armed=True))
    known.say(LastReading("portal", 1), LastWord(LAST.at, U1, LAST.hosts, True, 180))
    return known


def test_with_ha_on_it_says_to_wait() -> None:
    found = {one.guard: one for one in armed().findings(RecoverPool(), PROMOTE)}
    assert "Wait" in found["recover.ha"].message and "180 s" in found["recover.ha"].message
    assert "xs02, xs03" in found["recover.ha"].message
    assert found["recover.ha"].level == "block" and not found["recover.ha"].override


def test_the_last_resort_is_a_choice_of_its_own_with_a_reason() -> None:
    params = RecoverParams(pool=1, host=U2, master_off=True, disarm=True)
    (found,) = (one for one in armed().findings(RecoverPool(), params) if one.guard == "recover.ha")
    assert found.override and "second one" in found.message
    assert commands(armed().plan(RecoverPool(), params))[:3] == [
        f"disarm-{U2}: xe host-emergency-ha-disable --force",
        f"disarm-{U3}: xe host-emergency-ha-disable --force",
        "transition: xe pool-emergency-transition-to-master",
    ]
    assert [step.target for step in armed().plan(RecoverPool(), params)[:3]] == ["host:2", "host:3", "host:2"]


def test_where_nobody_can_say_whether_ha_is_armed_it_warns() -> None:
    known = bereft(xs02=silent(U2, ha_armed=None))
    assert any("xs02 could not be read" in one.message for one in known.findings(RecoverPool(), PROMOTE))


def test_the_old_master_must_be_said_to_be_off() -> None:
    found = bereft().findings(RecoverPool(), RecoverParams(pool=1, host=U2))
    assert "Switch the old master's power off" in blocks(found)["recover.master-off"]


def test_a_survivor_that_is_away_cannot_be_chosen() -> None:
    known = bereft(xs02=None)
    assert "cannot be reached" in blocks(known.findings(RecoverPool(), PROMOTE))["recover.survivor"]
    with pytest.raises(FactError, match="Choose another"):
        known.plan(RecoverPool(), PROMOTE)


def test_the_page_shows_what_each_host_says_and_offers_only_members() -> None:
    known = bereft(xs01=silent(U1, Voice.REFUSED))
    look = RecoverPool().look("host", PROMOTE, known.facts())
    assert [(one["name"], bool(one["why_not"])) for one in look["rows"]] == [("xs01", True), ("xs02", False), ("xs03", False)]
    assert look["rows"][0]["was_master"] and "its pool master is probably unreachable" in look["rows"][1]["state"]
    assert look["rows"][2]["emergency"] is True


@pytest.mark.parametrize(
    ("result", "holds"),
    [
        (Result(124, ""), True),
        (Result(1, "", "The host toolstack is still initialising. Please wait.\n"), True),
        (Result(0, f"{U1}\n"), False),
    ],
)
def test_only_an_answer_shows_that_there_is_a_master(result: Result, holds: bool) -> None:
    assert (recovery.silent(result, "") == "") is holds


def returned(**other: Any) -> Known:
    """xs02 leads the pool; xs01, its old master, came back and says that it leads it, too."""
    known = pool(master=U2)
    known.say(LastReading("portal", 1), LAST)
    for uuid in (U2, U3):
        sees(known, uuid, member(uuid, U2))
    sees(known, U1, member(U1, U1, **other))
    known.say(PoolVms("host:1"), ())
    return known


BACK = RecoverParams(pool=1, what=FOLLOW, host=U1)


def test_an_old_master_that_came_back_is_put_behind_the_new_one() -> None:
    known = returned(voice=Voice.ERROR)
    steps = known.plan(RecoverPool(), BACK)
    assert commands(steps) == [f"reset-master: xe pool-emergency-reset-master master-address={ADDRESSES[U2]}", "follows", "everybody"]
    assert steps[0].target == "host:1" and steps[2].target == "host:2"
    assert [one.says for one in steps[0].expect] == [
        "xs01's pool.conf says master",
        "xs02 names xs02 as master",
        "xs02 has xs01 in its database",
    ]
    assert not blocks(known.findings(RecoverPool(), BACK))


def test_a_member_that_looks_for_a_dead_address_is_brought_back() -> None:
    known = returned(voice=Voice.REFUSED)
    sees(known, U3, silent(U3))
    steps = known.plan(RecoverPool(), RecoverParams(pool=1, what=FOLLOW, host=U3))
    assert steps[0].expect[0].wants == f"slave:{ADDRESSES[U1]}"


def test_with_two_masters_the_one_counts_that_is_followed() -> None:
    known = returned()
    steps = known.plan(RecoverPool(), BACK)
    assert "10.0.0.12" in commands(steps)[0]
    sees(known, U3, silent(U3))
    with pytest.raises(FactError, match="two masters"):
        known.plan(RecoverPool(), RecoverParams(pool=1, what=FOLLOW, host=U3))


@pytest.mark.parametrize(
    ("change", "guard", "says"),
    [
        ("master", "follow.not-the-master", "is the master"),
        ("stranger", "follow.not-the-master", "no record"),
        ("ha", "follow.ha", "HA is on"),
    ],
)
def test_what_would_take_the_pool_apart_is_refused(change: str, guard: str, says: str) -> None:
    known = pool(master=U2, ha=change == "ha")
    known.say(LastReading("portal", 1), LAST)
    known.say(PoolVms("host:1"), ())
    for uuid in (U1, U2, U3):
        sees(known, uuid, member(uuid, U2))
    sees(known, U1, silent(U1))
    known.say(PoolBasics("host:3"), basics(U2))
    known.say(PoolHosts("host:3"), tuple(host(uuid) for uuid in (U1, U2, U3)))
    params = {"master": U2, "stranger": "99999999-0000-4000-8000-000000000000", "ha": U1}
    found = blocks(known.findings(RecoverPool(), RecoverParams(pool=1, what=FOLLOW, host=params[change])))
    assert says in found[guard]


def test_machines_that_may_run_twice_are_named() -> None:
    known = returned(voice=Voice.ERROR)
    known.say(PoolVms("host:1"), (vm("i-2-10-VM", U1), vm("i-2-11-VM", U1, "halted")))
    (found,) = (one for one in known.findings(RecoverPool(), BACK) if one.guard == "follow.twice")
    assert "1 virtual machines" in found.message and "i-2-10-VM" in found.message and found.override


def test_a_host_that_follows_already_needs_nothing() -> None:
    known = returned(voice=Voice.REFUSED)
    sees(known, U3, member(U3, U2))
    with pytest.raises(NothingToDo, match="follows xs02 already"):
        known.plan(RecoverPool(), RecoverParams(pool=1, what=FOLLOW, host=U3))


def test_nobody_is_pointed_to_a_pool_without_a_master() -> None:
    known = bereft()
    found = blocks(known.findings(RecoverPool(), RecoverParams(pool=1, what=FOLLOW, host=U3)))
    assert "Make a survivor the master first" in found["follow.master"]


def test_roles_of_the_test_are_those_of_the_facts() -> None:
    assert bereft().facts()(Posture("host:2")).role is Role.SLAVE
