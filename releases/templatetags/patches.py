"""Patches on a page."""

from __future__ import annotations

from django import template

from opsportal.operations.letter import Line

register = template.Library()
SORTS = {"+": "add", "-": "del", "@": "hunk", "d": "file"}


@register.filter
def difflines(text: str) -> list[Line]:
    """Each line of a unified diff with what it is: added, removed, a hunk's head, or the head of a file."""
    return [Line("file" if line.startswith(("--- ", "+++ ")) else SORTS.get(line[:1], ""), line) for line in text.split("\n")]


@register.filter
def of(rows: dict[str, object], key: str) -> object:
    """The entry of a dict by a key that is itself a variable."""
    return rows.get(key)
