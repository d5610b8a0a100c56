"""Tags of every template: icons, times, sizes, states and charts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from lucide import _render_icon

from opsportal.web import charts, looks, units

register = template.Library()


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A lucide icon as inline SVG. Decoration, unless a label makes it a picture with a name. A name that lucide has not is an error."""
    return _icon(str(name), str(label))


@lru_cache(maxsize=512)
def _icon(name: str, label: str) -> SafeString:
    # The package's own template tag renders with this function, and adds no aria attributes.
    said = {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    return mark_safe(_render_icon(name, 16, **{"class": f"icon icon-{name}", "focusable": "false", **said}))  # noqa: S308 - ElementTree quotes


@register.simple_tag
def ago(moment: datetime | None, never: str = "never") -> SafeString:
    """How long ago, or how soon, with the exact time on hover. The page keeps it right while it stays open."""
    if moment is None:
        return escape(never)
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>', moment.isoformat(), units.exact(moment), units.relative(moment)
    )


@register.simple_tag
def at(moment: datetime | None, never: str = "never") -> SafeString:
    """The exact time, for records."""
    return escape(never) if moment is None else format_html('<time datetime="{}">{}</time>', moment.isoformat(), units.exact(moment))


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """Seconds or a timedelta as "3 min 12 s"."""
    return units.duration(seconds)


@register.filter
def since(moment: datetime | None) -> str:
    """How long from then until now: "3 min 12 s"."""
    return units.duration(timezone.now() - moment if moment else None)


@register.filter
def size(number: float | None) -> str:
    """Bytes as "12.3 MB"."""
    return units.size(number)


@register.simple_tag
def badge(state: Any, label: str = "") -> SafeString:
    """A state of an operation or a step, or a tone (ok, warn, bad, unknown, running, note) with a word of your own."""
    look = looks.look(state)
    return format_html('<span class="badge {}">{} {}</span>', look.tone, _icon(look.icon, ""), label or looks.word(state))


@register.simple_tag
def copy(text: object, label: str = "Copy") -> SafeString:
    """A small button that puts `text` into the clipboard. Only there when scripts run."""
    return format_html(
        '<button type="button" class="copy" data-copy-text="{}" title="{}" aria-label="{}">{}</button>',
        text,
        label,
        label,
        _icon("copy", ""),
    )


@register.simple_tag
def bars(rows: Iterable[Any], title: str, unit: str = "seconds") -> SafeString:
    """Rows: `charts.Bar` or mappings with label, value, state, url, text. Unit: seconds, bytes or a noun."""
    return charts.bars(rows, title, unit)


@register.simple_tag
def stacked(rows: Iterable[Any], title: str, unit: str = "") -> SafeString:
    """Rows: `charts.Stack` or mappings with label, parts (count by state) and url."""
    return charts.stacked(rows, title, unit)


@register.simple_tag
def sparkline(values: Iterable[float | None], title: str, unit: str = "seconds") -> SafeString:
    """Numbers, oldest first; None is a hole."""
    return charts.sparkline(values, title, unit)
