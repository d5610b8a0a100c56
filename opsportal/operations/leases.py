"""The right to drive an operation, with a fencing number, and the locks on what it touches. Time is the database's."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from opsportal.operations import targets
from opsportal.operations.models import Lock, Operation
from opsportal.operations.states import DRIVEN, OperationState

RENEW_EVERY = 5.0


class LeaseLost(Exception):
    """Another worker drives the operation now: stop at once and touch nothing."""


@dataclass(frozen=True)
class Lease:
    operation_id: int
    holder: str
    fence: int


def claim(operation_id: int, states: frozenset[OperationState] = DRIVEN) -> Lease | None:
    """Take the lease if nobody holds it; None when somebody does or there is nothing to do in these states."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    with transaction.atomic():
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        taken = Operation.objects.filter(free, pk=operation_id, state__in=states).update(
            holder=holder, lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS), fence=F("fence") + 1, retry_at=None
        )
        if not taken:
            return None
        return Lease(operation_id, holder, Operation.objects.values_list("fence", flat=True).get(pk=operation_id))


def renew(lease: Lease) -> bool:
    """Extend it; False when it was lost."""
    until = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    return bool(Operation.objects.filter(pk=lease.operation_id, fence=lease.fence).update(lease_until=until))


def release(lease: Lease) -> None:
    Operation.objects.filter(pk=lease.operation_id, fence=lease.fence).update(holder="", lease_until=None)


@contextmanager
def heartbeat(lease: Lease) -> Iterator[threading.Event]:
    """Renews beside the work, on a connection of its own. The event is set once the lease is lost."""
    stop, lost = threading.Event(), threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(RENEW_EVERY):
                try:
                    if not renew(lease):
                        lost.set()
                        return
                except Exception:
                    connection.close()  # the database is away for a moment: try again on a new connection
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True, name=f"lease-{lease.operation_id}")
    thread.start()
    try:
        yield lost
    finally:
        stop.set()
        thread.join(RENEW_EVERY)


def acquire(operation: Operation, resources: list[str]) -> str:
    """Take all locks or none. Returns "" or the sentence that says who holds which, since when."""
    for resource in sorted(resources):
        try:
            with transaction.atomic():
                Lock.objects.create(resource=resource, operation=operation, since=Now())
        except IntegrityError:
            lock = Lock.objects.select_related("operation__requester").filter(resource=resource).first()
            if lock is not None and lock.operation_id != operation.pk:
                Lock.objects.filter(operation=operation).delete()
                return _held(lock)
    return ""


def _held(lock: Lock) -> str:
    other, called = lock.operation, targets.called(lock.resource)
    return f"{called} is in use by operation #{other.pk} ({other.title}, {other.requester}) since {lock.since:%H:%M:%S} UTC."
