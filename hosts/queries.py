"""Sets of hosts: the list with its filters, and what else stands on the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from hosts.models import Cloud, Contact, Credential, Host, Kind, Pool
from opsportal.operations.models import Lock, Operation, Step
from opsportal.operations.states import OPEN, OperationState

PAGE = 50
ORDERS = {"name": ("sort_name", "id"), "read": ("facts_at", "id"), "contact": ("contact", "sort_name", "id")}


@dataclass(frozen=True)
class Filter:
    """What the list is narrowed to. Everything is a plain text from the address bar; what makes no sense counts as not given."""

    q: str = ""
    kind: str = ""
    cloud: str = ""
    pool: str = ""
    tag: str = ""
    contact: str = ""
    credential: str = ""
    legacy: str = ""
    order: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Filter:
        given = {field.name: str(raw.get(field.name, "")).strip()[:200].replace("\0", "") for field in fields(cls)}
        allowed = {"kind": Kind.values, "contact": Contact.values, "legacy": ["yes"], "order": list(ORDERS)}
        for name, values in allowed.items():
            given[name] = given[name] if given[name] in values else ""
        for name in ("cloud", "pool", "credential"):
            given[name] = given[name] if given[name].isascii() and given[name].isdigit() and len(given[name]) < 16 else ""
        return cls(**given)

    def without(self, *names: str) -> str:
        """The query string with these left out: links that take one filter away, or set another in its place."""
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in names}
        return urlencode({name: value for name, value in kept.items() if value})

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """For hidden fields."""
        return [(field.name, value) for field in fields(self) if (value := getattr(self, field.name))]

    @property
    def query(self) -> str:
        return self.without()

    @property
    def active(self) -> bool:
        return bool(self.without("order"))


def hosts(wanted: Filter) -> QuerySet[Host]:
    """All hosts that match, unordered."""
    found = narrowed(wanted)
    return found.filter(contact=wanted.contact) if wanted.contact else found


def narrowed(wanted: Filter) -> QuerySet[Host]:
    """The same without the filter by contact: counted by contact for the row of links above the list."""
    found = Host.objects.all()
    for name in ("kind", "cloud", "pool", "credential"):
        if value := getattr(wanted, name):
            found = found.filter(**{name: value})
    if wanted.legacy:
        found = found.filter(legacy=True)
    if wanted.tag:
        found = found.filter(tags__contains=f" {wanted.tag} ")
    for word in wanted.q.split():
        found = found.filter(reduce(or_, (Q(**{f"{name}__icontains": word}) for name in ("name", "address", "tags", "role", "system"))))
    return found


@dataclass(frozen=True)
class Listing:
    """One page of the list. `counts` is by contact, over all that match but for the filter by contact; clouds and pools are (id, name)."""

    rows: list[Host]
    total: int
    page: int
    pages: int
    counts: list[tuple[str, str, int]]
    clouds: list[tuple[int, str]]
    pools: list[tuple[int, str]]

    @property
    def first(self) -> int:
        return (self.page - 1) * PAGE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0


def listing(wanted: Filter, page: int) -> Listing:
    """Two queries, whatever the number of hosts."""
    clouds, pools, counted = _around(wanted)
    total = counted.get(wanted.contact, 0) if wanted.contact else sum(counted.values())
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    order = ORDERS[wanted.order or "name"]
    # Which hosts these are is found in an index alone; only their rows are read.
    chosen = hosts(wanted).order_by(*order).values("pk")[(page - 1) * PAGE : page * PAGE]
    rows = Host.objects.filter(pk__in=chosen).select_related("cloud", "pool").defer("notes", "offered", "facts").order_by(*order)
    counts = [(value, label, counted[value]) for value, label in Contact.choices if counted.get(value)]
    return Listing(list(rows), total, page, pages, counts, clouds, pools)


def _around(wanted: Filter) -> tuple[list[tuple[int, str]], list[tuple[int, str]], dict[str, int]]:
    """Clouds, the pools of the chosen cloud, and how many hosts there are by contact: one query for what stands around the list."""
    clouds = Cloud.objects.order_by().values_list(Value("cloud"), "pk", "name")
    chosen = Pool.objects.filter(cloud_id=wanted.cloud) if wanted.cloud else Pool.objects.none()
    pools = chosen.order_by().values_list(Value("pool"), "pk", "name")
    counts = narrowed(wanted).order_by().values("contact").annotate(number=Count("pk")).values_list(Value("contact"), "number", "contact")
    found = sorted(clouds.union(pools, counts, all=True), key=lambda row: row[2].lower())
    by_sort = {sort: [(number, name) for kind, number, name in found if kind == sort] for sort in ("cloud", "pool", "contact")}
    return by_sort["cloud"], by_sort["pool"], {name: number for number, name in by_sort["contact"]}


def credentials() -> QuerySet[Credential]:
    """With `used`, the number of hosts each of them opens."""
    return Credential.objects.select_related("rotated_by").annotate(used=Count("hosts")).order_by("name")


def clouds() -> QuerySet[Cloud]:
    """With `host_count` and `pool_count`. Each counted by itself: joined, they would multiply.

    `api_url` and `api_problem` are of the connection to its CloudStack, None without one.
    """
    counted = Cloud.objects.annotate(host_count=_counted(Host), pool_count=_counted(Pool))
    return counted.annotate(api_url=F("api__url"), api_problem=F("api__problem"))


def _counted(model: type[Host | Pool]) -> Coalesce:
    number = model._default_manager.filter(cloud=OuterRef("pk")).order_by().values("cloud").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(number), 0)


def holders(targets: Iterable[str]) -> dict[str, Operation]:
    """The operation that works on or is about to work on each target ("host:3"), for those that have one.

    Unfinished operations are few; their targets are looked through here, as no database finds them in JSON.
    """
    wanted = set(targets)
    waiting = Operation.objects.filter(state__in=OPEN - {OperationState.DRAFT}).only("title", "state", "targets")
    held = {target: operation for operation in waiting for target in operation.targets if target in wanted}
    for lock in Lock.objects.filter(resource__in=wanted).select_related("operation")[:1000] if len(wanted) <= 1000 else []:
        held[lock.resource] = lock.operation
    return held


def called(numbers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name and address of each host by its number as text, for plans that say "host:3"."""
    wanted = [int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 19]
    return {str(host.pk): (host.name, host.get_absolute_url()) for host in Host.objects.filter(pk__in=wanted)}


def operations_on(target: str, limit: int = 10) -> list[Operation]:
    """The newest operations that had a step on a target."""
    numbers = Step.objects.filter(target=target).order_by("-operation_id").values_list("operation_id", flat=True).distinct()[:limit]
    return list(Operation.objects.filter(pk__in=list(numbers)).select_related("requester").defer("plan", "looks", "findings"))


def target_names() -> list[str]:
    """Every host as plans name it."""
    return [f"host:{pk}" for pk in Host.objects.values_list("pk", flat=True)]
