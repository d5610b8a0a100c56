"""What all runbooks on one XenServer pool have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Generic, TypeVar

from hosts.facts.restorations import CLUSTER, HA
from hosts.models import Host, Pool
from hosts.xen import pool_guards
from hosts.xen.facts import PoolStorage
from hosts.xen.forms import PoolForm, uuid_of
from hosts.xen.pool_guards import OnAPool, dead, left_open
from hosts.xen.survey import Survey, survey
from opsportal.operations import restorations
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, guard
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.states import OperationState

P = TypeVar("P", bound=OnAPool)


class PoolRunbook(Runbook[P], Generic[P]):
    """Locks the pool, is named after it, and shows it as it is on its first page. Dangerous, with one approval, unless it says so."""

    risk = Risk.DANGEROUS
    approvals = 1
    styles = ("css/pools.css", "css/pool-books.css")

    def parse(self, raw: Mapping[str, Any]) -> P:
        """A link may name a host by the inventory's number; the plan knows members by their uuid."""
        return super().parse({**raw, "host": uuid_of(raw["host"])} if "host" in raw else raw)

    def subject(self, params: P) -> str:
        pool = Pool.objects.filter(pk=params.pool).first()
        return pool.name if pool else ""

    def locks(self, params: P) -> Iterable[str]:
        if params.pool:
            yield f"pool:{params.pool}"

    def look(self, page: str, params: P, facts: FactSet) -> dict[str, Any]:
        return now(survey(params.pool, facts), facts) if params.pool else {}


BROUGHT_BACK = {"ha-on": (HA, "turned HA on"), "cloudstack-manage": (CLUSTER, "had CloudStack manage the cluster")}
"""By the key of the step that does it: the restoration that needs nobody any more, and what the operation did, in words."""


class HaRunbook(PoolRunbook[P], Generic[P]):
    """Leaves HA on and the cluster managed at its end where they were so, also where an earlier operation left them otherwise.

    So that one's restorations are settled, too.
    """

    settles = True

    def finished(self, operation_id: int, state: str) -> None:
        """HA is on by a plan that people saw: nobody has to bring it back any more. And so the cluster is managed."""
        operation = Operation.objects.get(pk=operation_id)
        if state != OperationState.SUCCEEDED:
            return
        for step in operation.steps.filter(key__in=BROUGHT_BACK):
            key, did = BROUGHT_BACK[step.key]
            for one in Restoration.objects.filter(state=Restoration.State.OPEN, resource__in=operation.locks, key=key):
                restorations.settle(one.operation, key, f"operation #{operation_id}, which {did}")


@guard(
    "xen.restorations-but-ha",
    title="Nothing else is left changed for a time",
    reason="A host that an operation took out for a while has to come back before HA watches over it. HA left off is brought back.",
    source="The portal's own record of restorations",
)
def restorations_but_ha(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    yield from left_open(params, facts, but=(HA,))


HEALTHY = pool_guards.healthy(restorations_but_ha)
"""For runbooks that bring HA back where it was left off."""


def pool_page(help_text: str) -> Page:
    return Page("pool", "Pool", PoolForm, help_text, "hosts/wizard_pool.html")


def host_name(uuid: str) -> str:
    """What the inventory calls the host of this uuid; "" when it has none."""
    host = Host.objects.filter(facts__host_uuid=uuid).first() if uuid else None
    return host.name if host else ""


def now(found: Survey, facts: FactSet) -> dict[str, Any]:
    """The pool as a page shows it."""
    ha = found.basics
    gone = {host.uuid: why for host, why in dead(found)}
    names = {sr.uuid: sr.name for sr in facts(PoolStorage(found.speaker.target)).srs}
    return {
        "pool": found.pool.name,
        "uuid": ha.uuid,
        "ha": {"on": ha.ha_enabled, "timeout": ha.ha_timeout, "srs": [names.get(sr, "") or sr for sr in ha.statefile_srs]},
        "hosts": [
            {**asdict(host), "master": host.uuid == ha.master, "dead": gone.get(host.uuid, ""), "why_not": ""} for host in found.hosts
        ],
    }


def named(found: Survey, uuid: str) -> str:
    """A host's name in the pool, or its uuid when the pool has no such host."""
    try:
        return found.host(uuid).name
    except FactError:
        return uuid
