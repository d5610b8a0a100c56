"""Celery entry points. What they do stands in the database first: losing a message costs half a minute."""

from __future__ import annotations

import logging

from celery import shared_task

from releases import looking, nightly, retention

logger = logging.getLogger(__name__)

LONG = 15 * 60
"""Seconds. The first fetch of a large repository takes minutes."""


@shared_task  # type: ignore[untyped-decorator] # celery has no annotations
def start_due_builds() -> None:
    """Asks workers to run the schedules that are due, and sends again what lost its message."""
    for schedule in nightly.due():
        nightly.wake(schedule.pk)
    for look in looking.forgotten():
        looking.send(look)


@shared_task(time_limit=LONG)  # type: ignore[untyped-decorator] # celery has no annotations
def run_schedule(schedule_id: int) -> None:
    nightly.run(schedule_id)


@shared_task(time_limit=LONG)  # type: ignore[untyped-decorator] # celery has no annotations
def answer(look_id: int) -> None:
    """Reads what a page asked for."""
    looking.answer(look_id)


@shared_task(time_limit=3600)  # type: ignore[untyped-decorator] # celery has no annotations
def apply_retention() -> None:
    """Keeps disks small, then measures them."""
    outcome = retention.apply()
    logger.info("retention: %s workspaces, %s artefacts, %s", outcome.workspaces, outcome.artefacts, outcome.failed)
    for target in retention.places():
        looking.ask("disk", target)
    looking.trim()
