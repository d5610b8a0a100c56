"""Pools on pages: the HA clock, and what is at risk."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils.safestring import SafeString

from hosts import pools
from hosts.models import Pool
from hosts.xen import ha_clock, pictures
from hosts.xen.ha_clock import Clock

register = template.Library()

RISKY = 8


@register.simple_tag
def clock_of(timeout: Any, outage: Any = 90, what: str = "both") -> Clock | None:
    """For `hosts/_ha_clock.html`; None for values that are not there yet or cannot be."""
    try:
        return ha_clock.clock(int(timeout), int(outage), what)
    except (TypeError, ValueError):
        return None


@register.simple_tag
def clock_picture(clock: Clock) -> SafeString:
    return pictures.clock(clock)


@register.simple_tag
def derived_from(clock: Clock) -> tuple[tuple[str, int], ...]:
    return ha_clock.derived(clock.timeout)


@register.simple_tag
def pools_at_risk() -> list[Pool]:
    """Those that a person should look at, at most `RISKY` + 1: the last one says that there are more."""
    return list(pools.at_risk()[: RISKY + 1])


@register.filter
def moment(text: str) -> datetime | None:
    """A time as a stored state has it."""
    return datetime.fromisoformat(text) if text else None


@register.filter
def blocks(pool: Pool) -> bool:
    """The rulebook finds something that puts it at risk."""
    return any(finding.get("level") == "block" for finding in pool.findings)


@register.filter
def worst(pool: Pool) -> str:
    """The gravest finding in its own words."""
    return str(pools.worst_first(pool.findings)[0].get("message", "")) if pool.findings else ""


@register.filter
def others(pool: Pool) -> int:
    """How many findings there are besides the one that is told."""
    return len(pool.findings) if pool.problem else len(pool.findings) - 1
