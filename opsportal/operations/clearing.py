"""Control directories on targets are emptied some time after an operation ended. Its log is in the database for ever.

Nothing asks them then: a retry and an undo are operations of their own. What has no final state keeps its own as long as it takes.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from opsportal.operations import targets
from opsportal.operations.models import Attempt, Operation
from opsportal.operations.states import FINAL
from opsportal.transport.errors import TransportError

logger = logging.getLogger(__name__)

GIVE_UP = timedelta(days=90)
"""For so long a target that does not answer is asked again."""

SECONDS = 300.0
AT_ONCE = 10_000


def due(queue: str) -> QuerySet[Operation]:
    """What ended long enough ago, the oldest first."""
    ended = timezone.now() - timedelta(days=settings.CONTROL_DAYS)
    found = Operation.objects.filter(queue=queue, state__in=FINAL, settled=True, cleared_at=None, ended_at__lt=ended)
    return found.exclude(started_at=None).only("ended_at").order_by("ended_at")


def clear(queue: str) -> int:
    """Empties what it can in some minutes and returns the number of operations; a target that does not answer is asked once."""
    until, silent, cleared = time.monotonic() + SECONDS, set[str](), 0
    for operation in list(due(queue)[:AT_ONCE]):
        if time.monotonic() > until:
            break
        # Plans keep a target for each step; only some of those start commands.
        places = set(Attempt.objects.filter(step__operation=operation).values_list("step__target", flat=True))
        emptied = [_emptied(target, operation, silent) for target in sorted(places)]
        if all(emptied):
            cleared += Operation.objects.filter(pk=operation.pk, cleared_at=None).update(cleared_at=Now())
    return cleared


def _emptied(target: str, operation: Operation, silent: set[str]) -> bool:
    """Nothing is left there, or the target is gone for good."""
    gone = operation.ended_at is not None and timezone.now() - operation.ended_at > GIVE_UP
    if target in silent:
        return gone
    try:
        return targets.detached(target, operation).clear()
    except TransportError as error:
        logger.info("the control directory of operation %s on %s stays for now: %s", operation.pk, target, error)
        silent.add(target)
        return gone
