"""What the browsers that follow a log are told: how a tail stands, and that something is new."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hosts.tails.models import Tail
from opsportal.operations import stream

PREFIX = "opsportal.tail."


def publish(tail_id: int, kind: str, payload: dict[str, Any]) -> None:
    """Tell the viewers once the surrounding transaction is committed. Never raises."""
    stream.publish(tail_id, kind, payload, PREFIX)


def mood(tail: Tail) -> str:
    """What the page's head depends on, in one word: following, waiting (there is a problem) or ended."""
    return "waiting" if tail.problem and not tail.over else tail.state


def summary(tail: Tail) -> dict[str, Any]:
    """As the viewer's script wants it, see `operations.news.summary`; a followed log has no steps."""
    return {
        "state": mood(tail),
        "final": tail.over,
        "started": _seconds(tail.started_at),
        "ended": _seconds(tail.ended_at),
        "total": tail.log_lines,
        "bytes": tail.log_bytes,
        "marker": "",
        "steps": [],
    }


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def sized(tail: Tail) -> dict[str, Any]:
    """Of the message that tells viewers of lines: no line ever grows, so the next is the first unknown one."""
    return {"total": tail.log_lines, "next": tail.log_lines, "bytes": tail.log_bytes}
