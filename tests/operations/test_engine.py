"""The engine's promises, driven in one process against real commands on this machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from opsportal.operations import approval, audit, cancellation, execution, followers, journal, leases, planning
from opsportal.operations.errors import Refused
from opsportal.operations.models import AuditEntry, Lock, Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from tests.operations.books import Ledger
from tests.operations.driving import draft, ledger, run, submitted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


def person(name: str, *roles: str) -> User:
    user = User.objects.create_user(name, password="a long password for tests")
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


@pytest.fixture
def olga() -> User:
    return person("olga", "operator")


@pytest.fixture
def anna() -> User:
    return person("anna", "approver")


def test_runs_every_step_once_and_proves_it(olga: User, folder: Path) -> None:
    operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "loud:3"]))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert ledger(operation) == ["ok-0", "loud-1"]
    assert b"".join(journal.raw(operation)) == b"1\n2\n3\n"
    assert [check["holds"] for step in operation.steps.all() for check in step.checks] == [True] * 4
    assert (operation.pk, S.SUCCEEDED) in Ledger.told
    assert not Lock.objects.exists()


def test_a_failed_step_ends_it_and_skips_the_rest(olga: User, folder: Path) -> None:
    operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "fail", "ok"]))
    assert operation.state == S.FAILED
    assert "exit code 3" in operation.outcome
    assert [step.state for step in operation.steps.all()] == [StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED]


def test_what_failed_repeats_what_was_said_last(olga: User, folder: Path) -> None:
    operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["loud:60", "groan"]))
    assert operation.state == S.FAILED
    assert "exit code 3. Its last line: No space left <b>" in operation.outcome
    silent = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["loud:3", "fail"]))
    assert silent.outcome.rstrip().endswith("exit code 3."), "the words of another step are not its own"


def test_retry_goes_on_at_the_failed_step(olga: User, folder: Path) -> None:
    failed = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "flaky", "ok"]))
    (folder / "mended").touch()
    again = followers.retry(failed, user=olga, token="t1")
    planning.work(again.pk)
    again.refresh_from_db()
    approval.submit(again, user=olga)
    run(again)
    assert again.state == S.SUCCEEDED, again.outcome
    assert ledger(again) == ["ok-0", "flaky-1", "flaky-1", "ok-2"]
    with pytest.raises(Refused, match="already"):
        followers.retry(failed, user=olga, token="t2")


def test_undo_takes_back_what_was_done_last_first(olga: User, folder: Path) -> None:
    done = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "ok"]))
    back = followers.undo(done, user=olga, token="u1")
    planning.work(back.pk)
    back.refresh_from_db()
    assert [step.key for step in back.frozen().steps] == ["undo-ok-1", "undo-ok-0"]
    approval.submit(back, user=olga)
    assert run(back).state == S.SUCCEEDED, back.outcome
    assert ledger(done) == []
    assert "already" in followers.can_undo(done)


def test_an_undo_goes_on_from_what_its_operation_left_and_settles_it(olga: User, folder: Path) -> None:
    failed = run(submitted("tests.restoring", olga, folder=str(folder), scripts=["fail"]))
    left = Restoration.objects.get()
    assert (failed.state, left.state, (folder / "flag").read_text()) == (S.FAILED, "open", "off\n")
    back = followers.undo(failed, user=olga, token="u1")
    planning.work(back.pk)
    back.refresh_from_db()
    approval.submit(back, user=olga)
    assert run(back).state == S.SUCCEEDED, back.outcome or back.waiting_for
    left.refresh_from_db()
    assert (left.state, (folder / "flag").read_text()) == ("settled", "on\n")


def test_a_double_click_makes_one_draft(olga: User, folder: Path) -> None:
    first = planning.create("tests.ledger", user=olga, token="same")
    assert planning.create("tests.ledger", user=olga, token="same").pk == first.pk


def test_a_changed_fact_makes_the_plan_stale_and_nothing_runs(olga: User, folder: Path) -> None:
    operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
    (folder / "state").write_text("other\n")
    run(operation)
    assert operation.state == S.STALE
    assert "What a file says (the portal's own machine)" in operation.outcome
    assert ledger(operation) == []


def test_nothing_to_do_says_why_and_cannot_be_submitted(olga: User, folder: Path) -> None:
    (folder / "state").write_text("done\n")
    operation = draft("tests.ledger", olga, folder=str(folder), scripts=["ok"])
    assert operation.frozen().because == "The state is already done."
    with pytest.raises(Refused, match="already done"):
        approval.submit(operation, user=olga)


def test_an_unreadable_fact_is_an_error_not_a_default(olga: User, folder: Path) -> None:
    (folder / "state").unlink()
    operation = draft("tests.ledger", olga, folder=str(folder), scripts=["ok"])
    assert "cannot be read" in operation.plan_error
    assert operation.plan == ""


def test_blocks_stop_and_overridable_ones_want_a_reason(olga: User, folder: Path) -> None:
    bad = draft("tests.ledger", olga, folder=str(folder), scripts=["ok"], word="bad")
    with pytest.raises(Refused, match="The word is bad"):
        approval.submit(bad, user=olga, overrides=True, reason="because")
    risky = draft("tests.ledger", olga, folder=str(folder), scripts=["ok"], word="risky")
    with pytest.raises(Refused, match="reason"):
        approval.submit(risky, user=olga)
    approval.submit(risky, user=olga, overrides=True, reason="I know")
    assert run(risky).state == S.SUCCEEDED


def test_dangerous_needs_somebody_else(olga: User, anna: User, folder: Path) -> None:
    operation = submitted("tests.dangerous", olga, folder=str(folder), scripts=["ok"])
    assert operation.state == S.AWAITING_APPROVAL
    for user in (olga, person("root", "administrator", "operator")):
        with pytest.raises(Refused):
            approval.approve(operation, user=user, digest=operation.digest)
    with pytest.raises(Refused, match="not the one you were shown"):
        approval.approve(operation, user=anna, digest="0" * 64)
    approval.approve(operation, user=anna, digest=operation.digest)
    operation.refresh_from_db()
    assert operation.state == S.QUEUED
    assert run(operation).state == S.SUCCEEDED


def test_the_requester_never_approves_not_even_as_superuser(folder: Path) -> None:
    sue = User.objects.create_superuser("sue", password="a long password for tests")
    operation = submitted("tests.dangerous", sue, folder=str(folder), scripts=["ok"])
    with pytest.raises(Refused, match="somebody else"):
        approval.approve(operation, user=sue, digest=operation.digest)


@pytest.mark.parametrize("change", ["expired", "revoked", "deactivated", "role gone"])
def test_an_approval_that_no_longer_counts_stops_it(olga: User, anna: User, folder: Path, change: str) -> None:
    operation = submitted("tests.dangerous", olga, folder=str(folder), scripts=["ok"])
    approval.approve(operation, user=anna, digest=operation.digest)
    operation.refresh_from_db()
    if change == "expired":
        operation.approvals.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif change == "revoked":
        approval.revoke(operation, user=anna)
    elif change == "deactivated":
        User.objects.filter(pk=anna.pk).update(is_active=False)
    else:
        anna.groups.clear()
    run(operation)
    assert operation.state == (S.AWAITING_APPROVAL if change == "revoked" else S.FAILED)
    assert ledger(operation) == []


def test_an_approval_cannot_be_revoked_once_it_runs(olga: User, anna: User, folder: Path) -> None:
    operation = submitted("tests.dangerous", olga, folder=str(folder), scripts=["ok"])
    approval.approve(operation, user=anna, digest=operation.digest)
    operation.refresh_from_db()
    run(operation)
    with pytest.raises(Refused, match="too late"):
        approval.revoke(operation, user=anna)


def test_the_second_on_the_same_folder_waits_and_sees_for_whom(olga: User, folder: Path) -> None:
    first = submitted("tests.ledger", olga, folder=str(folder), scripts=["slow"])
    second = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
    execution.slice_of(first.pk, 0.5)
    run(second, slices=1)
    assert second.state == S.QUEUED
    assert f"#{first.pk}" in second.waiting_for
    run(first)
    run(second)
    assert second.state == S.SUCCEEDED


def test_many_slices_read_one_command_without_gap(olga: User, folder: Path) -> None:
    operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["slow"]), slices=100, seconds=0.3)
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert b"".join(journal.raw(operation)) == b"".join(b"line %d\n" % number for number in range(40))
    assert ledger(operation) == ["slow-0"]


def test_only_one_worker_drives(olga: User, folder: Path) -> None:
    operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
    lease = leases.claim(operation.pk)
    assert lease is not None
    assert leases.claim(operation.pk) is None
    run(operation, slices=1)
    assert operation.state == S.QUEUED
    leases.release(lease)
    assert run(operation).state == S.SUCCEEDED


def test_a_worker_that_lost_its_lease_does_no_harm(olga: User, folder: Path) -> None:
    operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["slow", "ok"])
    stale = leases.claim(operation.pk)
    assert stale is not None
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    execution.slice_of(operation.pk, 0.5)
    with pytest.raises(leases.LeaseLost):
        execution.drive(stale, 1e12)
    run(operation)
    assert operation.state == S.SUCCEEDED
    assert ledger(operation) == ["slow-0", "ok-1"]


def test_cancel_stops_an_interruptible_step(olga: User, folder: Path) -> None:
    operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["sleep", "ok"])
    execution.slice_of(operation.pk, 0.5)
    cancellation.request(operation, user=olga)
    run(operation)
    assert operation.state == S.CANCELLED
    assert ledger(operation) == ["sleep-0"]


def test_cancel_before_it_begins(olga: User, folder: Path) -> None:
    operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
    cancellation.request(operation, user=olga)
    assert run(operation).state == S.CANCELLED
    assert ledger(operation) == []


def test_final_states_stay(olga: User, folder: Path) -> None:
    operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
    with pytest.raises(Refused):
        cancellation.request(operation, user=olga)
    assert leases.claim(operation.pk) is None


def test_an_open_restoration_blocks_the_next_until_settled(olga: User, folder: Path) -> None:
    (folder / "flag").write_text("on\n")
    broken = run(submitted("tests.restoring", olga, folder=str(folder), scripts=["fail"]))
    assert broken.state == S.FAILED
    restoration = Restoration.objects.get()
    assert (restoration.state, restoration.title) == (Restoration.State.OPEN, "The flag is off")
    waiting = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]), slices=1)
    assert "The flag is off" in waiting.waiting_for
    back = followers.restore(restoration, user=olga, token="r1")
    planning.work(back.pk)
    back.refresh_from_db()
    approval.submit(back, user=olga)
    assert run(back).state == S.SUCCEEDED, back.outcome
    restoration.refresh_from_db()
    assert restoration.state == Restoration.State.SETTLED
    assert (folder / "flag").read_text() == "on\n"
    assert run(waiting).state == S.SUCCEEDED


def test_a_restoration_is_settled_by_the_step_that_brings_it_back(olga: User, folder: Path) -> None:
    (folder / "flag").write_text("on\n")
    assert run(submitted("tests.restoring", olga, folder=str(folder), scripts=["ok"])).state == S.SUCCEEDED
    assert Restoration.objects.get().state == Restoration.State.SETTLED


def test_a_file_is_written_as_shown_and_taken_back(olga: User, folder: Path) -> None:
    done = run(submitted("tests.filing", olga, folder=str(folder), word="new"))
    assert (folder / "state").read_text() == "new\n"
    back = followers.undo(done, user=olga, token="u2")
    planning.work(back.pk)
    back.refresh_from_db()
    approval.submit(back, user=olga)
    assert run(back).state == S.SUCCEEDED, back.outcome
    assert (folder / "state").read_text() == "begun\n"


def test_a_file_that_somebody_changed_is_not_overwritten(olga: User, folder: Path) -> None:
    done = run(submitted("tests.filing", olga, folder=str(folder), word="new"))
    (folder / "state").write_text("by hand\n")
    back = followers.undo(done, user=olga, token="u3")
    planning.work(back.pk)
    back.refresh_from_db()
    approval.submit(back, user=olga)
    run(back)
    assert back.state == S.FAILED
    assert "not what it was" in back.outcome
    assert (folder / "state").read_text() == "by hand\n"


def test_the_audit_chain_holds_and_shows_tampering(olga: User, folder: Path) -> None:
    run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
    assert [entry.action for entry in AuditEntry.objects.order_by("number")] == ["draft", "submit", "start", "succeeded"]
    assert list(audit.verify()) == []
    AuditEntry.objects.filter(number=2).update(actor="somebody")
    assert "Entry 2 was changed" in " ".join(audit.verify())
    AuditEntry.objects.filter(number=3).delete()
    assert "missing" in " ".join(audit.verify())


def test_a_requester_without_the_role_stops_between_steps(olga: User, folder: Path) -> None:
    operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["slow", "ok"])
    execution.slice_of(operation.pk, 0.5)
    olga.groups.clear()
    run(operation)
    assert operation.state == S.CANCELLED
    assert "lost the right" in operation.outcome
    assert ledger(operation) == ["slow-0"]
