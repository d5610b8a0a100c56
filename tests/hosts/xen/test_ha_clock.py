"""Who is fenced when: by pool HA with a timeout, and by CloudStack's own script."""

from __future__ import annotations

import pytest

from hosts.xen.ha_clock import DEFAULT, SUGGESTED, Clock, Fate, What, clock, derived, interval

NETWORK, STORAGE, BOTH = What
LIVES, MAY, FENCED = Fate


@pytest.mark.parametrize(
    ("timeout", "outage", "what", "by_xapi", "by_script"),
    [
        # A switch that restarts for a minute and a half: the default loses the pool, 180 s keeps it.
        (60, 90, NETWORK, FENCED, LIVES),
        (180, 90, NETWORK, LIVES, LIVES),
        # The timeout counts from the last heartbeat, which is up to one interval older than the outage.
        (60, 52, NETWORK, LIVES, LIVES),
        (60, 53, NETWORK, MAY, LIVES),
        (60, 59, NETWORK, MAY, LIVES),
        (60, 60, NETWORK, FENCED, LIVES),
        (180, 160, NETWORK, LIVES, LIVES),
        (180, 161, NETWORK, MAY, LIVES),
        (180, 180, NETWORK, FENCED, LIVES),
        # Storage alone: they live on while all hear all. CloudStack's script does not ask the others.
        (60, 59, STORAGE, LIVES, LIVES),
        (60, 60, STORAGE, MAY, LIVES),
        (60, 61, STORAGE, MAY, MAY),
        (180, 90, STORAGE, LIVES, MAY),
        (180, 119, STORAGE, LIVES, MAY),
        (180, 120, STORAGE, LIVES, FENCED),
        (180, 600, STORAGE, MAY, FENCED),
        # NFS over the same switch: everything at once.
        (60, 90, BOTH, FENCED, MAY),
        (180, 90, BOTH, LIVES, MAY),
        (180, 179, BOTH, MAY, FENCED),
        (180, 180, BOTH, FENCED, FENCED),
    ],
)
def test_fates(timeout: int, outage: int, what: What, by_xapi: Fate, by_script: Fate) -> None:
    found = clock(timeout, outage, what)
    assert (found.own.fate, found.script.fate) == (by_xapi, by_script)


def test_the_default_is_shown_beside_what_is_suggested() -> None:
    names = [lane.name for lane in clock(120, 90, NETWORK).lanes]
    assert names == [
        "Pool HA with 120 s",
        "Pool HA with 60 s, the default",
        "Pool HA with 180 s, as suggested",
        "CloudStack's xenheartbeat.sh",
    ]
    assert [lane.name for lane in clock(DEFAULT, 90, NETWORK).lanes][1:] == [
        "Pool HA with 180 s, as suggested",
        "CloudStack's xenheartbeat.sh",
    ]
    assert len(clock(SUGGESTED, 90, NETWORK).lanes) == 3


@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("timeout", [10, 60, 180, 3600])
@pytest.mark.parametrize("outage", [1, 60, 3600])
def test_lanes_cover_the_whole_axis(timeout: int, outage: int, what: What) -> None:
    found = clock(timeout, outage, what)
    assert found.end > max(outage, timeout + 15)
    for lane in found.lanes:
        assert lane.spans[0].start == 0 and lane.spans[-1].end == found.end
        assert all(one.end == two.start for one, two in zip(lane.spans, lane.spans[1:], strict=False))
        assert lane.verdict.endswith(".") and "{" not in lane.verdict


@pytest.mark.parametrize("what", What)
def test_a_longer_outage_is_never_better(what: What) -> None:
    order = list(Fate)
    for timeout in (60, 180):
        own = [order.index(clock(timeout, outage, what).own.fate) for outage in range(1, 400)]
        script = [order.index(clock(timeout, outage, what).script.fate) for outage in range(1, 400)]
        assert own == sorted(own) and script == sorted(script)


def test_in_words() -> None:
    assert said(clock(60, 90, NETWORK)) == (
        "The network between the hosts fails for 90 s, and the HA timeout is 60 s. "
        "Pool HA: At 60 s every host but one is fenced. The one that is left becomes the pool master. "
        "CloudStack: Nobody is reset: it looks at primary storage only."
    )
    assert said(clock(180, 200, BOTH)).endswith("No HA timeout helps against that: CloudStack's script is earlier.")
    assert "by 195 s at the latest" in said(clock(180, 200, STORAGE))


def said(found: Clock) -> str:
    return found.sentence


def test_what_xapi_derives() -> None:
    assert [seconds for _, seconds in derived(180)] == [180, 180, 180, 195, 240]
    assert (interval(60), interval(180)) == (7, 19)


@pytest.mark.parametrize(("timeout", "outage"), [(9, 90), (3601, 90), (60, 0), (60, 3601)])
def test_what_cannot_be(timeout: int, outage: int) -> None:
    with pytest.raises(ValueError, match="10 to 3600"):
        clock(timeout, outage, NETWORK)


def test_an_unknown_outage_cannot_be() -> None:
    with pytest.raises(ValueError, match="weather"):
        clock(60, 90, "weather")
