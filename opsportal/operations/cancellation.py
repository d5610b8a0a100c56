"""Cancelling: asked for at once, honoured at the next safe point."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from opsportal.operations import audit, dispatch, moves, stream
from opsportal.operations.errors import Refused
from opsportal.operations.models import Operation
from opsportal.operations.states import FINAL, OperationState


def request(operation: Operation, *, user: User) -> None:
    """Before a worker has it, it ends here; afterwards the worker stops as soon as that is safe."""
    if operation.state in FINAL:
        raise Refused("It has ended already.")
    if operation.state == OperationState.DRAFT:
        raise Refused("A draft is discarded, not cancelled.")
    with transaction.atomic():
        audit.record(user, "cancel", operation)
        if operation.state in (OperationState.AWAITING_APPROVAL, OperationState.APPROVED):
            moves.move(operation, operation.state, OperationState.CANCELLED, outcome=f"Cancelled by {user} before anything ran.")
            return
        Operation.objects.filter(pk=operation.pk, cancel_requested_at=None).update(
            cancel_requested_at=Now(), cancel_requested_by=user, woken_at=None, retry_at=None
        )
        operation.refresh_from_db()
        dispatch.wake(operation)
    stream.publish(operation.pk, "operation", {"cancel": True})
