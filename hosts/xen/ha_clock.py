"""The HA clock: for an outage of so many seconds, who resets which hosts, and when. Pure arithmetic.

Sources: xapi (Timeouts.derive in xapi_ha.ml) for what follows from the timeout; xhad (survival rules in sm.c, the statefile watchdog in
statefile.c) for who is fenced; CloudStack's xenheartbeat.sh for its own reset. All times are seconds after the outage began.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LEAST = 10
"""xapi refuses a smaller timeout."""
MOST = 3600
DEFAULT = 60
"""What xapi takes when nobody gives a timeout."""
SUGGESTED = 180
WATCHDOG = 15
"""The statefile's watchdog waits so much longer than the statefile's timeout."""
SCRIPT_INTERVAL = 60
SCRIPT_TIMEOUT = 120
"""CloudStack's settings xenserver.heartbeat.interval and xenserver.heartbeat.timeout, as they come."""


class What(StrEnum):
    """What fails, for all hosts of the pool at once."""

    NETWORK = "network"
    STORAGE = "storage"
    BOTH = "both"


WORDS = {
    What.NETWORK: "the network between the hosts",
    What.STORAGE: "the shared storage",
    What.BOTH: "network and storage together",
}


class Fate(StrEnum):
    LIVES = "lives"
    MAY = "may"
    FENCED = "fenced"


@dataclass(frozen=True)
class Span:
    """How it stands for the hosts while the outage lasts, from `start` until `end`."""

    start: int
    end: int
    fate: Fate


@dataclass(frozen=True)
class Lane:
    """One of those who reset hosts. `spans` follow each other from 0 on; `fate` and `verdict` are for the outage that was asked about.

    `certain` is the second from which on it surely acts, None when never.
    """

    name: str
    spans: tuple[Span, ...]
    certain: int | None
    fate: Fate
    verdict: str


@dataclass(frozen=True)
class Clock:
    """`end` is where the time axis ends. The first lane is the timeout that was asked about, the last is CloudStack's script."""

    timeout: int
    outage: int
    what: What
    end: int
    lanes: tuple[Lane, ...]
    sentence: str

    @property
    def own(self) -> Lane:
        return self.lanes[0]

    @property
    def script(self) -> Lane:
        return self.lanes[-1]


def interval(timeout: int) -> int:
    """Between two heartbeats, as in XenServer 6.2 and 7.0. From 8.2 on it is 3 s at most, so that no later version is worse."""
    return (timeout + 10) // 10


def clock(timeout: int, outage: int, what: What | str) -> Clock:
    """Raises `ValueError` for a timeout or an outage that cannot be."""
    what = What(what)
    if not LEAST <= timeout <= MOST or not 1 <= outage <= MOST:
        raise ValueError(f"A timeout is {LEAST} to {MOST} seconds, an outage 1 to {MOST}.")
    end = _round_up(max(outage, timeout + WATCHDOG, SUGGESTED + WATCHDOG))
    others = [seconds for seconds in (DEFAULT, SUGGESTED) if seconds != timeout]
    lanes = [_xhad(seconds, outage, what, end) for seconds in (timeout, *others)]
    script = _script(outage, what, end)
    return Clock(timeout, outage, what, end, (*lanes, script), _sentence(timeout, outage, what, lanes[0], script))


def _round_up(seconds: int) -> int:
    """A little room after the last event, on a full half minute."""
    return (seconds * 21 // 20 // 30 + 1) * 30


def _fate(spans: tuple[Span, ...], outage: int) -> Fate:
    """Of the span in which the outage ends: what begins at its very last second counts."""
    return next(span.fate for span in reversed(spans) if span.start <= outage)


def _spans(end: int, *begins: tuple[int, Fate]) -> tuple[Span, ...]:
    starts = [(0, Fate.LIVES), *begins]
    ends = [start for start, _ in begins] + [end]
    return tuple(Span(start, stop, fate) for (start, fate), stop in zip(starts, ends, strict=True) if stop > start)


def _xhad(timeout: int, outage: int, what: What, end: int) -> Lane:
    """With the storage gone for all, they live on as long as each hears each (survival rule 2): it is never certain."""
    name = f"Pool HA with {timeout} s" + (", the default" if timeout == DEFAULT else ", as suggested" if timeout == SUGGESTED else "")
    early = max(1, timeout - interval(timeout))
    if what is What.STORAGE:
        spans, certain = _spans(end, (timeout, Fate.MAY)), None
    else:
        spans, certain = _spans(end, (early, Fate.MAY), (timeout, Fate.FENCED)), timeout
    fate = _fate(spans, outage)
    return Lane(name, spans, certain, fate, _XHAD[what][fate].format(early=early, at=timeout, latest=timeout + WATCHDOG))


_NOBODY = "Nobody is fenced."
_XHAD = {
    What.NETWORK: {
        Fate.LIVES: _NOBODY,
        Fate.MAY: "At the edge: from {early} s on a host may be fenced, as its last heartbeat was older than the outage.",
        Fate.FENCED: "At {at} s every host but one is fenced. The one that is left becomes the pool master.",
    },
    What.STORAGE: {
        Fate.LIVES: _NOBODY,
        Fate.MAY: "From {at} s on they live only while every host is up and hears every other. Is one missing, all are fenced, "
        "by {latest} s at the latest.",
    },
    What.BOTH: {
        Fate.LIVES: _NOBODY,
        Fate.MAY: "At the edge: from {early} s on a host may be fenced, as its last heartbeat was older than the outage.",
        Fate.FENCED: "Every host of the pool is fenced, between {at} and {latest} s.",
    },
}


def _script(outage: int, what: What, end: int) -> Lane:
    """It writes every interval and looks back to the last write that worked, which may be nearly one interval before the outage."""
    name = "CloudStack's xenheartbeat.sh"
    if what is What.NETWORK:
        spans = _spans(end)
        return Lane(name, spans, None, Fate.LIVES, "Nobody is reset: it looks at primary storage only.")
    early = SCRIPT_TIMEOUT - SCRIPT_INTERVAL
    spans = _spans(end, (early + 1, Fate.MAY), (SCRIPT_TIMEOUT, Fate.FENCED))
    fate = _fate(spans, outage)
    return Lane(name, spans, SCRIPT_TIMEOUT, fate, _SCRIPT[fate].format(early=early, at=SCRIPT_TIMEOUT))


_SCRIPT = {
    Fate.LIVES: "Nobody is reset.",
    Fate.MAY: "Some hosts may reset themselves, from {early} s on: those whose last write was well before the outage.",
    Fate.FENCED: "Every host whose primary storage is all gone resets itself, between {early} and {at} s.",
}


def _sentence(timeout: int, outage: int, what: What, own: Lane, script: Lane) -> str:
    verb = "fail" if what is What.BOTH else "fails"
    said = f"{WORDS[what].capitalize()} {verb} for {outage} s, and the HA timeout is {timeout} s."
    said += f" Pool HA: {own.verdict} CloudStack: {script.verdict}"
    if script.fate is Fate.FENCED and timeout > SCRIPT_TIMEOUT:
        said += " No HA timeout helps against that: CloudStack's script is earlier."
    return said


def derived(timeout: int) -> tuple[tuple[str, int], ...]:
    """What xapi makes of one timeout, in seconds."""
    return (
        ("A host is missed when its heartbeat is silent for", timeout),
        ("and when it does not write to the statefile for", timeout),
        ("The watchdog of the heartbeat resets a host after", timeout),
        ("The watchdog of the statefile after", timeout + WATCHDOG),
        ("Enabling HA, and a host that boots, wait for the others for", timeout + 60),
    )
