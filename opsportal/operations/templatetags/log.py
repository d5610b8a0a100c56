"""What the log's template needs beyond the operation."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse

from opsportal.operations import journal, news
from opsportal.operations.models import Operation
from opsportal.operations.states import StepState

register = template.Library()

FIRST_LINES = 200
COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
CONTROLS = "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
NAMES = re.findall(r"\w+", CONTROLS)
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@dataclass(frozen=True)
class Start:
    """The end of the log as the page first shows it, and all that the script begins with."""

    lines: list[journal.Line]
    state: dict[str, Any]
    marker: str


@register.simple_tag
def log_start(operation: Operation) -> Start:
    """What the script and the plain text begin with. Reads the last lines, the steps and the size: four small queries."""
    lines = journal.lines(operation, operation.log_lines - FIRST_LINES, FIRST_LINES)
    addresses = {name: reverse(name if name == "events" else f"log_{name}", args=[operation.pk]) for name in ("events", "search", "raw")}
    open_end = bool(lines) and not lines[-1].ended
    state = news.summary(operation) | {
        "first": lines[0].number if lines else 0,
        "lines": [line.json() for line in lines],
        "next": operation.log_lines - open_end,
        "now": time.time(),
        "addresses": addresses | {"lines": reverse("log", args=[operation.pk])},
    }
    state["at"] = went_wrong(state["steps"])
    return Start(lines, state, state["marker"])


def went_wrong(steps: Iterable[Mapping[str, Any]]) -> int | None:
    """The line of the log that the failed step's reader points at, counted from 0."""
    for step in steps:
        if step["state"] == StepState.FAILED and step["first"] is not None and "error_line" in step["progress"]:
            return int(step["first"]) + int(step["progress"]["error_line"])
    return None


@register.filter
def visible(text: str) -> str:
    """Without colours, and with every character that would hide something or move the rest shown by its name."""
    return HIDDEN.sub(_name, COLOURS.sub("", text))


def _name(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < len(NAMES):
        return f"<{NAMES[code]}>"
    return "<DEL>" if code == 0x7F else f"<U+{code:04X}>"
