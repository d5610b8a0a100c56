"""Lists of operations and builds with ten rows and with a hundred thousand: queries and server time of one page.

In this process, without network: a request goes through every middleware and comes back as HTML.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import figure
from tests.bench.alone import portal_alone

FEW, MANY = 10, 100_000
ROUNDS = 25
QUERIES, MILLISECONDS = 6, 25
"""The goals. A bare Django admin takes 76 ms for such a page."""

LISTS = {"operations": "/operations/", "builds": "/releases/builds/"}


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="bench") as folder, portal_alone(Path(folder)) as client:
        from tests.releases import made

        source = made.source("Bench", url="https://github.com/apache/cloudstack")
        made.many(source, FEW)
        few = {name: _queries(client, address) for name, address in LISTS.items()}
        more = made.source("Bench, long", url="https://github.com/apache/cloudstack")
        made.many(more, MANY)
        for name, address in LISTS.items():
            _measure(client, name, address, few[name])


def _measure(client: Any, name: str, address: str, few: int) -> None:
    first, middle, last = pages = [address, f"{address}?before={MANY // 2}", f"{address}?before={FEW}"]
    counted = [_queries(client, page) for page in pages]
    against = f"{FEW} rows take {few}; first, middle and last page of {MANY:,} take {', '.join(map(str, counted))}"
    figure(f"{name}: queries of a page", max(counted), "queries", against, QUERIES)
    figure(f"{name}: more queries for {MANY:,} rows than for {FEW}", max(counted) - few, "queries", against, 0)
    for place, page in zip(("first", "middle", "last"), (first, middle, last), strict=True):
        taken = [_milliseconds(client, page) for _ in range(ROUNDS)]
        walls, cpus = [wall for wall, _ in taken], [cpu for _, cpu in taken]
        how = f"median of {ROUNDS}, {min(walls):.1f} to {max(walls):.1f}; {median(cpus):.1f} of the processor; {MANY:,} rows"
        figure(f"{name}: {place} page", median(walls), "ms", how, MILLISECONDS)


def _queries(client: Any, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    _get(client, address)
    with CaptureQueriesContext(connection) as captured:
        _get(client, address)
    return len([query for query in captured.captured_queries if query["sql"].startswith("SELECT")])


def _milliseconds(client: Any, address: str) -> tuple[float, float]:
    """By the clock, and of the processor: on a busy machine the first is longer."""
    start, busy = time.perf_counter(), time.process_time()
    _get(client, address)
    return (time.perf_counter() - start) * 1000, (time.process_time() - busy) * 1000


def _get(client: Any, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    assert b"<tbody" in answer.content
