"""Times, sizes, states, icons and charts on pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
import time_machine
from django.template import Context, Template
from django.utils import timezone

from opsportal.operations.states import OperationState, StepState
from opsportal.web import charts, looks, units


def rendered(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""), (0, "0 s"), (0.4, "0.4 s"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (192, "3 min 12 s"), (3600, "1 h"),
        (3605, "1 h"), (7384, "2 h 3 min"), (86400, "1 day"), (187200, "2 days 4 h"), (timedelta(minutes=5), "5 min"), (-90, "−1 min 30 s"),
    ],
)  # fmt: skip
def test_duration(seconds: float | None, said: str) -> None:
    assert rendered("{{ seconds|duration }}", seconds=seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (812_000, "812 kB"),
        (999_600, "1.0 MB"), (4 * 10**12, "4.0 TB"),
    ],
)  # fmt: skip
def test_size(number: int | None, said: str) -> None:
    assert rendered("{{ number|size }}", number=number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (2, "just now"), (12, "12 s ago"), (180, "3 min ago"), (7300, "2 h ago"), (86400, "1 day ago"), (3 * 86400, "3 days ago"),
        (-200, "in 3 min"), (-2, "just now"),
    ],
)  # fmt: skip
def test_relative(seconds: int, said: str) -> None:
    now = timezone.now()
    assert units.relative(now - timedelta(seconds=seconds), now) == said


def test_ago_has_the_exact_time_on_hover() -> None:
    with time_machine.travel("2026-03-01 10:00:00 +00:00", tick=False):
        html = rendered("{% ago then %}", then=datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    assert html == '<time datetime="2026-03-01T09:00:00+00:00" title="2026-03-01 09:00:00 UTC" data-relative>1 h ago</time>'
    assert rendered("{% ago then %}", then=None) == "never"


@pytest.mark.parametrize("state", [*OperationState, *StepState], ids=str)
def test_every_state_has_a_shape_a_word_and_a_tone(state: OperationState | StepState) -> None:
    assert state.value in looks.LOOKS
    for given in (state, state.value):
        html = rendered("{% badge state %}", state=given)
        assert "<svg" in html and str(state.label) in html


@pytest.mark.parametrize("states", [OperationState, StepState])
def test_no_two_states_share_a_shape(states: type[OperationState] | type[StepState]) -> None:
    shapes = [(looks.look(state).icon, looks.look(state).glyph) for state in states]
    assert len({icon for icon, _ in shapes}) == len({glyph for _, glyph in shapes}) == len(shapes)


def test_unknown_is_neither_good_nor_bad() -> None:
    assert looks.look("unknown").tone not in {looks.look(state).tone for state in ("succeeded", "failed")}


def test_badges_of_other_states_keep_their_word() -> None:
    assert "Half built" in rendered("{% badge 'half_built' %}")
    assert rendered("{% badge 'ok' word %}", word="<Reachable>").endswith("&lt;Reachable&gt;</span>")


def test_icons_are_decoration_unless_named() -> None:
    assert 'aria-hidden="true"' in rendered("{% icon 'server' %}")
    assert 'role="img"' in rendered("{% icon 'server' 'Host' %}") and 'aria-label="Host"' in rendered("{% icon 'server' 'Host' %}")
    assert "style=" not in rendered("{% icon 'server' %}")


def test_copying_hostile_text() -> None:
    html = rendered("{% copy text %}", text='"><script>alert(1)</script>')
    assert "<script>" not in html and "data-copy-text=" in html


BARS: list[dict[str, Any]] = [
    {"label": "#1", "value": 100, "state": "succeeded", "url": "/builds/1/"},
    {"label": "#2", "value": None, "state": "failed", "text": "the <network> was away"},
    {"label": "#3", "value": 300, "state": "unknown"},
    {"label": "#4", "value": 120, "state": "succeeded"},
    {"label": "#5", "value": 140, "state": "succeeded"},
]


def parsed(html: str) -> ElementTree.Element:
    """Charts are well-formed, so that nothing in them can break out."""
    return ElementTree.fromstring(html.replace(' tabindex="0"', "", 1))


def test_bars_say_everything_in_text() -> None:
    figure = parsed(rendered("{% bars rows 'Durations' %}", rows=BARS))
    svg = figure.find(".//svg[@role='img']")
    assert svg is not None
    words = svg.get("aria-labelledby", "").split()
    assert [svg.find(f".//*[@id='{word}']").tag for word in words] == ["title", "desc"]  # type: ignore[union-attr]
    titles = [title.text for title in svg.findall(".//rect/title")]
    assert titles[:3] == ["#1: 1 min 40 s, Succeeded", "#2: no number, Failed. the <network> was away", "#3: 5 min, Unknown"]
    cells = [["".join(cell.itertext()) for cell in row] for row in figure.findall(".//tbody/tr")]
    assert cells[1] == ["#2", "no number", "Failed"]
    assert [link.get("href") for link in svg.findall(".//a")] == ["/builds/1/"]
    assert "median of those that went well: 2 min" in "".join(figure.itertext())


def test_results_differ_by_pattern_and_letter_besides_colour() -> None:
    html = rendered("{% bars rows 'Durations' %}", rows=BARS)
    fills = re.findall(r'fill="url\(#([^)]+)\)"', html)
    assert len(set(fills)) == 3
    assert {"✓", "✕", "?"} <= set(re.findall(r'aria-hidden="true">(.)</text>', html))


def test_the_highest_column_fits_and_heights_are_true() -> None:
    svg = parsed(charts.bars(BARS, "Durations")).find(".//svg[@role='img']")
    assert svg is not None
    columns = [rect for rect in svg.findall(".//rect") if rect.get("fill", "").startswith("url")]
    heights = [float(rect.get("height", 0)) for rect in columns]
    assert heights[2] == pytest.approx(3 * heights[0], abs=0.2)
    assert all(float(rect.get("y", 0)) >= charts.TOP for rect in columns)


@pytest.mark.parametrize("rows", [[], [{"label": "a", "value": 0}], [{"label": "a", "value": None}], [{"label": "a", "value": 1e9}]])
def test_bars_of_odd_numbers(rows: list[dict[str, Any]]) -> None:
    parsed(charts.bars(rows, "Odd"))


def test_stacked_counts() -> None:
    rows = [{"label": "Mon", "parts": {"succeeded": 3, "failed": 1}}, {"label": "Tue", "parts": {"succeeded": 2, "unknown": 0}}]
    figure = parsed(rendered("{% stacked rows 'Results' %}", rows=rows))
    assert "2 columns: 5 succeeded, 1 failed, 0 unknown." in "".join(figure.itertext())
    cells = [["".join(cell.itertext()) for cell in row] for row in figure.findall(".//tbody/tr")]
    assert cells == [["Mon", "3", "1", "0"], ["Tue", "2", "0", "0"]]


def test_a_sparkline_has_a_hole_where_there_is_no_number() -> None:
    svg = ElementTree.fromstring(rendered("{% sparkline values 'Durations' %}", values=[60, 120, None, 180, 90]))
    assert svg.find("title").text == "Durations: last 1 min 30 s, between 1 min and 3 min"  # type: ignore[union-attr]
    assert svg.find("path").get("d", "").count("M") == 2  # type: ignore[union-attr]
    assert "no numbers yet" in rendered("{% sparkline values 'x' %}", values=[None])
