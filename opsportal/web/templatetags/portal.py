"""Tags of every template: icons, times, sizes, states and charts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from lucide import _render_icon

register = template.Library()


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Inline SVG of the lucide set; with a label it is a picture of its own, else decoration."""
    words = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return mark_safe(_render_icon(name, 16, **{"class": f"icon icon-{name}", "focusable": "false", **words}))  # noqa: S308


@register.simple_tag
def ago(moment: datetime | None) -> str:
    if moment is None:
        return "never"
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', moment.isoformat(), moment.strftime("%Y-%m-%d %H:%M:%S UTC"), relative(moment))


def relative(moment: datetime) -> str:
    seconds = (timezone.now() - moment).total_seconds()
    return f"{duration(abs(seconds))} ago" if seconds >= 0 else f"in {duration(-seconds)}"


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    if seconds is None:
        return ""
    total = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    for unit, size, small, smaller in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if total >= size:
            return f"{total // size} {unit} {total % size // smaller} {small}"
    return f"{total} s"


@register.filter
def size(number: float | None) -> str:
    if number is None:
        return ""
    value, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


@register.simple_tag
def badge(state: Any, label: str = "") -> SafeString:
    return format_html('<span class="badge">{}</span>', label or str(state))


@register.simple_tag
def copy(text: str, label: str = "Copy") -> SafeString:
    return format_html('<button type="button" class="button copy" data-copy-text="{}">{} {}</button>', text, icon("copy"), label)
