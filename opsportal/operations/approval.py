"""Who may let a plan run. An approval binds one person to one digest, expires, and is used once."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from opsportal.operations import audit, dispatch, moves, stream
from opsportal.operations.errors import Refused
from opsportal.operations.models import Acknowledgement, Approval, Operation
from opsportal.operations.states import OperationState as S
from opsportal.web.access import has_role


def submit(operation: Operation, *, user: User, reason: str = "", overrides: bool = False, break_glass: bool = False) -> None:
    """Freeze the draft's plan and hand it on: to the approvers, or straight to the queue when it needs none."""
    _check_submission(operation, user, reason, overrides, break_glass)
    needed = max(operation.approvals_due - 1, 0) if break_glass else operation.approvals_due
    state = S.AWAITING_APPROVAL if needed else S.QUEUED
    with transaction.atomic():
        moved = Operation.objects.filter(pk=operation.pk, state=S.DRAFT, digest=operation.digest, revision=F("planned_revision")).update(
            state=state,
            reason=reason,
            break_glass=break_glass,
            approvals_needed=needed,
            submitted_at=Now(),
            queued_at=None if needed else Now(),
            woken_at=None,
        )
        if not moved:
            raise Refused("The draft changed while you submitted it. Look at the plan again.")
        operation.refresh_from_db()
        detail = {"digest": operation.digest, "reason": reason, "approvals": needed, "against": _overridden(operation)}
        audit.record(user, "break-glass" if break_glass else "submit", operation, detail=detail, alarming=break_glass)
        operation.book.submitted(operation.pk)
        if not needed:
            dispatch.wake(operation)
    stream.publish(operation.pk, "operation", {"state": state.value})


def _overridden(operation: Operation) -> list[str]:
    """The rules that block it, by their identifiers: submitted all the same, with a reason."""
    return sorted({finding["guard"] for finding in operation.findings if finding["level"] == "block"})


def acknowledge(operation: Operation, *, user: User) -> None:
    """This person has read that the glass was broken. Once is enough."""
    if not operation.break_glass:
        raise Refused("Nobody broke the glass here.")
    with transaction.atomic():
        _, new = Acknowledgement.objects.get_or_create(operation=operation, person=user)
        if new:
            audit.record(user, "acknowledge", operation)


def _check_submission(operation: Operation, user: User, reason: str, overrides: bool, break_glass: bool) -> None:
    if operation.state != S.DRAFT:
        raise Refused("This was submitted already.")
    if operation.requester_id != user.pk:
        raise Refused(f"This draft belongs to {operation.requester}.")
    if operation.planning:
        raise Refused("The facts are still being read. Wait for the plan.")
    if not operation.plan:
        raise Refused(operation.plan_error or "There is no plan yet: some pages are not filled in.")
    if not operation.frozen().steps:
        raise Refused(f"There is nothing to do: {operation.frozen().because}")
    blocks = [finding for finding in operation.findings if finding["level"] == "block"]
    if any(not finding["override"] for finding in blocks):
        raise Refused("The rulebook blocks this: " + " ".join(finding["message"] for finding in blocks))
    if blocks and not (overrides and reason.strip()):
        raise Refused("To go on in spite of what the rulebook says, tick the box and give a reason.")
    if break_glass and not (has_role(user, "administrator") and reason.strip()):
        raise Refused("Only an administrator may break the glass, and only with a reason.")


def may_decide(operation: Operation, user: User) -> str:
    """Empty when `user` may approve or reject now, else the sentence why not."""
    if operation.state != S.AWAITING_APPROVAL:
        return "This is not waiting for an approval."
    if operation.requester_id == user.pk:
        return "You asked for this yourself: it needs somebody else."
    if not has_role(user, "approver"):
        return "Approving needs the role of approver."
    if operation.approvals.filter(person=user, digest=operation.digest, revoked_at=None).exists():
        return "You have decided on this plan already."
    return ""


def approve(operation: Operation, *, user: User, digest: str, comment: str = "") -> None:
    """Count one person for this digest; with enough of them the operation is queued."""
    _decide(operation, user, digest, Approval.Decision.APPROVE, comment)
    with transaction.atomic():
        if len(valid(operation)) >= operation.approvals_needed and moves.move(operation, S.AWAITING_APPROVAL, S.APPROVED):
            moves.move(operation, S.APPROVED, S.QUEUED)
            Operation.objects.filter(pk=operation.pk).update(queued_at=Now(), woken_at=None)
            operation.refresh_from_db()
            dispatch.wake(operation)
    stream.publish(operation.pk, "operation", {"state": operation.state})


def reject(operation: Operation, *, user: User, comment: str) -> None:
    if not comment.strip():
        raise Refused("Say why you reject it: the requester has to know what to change.")
    with transaction.atomic():
        _decide(operation, user, operation.digest, Approval.Decision.REJECT, comment)
        moves.move(operation, S.AWAITING_APPROVAL, S.REJECTED, outcome=f"Rejected by {user}: {comment}")
    stream.publish(operation.pk, "operation", {"state": S.REJECTED.value})


def _decide(operation: Operation, user: User, digest: str, decision: Approval.Decision, comment: str) -> None:
    if sentence := may_decide(operation, user):
        raise Refused(sentence)
    if digest != operation.digest:
        raise Refused("The plan is not the one you were shown. Read it again before you decide.")
    try:
        with transaction.atomic():
            Approval.objects.create(
                operation=operation,
                person=user,
                decision=decision,
                digest=digest,
                comment=comment,
                decided_at=Now(),
                expires_at=Now() + timedelta(hours=settings.APPROVAL_HOURS),
            )
            audit.record(user, decision.value, operation, detail={"digest": digest, "comment": comment})
    except IntegrityError:
        raise Refused("You have decided on this plan already.") from None


def revoke(operation: Operation, *, user: User) -> None:
    """Take one's own approval back, as long as no worker has claimed the operation. One of the two wins."""
    with transaction.atomic():
        back = Operation.objects.filter(pk=operation.pk, state__in=[S.AWAITING_APPROVAL, S.APPROVED, S.QUEUED]).update(
            state=S.AWAITING_APPROVAL, queued_at=None
        )
        taken = operation.approvals.filter(person=user, revoked_at=None, used_at=None, decision=Approval.Decision.APPROVE).update(
            revoked_at=Now()
        )
        if not (back and taken):
            transaction.set_rollback(True)
            raise Refused("It is too late to revoke: the operation runs already. Use Cancel.")
        audit.record(user, "revoke", operation)
    stream.publish(operation.pk, "operation", {"state": S.AWAITING_APPROVAL.value})


def valid(operation: Operation) -> list[Approval]:
    """Approvals that count now: for this digest, not expired, revoked or used, by people who still may."""
    rows = operation.approvals.select_related("person").filter(
        digest=operation.digest, decision=Approval.Decision.APPROVE, revoked_at=None, expires_at__gt=Now()
    )
    return [row for row in rows if row.person.is_active and has_role(row.person, "approver") and row.person_id != operation.requester_id]


def expire() -> None:
    """Requests that nobody decided on, or whose approvals ran out before they could run, end."""
    for operation in Operation.objects.filter(state=S.AWAITING_APPROVAL, submitted_at__lt=Now() - timedelta(hours=settings.APPROVAL_HOURS)):
        if moves.move(
            operation,
            S.AWAITING_APPROVAL,
            S.EXPIRED,
            outcome=f"Nobody approved it within {settings.APPROVAL_HOURS} hours. Request it again.",
        ):
            audit.record("portal", "expire", operation)
