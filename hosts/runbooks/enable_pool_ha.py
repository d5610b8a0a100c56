"""Enable pool HA: a heartbeat SR that every host reaches, a timeout that somebody chose, and every member's word that it is on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hosts.xen import ha_rules, ha_steps, pool_guards
from hosts.xen.facts import PoolStorage
from hosts.xen.forms import HeartbeatForm, TimeoutForm
from hosts.xen.ha_clock import SUGGESTED
from hosts.xen.ha_steps import XAPI_DEFAULT, Heartbeat, at, everybody
from hosts.xen.heartbeat import DRIVERS, Carrier
from hosts.xen.pool_runbook import HEALTHY, HaRunbook, now, pool_page
from hosts.xen.survey import survey
from opsportal.operations.facts import FactSet
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import RunCommand, Step


@dataclass(frozen=True)
class EnableParams:
    pool: int = 0
    sr: str = ""
    timeout: int = SUGGESTED
    outage: int | None = None
    what: str = ""


class EnablePoolHa(HaRunbook[EnableParams]):
    name = "enable-pool-ha"
    title = "Enable pool HA"
    summary = "Turns high availability on for a pool's master, with a heartbeat SR and a timeout that you choose."
    when = (
        "On every pool under CloudStack 4.4 or later: CloudStack does not replace a dead pool master any more. Also to end a restoration."
    )
    goes_wrong = (
        "A host that is dead at that moment keeps the command from returning, so each is asked immediately before. "
        "An outage of network or storage longer than the timeout makes all hosts reboot: look at the HA clock."
    )
    afterwards = "When the master dies, the others choose a new one by themselves. Adding, removing and patching hosts needs HA off first."
    params = EnableParams
    plan_template = "hosts/wizard_ha_review.html"
    pages = (
        pool_page("HA is for the pool master only: virtual machines stay CloudStack's."),
        Page("sr", "Heartbeat SR", HeartbeatForm, "Where the hosts look who is alive.", "hosts/wizard_heartbeat.html"),
        Page("timeout", "Timeout", TimeoutForm, "Always chosen, never xapi's own 60 s.", "hosts/wizard_timeout.html"),
    )
    guards = (
        *HEALTHY,
        pool_guards.same_version,
        pool_guards.no_protected,
        pool_guards.three_hosts,
        pool_guards.licence,
        pool_guards.required_pifs,
        ha_rules.heartbeat_sr,
        ha_rules.ha_timeout,
    )

    def look(self, page: str, params: EnableParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        if page == "sr":
            rows = [_row(one) for one in ha_rules.carriers(found, facts)]
            return {"srs": rows, "possible": any(not row["why_not"] for row in rows)}
        return {"timeout": params.timeout} if page == "timeout" else now(found, facts)

    def plan(self, params: EnableParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        if found.basics.ha_enabled:
            raise NothingToDo(
                f"HA is on already on {found.pool.name}, with a timeout of {found.basics.ha_timeout or XAPI_DEFAULT} s. "
                "“Change HA timeout” changes it; for another heartbeat SR, disable HA first."
            )
        names = {sr.uuid: sr.name for sr in facts(PoolStorage(found.speaker.target)).srs}
        beat = Heartbeat(params.sr, params.timeout, names.get(params.sr, ""))
        yield from ha_steps.on(
            at(found, found.basics.master),
            everybody(found),
            beat,
            why=f"The heartbeat goes to the SR {beat.called}. The timeout is given, as without one xapi takes {XAPI_DEFAULT} s.",
            undo=RunCommand(ha_steps.disable(), timeout=ha_steps.limit(0) + 60),
        )


def _row(one: Carrier) -> dict[str, Any]:
    kind = DRIVERS.get(one.sr.type, one.sr.type)
    return {"uuid": one.sr.uuid, "name": one.name, "type": kind, "free": one.free, "why_not": one.why_not}
