"""Simulated time: runs what is due in its order, and after each thing lets the pools find out what has changed."""

from __future__ import annotations

from collections.abc import Callable

from opsportal.lab.xen.model import Job, Site

Handler = Callable[[Site, Job], None]
JOBS: dict[str, Handler] = {}
SETTLERS: list[Callable[[Site], None]] = []
"""Each looks at the whole site and brings about what follows from its state; called again and again, so it must find nothing twice."""
CLOCKS: list[Callable[[Site], list[float]]] = []
"""Each tells when something will follow although no job is due."""


def job(kind: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        JOBS[kind] = handler
        return handler

    return register


def settle(site: Site) -> None:
    for settler in SETTLERS:
        settler(site)


def next_at(site: Site) -> float | None:
    """Never before now: what is overdue is due now."""
    times = [each.at for each in site.jobs]
    times += [at for clock in CLOCKS for at in clock(site)]
    times += [cut.until for cut in site.cuts]
    times += [machine.cut_until for machine in site.machines.values() if machine.cut_until > site.now]
    times += [machine.hangs_until for machine in site.machines.values() if machine.hangs_until > site.now]
    return max(site.now, min(times)) if times else None


def advance(site: Site, now: float) -> None:
    """A time before the present one changes nothing but what is due already."""
    while (at := next_at(site)) is not None and at <= now:
        site.now = max(site.now, at)
        _expire(site)
        _run_one(site)
        settle(site)
    site.now = max(site.now, now)


def _expire(site: Site) -> None:
    site.cuts = [cut for cut in site.cuts if cut.until > site.now]


def _run_one(site: Site) -> None:
    due = [each for each in site.jobs if each.at <= site.now]
    if not due:
        return
    first = min(due, key=lambda each: (each.at, each.order))
    site.jobs.remove(first)
    if first.epoch is None or site.machines[first.machine].xapi.epoch == first.epoch:
        JOBS[first.kind](site, first)
