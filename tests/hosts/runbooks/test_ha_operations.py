"""Whole operations on a pool that answers in this process: what happens when something goes wrong half-way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts.models import Pool
from opsportal.operations import approval, followers, planning, registry
from opsportal.operations.errors import Refused
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from opsportal.transport.base import Result
from tests.hosts.runbooks import known, scripted
from tests.hosts.runbooks.known import NFS, U1, U2, U3
from tests.hosts.runbooks.scripted import Scripted
from tests.operations.driving import draft, run

pytestmark = pytest.mark.django_db(transaction=True)

TO_2 = f"pool-designate-new-master host-uuid={U2}"
ON = f"pool-ha-enable heartbeat-sr-uuids={NFS} ha-config:timeout=180"
LOST = (75, "Lost connection to the server.\n")


def asked(book: str, people: tuple[User, ...], **params: Any) -> Operation:
    """Submitted, with as many approvals as it needs."""
    return approved(draft(book, people[0], pool=params.pop("pool", None) or Pool.objects.get().pk, **params), people)


def approved(operation: Operation, people: tuple[User, ...], reason: str = "") -> Operation:
    approval.submit(operation, user=people[0], overrides=bool(reason), reason=reason)
    operation.refresh_from_db()
    for one in people[1 : operation.approvals_needed + 1]:
        approval.approve(operation, user=one, digest=operation.digest)
    operation.refresh_from_db()
    return operation


def taken_up(operation: Operation, people: tuple[User, ...]) -> Operation:
    again = followers.retry(operation, user=people[0], token="again")
    return planned(again, people)


def planned(operation: Operation, people: tuple[User, ...]) -> Operation:
    planning.work(operation.pk)
    operation.refresh_from_db()
    return run(approved(operation, people))


def states(operation: Operation) -> dict[str, str]:
    return {step.key: step.state for step in operation.steps.all()}


def test_the_master_changes_with_ha_off_and_on_around_it(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.sent == [("xs02", "pool-ha-disable"), ("xs02", TO_2), ("xs02", ON)]
    assert (pool.master, pool.ha) == (U2, True)
    assert Restoration.objects.get().state == Restoration.State.SETTLED
    assert operation.subject == "pool-a to xs02"


def test_the_master_changes_without_ha(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha = False
    pool.inventory()
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == [TO_2] and not pool.ha and not Restoration.objects.exists()


def test_the_connection_lost_by_the_switch_is_no_failure(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha = False
    pool.inventory()

    def drops(host: str) -> tuple[int, str]:
        pool._designate(U2)
        return LOST

    pool.instead["pool-designate-new-master"] = drops
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == [TO_2]
    assert "probe shows" in operation.steps.get(key="designate").message


def test_a_host_disabled_by_hand_is_disabled_again(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha, pool.enabled = False, {U3: False}
    pool.inventory()
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == [TO_2, f"host-disable uuid={U3}"] and pool.enabled == {U3: False}


def dies_after(pool: Scripted, command: str, uuid: str) -> None:
    """The host dies while this command is carried out."""

    def die(host: str) -> None:
        pool.dead.add(uuid)

    pool.instead[command] = die


def test_a_member_that_dies_between_two_steps_stops_it_and_ha_is_shown_as_left_off(pool: Scripted, people: tuple[User, ...]) -> None:
    inventory = pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    dies_after(pool, "pool-ha-disable", U3)
    run(operation)
    assert operation.state == S.FAILED and "xs03" in operation.outcome
    assert pool.changes() == ["pool-ha-disable"], "nothing went on"
    left = Restoration.objects.get()
    assert (left.state, left.resource) == ("open", f"pool:{inventory.pk}") and "180 s" in left.title

    other = draft("unprotect-vms", people[0], pool=inventory.pk, vms=[scripted.VM])
    assert "Settle it under Restorations first" in " ".join(one["message"] for one in other.findings if one["level"] == "block")

    pool.dead.clear()
    again = taken_up(operation, people)
    assert again.state == S.SUCCEEDED, again.outcome
    assert pool.changes() == ["pool-ha-disable", TO_2, ON] and pool.ha
    left.refresh_from_db()
    assert left.state == "settled"


def test_what_was_left_off_can_simply_be_brought_back(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    dies_after(pool, "pool-ha-disable", U3)
    run(operation)
    pool.dead.clear()
    back = followers.restore(Restoration.objects.get(), user=people[0], token="back")
    assert back.approvals_needed == 1 and back.risk == "dangerous"
    done = planned(back, people)
    assert done.state == S.SUCCEEDED, done.outcome
    assert pool.changes() == ["pool-ha-disable", ON] and Restoration.objects.get().state == "settled"


def test_ha_turned_on_by_hand_meanwhile_is_seen_when_it_is_brought_back(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    dies_after(pool, "pool-ha-disable", U3)
    run(operation)
    pool.dead.clear()
    pool.ha = True
    done = planned(followers.restore(Restoration.objects.get(), user=people[0], token="back"), people)
    assert done.state == S.SUCCEEDED and "exit code 1, but the probe shows" in done.steps.get().message
    assert Restoration.objects.get().state == "settled"


def test_enabling_ha_with_another_choice_settles_what_was_left_off(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    dies_after(pool, "pool-ha-disable", U3)
    run(operation)
    pool.dead.clear()
    done = run(asked("enable-pool-ha", people, sr=NFS, timeout=150))
    assert done.state == S.SUCCEEDED, done.outcome
    assert pool.timeout == 150 and Restoration.objects.get().settled_by == f"operation #{done.pk}, which turned HA on"


def test_the_plan_is_stale_when_the_master_moved(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    pool.master = U3
    run(operation)
    assert operation.state == S.STALE and pool.sent == []
    assert "changed" in operation.outcome


def test_ha_switched_off_by_hand_between_approval_and_run_makes_it_stale(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    pool.ha = False
    assert run(operation).state == S.STALE and pool.sent == []


def test_disabling_that_does_not_return_is_unknown_and_blocks_until_a_person_looks(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    pool.instead["pool-ha-disable"] = lambda host: (124, "")
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.UNKNOWN
    assert "It may still be carried out" in operation.outcome and "xs01 says that HA is off" in operation.outcome
    assert pool.changes() == ["pool-ha-disable"] and Restoration.objects.get().state == "open"
    step = operation.steps.get(key="ha-off")
    with pytest.raises(Refused, match="somebody else"):
        followers.resolve(step, user=people[0], happened=True, reason="I saw it")
    pool.ha = False
    followers.resolve(step, user=people[1], happened=True, reason="xe pool-list shows false")
    assert run(operation).state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == ["pool-ha-disable", TO_2, ON]


def test_disabling_that_does_not_return_but_worked_goes_on(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()

    def works(host: str) -> tuple[int, str]:
        pool.ha = False
        return 124, ""

    pool.instead["pool-ha-disable"] = works
    operation = run(asked("disable-pool-ha", people))
    assert operation.state == S.SUCCEEDED and "exit code 124, but the probe shows" in operation.steps.get(key="ha-off").message


def test_enabling_that_fails_says_what_xe_said_and_what_is_true(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha = False
    pool.inventory()
    pool.instead["pool-ha-enable"] = lambda host: (1, f"The SR has no attached PBDs\nsr: {NFS} (primary)\n")
    operation = run(asked("enable-pool-ha", people, sr=NFS, timeout=180))
    assert operation.state == S.FAILED
    assert "The SR has no attached PBDs" in operation.outcome
    assert "xs03 says that HA is on: ha-enabled is false instead of true" in operation.outcome
    assert not Restoration.objects.exists()


def at_the_question(pool: Scripted, question: tuple[str, ...], then: Callable[[], None]) -> None:
    """Something happens when a step asks this for the first time: facts ask for more fields at once."""
    ask = pool.ask

    def watched(host: str, words: tuple[str, ...]) -> Result:
        if words == question:
            then()
        return ask(host, words)

    pool.ask = watched  # type: ignore[method-assign]


HA_STATE = ("pool-list", "params=ha-enabled", "--minimal")
MASTER = ("pool-list", "params=master", "--minimal")


def test_a_member_that_died_since_the_approval_makes_the_plan_stale(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha = False
    pool.inventory()
    operation = asked("enable-pool-ha", people, sr=NFS, timeout=180)
    pool.dead.add(U3)
    run(operation)
    assert operation.state == S.STALE and pool.sent == []
    assert "xs03: it cannot be asked" in operation.outcome


def test_enabling_is_not_even_sent_when_a_member_dies_immediately_before(pool: Scripted, people: tuple[User, ...]) -> None:
    """It would never return."""
    pool.ha = False
    pool.inventory()
    operation = asked("enable-pool-ha", people, sr=NFS, timeout=180)
    at_the_question(pool, HA_STATE, lambda: pool.dead.add(U3))
    run(operation)
    assert operation.state == S.FAILED and pool.sent == []
    assert "Nothing was done" in operation.outcome and "xs03" in operation.outcome


def test_a_member_that_dies_before_ha_comes_back_leaves_it_off_in_red(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = asked("change-ha-timeout", people, timeout=150)
    at_the_question(pool, ("host-list", "host-metrics-live=true", "params=uuid", "--minimal"), lambda: pool.dead.add(U3))
    run(operation)
    assert operation.state == S.FAILED and pool.changes() == ["pool-ha-disable"]
    assert Restoration.objects.get().state == "open"


def test_xe_that_hangs_on_a_member_stops_it_before_the_switch(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha = False
    pool.inventory()
    operation = asked("change-pool-master", people, host=U2)
    at_the_question(pool, MASTER, lambda: pool.hung.add(U3))
    run(operation)
    assert operation.state == S.FAILED and pool.sent == []
    assert "xe did not return in time" in operation.outcome and states(operation)["designate"] == StepState.SKIPPED


def test_of_two_operators_on_one_pool_the_second_has_to_look_again(pool: Scripted, people: tuple[User, ...]) -> None:
    number = pool.inventory().pk
    first, second = asked("change-pool-master", people, host=U2), draft("change-pool-master", people[1], pool=number, host=U3)
    second.requester = people[0]
    second.save(update_fields=["requester"])
    approved(second, people)
    assert run(first).state == S.SUCCEEDED
    assert run(second).state == S.STALE and pool.changes() == ["pool-ha-disable", TO_2, ON]


def test_names_with_quotes_newlines_and_other_letters(pool: Scripted, people: tuple[User, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    pool.ha = False
    pool.inventory()
    monkeypatch.setitem(known.NAMES, U2, "xs\"02' ; réboot\n$(date)")
    operation = run(asked("change-pool-master", people, host=U2))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == [TO_2]


def test_two_hosts_need_the_approval_of_two_people(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha, pool.uuids = False, (U1, U2)
    pool.inventory()
    operation = draft("enable-pool-ha", people[0], pool=Pool.objects.get().pk, sr=NFS, timeout=180)
    with pytest.raises(Refused, match="tick the box and give a reason"):
        approval.submit(operation, user=people[0])
    approval.submit(operation, user=people[0], overrides=True, reason="the third one comes tomorrow")
    operation.refresh_from_db()
    approval.approve(operation, user=people[1], digest=operation.digest)
    operation.refresh_from_db()
    assert operation.state == S.AWAITING_APPROVAL and operation.approvals_needed == 2
    approval.approve(operation, user=people[2], digest=operation.digest)
    operation.refresh_from_db()
    assert run(operation).state == S.SUCCEEDED, operation.outcome


def test_breaking_the_glass_replaces_one_of_the_two_approvals(
    pool: Scripted, people: tuple[User, ...], person: Callable[..., User]
) -> None:
    pool.ha, pool.uuids = False, (U1, U2)
    pool.inventory()
    admin = person("root", "operator", "administrator")
    operation = draft("enable-pool-ha", admin, pool=Pool.objects.get().pk, sr=NFS, timeout=180)
    approval.submit(operation, user=admin, overrides=True, reason="the third one burns", break_glass=True)
    operation.refresh_from_db()
    assert (operation.state, operation.approvals_needed) == (S.AWAITING_APPROVAL, 1)


def test_the_timeout_changes_with_the_same_sr(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.inventory()
    operation = run(asked("change-ha-timeout", people, timeout=150))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == ["pool-ha-disable", ON.replace("180", "150")]
    assert pool.clock.slept >= 20, "each proof is read again after ten seconds"


def test_enabling_is_undone_by_disabling(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.ha = False
    pool.inventory()
    operation = run(asked("enable-pool-ha", people, sr=NFS, timeout=180))
    back = planned(followers.undo(operation, user=people[0], token="undo"), people)
    assert back.state == S.SUCCEEDED and pool.changes() == [ON, "pool-ha-disable"] and not pool.ha


def test_a_host_is_enabled_after_a_crash(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.enabled = {U3: False}
    pool.inventory()
    operation = run(asked("re-enable-host", people, host=U3))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.changes() == [f"host-enable uuid={U3}"] and operation.subject == "xs03"


def test_a_link_may_name_the_host_by_its_number(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.enabled = {U3: False}
    inventory = pool.inventory()
    number = inventory.hosts.get(name="xs03").pk
    assert registry.get("re-enable-host").parse({"pool": inventory.pk, "host": str(number)}).host == U3


def test_machines_lose_their_priority_and_get_it_back(pool: Scripted, people: tuple[User, ...]) -> None:
    pool.priorities = {scripted.VM: "restart"}
    pool.inventory()
    operation = run(asked("unprotect-vms", people, vms=[scripted.VM]))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert pool.priorities == {scripted.VM: ""}
    planned(followers.undo(operation, user=people[0], token="undo"), people)
    assert pool.priorities == {scripted.VM: "restart"}
