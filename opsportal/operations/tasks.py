"""Celery's ways in. A message carries an id; everything else is read from the database."""

from __future__ import annotations

from django.conf import settings
from django.core.management import call_command

from opsportal.celery import app
from opsportal.operations import approval, clearing, dispatch, execution, planning
from opsportal.operations.states import FINAL


@app.task(time_limit=3600)  # type: ignore[untyped-decorator] # celery has no annotations
def plan(operation_id: int, **_later: object) -> None:
    """Plan a draft's newest revision. The first fetch of a large repository takes its time."""
    planning.work(operation_id)


@app.task  # type: ignore[untyped-decorator] # celery has no annotations
def drive(operation_id: int, **_later: object) -> None:
    """One slice of an operation."""
    execution.slice_of(operation_id, settings.SLICE_SECONDS)


@app.task  # type: ignore[untyped-decorator] # celery has no annotations
def sweep(**_later: object) -> None:
    """Send again what nobody drives; expire what nobody approved."""
    approval.expire()
    for operation in dispatch.due():
        if operation.state in FINAL:
            execution.tell(operation)
        else:
            dispatch.wake(operation)


@app.task(time_limit=900)  # type: ignore[untyped-decorator] # celery has no annotations
def clear(queue: str, **_later: object) -> None:
    """Empty the control directories of what ended long ago, on the targets that workers of this queue reach."""
    clearing.clear(queue)


@app.task  # type: ignore[untyped-decorator] # celery has no annotations
def forget_sessions(**_later: object) -> None:
    """Remove sessions that ran out."""
    call_command("clearsessions")
