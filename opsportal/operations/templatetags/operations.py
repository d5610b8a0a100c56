"""How plans, findings and answers look on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from opsportal.operations import answering, letter, targets
from opsportal.operations.models import Restoration
from opsportal.operations.restorations import WAY_BACK
from opsportal.operations.steps import PutFile
from opsportal.transport.command import Command
from opsportal.web import units

register = template.Library()

_ORDER = {"block": 0, "warn": 1, "note": 2}
_WORDS = {"block": ("block", "blocks"), "warn": ("warning", "warnings"), "note": ("note", "notes")}


@register.filter
def worst_first(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks, then those that a reason passes, then warnings, then notes; else as the guards gave them."""
    return sorted(findings, key=lambda finding: (_ORDER.get(finding["level"], 3), bool(finding.get("override"))))


@register.filter
def levels(findings: Iterable[dict[str, Any]]) -> str:
    """ "1 block, 2 warnings"."""
    kept = list(findings)
    counted = [(words, sum(finding["level"] == level for finding in kept)) for level, words in _WORDS.items()]
    return ", ".join(f"{number} {words[number != 1]}" for words, number in counted if number)


@register.filter
def words(name: str) -> str:
    """ "Base tag" for "base_tag"."""
    return str(name).replace("_", " ").replace("-", " ").strip().capitalize()


@register.filter
def kind(value: Any) -> str:
    """How a plain value is laid out: "mapping", "table" (a list of mappings alike), "list" or "text"."""
    if isinstance(value, Mapping):
        return "mapping"
    if not isinstance(value, list):
        return "text"
    alike = len(value) > 0 and all(isinstance(row, Mapping) and row.keys() == value[0].keys() for row in value)
    return "table" if alike and value[0] else "list"


@register.filter
def item(mapping: Mapping[str, Any], key: str) -> Any:
    return mapping.get(key, "")


@register.filter
def answer(value: Any) -> str:
    """An answer or a fact in a few words."""
    return answering.shown(value)


@register.filter
def shell(command: Command) -> str:
    """The command as one line for a shell, to copy."""
    return command.shell()


@register.simple_tag
def took(began: datetime, ended: datetime) -> str:
    """How long it was from one moment to the other."""
    return units.duration(ended - began)


@register.filter
def gist(detail: Mapping[str, Any]) -> str:
    """An audit entry's detail on one line."""
    return ", ".join(f"{words(name).lower()} {answering.shown(value)}" for name, value in detail.items() if value not in ("", None))


@dataclass(frozen=True)
class Back:
    """A restoration's way back, as a page shows it."""

    place: str
    action: Any
    proof: tuple[Any, ...]
    lines: list[letter.Line]


@register.simple_tag
def way_back(restoration: Restoration) -> Back:
    stored = WAY_BACK.validate_python(restoration.way_back)
    place = targets.names([restoration.target])[restoration.target][0]
    return Back(place, stored.action, stored.proof, letter.diff(stored.action) if isinstance(stored.action, PutFile) else [])


@register.simple_tag
def place(resource: str) -> SafeString:
    """What people call a target or a locked thing, with the way to its page."""
    name, url = targets.names([resource])[resource]
    return format_html('<a href="{}">{}</a>', url, name) if url else format_html("{}", name)


_DEEDS = {
    "draft": "made the draft",
    "discard": "discarded the draft",
    "submit": "submitted it",
    "break-glass": "broke the glass and submitted it",
    "acknowledge": "knows that the glass was broken",
    "approve": "approved it",
    "reject": "rejected it",
    "revoke": "revoked the approval",
    "expire": "let it expire",
    "cancel": "asked to cancel it",
    "start": "started it",
    "resolve": "said what became of a step",
    "succeeded": "saw it succeed",
    "failed": "saw it fail",
    "cancelled": "saw it cancelled",
    "stale": "refused to run it: it was stale",
}


@register.filter
def deed(action: str) -> str:
    """An action of the audit trail after the name of who did it."""
    return _DEEDS.get(action, action)


@register.filter
def short(digest: str) -> str:
    return digest[:12]


@register.filter
def octal(mode: int) -> str:
    """A file's mode as `chmod` takes it."""
    return f"{mode:04o}"
