"""States of an operation and of a step, and the moves between them, as data."""

from __future__ import annotations

from django.db import models


class OperationState(models.TextChoices):
    DRAFT = "draft", "Draft"
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    APPROVED = "approved", "Approved"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    UNKNOWN = "unknown", "Unknown"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    STALE = "stale", "Stale"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    DISCARDED = "discarded", "Discarded"


class StepState(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"
    CANCELLED = "cancelled", "Cancelled"
    SKIPPED = "skipped", "Skipped"


S = OperationState

MOVES: dict[str, frozenset[str]] = {
    S.DRAFT: frozenset({S.AWAITING_APPROVAL, S.QUEUED, S.DISCARDED}),
    S.AWAITING_APPROVAL: frozenset({S.APPROVED, S.REJECTED, S.EXPIRED, S.CANCELLED}),
    S.APPROVED: frozenset({S.QUEUED, S.AWAITING_APPROVAL, S.EXPIRED, S.CANCELLED}),
    S.QUEUED: frozenset({S.RUNNING, S.STALE, S.FAILED, S.CANCELLED, S.AWAITING_APPROVAL}),
    S.RUNNING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.RUNNING, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.STALE: frozenset(),
    S.REJECTED: frozenset(),
    S.EXPIRED: frozenset(),
    S.DISCARDED: frozenset(),
}

FINAL = frozenset(state for state, moves in MOVES.items() if not moves)
DRIVEN = frozenset({S.QUEUED, S.RUNNING, S.UNKNOWN})
"""States in which a worker has something to do: the sweeper wakes these."""

OPEN = frozenset(MOVES) - FINAL
STEP_FINAL = frozenset({StepState.SUCCEEDED, StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED})
