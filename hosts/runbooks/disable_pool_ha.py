"""Disable pool HA, and have every member say that it is off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hosts.xen import ha_steps, pool_guards
from hosts.xen.facts import PoolStorage
from hosts.xen.ha_steps import at, everybody, remembered
from hosts.xen.pool_runbook import PoolRunbook, pool_page
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import CannotUndo, RunCommand, Step, Undo


@dataclass(frozen=True)
class DisableParams:
    pool: int = 0


@guard(
    "xen.disable-with-dead",
    title="A host that does not answer keeps HA from going off",
    reason="xapi tries to disarm each host, and tries for ever: the command does not return while one of them is dead.",
    source="xapi source, xapi_ha.ml: a partial failure is retried every 30 s",
)
def dead_members(params: DisableParams, facts: FactSet) -> Iterator[Finding]:
    if params.pool:
        for host, why in pool_guards.dead(survey(params.pool, facts)):
            message = f"{host.name}: {why.rstrip('.')}. Wait until HA has fenced it and it is back, or go on with a reason."
            yield Finding(Level.BLOCK, message, "pool", override=True)


class DisablePoolHa(PoolRunbook[DisableParams]):
    name = "disable-pool-ha"
    title = "Disable pool HA"
    summary = "Turns high availability off for a pool, and proves on every member that it is off."
    when = (
        "Before work that HA refuses or takes for an outage: storage or network maintenance, patches. Other runbooks do it by themselves."
    )
    goes_wrong = (
        "With a dead or unreachable host the command may not return: the portal waits ten minutes, then says what is true. "
        "Until HA is on again nobody replaces a dead pool master."
    )
    afterwards = "CloudStack goes on. If the master dies now, no virtual machine of the pool starts until somebody makes a new one."
    params = DisableParams
    pages = (pool_page("Turns HA off until somebody turns it on again: the portal does not count it as for a time."),)
    guards = (
        pool_guards.master_answers,
        pool_guards.in_inventory,
        dead_members,
        pool_guards.one_master,
        pool_guards.twins,
        pool_guards.restorations,
    )

    def plan(self, params: DisableParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        if not found.basics.ha_enabled:
            raise NothingToDo(f"HA is off already on {found.pool.name}: its master {found.master.name} says so.")
        silent = {host.uuid for host, _ in pool_guards.dead(found)}
        asked = tuple(one for one in everybody(found) if one.uuid not in silent)
        why = "It was asked for. xapi disarms every host and lets go of the statefile."
        yield from ha_steps.off(at(found, found.basics.master), asked, brings_back=None, why=why, undo=_undo(found, facts))


def _undo(found: Survey, facts: FactSet) -> Undo:
    try:
        beat = remembered(found, facts(PoolStorage(found.speaker.target)))
    except FactError as error:
        return CannotUndo(str(error))
    return RunCommand(ha_steps.enable(beat), timeout=ha_steps.limit(beat.timeout) + 60)
