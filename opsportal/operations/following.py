"""Reading a running command's output into the journal, and what it says about progress."""

from __future__ import annotations

import time
from typing import Any, Protocol, cast

from django.utils.module_loading import import_string

from opsportal.operations import crash, journal, news, stream
from opsportal.operations.leases import Lease, LeaseLost
from opsportal.operations.models import Attempt, Operation, Step
from opsportal.operations.steps import RunCommand
from opsportal.operations.steps import Step as Planned
from opsportal.transport.detached import Detached

LOOK_AROUND = 1.0
PACE = 0.02
"""Seconds between two small pieces: each costs a commit. The first after a silence is stored at once."""

SMALL = 64 * 1024
SHARE = 3
"""Of a flood of output, one part in so many of a processor's time is taken for storing: the command may need the rest of the machine."""
SAVE_PROGRESS = 0.5


class Progress(Protocol):
    """Understands one kind of output, piece by piece. `state()` is plain JSON that `from_state` takes again.

    Shown are its keys "label", "done", "total", "detail", "error" and "error_line" where present; the rest is the reader's own.
    "error_line" is where the error stands, counted from 0 within the step's output: the log of a step that failed opens there.
    """

    def feed(self, data: bytes, now: float) -> None: ...

    def state(self) -> dict[str, Any]: ...


class Meter:
    """Feeds a step's progress reader, and goes on where the last worker stopped."""

    def __init__(self, operation: Operation, step: Step, path: str) -> None:
        self.step = step
        self.saved = time.monotonic()
        self.reader: Progress | None = None
        if not path:
            return
        kind = import_string(path)
        kept = dict(step.progress)
        self.fed = int(kept.pop("fed", 0))
        self.reader = kind.from_state(kept["reader"]) if "reader" in kept else kind()
        skip = self.fed
        for chunk in journal.raw(operation, step):
            self.feed(chunk[skip:])
            skip = max(0, skip - len(chunk))

    def feed(self, data: bytes) -> None:
        if self.reader is None or not data:
            return
        self.reader.feed(data, time.time())
        self.fed += len(data)
        if time.monotonic() - self.saved > SAVE_PROGRESS:
            self.save()

    def save(self) -> None:
        if self.reader is None:
            return
        state = self.reader.state()
        shown = {name: state[name] for name in news.SHOWN if name in state}
        self.step.progress = {**shown, "fed": self.fed, "reader": state}
        Step.objects.filter(pk=self.step.pk).update(progress=self.step.progress)
        self.saved = time.monotonic()
        stream.publish(self.step.operation_id, "progress", {"index": self.step.index, **shown})


def follow(operation: Operation, step: Step, planned: Planned, attempt: Attempt, remote: Detached, lease: Lease, until: float) -> None:
    """Append what comes until the command ends or the slice does; cancels it when asked and allowed."""
    step.refresh_from_db()
    writer = journal.Writer(step, fence=lease.fence)
    meter = Meter(operation, step, planned.progress)
    looked = time.monotonic()
    try:
        for data in remote.follow(attempt.remote_key, step.log_bytes - attempt.log_base, max(until - time.monotonic(), 0.1)):
            if data:
                began = time.thread_time()
                writer.append(writer.size, data)
                meter.feed(data)
                crash.point("after-append")
                time.sleep(PACE if len(data) < SMALL else (SHARE - 1) * (time.thread_time() - began))
            if time.monotonic() - looked > LOOK_AROUND:
                looked = time.monotonic()
                _look_around(operation, step, planned, attempt, remote, lease)
            if time.monotonic() > until:
                break
    except journal.Fenced:
        raise LeaseLost from None
    finally:
        meter.save()
    step.refresh_from_db()
    _look_around(operation, step, planned, attempt, remote, lease)


def _look_around(operation: Operation, step: Step, planned: Planned, attempt: Attempt, remote: Detached, lease: Lease) -> None:
    """Still ours? Cancelled? Too long?"""
    operation.refresh_from_db()
    if operation.fence != lease.fence:
        raise LeaseLost
    if attempt.exit_code is not None or not planned.interruptible:
        return
    action = cast(RunCommand, planned.action)
    if operation.cancel_requested_at:
        remote.cancel(attempt.remote_key)
    elif time.time() - attempt.intended_at.timestamp() > action.timeout:
        Step.objects.filter(pk=step.pk).update(message=f"Took longer than {action.timeout} s and was stopped.")
        remote.cancel(attempt.remote_key)
