"""Enable and disable pool HA, and change its timeout: plans and the rulebook."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosts.facts.restorations import LeftOff
from hosts.runbooks.change_ha_timeout import ChangeHaTimeout, TimeoutParams
from hosts.runbooks.disable_pool_ha import DisableParams, DisablePoolHa
from hosts.runbooks.enable_pool_ha import EnableParams, EnablePoolHa
from hosts.xen.facts import PoolBasics, PoolStorage, SrSpace
from hosts.xen.heartbeat import NEW_NEED, OLD_NEED, need
from hosts.xen.state import Pbd, Space, Sr, Storage
from opsportal.operations.facts import FactError
from opsportal.operations.guards import Guard, Verdict
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import CannotUndo, RunCommand, Step
from tests.hosts.runbooks import pools
from tests.hosts.runbooks.known import LOCAL, NFS, U1, U2, Known, basics, blocks, commands, host, row
from tests.hosts.runbooks.pools import ALL, WHERE, three

ENABLE, DISABLE, CHANGE = EnablePoolHa(), DisablePoolHa(), ChangeHaTimeout()
WISH = EnableParams(1, NFS, 180)
OFF = ["ha-off: xe pool-ha-disable", "ha-off-everywhere", "ha-off-still"]


def on(timeout: int) -> list[str]:
    command = f"xe pool-ha-enable heartbeat-sr-uuids={NFS} ha-config:timeout={timeout}"
    return [f"ha-on: {command}", "ha-on-everywhere", "ha-on-still"]


def by_key(steps: tuple[Step, ...]) -> dict[str, Step]:
    return {step.key: step for step in steps}


def test_enabling_names_the_sr_and_the_timeout_and_asks_every_member_twice() -> None:
    steps = three(ha=False).plan(ENABLE, WISH)
    assert commands(steps) == on(180)
    assert {step.target for step in steps} == {row(U1).target}


def test_enabling_asks_every_member_immediately_before() -> None:
    """With a dead one the command never returns."""
    step = by_key(three(ha=False).plan(ENABLE, WISH))["ha-on"]
    assert {one.target for one in step.expect} == {row(uuid).target for uuid in ALL}
    assert [one.judge.rpartition(".")[2] for one in step.expect] == ["ha_is"] * 3 + ["lists_all"] * 2
    assert isinstance(step.action, RunCommand) and step.action.timeout >= 180 + 60 + 300
    assert step.action.unsure == (75, 124), "what does not return may still be carried out"


def test_enabling_proves_timeout_and_sr() -> None:
    probes = by_key(three(ha=False).plan(ENABLE, WISH))["ha-on"].probe
    assert [one.wants for one in probes] == ["true", "true", "true", "180", NFS]


def test_enabling_is_undone_by_disabling() -> None:
    undo = by_key(three(ha=False).plan(ENABLE, WISH))["ha-on"].undo
    assert isinstance(undo, RunCommand) and undo.command.gist == "xe pool-ha-disable"


def test_a_long_timeout_gets_a_longer_limit() -> None:
    step = by_key(three(ha=False).plan(ENABLE, EnableParams(1, NFS, 600)))["ha-on"]
    assert isinstance(step.action, RunCommand) and step.action.timeout >= 600 + 60 + 300


def test_enabling_what_is_on() -> None:
    with pytest.raises(NothingToDo, match="on already on pool-a, with a timeout of 180 s"):
        three(ha=True).plan(ENABLE, WISH)


def test_a_healthy_pool_passes() -> None:
    assert three(ha=False).findings(ENABLE, WISH) == []


@pytest.mark.parametrize(
    ("wrong", "guard", "says"),
    [
        (pools.dead_for_xapi, "xen.members-answer", "xs03"),
        (pools.unreachable, "xen.members-answer", "xs03"),
        (pools.hangs, "xen.members-answer", "xs03"),
        (pools.names_another, "xen.one-master", "xs03"),
        (pools.twin, "xen.twins", "same uuid"),
        (pools.upgrading, "xen.same-version", "xs03: XenServer 7.0.0"),
        (pools.protected, "xen.protected-vms", "i-2-10-VM (restart). Run “Un-protect VMs” first."),
        (pools.best_effort, "xen.protected-vms", "old (best-effort)"),
        (pools.pif_down, "xen.required-pifs", "eth0 of xs03 is not attached"),
        (pools.unplugged, "xen.heartbeat-sr", "primary: It is not plugged on xs03"),
        (pools.no_storage, "xen.heartbeat-sr", "has no SR"),
        (pools.unlicensed, "xen.ha-licence", "does not have HA"),
        (pools.old_and_silent, "xen.ha-licence", "Before 6.2"),
        (pools.left_something, "xen.restorations-but-ha", "Settle it"),
    ],
)
def test_enabling_is_refused(wrong: Callable[[Known], None], guard: str, says: str) -> None:
    known = three(ha=False)
    wrong(known)
    assert says in blocks(known.findings(ENABLE, WISH))[guard]


def test_two_hosts_need_a_reason() -> None:
    found = three(ha=False, uuids=(U1, U2)).findings(ENABLE, WISH)
    assert [(one.guard, one.override) for one in found] == [("xen.three-hosts", True)]
    assert "2 live hosts" in found[0].message and "two people" in found[0].message


def test_a_dead_third_host_does_not_count() -> None:
    known = three(ha=False)
    pools.unreachable(known)
    assert {"xen.three-hosts", "xen.members-answer"} <= blocks(known.findings(ENABLE, WISH)).keys()


def test_what_an_operation_left_off_does_not_stand_in_the_way_of_enabling() -> None:
    known = three(ha=False)
    pools.left_ha_off(known)
    found = known.findings(ENABLE, WISH)
    assert [(one.level, one.guard) for one in found] == [("note", "xen.restorations-but-ha")]


@pytest.mark.parametrize(
    ("timeout", "level", "says"),
    [
        (5, "block", "less than 10"), (9, "block", "less than 10"), (10, "warn", "xapi's default"), (60, "warn", "xapi's default"),
        (119, "warn", "before CloudStack's own script"), (120, "", ""), (180, "", ""), (600, "", ""), (601, "warn", "10 minutes"),
    ],
)  # fmt: skip
def test_timeouts(timeout: int, level: str, says: str) -> None:
    for book, params, ha in ((ENABLE, EnableParams(1, NFS, timeout), False), (CHANGE, TimeoutParams(1, timeout), True)):
        found = [one for one in three(ha=ha).findings(book, params) if one.guard == "xen.ha-timeout"]
        assert [one.level for one in found] == ([level] if level else [])
        assert says in "".join(one.message for one in found)


SR = {kind: f"bbbbbbbb-0000-4000-8000-0000000000{number:02}" for number, kind in enumerate(("nfs", "lvmoiscsi", "smb", "iso", "lvm"), 10)}


def mixed_storage() -> Storage:
    srs = [Sr(uuid, kind, kind, kind != "lvm") for kind, uuid in SR.items()]
    pbds = [Pbd(f"{number}{one.uuid[1:]}", uuid, one.uuid, True) for one in srs for number, uuid in enumerate(ALL)]
    return Storage((*srs, Sr(LOCAL, "Local storage", "ext", False)), tuple(pbds))


def test_srs_that_fit_come_first_and_the_others_say_why_not() -> None:
    known = three(ha=False)
    known.say(PoolStorage(WHERE), mixed_storage())
    known.say(SrSpace(WHERE), (Space(SR["nfs"], 10**9, 9 * 10**8), Space(SR["lvmoiscsi"], None, None)))
    rows = ENABLE.look("sr", WISH, known.facts())["srs"]
    assert [(row["name"], row["type"], row["free"], row["why_not"][:24]) for row in rows] == [
        ("lvmoiscsi", "iSCSI", None, ""),
        ("Local storage", "ext", None, "An SR of type ext cannot"),
        ("lvm of xs01, xs02, xs03", "lvm", None, "An SR of type lvm cannot"),
        ("nfs", "NFS", 10**8, "Only 100 MB are free, an"),
        ("smb", "smb", None, "SMB is too slow and too "),
    ]


def test_an_sr_that_carried_statefiles_before_needs_no_space() -> None:
    known = three(ha=False)
    known.say(PoolBasics(WHERE), basics(statefile_srs=(NFS,)))
    known.say(SrSpace(WHERE), (Space(NFS, 10**9, 10**9),))
    assert known.findings(ENABLE, WISH) == []


@pytest.mark.parametrize(
    ("version", "least"), [("6.2.0", OLD_NEED), ("8.2.1", OLD_NEED), ("8.3.0", NEW_NEED), ("10.0", NEW_NEED), ("odd", OLD_NEED)]
)
def test_the_redo_log_grew(version: str, least: int) -> None:
    assert need([host(U1, version=version)]) == least


def test_disabling_has_every_member_say_so_and_can_be_undone_as_it_was() -> None:
    steps = three(ha=True).plan(DISABLE, DisableParams(1))
    assert commands(steps) == OFF
    off = steps[0]
    assert off.opens is None, "it was asked for, so nobody has to bring it back"
    assert isinstance(off.undo, RunCommand) and off.undo.command.gist == on(180)[0].removeprefix("ha-on: ")
    assert isinstance(off.action, RunCommand) and off.action.unsure == (75, 124)


def test_disabling_what_is_off() -> None:
    with pytest.raises(NothingToDo, match="off already on pool-a"):
        three(ha=False).plan(DISABLE, DisableParams(1))


def test_disabling_with_a_dead_host_needs_a_reason_and_leaves_it_out() -> None:
    known = three(ha=True)
    pools.unreachable(known)
    found = known.findings(DISABLE, DisableParams(1))
    assert [(one.guard, one.override) for one in found] == [("xen.disable-with-dead", True)]
    asked = {one.target for step in known.plan(DISABLE, DisableParams(1)) for one in (*step.expect, *step.probe)}
    assert asked == {row(U1).target, row(U2).target}


def test_disabling_with_a_lost_statefile_has_no_way_back_and_says_so() -> None:
    known = three(ha=True)
    pools.statefile_gone(known)
    undo = known.plan(DISABLE, DisableParams(1))[0].undo
    assert isinstance(undo, CannotUndo) and "lie on no SR" in undo.reason


def test_changing_the_timeout_goes_off_and_on_with_the_same_sr() -> None:
    steps = three(ha=True).plan(CHANGE, TimeoutParams(1, 120))
    assert commands(steps) == [*OFF, *on(120)]
    back = steps[0].opens
    assert back is not None and back.action.command.gist == on(180)[0].removeprefix("ha-on: ")  # type: ignore[union-attr]
    assert steps[-1].settles == back.key


def test_changing_to_the_same_timeout() -> None:
    with pytest.raises(NothingToDo, match="180 s already"):
        three(ha=True).plan(CHANGE, TimeoutParams(1, 180))


def test_there_is_no_timeout_to_change_while_ha_is_off() -> None:
    known = three(ha=False)
    with pytest.raises(FactError, match="Run “Enable pool HA”"):
        known.plan(CHANGE, TimeoutParams(1, 120))
    assert "HA is off on pool-a" in blocks(known.findings(CHANGE, TimeoutParams(1, 120)))["xen.ha-is-on"]


def test_changing_the_timeout_of_ha_that_was_left_off() -> None:
    known = three(ha=False, left=LeftOff(NFS, 180, 7))
    assert commands(known.plan(CHANGE, TimeoutParams(1, 180))) == [*OFF[1:], *on(180)]
    assert known.findings(CHANGE, TimeoutParams(1, 180)) == []


@pytest.mark.parametrize(
    ("wrong", "guard"),
    [
        (pools.unplugged, "xen.ha-way-back"), (pools.statefile_gone, "xen.ha-way-back"), (pools.upgrading, "xen.same-version"),
        (pools.dead_for_xapi, "xen.members-answer"), (pools.not_armed, "xen.ha-agrees"), (pools.pif_down, "xen.required-pifs"),
    ],
)  # fmt: skip
def test_the_timeout_is_not_changed_when_ha_would_stay_off(wrong: Callable[[Known], None], guard: str) -> None:
    known = three(ha=True)
    wrong(known)
    assert guard in blocks(judged(known))


def judged(known: Known) -> list[Verdict]:
    """Findings of each guard that can say something: with a lost statefile the plan itself is refused."""
    found: list[Verdict] = []
    for one in CHANGE.guards:
        try:
            found += known.findings(_only(one), TimeoutParams(1, 120))
        except FactError:
            continue
    return found


def _only(one: Guard) -> ChangeHaTimeout:
    book = ChangeHaTimeout()
    book.guards = (one,)  # type: ignore[misc]
    return book


def test_the_plan_is_refused_when_the_statefile_is_lost() -> None:
    known = three(ha=True)
    pools.statefile_gone(known)
    with pytest.raises(FactError, match="a way of no return"):
        known.plan(CHANGE, TimeoutParams(1, 120))
