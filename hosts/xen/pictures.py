"""Pictures of pools as SVG from the server: no script, text in them, readable in grey. Lengths are CSS pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from hosts import rules
from hosts.xen import ha_clock
from hosts.xen.ha_clock import Clock, Fate, Lane, Span
from hosts.xen.roster import Row, heartbeat_srs
from hosts.xen.state import PoolState
from opsportal.web.templatetags.portal import icon

NOTHING = mark_safe("")


@dataclass(frozen=True)
class Size:
    """How the picture of a pool is laid out: so many hosts beside each other."""

    columns: int
    cell: int
    gap: int
    trunk: int
    letters: int
    """Of a name that fit into a cell."""

    @property
    def width(self) -> int:
        return self.trunk + self.columns * (self.cell + self.gap)


WIDE = Size(columns=4, cell=190, gap=12, trunk=26, letters=17)
NARROW = Size(columns=2, cell=138, gap=8, trunk=18, letters=11)
HEAD, CELL_HEIGHT, WIRE, PLAIN, DRUM = 34, 84, 34, 12, 62


@dataclass(frozen=True)
class Heartbeat:
    """Where the pool's heartbeat lies. `name` and `type` of the SR; "" while HA is off."""

    on: bool
    timeout: int | None
    name: str = ""
    type: str = ""


def heartbeat(state: PoolState) -> Heartbeat:
    basics = state.basics
    if basics is None or not basics.ha_enabled:
        return Heartbeat(False, None)
    srs = {sr.uuid: sr for sr in state.storage.srs} if state.storage else {}
    named = [srs[uuid] for uuid in heartbeat_srs(state) if uuid in srs]
    first = next(iter(heartbeat_srs(state)), "")
    return Heartbeat(True, basics.ha_timeout, named[0].name if named else first[:8], named[0].type if named else "")


def pool(name: str, state: PoolState, rows: Sequence[Row]) -> SafeString:
    """The pool twice, for wide and narrow screens; the style sheet shows one of them."""
    beat = heartbeat(state)
    said = pool_in_words(name, state, rows)
    wide, narrow = (_pool_svg(size, name, state, rows, beat, said) for size in (WIDE, NARROW))
    return format_html('<div class="pool-picture wide">{}</div><div class="pool-picture narrow">{}</div>', wide, narrow)


def _pool_svg(size: Size, name: str, state: PoolState, rows: Sequence[Row], beat: Heartbeat, said: str) -> SafeString:
    shown = [rows[start : start + size.columns] for start in range(0, len(rows), size.columns)]
    wire = WIRE if beat.on else PLAIN
    floor = HEAD + len(shown) * (CELL_HEIGHT + wire)
    inside = format_html(
        "{}{}{}{}",
        _head(state, beat),
        format_html_join("", "{}", ((_line(size, number, line, beat),) for number, line in enumerate(shown))),
        _trunk(size, floor) if beat.on else NOTHING,
        _drum(size, floor, beat),
    )
    ident = f"pool-{size.columns}"
    return format_html(
        '<svg role="img" aria-labelledby="{}-t {}-d" width="{}" height="{}" viewBox="0 0 {} {}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>{}</svg>',
        ident, ident, size.width, floor + DRUM, size.width, floor + DRUM, ident, f"The pool {name}", ident, said, inside,
    )  # fmt: skip


def _head(state: PoolState, beat: Heartbeat) -> SafeString:
    if state.basics is None:
        return _sign(2, 4, "unknown", "circle-question-mark", "HA: nobody says")
    if not beat.on:
        return _sign(2, 4, "warn", "shield-off", "HA is off")
    chosen = f"{beat.timeout} s" if beat.timeout else f"{ha_clock.DEFAULT} s by default"
    return _sign(2, 4, "ok" if beat.timeout else "warn", "shield-check", f"HA is on, timeout {chosen}")


def _sign(x: int, y: int, tone: str, name: str, words: str, style: str = "sign") -> SafeString:
    """An icon and words beside it; `y` is the top of the line."""
    return format_html(
        '<g class="{} tone-{}" transform="translate({} {})">{}<text x="21" y="13">{}</text></g>', style, tone, x, y, icon(name), words
    )


def _line(size: Size, number: int, rows: Sequence[Row], beat: Heartbeat) -> SafeString:
    top = HEAD + number * (CELL_HEIGHT + (WIRE if beat.on else PLAIN))
    bus = top + CELL_HEIGHT + WIRE - 10
    last = size.trunk + (len(rows) - 1) * (size.cell + size.gap) + size.cell // 2
    cells = ((_cell(size, size.trunk + place * (size.cell + size.gap), top, row, beat),) for place, row in enumerate(rows))
    wire = format_html('<path class="bus" d="M{} {}H{}"/>', size.trunk // 2, bus, last) if beat.on else NOTHING
    return format_html("{}{}", wire, format_html_join("", "{}", cells))


def _cell(size: Size, x: int, y: int, row: Row, beat: Heartbeat) -> SafeString:
    edge = "lost" if row.tone == "bad" or row.disagrees else "dim" if row.tone in ("warn", "unknown") else "fine"
    crown = ("accent", "crown") if row.master else ("none", "server")
    return format_html(
        '<g class="host {}"><title>{}</title><rect class="tone-{}" x="{}" y="{}" width="{}" height="{}" rx="6"/>{}{}{}{}</g>{}',
        edge, _told(row), "bad" if row.disagrees else row.tone, x, y, size.cell, CELL_HEIGHT,
        _sign(x + 9, y + 9, *crown, cut(rules.shown(row.name, 80), size.letters), "name"),
        format_html('<text class="second{}" x="{}" y="{}">{}</text>', " odd" * bool(row.disagrees), x + 30, y + 42, _second(row, size)),
        _sign(x + 9, y + 56, row.tone, row.icon, row.standing, "stand"),
        _vms(x + size.cell - 9, y + 42, row),
        _plug(size, x + size.cell // 2, y + CELL_HEIGHT, row) if beat.on else NOTHING,
    )  # fmt: skip


def _vms(x: int, y: int, row: Row) -> SafeString:
    """Beside the role, unless what stands there needs the room."""
    if row.vms is None or row.disagrees:
        return NOTHING
    return format_html('<text class="vms" x="{}" y="{}" text-anchor="end">{} VM{}</text>', x, y, row.vms, "" if row.vms == 1 else "s")


def _second(row: Row, size: Size) -> str:
    """Under the name: the role, or that it says otherwise."""
    if row.disagrees:
        return cut(row.disagrees, size.letters + 6)
    return "master" if row.master else "member" if row.record else "no member"


def cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _told(row: Row) -> str:
    vms = "" if row.vms is None else f", {row.vms} running VMs"
    odd = f", {row.disagrees}" if row.disagrees else ""
    plug = {True: ", heartbeat SR plugged", False: ", heartbeat SR NOT plugged", None: ""}[row.plugged]
    return rules.shown(f"{row.name}: {'master' if row.master else 'member'}, {row.standing}{odd}{vms}{plug}", 300)


def _plug(size: Size, x: int, y: int, row: Row) -> SafeString:
    """The wire from a host to the bus, with a plug that is in, out, or of which nobody knows."""
    bus = y + WIRE - 10
    if row.plugged:
        plug = format_html('<rect class="plug" x="{}" y="{}" width="10" height="9" rx="2"/>', x - 5, y + 7)
        return format_html('<path class="bus" d="M{} {}V{}"/>{}', x, y, bus, plug)
    side, anchor = (x - 9, "end") if x + 90 > size.width else (x + 9, "start")
    tone, words = ("bad", "not plugged") if row.plugged is False else ("unknown", "plug unknown")
    return format_html(
        '<g class="tone-{}"><path class="gap" d="M{} {}v5M{} {}v-5"/><path class="cross" d="M{} {}l8 8m0 -8l-8 8"/>'
        '<text class="out" x="{}" y="{}" text-anchor="{}">{}</text></g>',
        tone, x, y, x, bus, x - 4, y + 8, side, y + 16, anchor, words,
    )  # fmt: skip


def _trunk(size: Size, floor: int) -> SafeString:
    """Where all lines of hosts meet, down to the drum."""
    top = HEAD + CELL_HEIGHT + WIRE - 10
    return format_html('<path class="bus" d="M{} {}V{}H{}"/>', size.trunk // 2, top, floor + 26, size.trunk + 4)


def _drum(size: Size, floor: int, beat: Heartbeat) -> SafeString:
    """The heartbeat SR as a drum of disks, or the place where it would be."""
    x, y, letters = size.trunk + 4, floor + 6, 26 if size.columns == 2 else 60
    words = ("heartbeat SR" + (f", {beat.type}" if beat.type else "")) if beat.on else "no heartbeat SR"
    second = rules.shown(beat.name) if beat.on else "nobody elects a new master"
    return format_html(
        '<g class="drum{}"><path d="M{} {}v30a18 6 0 0 0 36 0v-30"/><ellipse cx="{}" cy="{}" rx="18" ry="6"/></g>'
        '<text class="drum-name" x="{}" y="{}">{}</text><text class="second" x="{}" y="{}">{}</text>',
        "" if beat.on else " off", x, y + 6, x + 18, y + 6, x + 48, y + 17, words, x + 48, y + 34, cut(second, letters),
    )  # fmt: skip


def pool_in_words(name: str, state: PoolState, rows: Sequence[Row]) -> str:
    """The whole picture for those who do not see it."""
    beat = heartbeat(state)
    if state.basics is None:
        ha = "Nobody says whether HA is on."
    elif not beat.on:
        ha = "HA is off."
    else:
        ha = f"HA is on with a timeout of {beat.timeout or ha_clock.DEFAULT} s, heartbeat on {beat.name or 'an unknown SR'}."
    return f"{ha} {'. '.join(_told(row) for row in rows)}."


# The HA clock. Places are percent of the width, so that text keeps its size on every screen.

LANE, BAR, AXIS = 66, 18, 30


def clock(shown: Clock) -> SafeString:
    """One lane for each of those who reset hosts, under one axis; the outage is the stretch up to the line."""
    height = AXIS + len(shown.lanes) * LANE
    stop = _at(shown.outage, shown)
    inside = format_html(
        '{}<rect class="outage" x="0" y="{}" width="{}%" height="{}"/>{}<line class="back" x1="{}%" x2="{}%" y1="{}" y2="{}"/>{}',
        _hatch(), AXIS, stop, height - AXIS, _axis(shown),
        stop, stop, AXIS - 14, height,
        format_html_join("", "{}", ((_lane(shown, place, lane),) for place, lane in enumerate(shown.lanes))),
    )  # fmt: skip
    return format_html(
        '<svg class="ha-clock" role="img" aria-labelledby="clock-t clock-d" width="100%" height="{}">'
        '<title id="clock-t">The HA clock</title><desc id="clock-d">{}</desc>{}</svg>',
        height, " ".join(f"{lane.name}: {lane.verdict}" for lane in shown.lanes), inside,
    )  # fmt: skip


def _hatch() -> SafeString:
    return mark_safe(
        '<defs><pattern id="clock-may" class="tone-warn" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="7" height="7" fill="currentColor" fill-opacity=".14"/>'
        '<rect width="2.4" height="7" fill="currentColor"/></pattern></defs>'
    )


def _at(seconds: int, shown: Clock) -> str:
    return f"{100 * seconds / shown.end:.2f}"


def _axis(shown: Clock) -> SafeString:
    """Round seconds, as many as a narrow screen has room for; none where the outage's own label stands."""
    step = next((one for one in (30, 60, 120, 300, 600, 900, 1800) if shown.end / one <= 6), 3600)
    ticks = [second for second in range(0, shown.end, step) if abs(second - shown.outage) > shown.end / 6]
    marks = format_html_join(
        "",
        '<text class="tick" x="{}%" y="12" text-anchor="{}">{}</text><line class="tick" x1="{}%" x2="{}%" y1="16" y2="22"/>',
        (
            (_at(second, shown), "start" if not second else "middle", f"{second} s", _at(second, shown), _at(second, shown))
            for second in ticks
        ),
    )
    share = shown.outage / shown.end
    anchor = "start" if share < 0.12 else "end" if share > 0.88 else "middle"
    label = format_html(
        '<text class="end" x="{}%" y="12" text-anchor="{}">back at {} s</text>', _at(shown.outage, shown), anchor, shown.outage
    )
    return format_html('{}<line class="base" x1="0" x2="100%" y1="22" y2="22"/>{}', marks, label)


def _lane(shown: Clock, place: int, lane: Lane) -> SafeString:
    top = AXIS + place * LANE
    pieces = [piece for span in lane.spans for piece in _pieces(span, shown.outage)]
    return format_html(
        '<g class="lane{}"><text class="lane-name" x="2" y="{}">{}</text>{}{}</g>',
        " asked" if place == 0 else "", top + 20, lane.name,
        format_html_join("", "{}", ((_bar(shown, top + 28, span, reached),) for span, reached in pieces)),
        _fence(shown, top + 28, lane),
    )  # fmt: skip


def _pieces(span: Span, outage: int) -> Iterable[tuple[Span, bool]]:
    """A span up to the end of the outage, and what would have come after it."""
    if span.start <= outage:
        yield Span(span.start, min(span.end, outage), span.fate), True
    if span.end > outage:
        yield Span(max(span.start, outage), span.end, span.fate), False


def _bar(shown: Clock, y: int, span: Span, reached: bool) -> SafeString:
    width = _at(span.end - span.start, shown)
    return format_html(
        '<rect class="{}{}" x="{}%" y="{}" width="{}%" height="{}"/>',
        span.fate, "" if reached else " later", _at(span.start, shown), y, width, BAR,
    )  # fmt: skip


def _fence(shown: Clock, y: int, lane: Lane) -> SafeString:
    """The second from which on hosts are surely reset, written on the bar."""
    if lane.certain is None:
        may = next((span.start for span in lane.spans if span.fate is Fate.MAY), None)
        return _flag(shown, y, may, f"{may} s?", "may") if may is not None else NOTHING
    return _flag(shown, y, lane.certain, f"✕ {lane.certain} s", "sure" if lane.certain <= shown.outage else "later")


def _flag(shown: Clock, y: int, second: int, words: str, style: str) -> SafeString:
    """Below the bar at its second; to the left of it where the right edge is near."""
    x, near = _at(second, shown), second / shown.end > 0.8
    line = format_html('<line class="flag-line" x1="{}%" x2="{}%" y1="{}" y2="{}"/>', x, x, y - 3, y + BAR + 14)
    return format_html(
        '{}<text class="flag {}" x="{}%" y="{}" dx="{}" text-anchor="{}">{}</text>',
        line, style, x, y + BAR + 13, -4 if near else 4, "end" if near else "start", words,
    )  # fmt: skip
