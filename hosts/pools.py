"""Sets of pools, and what stands around one pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, Q, QuerySet, When, Window
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils import timezone

from hosts import queries as inventory
from hosts.models import Cloud, Host, Pool, PoolReading
from opsportal.operations import queries, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.runbook import Runbook
from opsportal.operations.states import FINAL, OperationState

GOING = (OperationState.RUNNING, OperationState.UNKNOWN, OperationState.QUEUED, OperationState.APPROVED, OperationState.AWAITING_APPROVAL)
LATELY = 10
WORST = {"block": 0, "warn": 1, "note": 2}


def resource(pool: Pool) -> str:
    """Its name as a lock and as what a restoration is open on."""
    return f"pool:{pool.pk}"


def busy(pool: Pool) -> bool:
    """It is due or a worker has it, so the page should look again soon."""
    return pool.kind != Pool.Kind.KVM and (bool(pool.claim) or pool.next_read_at <= timezone.now())


def uuids(pool: Pool) -> dict[int, str]:
    """What earlier readings say about the pool's hosts, for those that cannot be asked now."""
    return {pk: str(uuid).lower() for pk, uuid in pool.hosts.values_list("pk", "facts__host_uuid") if uuid}


def books() -> list[Runbook[Any]]:
    """What can be started on a pool: every runbook that asks for one."""
    return [book for book in registry.runbooks().values() if book.pages and "pool" in book.params.__dataclass_fields__]


def operations_on(pool: Pool) -> tuple[list[Operation], list[Operation]]:
    """Those that run or wait, and the last that ended. Runbooks on pools are few, so the index by runbook bounds the work."""
    named = Q(runbook__in=[book.name for book in books()]) | Q(runbook__in=["undo", "restore"])
    found = queries.rows().filter(named, locks__icontains=f'"{resource(pool)}"').order_by("-id")
    return list(found.filter(state__in=GOING)), list(found.filter(state__in=FINAL - {OperationState.DISCARDED})[:LATELY])


def open_on(pool: Pool) -> list[Restoration]:
    return list(queries.open_restorations().filter(resource=resource(pool)))


def news(pool: Pool, limit: int = 5) -> list[PoolReading]:
    """The last readings that said something new."""
    return list(pool.readings.filter(changed=True).defer("state")[:limit])


def worst_first(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(findings, key=lambda finding: WORST.get(finding.get("level", ""), 3))


@dataclass(frozen=True)
class Summary:
    """A pool in one line of a list. `master` is the name of the host that leads, "" when nobody said; `ha` is None then."""

    pool: Pool
    hosts: int
    read: bool
    silent: bool
    master: str
    ha: bool | None
    timeout: int | None
    blocks: int
    warnings: int
    open: int

    @property
    def tone(self) -> str:
        if self.blocks or self.silent or self.open or self.pool.problem:
            return "bad"
        return "warn" if self.warnings else "ok" if self.read else "none"


LISTED = ("name", "kind", "cloud_id", "state_at", "problem", "problem_at", "findings")


FEW, PAGE = 10, 50
"""Pools of each cloud where several clouds are shown, and of a single one on a page."""


@dataclass(frozen=True)
class Shelf:
    """A cloud (of `hosts.queries.clouds`) with the pools that a page shows, of `total` that were searched for."""

    cloud: Cloud
    pools: list[Summary]
    total: int


@dataclass(frozen=True)
class Listing:
    """`page` is set when there is only one cloud, whose pools are then shown page by page."""

    shelves: list[Shelf]
    page: Page[Pool] | None


def listing(query: str = "", cloud: int | None = None, number: str | None = None) -> Listing:
    """Clouds with their pools, by name. Every word of `query` is in the name of the pool or of its cloud. As many queries for any."""
    found = Pool.objects.order_by("name", "pk")
    for word in query.split():
        found = found.filter(Q(name__icontains=word) | Q(cloud__name__icontains=word))
    totals = dict(found.order_by().values_list("cloud").annotate(number=Count("pk")))
    clouds = [one for one in inventory.clouds() if cloud in (None, one.pk) and (one.pk in totals or not query)]
    if len(clouds) == 1:
        page = Paginator(_lines(found.filter(cloud=clouds[0].pk)), PAGE).get_page(number)
        rows = list(page)
    else:
        page, place = None, Window(RowNumber(), partition_by="cloud", order_by=["name", "pk"])
        rows = list(_lines(found.annotate(place=place).filter(place__lte=FEW)))
    by_cloud: dict[int, list[Summary]] = {}
    for summary in _summaries(rows):
        by_cloud.setdefault(summary.pool.cloud_id, []).append(summary)
    return Listing([Shelf(one, by_cloud.get(one.pk, []), totals.get(one.pk, 0)) for one in clouds], page)


def _lines(found: QuerySet[Pool]) -> QuerySet[Pool]:
    """Of their states only what a line shows: a state can have hundreds of kilobytes."""
    return found.only(*LISTED).annotate(basics=KeyTransform("basics", "state"), silence=KeyTransform("silence", "state"))


def _summaries(rows: list[Pool]) -> list[Summary]:
    shown = [row.pk for row in rows]
    names = _names(shown, {(row.basics or {}).get("master", "") for row in rows})  # type: ignore[attr-defined] # of `_lines`
    hosts = dict(Host.objects.filter(pool__in=shown).order_by().values_list("pool").annotate(number=Count("pk")))
    opened = _opened()
    return [_summary(row, names, hosts.get(row.pk, 0), opened.get(resource(row), 0)) for row in rows]


def _names(shown: list[int], wanted: set[str]) -> dict[str, str]:
    """Of hosts of these pools by uuid, from the inventory."""
    found = Host.objects.filter(pool__in=shown, facts__host_uuid__in=[uuid for uuid in wanted if uuid])
    return {str(uuid).lower(): name for uuid, name in found.values_list("facts__host_uuid", "name")}


def _opened() -> dict[str, int]:
    """How many restorations are open on each pool."""
    found = Restoration.objects.filter(state=Restoration.State.OPEN, resource__startswith="pool:").order_by()
    return dict(found.values_list("resource").annotate(number=Count("pk")))


def _summary(row: Any, names: dict[str, str], hosts: int, opened: int) -> Summary:
    basics, levels = row.basics or {}, [finding.get("level") for finding in row.findings]
    master = basics.get("master", "")
    return Summary(
        pool=row,
        hosts=hosts,
        read=row.state_at is not None,
        silent=bool(row.silence),
        master=names.get(master, master[:8]),
        ha=basics.get("ha_enabled"),
        timeout=basics.get("ha_timeout"),
        blocks=levels.count("block"),
        warnings=levels.count("warn"),
        open=opened,
    )


def at_risk() -> QuerySet[Pool]:
    """Pools that could not be read, then those that the rulebook finds something against, the gravest first. Without their states."""
    grave = Case(When(problem__gt="", then=0), When(findings__icontains='"block"', then=1), default=2)
    found = Pool.objects.exclude(findings=[], problem="").filter(
        Q(problem__gt="") | Q(findings__icontains='"block"') | Q(findings__icontains='"warn"')
    )
    return found.select_related("cloud").only("name", "cloud__name", "problem", "problem_at", "findings").order_by(grave, "name", "pk")


def called(numbers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name and address of each pool by its number as text, for what says "pool:3"."""
    wanted = [int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 19]
    found = Pool.objects.filter(pk__in=wanted).values_list("pk", "name")
    return {str(pk): (name, reverse("pool", args=[pk])) for pk, name in found}


def clouds_called(numbers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The same for clouds: what says "cloud:3"."""
    wanted = [int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 19]
    return {str(pk): (name, reverse("cloud_api", args=[pk])) for pk, name in Cloud.objects.filter(pk__in=wanted).values_list("pk", "name")}
