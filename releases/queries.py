"""Sets of builds, sources and schedules: the lists with their filters, and what stands around one build or source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import BigIntegerField, Count, F, IntegerField, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from opsportal.operations.models import Operation
from opsportal.operations.queries import Listing, listing
from opsportal.operations.states import FINAL, OPEN, OperationState
from opsportal.web.charts import Bar, Stack
from releases.models import Artefact, Build, Look, Schedule, Source

RESULTS = (
    OperationState.SUCCEEDED,
    OperationState.FAILED,
    OperationState.CANCELLED,
    OperationState.STALE,
    OperationState.UNKNOWN,
)
GOING = "going"
_FEW = (GOING, OperationState.STALE, OperationState.UNKNOWN)
"""Results that few builds have at any time: quicker to begin with than words."""

UNENDED = sorted(OPEN - {OperationState.DRAFT})
CHARTED = 50
WEEKS = 12
COUNTED = 2000
"""Builds that the chart by week looks through at most."""

_LISTED = (
    "version", "ref", "commit", "patches", "keep", "artefacts_gone_at", "created_at", "source", "source__name", "schedule",
    "schedule__name", "operation", "operation__state", "operation__kind", "operation__started_at", "operation__ended_at",
    "operation__requester", "operation__requester__username",
)  # fmt: skip
_UNREAD = ("operation__plan", "operation__looks", "operation__findings", "operation__typed", "operation__params")
"""Columns of an operation that may be large and that no page of builds shows."""


@dataclass(frozen=True)
class Filter:
    """What the list of builds is narrowed to. Plain texts from the address bar; what makes no sense counts as not given."""

    q: str = ""
    source: str = ""
    result: str = ""
    version: str = ""
    branch: str = ""
    who: str = ""
    schedule: str = ""
    since: str = ""
    until: str = ""
    kept: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Filter:
        given = {field.name: str(raw.get(field.name, "")).strip()[:200].replace("\0", "") for field in fields(cls)}
        for name in ("source", "schedule"):
            given[name] = given[name] if given[name].isascii() and given[name].isdigit() and len(given[name]) < 16 else ""
        for name in ("since", "until"):
            given[name] = given[name] if _day(given[name]) else ""
        given["result"] = given["result"] if given["result"] in (*RESULTS, GOING) else ""
        return cls(**given | {"kept": "1" if given["kept"] else ""})

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(field.name, value) for field in fields(self) if (value := getattr(self, field.name))]

    def without(self, *names: str) -> str:
        """The query string with these left out: for links that set another in their place."""
        return urlencode({name: value for name, value in self.pairs if name not in names})

    @property
    def query(self) -> str:
        return self.without()

    @property
    def but_result(self) -> str:
        return self.without("result")

    @property
    def active(self) -> bool:
        return bool(self.pairs)

    @property
    def more(self) -> bool:
        """A filter is set that the page shows under "More filters"."""
        return any((self.version, self.branch, self.who, self.schedule, self.since, self.until, self.kept))

    @property
    def searches(self) -> bool:
        return bool(self.q or self.version)

    @property
    def by_operation(self) -> bool:
        """Narrowed by what operations have indexes for: then one begins with them. Numbers of both grow alike."""
        return self.result in _FEW if self.searches else bool(self.result or self.who)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(text: str, days: int = 0) -> datetime:
    return timezone.make_aware(datetime.combine(date.fromisoformat(text), time())) + timedelta(days=days)


@dataclass(frozen=True)
class Around:
    """What stands around the list: sources and schedules to choose from, and who the person in the filter is."""

    sources: list[tuple[int, str]]
    schedules: list[tuple[int, str]]
    people: list[int]


def around(wanted: Filter) -> Around:
    """One query."""
    sources = Source.objects.order_by().values_list(Value("source"), "pk", "name")
    schedules = Schedule.objects.order_by().values_list(Value("schedule"), "pk", "name")
    people = User.objects.filter(username__iexact=wanted.who).order_by().values_list(Value("person"), "pk", "username")
    found = sorted(sources.union(schedules, people, all=True), key=lambda row: row[2].lower())
    by_kind = {kind: [(pk, name) for sort, pk, name in found if sort == kind] for kind in ("source", "schedule", "person")}
    return Around(by_kind["source"], by_kind["schedule"], [pk for pk, _ in by_kind["person"]])


def matching(wanted: Filter, people: Sequence[int] = ()) -> QuerySet[Any]:
    """Builds that match, or their operations where those have the index; with nothing but their keys, newest first."""
    if wanted.by_operation:
        columns = {"state": "state", "requester": "requester"} | {name: f"build__{name}" for name in _OF_BUILD}
        found: QuerySet[Any] = Operation.objects.filter(*_written(wanted, "build__"), build__isnull=False)
    else:
        found, columns = _builds(wanted)
    return found.filter(*_conditions(wanted, people, columns)).order_by("-pk").only("pk")


_OF_BUILD = ("source", "schedule", "ref", "keep")


def _builds(wanted: Filter) -> tuple[QuerySet[Any], dict[str, str]]:
    """Those that were said to be so and made then, and the names to ask for what else is chosen by.

    Words stand anywhere in a build, so a search reads the index of what it may ask for, from its new end. Other conditions are then
    asked for in a way that no other index answers: every hit of that one would be a look at a wide row.
    """
    found = Build.objects.filter(*_written(wanted, ""))
    columns = {name: name for name in _OF_BUILD} | {"state": "operation__state", "requester": "operation__requester"}
    if not wanted.searches:
        return found, columns
    hidden: dict[str, Any] = {name: F(f"{columns[name]}_id") + 0 for name in ("source", "schedule", "requester")}
    hidden |= {name: Coalesce(columns[name], Value("")) for name in ("ref", "state")}
    return found.alias(**{f"a_{name}": how for name, how in hidden.items()}), columns | {name: f"a_{name}" for name in hidden}


def _conditions(wanted: Filter, people: Sequence[int], columns: Mapping[str, str]) -> Iterator[Q]:
    """What is chosen, over columns of a build and of its operation by the names that they have in this query."""
    exact = {"source": wanted.source, "schedule": wanted.schedule, "ref": wanted.branch}
    for name, value in exact.items():
        if value:
            yield Q((columns[name], value))
    if wanted.result:
        yield Q((f"{columns['state']}__in", UNENDED if wanted.result == GOING else [wanted.result]))
    if wanted.who:
        yield Q((f"{columns['requester']}__in", list(people)))
    if wanted.kept:
        yield Q((columns["keep"], True))


def _written(wanted: Filter, build: str) -> Iterator[Q]:
    """What was made then, and has these words."""
    yield from _between(wanted, build)
    if wanted.version:
        yield Q((f"{build}version__startswith", wanted.version))
    for word in wanted.q.split()[:6]:
        yield _said(word, build)


def _between(wanted: Filter, build: str) -> Iterator[Q]:
    """Numbers grow with time, so two look-ups by time bound the numbers."""
    if wanted.since:
        first = Build.objects.filter(created_at__gte=_midnight(wanted.since)).order_by("created_at").values("pk")[:1]
        yield Q((f"{build}pk__gte", Subquery(first)))
    if wanted.until:
        last = Build.objects.filter(created_at__lt=_midnight(wanted.until, 1)).order_by("-created_at").values("pk")[:1]
        yield Q((f"{build}pk__lte", Subquery(last)))


def _said(word: str, build: str) -> Q:
    """A word of the search: part of a version or of a patch's title, the begin of a commit, "#12" or 12 for a pull request."""
    word = word.lower()
    if re.fullmatch(r"#[0-9]+", word):
        return Q((f"{build}said__contains", f"{word} "))
    found = Q((f"{build}said__contains", word))
    if re.fullmatch(r"[0-9a-f]{4,64}", word):
        for commit in (f"{build}commit", f"{build}built_commit"):
            found |= Q((f"{commit}__gte", word), (f"{commit}__lt", f"{word}g"))  # all that begin so, at a fraction of LIKE's price
    return found


def rows(found: QuerySet[Build]) -> QuerySet[Build]:
    """With what a row shows: `files` and `bytes` count the artefacts."""
    mine = Artefact.objects.filter(build=OuterRef("pk")).order_by().values("build")
    return (
        found.select_related("source", "schedule", "operation__requester")
        .only(*_LISTED)
        .annotate(
            files=Coalesce(Subquery(mine.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0),
            bytes=Coalesce(Subquery(mine.annotate(n=Sum("size")).values("n"), output_field=BigIntegerField()), 0),
        )
    )


def page(wanted: Filter, people: Sequence[int], before: int | None, after: int | None) -> Listing:
    """One page of the list, newest first, in two queries: the keys, then the rows of these. As quick on the last page as on the first."""
    found = listing(matching(wanted, people), before, after)
    column = "operation_id" if wanted.by_operation else "pk"
    shown = rows(Build.objects.filter(**{f"{column}__in": [one.pk for one in found.rows]})).order_by(f"-{column}")
    return Listing(list(shown), found.newer, found.older)


def took(build: Build) -> timedelta | None:
    """From the first step to the end. None before it began; a running build counts until now."""
    operation = build.operation
    if operation.started_at is None:
        return None
    return (operation.ended_at or timezone.now()) - operation.started_at


def durations(wanted: Filter, people: Sequence[int]) -> list[Bar]:
    """The newest that match, oldest first. One that never ran has no bar."""
    column = "operation_id" if wanted.by_operation else "pk"
    keys = [one.pk for one in matching(wanted, people)[:CHARTED]]
    found = Build.objects.filter(**{f"{column}__in": keys}).select_related("operation").order_by(column)
    return [_bar(build) for build in found.only("version", "operation__state", "operation__started_at", "operation__ended_at")]


def _bar(build: Build) -> Bar:
    span = took(build)
    return Bar(f"#{build.pk}", span.total_seconds() if span else None, build.operation.state, build.get_absolute_url(), build.version)


def weekly(wanted: Filter, people: Sequence[int]) -> list[Stack]:
    """Results by week, of the last twelve weeks that have builds."""
    made, state = ("build__created_at", "state") if wanted.by_operation else ("created_at", "operation__state")
    newest = matching(wanted, people).values_list(made, state)[:COUNTED]
    counted: dict[tuple[int, int], dict[str, int]] = {}
    for moment, result in reversed(newest):
        year, week, _ = moment.isocalendar()
        parts = counted.setdefault((year, week), {})
        parts[result] = parts.get(result, 0) + 1
    return [Stack(f"W{week}", parts) for (_, week), parts in sorted(counted.items())[-WEEKS:]]


def sources() -> list[Source]:
    """With `last` (its newest build), `next_at` (of its schedules) and `look` (how its mirror is)."""
    found: list[Any] = list(
        Source.objects.annotate(
            newest=Subquery(Build.objects.filter(source=OuterRef("pk")).order_by("-pk").values("pk")[:1]),
            next_at=Min("schedules__next_at", filter=Q(schedules__enabled=True)),
        ).order_by("name")
    )
    newest = Build.objects.filter(pk__in=[one.newest for one in found if one.newest]).select_related("operation").defer(*_UNREAD)
    last = {build.source_id: build for build in newest}
    looks = {look.about: look for look in Look.objects.filter(kind="source")}
    for one in found:
        one.last = last.get(one.pk)
        one.look = looks.get(str(one.pk))
    return found


def build(pk: int) -> QuerySet[Build]:
    """One build with what its page shows."""
    return Build.objects.filter(pk=pk).select_related("source", "schedule", "operation__requester", "operation__after").defer(
        "operation__looks", "operation__findings", "operation__typed"
    )  # fmt: skip


def newest_of(source: Source, limit: int = 10) -> list[Build]:
    return list(rows(Build.objects.filter(source=source)).order_by("-pk")[:limit])


def versions_of(source: Source, limit: int = 40) -> list[dict[str, Any]]:
    """Versions of the newest builds, newest first: the number, how often, and the newest build of each."""
    newest = Build.objects.filter(source=source).order_by("-pk").values_list("pk", flat=True)[:1000]
    found = (
        Build.objects.filter(source=source, pk__gte=min(newest, default=0))
        .order_by()
        .values("version")
        .annotate(times=Count("pk"), newest=Max("pk"))
    )
    return [dict(row) for row in found.order_by("-newest")[:limit]]


def stored_bytes(source: Source) -> int:
    """What the artefacts of a source take in the portal's store."""
    there = Artefact.objects.filter(build__source=source, stored=True, build__artefacts_gone_at=None)
    return there.aggregate(total=Sum("size"))["total"] or 0


def before(build: Build) -> Build | None:
    """The newest successful build of the same source that came before: what "new in this build" is measured against."""
    earlier = Build.objects.filter(source=build.source_id, pk__lt=build.pk, operation__state=OperationState.SUCCEEDED)
    return earlier.select_related("source", "operation").defer(*_UNREAD).order_by("-pk").first()


def tries(build: Build) -> list[Build]:
    """The builds that this one took up, or that took it up: one chain of retries and repetitions."""
    numbers = [*Operation.objects.filter(after=build.operation_id).values_list("pk", flat=True), build.operation.after_id]
    return list(Build.objects.filter(operation__in=filter(None, numbers)).select_related("operation").defer(*_UNREAD).order_by("pk"))


def schedules() -> QuerySet[Schedule]:
    return Schedule.objects.select_related("source", "owner").order_by("source__name", "name")


def running_of(schedule: Schedule) -> Build | None:
    """A build of the schedule that has not ended."""
    return Build.objects.filter(schedule=schedule, operation__state__in=OPEN).order_by("-pk").first()


def compared(pks: Iterable[int]) -> list[Build]:
    """Two builds, the older first, with all that comparing needs."""
    found = Build.objects.filter(pk__in=list(pks)).select_related("source", "operation__requester").defer(*_UNREAD)
    return list(found.prefetch_related("artefacts", "operation__steps").order_by("pk"))


def pickable(source_id: int | None, limit: int = 60) -> list[Build]:
    """What can be picked for comparing: ended builds, those of one source when it is known."""
    found = Build.objects.filter(operation__state__in=FINAL).select_related("source", "operation").defer(*_UNREAD)
    return list((found.filter(source_id=source_id) if source_id else found).order_by("-pk")[:limit])
