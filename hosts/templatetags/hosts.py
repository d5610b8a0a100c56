"""How values from hosts look on a page."""

from __future__ import annotations

from django import template

from hosts import rules

register = template.Library()


@register.filter
def seen(value: object) -> str:
    """Text that a host gave: invisible characters made visible, cut at 200. Escaped by the template like everything."""
    return rules.shown(str(value if value is not None else ""))


@register.filter
def kib(value: int) -> str:
    """A size in KiB, in the unit a person would say."""
    size, units = float(value), ["KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 10 or units[0] == "KiB" else f"{size:.1f} {units[0]}"


@register.filter
def span(seconds: int) -> str:
    """Seconds as the two largest units: "3 days 4 h"."""
    days, rest = divmod(int(seconds), 86400)
    hours, minutes = divmod(rest // 60, 60)
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
