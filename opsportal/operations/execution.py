"""Driving an operation: begin, steps in order, end. Called in slices by whoever holds the lease."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from opsportal.operations import approval, audit, dispatch, leases, letter, moves, planning, restorations, stepping, stream, targets
from opsportal.operations.facts import FactError
from opsportal.operations.guards import Level
from opsportal.operations.leases import Lease
from opsportal.operations.models import Approval, Lock, Operation, Restoration, Step
from opsportal.operations.plan import Plan
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from opsportal.transport.errors import TransportError
from opsportal.web.access import has_role

logger = logging.getLogger(__name__)

GIVE_UP = timedelta(minutes=5)
"""How long an operation that has not begun waits for targets that do not answer."""

ASK_OFTEN = timedelta(minutes=1)
"""For so long after a step's turn came a silent target is asked every 5 s, then every 30 s."""

KEEP_TRYING = timedelta(hours=24)
"""How long a step whose fate is not known is asked after."""


def drive(lease: Lease, until: float) -> None:
    """Go on with the operation until it ends, has to wait, or `until` (of `time.monotonic`) is reached."""
    operation = Operation.objects.select_related("requester").get(pk=lease.operation_id)
    try:
        if operation.state == S.QUEUED and not _begin(operation, lease):
            return
        if operation.state == S.UNKNOWN:
            _ask_again(operation)
            moves.move(operation, S.UNKNOWN, S.RUNNING, fence=lease.fence, waiting_for="")
        while operation.state == S.RUNNING and time.monotonic() < until:
            _go_on(operation, lease, until)
    except TransportError as error:
        _wait_for_target(operation, lease, error)


def _begin(operation: Operation, lease: Lease) -> bool:
    """Check everything again, freeze the steps as rows, and move to running. Nothing has run before this returns True."""
    if operation.cancel_requested_at:
        return _end(operation, lease, S.CANCELLED, f"Cancelled by {operation.cancel_requested_by} before anything ran.", old=S.QUEUED)
    if sentence := _not_entitled(operation):
        return _end(operation, lease, S.FAILED, f"{sentence} Nothing has run.", old=S.QUEUED)
    if sentence := _occupied(operation):
        return _postpone(operation, lease, sentence, 2)
    outcome = planning.plan(operation, readings := planning.pinned(operation))
    planning.keep_readings(operation, {key: one for key, one in readings.items() if not one.pinned})
    if outcome.plan is None:
        return _unreadable(operation, lease, outcome.error)
    if sentence := _differs(operation, outcome):
        return _end(operation, lease, S.STALE, sentence, old=S.QUEUED)
    return _start(operation, lease, outcome.plan)


def _start(operation: Operation, lease: Lease, plan: Plan) -> bool:
    with transaction.atomic():
        used = operation.approvals.filter(digest=operation.digest, decision=Approval.Decision.APPROVE, revoked_at=None, used_at=None)
        if used.update(used_at=Now()) < operation.approvals_needed:
            return False
        if not moves.move(operation, S.QUEUED, S.RUNNING, fence=lease.fence, started_at=Now(), waiting_for=""):
            return False
        Step.objects.bulk_create(
            Step(operation=operation, index=index, key=step.key, title=step.title, target=step.target)
            for index, step in enumerate(plan.steps)
        )
        audit.record("portal", "start", operation, detail={"digest": operation.digest})
    stream.publish(operation.pk, "step", {})
    return True


def _not_entitled(operation: Operation) -> str:
    """The rights of requester and approvers count at the moment of use."""
    if not (operation.requester.is_active and has_role(operation.requester, "operator")):
        return f"{operation.requester} may no longer run operations."
    if len(approval.valid(operation)) < operation.approvals_needed:
        return "The approvals expired, were revoked, or were given by somebody who may no longer approve. Request it again."
    return ""


def _occupied(operation: Operation) -> str:
    """Take the locks; says who has them, or which restoration is open on them."""
    if not operation.book.settles:
        open_ones = Restoration.objects.filter(state=Restoration.State.OPEN, resource__in=operation.locks)
        if restoration := open_ones.exclude(pk__in=restorations.of(operation)).first():
            where = f"{restoration.title} (operation #{restoration.operation_id})"
            return f"{targets.called(restoration.resource)} has an open restoration: {where}. Settle it first."
    return leases.acquire(operation, operation.locks)


def _differs(operation: Operation, outcome: planning.Outcome) -> str:
    """Why the approved plan may not run on what is true now; "" when it may."""
    assert outcome.plan is not None
    known = {finding["message"] for finding in operation.findings}
    new_blocks = [verdict for verdict in outcome.verdicts if verdict.level == Level.BLOCK and verdict.message not in known]
    if new_blocks:
        return "Since the plan was made: " + " ".join(verdict.message for verdict in new_blocks) + " Nothing has run."
    if outcome.plan.digest() == operation.digest:
        return ""
    return f"What the plan rests on has changed, so it did not run: {_changes(operation.frozen(), outcome.plan)}. Look at a new plan."


def _changes(old: Plan, new: Plan) -> str:
    facts = sorted(key for key in old.facts.keys() | new.facts.keys() if old.facts.get(key) != new.facts.get(key))
    before, after = {step.key: step for step in old.steps}, {step.key: step for step in new.steps}
    steps = [step.title for key, step in (before | after).items() if before.get(key) != after.get(key)]
    return "; ".join([*letter.called(facts), *(f"step “{title}”" for title in steps[:5])]) or "the runbook itself"


def _unreadable(operation: Operation, lease: Lease, error: str) -> bool:
    if operation.queued_at and timezone.now() - operation.queued_at > GIVE_UP:
        return _end(
            operation,
            lease,
            S.FAILED,
            f"A fact could not be read for {GIVE_UP.seconds // 60} minutes: {error} Nothing has run.",
            old=S.QUEUED,
        )
    return _postpone(operation, lease, f"A fact could not be read, trying again: {error}", 5)


def _postpone(operation: Operation, lease: Lease, why: str, seconds: int) -> bool:
    Operation.objects.filter(pk=operation.pk, fence=lease.fence).update(
        waiting_for=why[:300], retry_at=Now() + timedelta(seconds=seconds), woken_at=None
    )
    stream.publish(operation.pk, "operation", {"waiting": why})
    return False


def _go_on(operation: Operation, lease: Lease, until: float) -> None:
    """One step, or a part of it, or the end."""
    step = operation.steps.exclude(state__in=[StepState.SUCCEEDED, StepState.SKIPPED]).first()
    if step is None:
        _end(operation, lease, S.SUCCEEDED, "Every step was done and proved.")
    elif step.state == StepState.FAILED:
        _end(operation, lease, S.FAILED, f"Step {step.index + 1}, “{step.title}”, failed: {step.message}")
    elif step.state == StepState.CANCELLED:
        _end(operation, lease, S.CANCELLED, f"Cancelled by {operation.cancel_requested_by} during step {step.index + 1}, “{step.title}”.")
    elif step.state == StepState.UNKNOWN:
        moves.move(operation, S.RUNNING, S.UNKNOWN, fence=lease.fence, outcome=step.message, retry_at=timezone.now() + KEEP_TRYING)
    elif step.state == StepState.PENDING and _stop_before(operation, lease, step):
        return
    else:
        stepping.advance(operation, step, operation.frozen().steps[step.index], lease, until)
        operation.refresh_from_db()


def _stop_before(operation: Operation, lease: Lease, step: Step) -> bool:
    """Between two steps is where it is safe to stop."""
    if operation.cancel_requested_at:
        return not _end(
            operation, lease, S.CANCELLED, f"Cancelled by {operation.cancel_requested_by} before step {step.index + 1}, “{step.title}”."
        )
    operation.requester.refresh_from_db()
    if not (operation.requester.is_active and has_role(operation.requester, "operator")):
        return not _end(
            operation, lease, S.CANCELLED, f"{operation.requester} lost the right to run this: stopped before step {step.index + 1}."
        )
    return False


def _end(operation: Operation, lease: Lease, state: S, outcome: str, *, old: S = S.RUNNING) -> bool:
    """Final. Always False, so that callers can `return` it."""
    with transaction.atomic():
        if not moves.move(operation, old, state, outcome=outcome, fence=lease.fence):
            return False
        operation.steps.exclude(state__in=[StepState.SUCCEEDED, StepState.FAILED, StepState.CANCELLED]).update(state=StepState.SKIPPED)
        Lock.objects.filter(operation=operation).delete()
        audit.record("portal", state.value, operation, detail={"outcome": outcome})
        for waiting in Operation.objects.filter(state=S.QUEUED).exclude(waiting_for=""):
            Operation.objects.filter(pk=waiting.pk).update(retry_at=None, woken_at=None)
            dispatch.wake(waiting)
    tell(operation)
    return False


def tell(operation: Operation) -> None:
    """Tell the runbook that it is over; a sweep repeats this until it succeeded."""
    try:
        operation.book.finished(operation.pk, operation.state)
    except Exception:
        logger.exception("the runbook %s did not take the end of operation %s", operation.runbook, operation.pk)
        return
    Operation.objects.filter(pk=operation.pk).update(settled=True)


def _ask_again(operation: Operation) -> None:
    """Raises `TransportError` while the target is away: until it answers, nothing better than `unknown` is true."""
    step = operation.steps.filter(state=StepState.RUNNING).first()
    if step is not None:
        targets.detached(step.target, operation).boot_id()


def _wait_for_target(operation: Operation, lease: Lease, error: TransportError) -> None:
    """The target does not answer: what runs there goes on, so we say `unknown` and come back."""
    operation.refresh_from_db()
    if operation.state == S.QUEUED:
        _unreadable(operation, lease, str(error))
        return
    step = operation.steps.exclude(state__in=[StepState.SUCCEEDED, StepState.SKIPPED]).first()
    waited = timezone.now() - _waiting_since(operation, step)
    if step is not None and step.state == StepState.PENDING and waited > GIVE_UP:
        stepping.settle(step, StepState.FAILED, f"{error} Nothing was sent for this step.")
        dispatch.wake(operation)
        return
    _postpone(operation, lease, f"{error} Trying again.", 5 if waited < ASK_OFTEN else 30)
    if step is not None and step.state == StepState.RUNNING:
        outcome = f"Whether step {step.index + 1}, “{step.title}”, happened is not known: {error}"
        if not moves.move(operation, S.RUNNING, S.UNKNOWN, fence=lease.fence, outcome=outcome):
            Operation.objects.filter(pk=operation.pk, state=S.UNKNOWN, fence=lease.fence).update(outcome=outcome)


def _waiting_since(operation: Operation, step: Step | None) -> datetime:
    """When its turn came."""
    before = operation.steps.filter(index__lt=step.index).aggregate(at=Max("ended_at"))["at"] if step else None
    return (step.started_at if step else None) or before or operation.started_at or timezone.now()


def slice_of(operation_id: int, seconds: float) -> None:
    """One slice of work, for a Celery task: claim, drive, release, and ask for the next."""
    lease = leases.claim(operation_id)
    if lease is None:
        return
    try:
        with leases.heartbeat(lease):
            drive(lease, time.monotonic() + seconds)
    except leases.LeaseLost:
        return
    except FactError as error:
        logger.warning("operation %s: %s", operation_id, error)
    finally:
        leases.release(lease)
    operation = Operation.objects.filter(pk=operation_id, state__in=[S.QUEUED, S.RUNNING], retry_at=None).first()
    if operation is not None:
        dispatch.wake(operation)
