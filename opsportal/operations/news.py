"""What a viewer of an operation has to know: all of it at the start, and what it was not told since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from opsportal.operations import journal
from opsportal.operations.models import Operation, Step
from opsportal.operations.states import FINAL
from opsportal.operations.stream import Seen

SHOWN = ("label", "done", "total", "detail", "error", "error_line")
"""What a step's progress tells to people; the rest is the reader's own."""

News = tuple[int, str, dict[str, Any]]
"""Operation id, kind and payload, as `stream.publish` takes them."""


def summary(operation: Operation) -> dict[str, Any]:
    """State, size of the log and steps, as the page's script wants them. Times are seconds since 1970."""
    steps = operation.steps.order_by("index").values("index", "title", "state", "first_line", "started_at", "ended_at", "progress")
    return {
        "state": operation.state,
        "final": operation.final,
        "started": _seconds(operation.started_at),
        "ended": _seconds(operation.ended_at),
        "total": operation.log_lines,
        "bytes": operation.log_bytes,
        "marker": journal.marker(operation),
        "steps": [
            {
                "index": step["index"],
                "title": step["title"],
                "state": step["state"],
                "first": step["first_line"],
                "started": _seconds(step["started_at"]),
                "ended": _seconds(step["ended_at"]),
                "progress": {name: value for name, value in step["progress"].items() if name in SHOWN},
            }
            for step in steps
        ],
    }


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def log(operation: Operation, first: int) -> dict[str, Any]:
    """The lines from `first` on, or the last ones when there are more than one message carries."""
    begin = max(first, operation.log_lines - journal.PUBLISHED_LINES)
    lines = [line for line in journal.lines(operation, begin, journal.PUBLISHED_LINES) if line.number < operation.log_lines]
    kept = journal.newest(lines)
    return {
        "first": kept[0].number if kept else operation.log_lines,
        "lines": [line.json() for line in kept],
        "total": operation.log_lines,
        "next": operation.log_lines - (not kept[-1].ended if kept else 0),
        "bytes": operation.log_bytes,
    }


def since(told: dict[int, Seen]) -> list[News]:
    """What happened to these operations that their viewers were not told."""
    operations = Operation.objects.filter(pk__in=told).only("state", "log_lines", "log_bytes")
    steps: dict[int, dict[int, str]] = {}
    for number, index, state in Step.objects.filter(operation__in=told).values_list("operation_id", "index", "state"):
        steps.setdefault(number, {})[index] = state
    return [news for one in operations for news in _changes(one, told[one.pk], steps.get(one.pk, {}))]


def _changes(operation: Operation, seen: Seen, steps: dict[int, str]) -> Iterator[News]:
    if operation.log_bytes > seen.bytes:
        yield operation.pk, "log", log(operation, seen.next)
    for index, state in steps.items():
        if seen.steps.get(index) != state:
            yield operation.pk, "step", {"index": index, "state": state}
    if seen.state != operation.state:
        yield operation.pk, "operation", {"state": operation.state}
    if operation.state in FINAL:
        yield operation.pk, "end", {"state": operation.state}
