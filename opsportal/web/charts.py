"""Charts as SVG, drawn on the server: they print, need no script, and say everything in text too.

A result is a pattern and a letter besides its colour. Each chart is a figure with a caption, a picture with a title and a description,
and a table of the same numbers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from opsportal.web import looks, units

HEIGHT, TOP, LEFT, BOTTOM, RIGHT = 150, 22, 72, 22, 12
"""The plot and what stands around it, in CSS pixels."""
BAR, GAP = 22, 8

_GROUND = '<rect width="8" height="8" fill="currentColor" fill-opacity=".18"/>'
_PATTERNS = {
    "ok": '<rect width="8" height="8" fill="currentColor"/>',
    "bad": f'{_GROUND}<path d="M-2 2l4-4M0 8l8-8M6 10l4-4" stroke="currentColor" stroke-width="2.4"/>',
    "warn": f'{_GROUND}<path d="M0 2h8M0 6h8" stroke="currentColor" stroke-width="1.8"/>',
    "unknown": f'{_GROUND}<path d="M2 .5v3M6 4.5v3" stroke="currentColor" stroke-width="3"/>',
    "running": f'{_GROUND}<path d="M2 0v8M6 0v8" stroke="currentColor" stroke-width="1.6"/>',
    "none": _GROUND,
}
"""A tile of 8 by 8 for each tone."""


@dataclass(frozen=True)
class Bar:
    """One column. `value` None means that there is no number, not zero. `state` is a state or a tone."""

    label: str
    value: float | None
    state: str = "none"
    url: str = ""
    text: str = ""

    @property
    def tone(self) -> str:
        return looks.look(self.state).tone


@dataclass(frozen=True)
class Stack:
    """One column of counts by state."""

    label: str
    parts: Mapping[str, int] = field(default_factory=dict)
    url: str = ""


def _said(value: float | None, unit: str) -> str:
    """A number in the words of its unit: "seconds", "bytes", or any noun."""
    if value is None:
        return "no number"
    if unit == "seconds":
        return units.duration(round(value) if value >= 1 else value)
    if unit == "bytes":
        return units.size(value)
    return f"{value:g} {unit}".strip()


def _step(top: float, unit: str) -> float:
    """A round distance between two lines of the grid, about a third of the whole."""
    if top <= 0:
        return 1
    if unit == "seconds":
        rounds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
        return next((float(one) for one in rounds if top / one <= 4), top / 3)
    magnitude = 10.0 ** math.floor(math.log10(top))
    steps = [magnitude * part for part in (0.25, 0.5, 1, 2, 2.5, 5)]
    return next((one for one in steps if top / one <= 4), magnitude * 5.0)


def _grid(top: float, step: float, width: float, unit: str) -> SafeString:
    lines = [step * number for number in range(int(top / step + 1.001))]
    return format_html_join(
        "",
        '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (
                "grid" if value else "base",
                LEFT,
                _px(width - RIGHT),
                _px(y),
                _px(y),
                LEFT - 8,
                _px(y + 4),
                _said(value, unit) if value else "0",
            )
            for value, y in ((value, _y(value, top)) for value in lines)
        ),
    )


def _px(length: float) -> str:
    return f"{length:.1f}".removesuffix(".0")


def _y(value: float, top: float) -> float:
    return TOP + HEIGHT - HEIGHT * value / top


def _patterns(ident: str, tones: Iterable[str]) -> SafeString:
    return format_html_join(
        "",
        '<pattern id="{}-{}" class="tone-{}" width="8" height="8" patternUnits="userSpaceOnUse">{}</pattern>',
        ((ident, tone, tone, mark_safe(_PATTERNS[tone])) for tone in sorted(set(tones))),  # noqa: S308 - constants above
    )


def _linked(url: str, inside: SafeString) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, inside) if url else inside


def _column(ident: str, x: float, y: float, height: float, tone: str, title: str) -> SafeString:
    return format_html(
        '<rect class="tone-{}" x="{}" y="{}" width="{}" height="{}" fill="url(#{}-{})" stroke="currentColor">'
        "<title>{}</title></rect>",
        tone, _px(x), _px(y), BAR, _px(max(height, 1)), ident, tone, title,
    )  # fmt: skip


def _labels(labels: Sequence[str]) -> SafeString:
    """Under the columns; as many as fit without touching."""
    longest = max((len(label) for label in labels), default=1)
    every = max(1, math.ceil((longest * 6.5 + 8) / (BAR + GAP)))
    return format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (_px(_x(place) + BAR / 2), TOP + HEIGHT + 16, label)
            for place, label in enumerate(labels)
            if (len(labels) - 1 - place) % every == 0
        ),
    )


def _x(place: int) -> float:
    return LEFT + GAP + place * (BAR + GAP)


def _width(number: int) -> float:
    return max(_x(number) + RIGHT, 240)


def _svg(ident: str, title: str, said: str, width: float, inside: SafeString, tones: Iterable[str]) -> SafeString:
    height = TOP + HEIGHT + BOTTOM
    return format_html(
        '<svg role="img" aria-labelledby="{}-t {}-d" width="{}" height="{}" viewBox="0 0 {} {}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc><defs>{}</defs>{}</svg>',
        ident, ident, _px(width), height, _px(width), height, ident, title, ident, said, _patterns(ident, tones), inside,
    )  # fmt: skip


def _ident(kind: str, title: str, labels: Iterable[str]) -> str:
    return f"{kind}-{hashlib.sha256('|'.join([title, *labels]).encode()).hexdigest()[:8]}"


def _figure(title: str, picture: SafeString, legend: SafeString, table: SafeString) -> SafeString:
    return format_html(
        '<figure class="chart-figure"><figcaption>{}</figcaption><div class="chart" tabindex="0" role="group" aria-label="{}">{}</div>'
        '{}<details><summary class="small muted">The same as a table</summary>{}</details></figure>',
        title, title, picture, legend, table,
    )  # fmt: skip


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    head = format_html_join("", '<th scope="col">{}</th>', ((one,) for one in heads))
    body = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        ((first, format_html_join("", "<td>{}</td>", ((one,) for one in rest))) for first, *rest in rows),
    )
    return format_html(
        '<div class="table-wrap"><table class="table small"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>', head, body
    )


def _legend(states: Iterable[str], also: str = "") -> SafeString:
    said = {state: looks.look(state) for state in states}
    swatches = format_html_join(
        "",
        '<span><svg class="tone-{}" width="14" height="14" viewBox="0 0 8 8" aria-hidden="true">{}</svg> {} {}</span>',
        ((look.tone, mark_safe(_PATTERNS[look.tone]), look.glyph, looks.word(state)) for state, look in said.items()),  # noqa: S308
    )
    return format_html('<p class="chart-legend">{}{}</p>', swatches, format_html("<span>{}</span>", also) if also else "")


def bars(rows: Iterable[Bar | Mapping[str, Any]], title: str, unit: str = "seconds") -> SafeString:
    """Columns of one number each, oldest first, with the median of those that went well as a dashed line."""
    shown = [row if isinstance(row, Bar) else Bar(**row) for row in rows]
    ident = _ident("bars", title, (bar.label for bar in shown))
    step = _step(max((bar.value or 0 for bar in shown), default=0), unit)
    top = step * max(1, math.ceil(max((bar.value or 0 for bar in shown), default=0) / step))
    width = _width(len(shown))
    columns = format_html_join("", "{}", ((_bar(ident, place, bar, top, unit),) for place, bar in enumerate(shown)))
    good = [bar.value for bar in shown if bar.tone == "ok" and bar.value is not None]
    inside = format_html(
        "{}{}{}{}", _grid(top, step, width, unit), columns, _median(good, top, width, unit), _labels([bar.label for bar in shown])
    )
    middle = f"┄ median of those that went well: {_said(median(good), unit)}" if len(good) > 2 else ""
    table = _table(
        ("", "Value", "Result"),
        ((_linked(bar.url, format_html("{}", bar.label)), _said(bar.value, unit), looks.word(bar.state)) for bar in shown),
    )
    picture = _svg(ident, title, f"{len(shown)} columns. {middle}", width, inside, (bar.tone for bar in shown))
    return _figure(title, picture, _legend((bar.state for bar in shown), middle), table)


def _bar(ident: str, place: int, bar: Bar, top: float, unit: str) -> SafeString:
    value, x = bar.value or 0, _x(place)
    title = f"{bar.label}: {_said(bar.value, unit)}, {looks.word(bar.state)}" + (f". {bar.text}" if bar.text else "")
    column = _column(ident, x, _y(value, top), HEIGHT * value / top, bar.tone, title)
    letter = format_html(
        '<text x="{}" y="{}" text-anchor="middle" aria-hidden="true">{}</text>',
        _px(x + BAR / 2), _px(_y(value, top) - 5), looks.look(bar.state).glyph,
    )  # fmt: skip
    return _linked(bar.url, format_html("{}{}", column, letter))


def _median(good: Sequence[float], top: float, width: float, unit: str) -> SafeString:
    if len(good) < 3:
        return mark_safe("")
    middle = median(good)
    return format_html(
        '<line class="median" x1="{}" x2="{}" y1="{}" y2="{}" stroke-dasharray="5 4"><title>Median {}</title></line>',
        LEFT, _px(width - RIGHT), _px(_y(middle, top)), _px(_y(middle, top)), _said(middle, unit),
    )  # fmt: skip


def stacked(rows: Iterable[Stack | Mapping[str, Any]], title: str, unit: str = "") -> SafeString:
    """Columns of counts by state, one above the other."""
    shown = [row if isinstance(row, Stack) else Stack(**row) for row in rows]
    states = list(dict.fromkeys(state for row in shown for state in row.parts))
    ident = _ident("stacked", title, (row.label for row in shown))
    highest = max((sum(row.parts.values()) for row in shown), default=0)
    step = max(1, _step(highest, "count"))
    top = step * max(1, math.ceil(highest / step))
    width = _width(len(shown))
    columns = format_html_join("", "{}", ((_stack(ident, place, row, top),) for place, row in enumerate(shown)))
    inside = format_html("{}{}{}", _grid(top, step, width, unit), columns, _labels([row.label for row in shown]))
    totals = ", ".join(f"{sum(row.parts.get(state, 0) for row in shown)} {looks.word(state).lower()}" for state in states)
    table = _table(
        ("", *(looks.word(state) for state in states)),
        ((_linked(row.url, format_html("{}", row.label)), *(row.parts.get(state, 0) for state in states)) for row in shown),
    )
    picture = _svg(ident, title, f"{len(shown)} columns: {totals}.", width, inside, (looks.look(state).tone for state in states))
    return _figure(title, picture, _legend(states), table)


def _stack(ident: str, place: int, row: Stack, top: float) -> SafeString:
    pieces, below = [], 0
    for state, number in row.parts.items():
        if number:
            below += number
            height = HEIGHT * number / top
            title = f"{row.label}: {number} {looks.word(state).lower()}"
            pieces.append(_column(ident, _x(place), _y(below, top), height, looks.look(state).tone, title))
    return _linked(row.url, format_html_join("", "{}", ((piece,) for piece in pieces)))


def sparkline(values: Iterable[float | None], title: str, unit: str = "seconds", width: int = 120, height: int = 24) -> SafeString:
    """A line as high as a line of text. A hole where there is no number."""
    numbers = list(values)
    known = [value for value in numbers if value is not None]
    if not known:
        return format_html('<span class="muted small">{}</span>', "no numbers yet")
    low, high = min(known), max(known)
    across, span = (width - 8) / max(len(numbers) - 1, 1), (high - low) or 1
    points = [
        None if value is None else (4 + place * across, height - 4 - (height - 8) * (value - low) / span)
        for place, value in enumerate(numbers)
    ]
    last = [point for point in points if point][-1]
    said = f"{title}: last {_said(known[-1], unit)}, between {_said(low, unit)} and {_said(high, unit)}"
    return format_html(
        '<svg class="sparkline" role="img" width="{}" height="{}" viewBox="0 0 {} {}"><title>{}</title><path class="line" d="{}"/>'
        '<circle class="last" cx="{}" cy="{}" r="2.5"/></svg>',
        width, height, width, height, said, _path(points), _px(last[0]), _px(last[1]),
    )  # fmt: skip


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    said, pen_down = [], False
    for point in points:
        if point:
            said.append(f"{'L' if pen_down else 'M'}{point[0]:.1f} {point[1]:.1f}")
        pen_down = point is not None
    return "".join(said)
