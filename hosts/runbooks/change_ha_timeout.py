"""Change the HA timeout: off, every member's word, on with the same SR and the new timeout."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hosts.xen import ha_rules, ha_steps, pool_guards
from hosts.xen.forms import TimeoutForm
from hosts.xen.ha_clock import SUGGESTED
from hosts.xen.ha_steps import at, before, everybody, undone_by
from hosts.xen.pool_runbook import HEALTHY, HaRunbook, now, pool_page
from hosts.xen.survey import survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class TimeoutParams:
    pool: int = 0
    timeout: int = SUGGESTED
    outage: int | None = None
    what: str = ""


class ChangeHaTimeout(HaRunbook[TimeoutParams]):
    name = "change-ha-timeout"
    title = "Change HA timeout"
    summary = "Turns pool HA off and on again with the same heartbeat SR and another timeout."
    when = "When HA runs with a timeout that nobody chose, or when storage or network may be away for longer than it allows."
    goes_wrong = (
        "Between off and on nobody replaces a dead master: about as long as the new timeout. If it stops in between, HA stays off and "
        "an open restoration says how it was."
    )
    afterwards = "Every member says twice that HA is on, with the new timeout."
    params = TimeoutParams
    plan_template = "hosts/wizard_ha_review.html"
    pages = (
        pool_page("HA has to be on: a timeout is given when it is turned on."),
        Page("timeout", "Timeout", TimeoutForm, "Always chosen, never xapi's own 60 s.", "hosts/wizard_timeout.html"),
    )
    guards = (
        *HEALTHY,
        ha_rules.ha_is_on,
        pool_guards.same_version,
        pool_guards.licence,
        pool_guards.required_pifs,
        *pool_guards.COMES_BACK,
        ha_rules.ha_timeout,
    )

    def look(self, page: str, params: TimeoutParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        return {**now(survey(params.pool, facts), facts), "timeout": params.timeout}

    def plan(self, params: TimeoutParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        was = before(found, facts)
        if was is None:
            raise FactError(f"HA is off on {found.pool.name}, so there is no timeout to change. Run “Enable pool HA”.")
        if was.on and found.basics.ha_timeout == params.timeout:
            raise NothingToDo(f"HA runs on {found.pool.name} with a timeout of {params.timeout} s already.")
        beat = dataclasses.replace(was.beat, timeout=params.timeout)
        master, members = at(found, found.basics.master), everybody(found)
        back = undone_by(self.title, f"Run backwards, HA would be off without a way back. It was {was.beat.timeout} s.")
        if was.on:
            yield from ha_steps.off(
                master,
                members,
                brings_back=ha_steps.way_back(found.pool.resource, members, was.beat),
                why="xapi takes a timeout only when HA is turned on. The SR and the timeout of now are written down first.",
                undo=back,
            )
        else:
            yield from ha_steps.still_off(master, members)
        why = f"The same SR, {beat.called}, and the new timeout instead of {was.beat.timeout} s."
        yield from ha_steps.on(master, members, beat, why=why, undo=back, settles=True)
