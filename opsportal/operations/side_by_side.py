"""Working through what is due, many at once, within a slice of a worker's time: hosts, pools and networks are read like this.

A row that is due is claimed for a while by a conditional update, so that no other worker has it too. A worker that dies gives
it back by the clock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.utils import timezone

M = TypeVar("M", bound=Model)
A = TypeVar("A")
R = TypeVar("R")

SLICE_SECONDS = 45
STOP_TAKING = 25
"""Seconds into a slice. What is taken at the last moment has the rest for connecting and answering."""

CLAIMED_FOR = timedelta(minutes=2)
"""After this a claim is void: the worker that made it is dead."""


def claim(rows: QuerySet[M], number: int) -> QuerySet[M]:
    """Takes up to `number` of `rows` that are due. Their model has the fields `next_read_at` and `claim`."""
    now, token = timezone.now(), secrets.token_hex(16)
    due = rows.filter(next_read_at__lte=now)
    wanted = list(due.order_by("next_read_at").values_list("pk", flat=True)[:number])
    taken = wanted and due.filter(pk__in=wanted).update(claim=token, next_read_at=now + CLAIMED_FOR)
    return rows.filter(claim=token) if taken else rows.none()


def work(
    take: Callable[[int], Iterable[A]],
    read: Callable[[A], R],
    store: Callable[[list[R]], object],
    *,
    at_once: int,
    at_least: int = 1,
    gather: float = 0,
    seconds: float = SLICE_SECONDS,
    stop_taking: float = STOP_TAKING,
) -> int:
    """Until nothing is due or the time is up; says how many were read.

    `take` gives at most so many, and is asked when `at_least` so many are free. `read` runs in threads and leaves the database alone;
    `store` gets answers in the caller's thread, those that come within `gather` seconds of each other together.
    """
    started, pending, number = time.monotonic(), set[Future[R]](), 0
    crew = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="read")
    try:
        while time.monotonic() - started < seconds:
            free = at_once - len(pending)
            if time.monotonic() - started < stop_taking and (free >= at_least or not pending):
                pending |= {crew.submit(read, one) for one in take(free)}
            if not pending:
                break
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            with_them, pending = wait(pending, timeout=gather) if gather else (set(), pending)
            number += len(done) + len(with_them)
            store([future.result() for future in (*done, *with_them)])
    finally:
        crew.shutdown(wait=False, cancel_futures=True)
    return number
