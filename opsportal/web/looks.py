"""How a state looks: its word, its shape and its tone. A shape tells states apart in grey, a word tells them to everybody."""

from __future__ import annotations

from typing import NamedTuple

TONES = ("ok", "warn", "bad", "unknown", "running", "none")


class Look(NamedTuple):
    tone: str
    """One of TONES, a class of the style sheet."""
    icon: str
    """Name of a lucide icon."""
    glyph: str
    """One letter for charts, where an icon is too large."""


PLAIN = Look("none", "circle", "·")

LOOKS: dict[str, Look] = {
    # Operations and their steps.
    "draft": Look("none", "pencil-line", "✎"),
    "awaiting_approval": Look("warn", "hourglass", "⧖"),
    "approved": Look("running", "stamp", "»"),
    "queued": Look("none", "clock", "◷"),
    "pending": Look("none", "circle-dashed", "○"),
    "running": Look("running", "circle-play", "▶"),
    "unknown": Look("unknown", "circle-question-mark", "?"),
    "succeeded": Look("ok", "circle-check", "✓"),
    "failed": Look("bad", "circle-x", "✕"),
    "cancelled": Look("none", "ban", "⊘"),
    "skipped": Look("none", "skip-forward", "↷"),
    "stale": Look("warn", "file-diff", "≠"),
    "rejected": Look("bad", "thumbs-down", "−"),
    "expired": Look("none", "timer-off", "⌛"),
    "discarded": Look("none", "trash-2", "␡"),
    # Tones by themselves, for states that are an app's own.
    "ok": Look("ok", "circle-check", "✓"),
    "warn": Look("warn", "triangle-alert", "!"),
    "bad": Look("bad", "octagon-x", "✕"),
    "note": Look("running", "info", "i"),
    "none": PLAIN,
}


def look(state: object) -> Look:
    """Of a state or a tone. A value that nobody gave a look is shown plainly, with its word."""
    return LOOKS.get(str(getattr(state, "value", state)), PLAIN)


def word(state: object) -> str:
    """ "Awaiting approval" for "awaiting_approval"."""
    return str(getattr(state, "label", None) or str(getattr(state, "value", state)).replace("_", " ").capitalize())
