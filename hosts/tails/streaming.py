"""From workers to the browsers that follow a log: the operations' hub, with messages and a look at the database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hosts.tails import keeping, telling
from hosts.tails.models import Tail
from opsportal.operations import stream
from opsportal.operations.journal import PUBLISHED_LINES, newest
from opsportal.operations.news import News
from opsportal.operations.stream import Seen


class TailHub(stream.Hub):
    prefix = telling.PREFIX

    def news(self, told: dict[int, Seen]) -> list[News]:
        tails = Tail.objects.filter(pk__in=told)
        return [news for tail in tails for news in _changes(tail, told[tail.pk])]


def _changes(tail: Tail, seen: Seen) -> Iterator[News]:
    if tail.log_bytes > seen.bytes:
        yield tail.pk, "log", log(tail, seen.next)
    if telling.mood(tail) != seen.state:
        yield tail.pk, "operation", {"state": telling.mood(tail)}
    if tail.over:
        yield tail.pk, "end", {"state": telling.mood(tail)}


def log(tail: Tail, first: int) -> dict[str, Any]:
    """The lines from `first` on, or the last ones when there are more than one message carries."""
    begin = max(first, tail.log_lines - PUBLISHED_LINES)
    kept = newest([line for line in keeping.lines(tail, begin, PUBLISHED_LINES) if line.number < tail.log_lines])
    return {**telling.sized(tail), "first": kept[0].number if kept else tail.log_lines, "lines": [line.json() for line in kept]}
