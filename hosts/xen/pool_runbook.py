"""What all runbooks on one XenServer pool have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Generic, TypeVar

from hosts.models import Host, Pool
from hosts.xen.facts import PoolStorage
from hosts.xen.forms import PoolForm
from hosts.xen.pool_guards import OnAPool, dead
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import Page, Risk, Runbook

P = TypeVar("P", bound=OnAPool)


class PoolRunbook(Runbook[P], Generic[P]):
    """Locks the pool, is named after it, and shows it as it is on its first page. Dangerous, with one approval, unless it says so."""

    risk = Risk.DANGEROUS
    approvals = 1

    def subject(self, params: P) -> str:
        pool = Pool.objects.filter(pk=params.pool).first()
        return pool.name if pool else ""

    def locks(self, params: P) -> Iterable[str]:
        if params.pool:
            yield f"pool:{params.pool}"

    def look(self, page: str, params: P, facts: FactSet) -> dict[str, Any]:
        return now(survey(params.pool, facts), facts) if params.pool else {}


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
