"""Waking workers. The operation row is its own outbox: what is not driven by anybody is sent again."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from opsportal.celery import app
from opsportal.operations.models import Operation
from opsportal.operations.states import DRIVEN, FINAL, OperationState

logger = logging.getLogger(__name__)

RESEND_AFTER = timedelta(seconds=10)
PAUSE_AFTER_FAILURE = 1.0


def wake(operation: Operation) -> None:
    """Once the transaction commits, ask a worker to plan or drive it. Losing the message costs a sweep."""
    task = "plan" if operation.state == OperationState.DRAFT else "drive"
    queue = "ssh" if task == "plan" else operation.queue
    pk = operation.pk
    transaction.on_commit(lambda: _send(pk, task, queue))


_quiet: dict[str, float] = {}
"""By broker: until when nothing is sent to one that was away. Each try there costs time, and a descriptor until memory is tidied."""


def _send(pk: int, task: str, queue: str) -> None:
    broker = str(app.conf.broker_url)
    if time.monotonic() < _quiet.get(broker, 0):
        return  # the sweeper sends it later
    try:
        app.send_task(f"opsportal.operations.tasks.{task}", args=[pk], queue=queue, retry=False)
    except Exception as error:  # the broker is away: the sweeper sends it later
        logger.warning("operation %s was not sent to a worker: %s", pk, error)
        _quiet[broker] = time.monotonic() + PAUSE_AFTER_FAILURE
    else:
        Operation.objects.filter(pk=pk).update(woken_at=Now())


def due() -> list[Operation]:
    """Operations that somebody should be driving or planning and nobody is."""
    unsent = Q(woken_at=None) | Q(woken_at__lt=Now() - RESEND_AFTER)
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    ripe = Q(retry_at=None) | Q(retry_at__lte=Now())
    driven = Q(state__in=DRIVEN) & free & ripe
    planned = Q(state=OperationState.DRAFT, planned_revision__lt=F("revision")) & free
    untold = Q(state__in=FINAL, settled=False)
    return list(Operation.objects.filter(unsent, driven | planned | untold).order_by("id")[:500])
