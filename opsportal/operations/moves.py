"""Changing an operation's state: always a conditional update whose row count is checked."""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Now

from opsportal.operations import stream
from opsportal.operations.errors import PortalFault
from opsportal.operations.models import Operation
from opsportal.operations.states import FINAL, MOVES, OperationState


def move(operation: Operation, old: str, new: str, *, outcome: str = "", fence: int | None = None, **fields: Any) -> bool:
    """True when this call moved it. With `fence`, only the holder of that lease can."""
    if new not in MOVES[old]:
        raise PortalFault(f"an operation cannot go from {old} to {new}")
    rows = Operation.objects.filter(pk=operation.pk, state=old)
    if fence is not None:
        rows = rows.filter(fence=fence)
    if outcome:
        fields["outcome"] = outcome
    if new in FINAL:
        fields |= {"ended_at": Now(), "waiting_for": "", "woken_at": None}
    moved = bool(rows.update(state=OperationState(new), **fields))
    operation.refresh_from_db()
    if moved:
        stream.publish(operation.pk, "operation", {"state": operation.state})
    return moved
