"""Change pool master: what the plan is for each state of the pool, and what the rulebook refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from hosts.facts.portal import InventoryPool
from hosts.facts.restorations import LeftOff
from hosts.runbooks.change_pool_master import ChangePoolMaster, MasterParams
from hosts.xen.facts import MemberView
from opsportal.operations.facts import FactError
from opsportal.operations.plan import Plan
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import CannotUndo, Effect, RunCommand, WaitFor
from tests.hosts.runbooks import pools
from tests.hosts.runbooks.known import NFS, U1, U2, U3, Known, blocks, commands, row, silent
from tests.hosts.runbooks.pools import three

BOOK = ChangePoolMaster()
TO_2 = MasterParams(1, U2)
SWITCH = [
    "members-answer",
    f"designate: xe pool-designate-new-master host-uuid={U2}",
    "members-follow",
    "members-live",
]
OFF = ["ha-off: xe pool-ha-disable", "ha-off-everywhere", "ha-off-still"]


def on(timeout: int = 180) -> list[str]:
    command = f"xe pool-ha-enable heartbeat-sr-uuids={NFS} ha-config:timeout={timeout}"
    return [f"ha-on: {command}", "ha-on-everywhere", "ha-on-still"]


def test_with_ha_on_it_goes_off_first_and_comes_back_as_it_was() -> None:
    steps = three(ha=True).plan(BOOK, TO_2)
    assert commands(steps) == [*OFF, *SWITCH, *on()]
    off, still_on = steps[0], steps[-1]
    assert off.opens is not None and off.opens.resource == "pool:1" and "180 s" in off.opens.title
    assert still_on.settles == off.opens.key
    assert "heartbeat-sr-uuids=" + NFS in off.opens.action.command.argv  # type: ignore[union-attr]


def test_with_ha_off_only_the_master_changes() -> None:
    steps = three(ha=False).plan(BOOK, TO_2)
    assert commands(steps) == SWITCH
    assert not any(step.opens or step.settles for step in steps)


def test_ha_that_an_operation_left_off_is_brought_back() -> None:
    steps = three(ha=False, left=LeftOff(NFS, 150, 7)).plan(BOOK, TO_2)
    assert commands(steps) == [*OFF[1:], *SWITCH, *on(150)]


def test_everything_runs_on_the_new_master_so_that_losing_the_old_one_does_not_matter() -> None:
    assert {step.target for step in three(ha=True).plan(BOOK, TO_2)} == {row(U2).target}


def test_each_member_is_asked_before_and_after() -> None:
    steps = {step.key: step for step in three(ha=True).plan(BOOK, TO_2)}
    for key in ("ha-off-everywhere", "ha-off-still", "members-answer", "members-follow", "ha-on-everywhere", "ha-on-still"):
        action = steps[key].action
        assert isinstance(action, WaitFor)
        assert {one.target for one in action.conditions} >= {row(uuid).target for uuid in (U1, U2, U3)}, key
        assert all(one.within for one in action.conditions), "an unreachable member must be an answer here"
    follow = [one.wants for one in steps["members-follow"].action.conditions]  # type: ignore[union-attr]
    assert follow.count("master") == 1 and follow.count("slave:10.0.0.12") == 2 and follow.count(U2) == 3 and follow.count("false") == 3


def test_the_exit_code_of_the_switch_decides_nothing() -> None:
    step = next(step for step in three(ha=False).plan(BOOK, TO_2) if step.key == "designate")
    assert isinstance(step.action, RunCommand)
    assert step.action.ok == (0, 1) and step.action.unsure == (75, 124)
    assert step.effect is Effect.NON_IDEMPOTENT and not step.interruptible and step.danger
    assert [one.wants for one in step.probe] == ["master"]
    assert [one.wants for one in step.expect] == ["slave:10.0.0.11", U1, "false"]


def test_no_step_is_undone_by_its_bare_reverse() -> None:
    undos = {step.key: step.undo for step in three(ha=True).plan(BOOK, TO_2)}
    for key in ("ha-off", "designate", "ha-on"):
        undo = undos[key]
        assert isinstance(undo, CannotUndo) and "Change pool master" in undo.reason


def test_a_host_disabled_by_hand_is_disabled_again() -> None:
    known = three(ha=False)
    pools.with_hosts(known, U3, enabled=False)
    steps = known.plan(BOOK, TO_2)
    assert commands(steps) == [*SWITCH, f"disable-{U3}: xe host-disable uuid={U3}"]
    live = next(step for step in steps if step.key == "members-live").action
    assert [one.says for one in live.conditions][1:] == ["xs01 is enabled", "xs02 is enabled"]  # type: ignore[union-attr]
    notes = [one.message for one in known.findings(BOOK, TO_2) if one.guard == "xen.disabled-by-hand"]
    assert notes == ["xs03 would come back enabled. The plan disables it again."]


def test_the_present_master_has_nothing_to_do() -> None:
    with pytest.raises(NothingToDo, match="xs01 is the master of pool-a already"):
        three(ha=True).plan(BOOK, MasterParams(1, U1))


def test_the_only_host_of_a_pool_can_only_stay_master() -> None:
    with pytest.raises(NothingToDo, match="already"):
        three(ha=False, uuids=(U1,)).plan(BOOK, MasterParams(1, U1))


def test_a_healthy_pool_passes() -> None:
    for ha in (True, False):
        assert [one.guard for one in three(ha=ha).findings(BOOK, TO_2)] == ["cloudstack.told"]


@pytest.mark.parametrize("ha", [True, False])
@pytest.mark.parametrize(
    ("wrong", "guard", "says"),
    [
        (pools.dead_for_xapi, "xen.members-answer", "xs03: the pool counts it as dead"),
        (pools.unreachable, "xen.members-answer", "xs03: it cannot be asked: xs03 does not answer on port 22."),
        (pools.hangs, "xen.members-answer", "xs03: its xe does not return"),
        (pools.emergency, "xen.members-answer", "not known to it"),
        (pools.names_another, "xen.one-master", "xs03 names xs02 as master, not xs01"),
        (pools.follows_another, "xen.one-master", "xs03 follows 10.0.0.12, but the master xs01 is 10.0.0.11"),
        (pools.second_master, "xen.one-master", "xs03 says it is the master itself"),
        (pools.another_pool, "xen.one-master", "xs03 belongs to another pool"),
        (pools.twin, "xen.twins", "xs02 and xs03 have the same uuid"),
        (pools.left_something, "cloudstack.restorations", "xs02 is disabled: operation #7 left it so"),
    ],
)
def test_refused_with_ha_on_or_off(wrong: Callable[[Known], None], guard: str, says: str, ha: bool) -> None:
    known = three(ha=ha)
    wrong(known)
    assert says in blocks(known.findings(BOOK, TO_2))[guard]


@pytest.mark.parametrize(
    ("wrong", "guard", "says"),
    [
        (pools.upgrading, "xen.versions-for-ha", "xs03: XenServer 7.0.0 build 125380c"),
        (pools.statefile_gone, "xen.ha-way-back", "lie on no SR that the pool knows"),
        (pools.unplugged, "xen.ha-way-back", "is not plugged on xs03"),
        (pools.not_armed, "xen.ha-agrees", "HA is on for the pool, and off in the files of xs03"),
        (pools.says_otherwise, "xen.ha-agrees", "xs03 says that HA is off"),
    ],
)
def test_refused_because_ha_would_not_come_back(wrong: Callable[[Known], None], guard: str, says: str) -> None:
    known = three(ha=True)
    wrong(known)
    assert says in blocks(known.findings(BOOK, TO_2))[guard]


@pytest.mark.parametrize(
    ("wrong", "guard"),
    [(pools.upgrading, "xen.versions-for-ha"), (pools.protected, "xen.protected-vms-now"), (pools.nobody_chose, "xen.ha-way-back")],
)
def test_only_warned(wrong: Callable[[Known], None], guard: str) -> None:
    known = three(ha=wrong is pools.nobody_chose)
    wrong(known)
    found = known.findings(BOOK, TO_2)
    assert blocks(found) == {} and guard in [one.guard for one in found if one.level == "warn"]


def test_a_timeout_that_nobody_chose_comes_back_as_xapi_took_it() -> None:
    known = three(ha=True)
    pools.nobody_chose(known)
    assert commands(known.plan(BOOK, TO_2))[-3:] == on(60)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"enabled": False}, "xs02: It is disabled."),
        ({"live": False}, "xs02: It does not answer: the pool counts it as dead."),
        ({"version": "6.2.0"}, "xs02: It runs 6.2.0 build 90233c and the master 6.5.0 build 90233c"),
    ],
)
def test_a_host_that_cannot_lead(other: dict[str, object], says: str) -> None:
    known = three(ha=False)
    pools.with_hosts(known, U2, **other)
    assert says in blocks(known.findings(BOOK, TO_2))["xen.new-master"]
    rows = {one["uuid"]: one["why_not"] for one in BOOK.look("host", TO_2, known.facts())["hosts"]}
    assert rows[U1] == "It is the master now." and says.removeprefix("xs02: ") in rows[U2] and rows[U3] == ""


def test_a_dead_master_is_not_for_this_runbook() -> None:
    known = three(ha=False)
    known.fail(MemberView(row(U1).target), "xs01 does not answer on port 22.")
    for uuid in (U2, U3):
        known.say(MemberView(row(uuid).target), silent(uuid))
    with pytest.raises(FactError, match="No host of pool-a gives an answer"):
        known.plan(BOOK, TO_2)
    from opsportal.operations.guards import judge

    message = judge(BOOK.guards[:1], TO_2, known.facts())[0].message
    assert "Recover a pool whose master is dead" in message and "xs02: xe does not return" in message


def test_a_member_that_is_not_in_the_inventory() -> None:
    known = three(ha=False, uuids=(U1, U2))
    pools.with_hosts(known, U3)
    with pytest.raises(FactError, match="xs03 is a member of pool-a, but not in the inventory"):
        known.plan(BOOK, TO_2)
    assert "Add it under Hosts" in blocks(known.findings(BOOK, TO_2))["xen.in-inventory"]


def test_nothing_is_said_before_a_pool_is_chosen() -> None:
    assert Known().findings(BOOK, MasterParams()) == []
    assert BOOK.look("pool", MasterParams(), Known().facts()) == {}


def test_the_approver_sees_from_whom_to_whom() -> None:
    shown = BOOK.look("review", TO_2, three(ha=True).facts())
    assert (shown["chosen_name"], shown["ha"]) == ("xs02", {"on": True, "timeout": 180, "srs": ["primary"]})
    assert dataclasses.asdict(TO_2) == {"pool": 1, "host": U2}


def test_the_first_reading_of_the_inventory_makes_no_plan_stale() -> None:
    """The portal learns uuids by itself: nothing has changed by that."""
    read, unread = three(ha=True), three(ha=True)
    known = InventoryPool("portal", 1)
    was = read.facts()(known)
    unread.say(known, dataclasses.replace(was, uuid="", hosts=tuple(dataclasses.replace(host, uuid="") for host in was.hosts)))
    assert digest(read) == digest(unread)


def digest(pool: Known) -> str:
    facts = pool.facts()
    return Plan(BOOK.name, BOOK.version, tuple(BOOK.plan(TO_2, facts)), facts.used).digest()


def test_a_name_without_end_fits_into_every_title() -> None:
    known = three(ha=True)
    pools.with_hosts(known, U2, name="x" * 5000)
    steps = known.plan(BOOK, TO_2)
    assert max(len(step.title) for step in steps) <= 150 and commands(steps)[4] == SWITCH[1]
