"""Sets of operations: the list with its filters, the inboxes, and what else stands around one operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import BooleanField, Count, ExpressionWrapper, F, Max, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from opsportal.operations import registry
from opsportal.operations.guards import Guard
from opsportal.operations.models import Acknowledgement, Approval, FactReading, Operation, Restoration, Step
from opsportal.operations.states import FINAL, OPEN, StepState
from opsportal.operations.states import OperationState as S
from opsportal.web.access import has_role

PAGE = 50
LISTED = (
    "runbook", "title", "subject", "state", "requester__username", "kind", "risk", "approvals_needed", "waiting_for",
    "created_at", "submitted_at", "started_at", "ended_at", "cancel_requested_at",
)  # fmt: skip
"""What rows of lists show. A plan can be large: it is never read for a list."""

GOING = (S.QUEUED, S.RUNNING, S.UNKNOWN, S.APPROVED, S.AWAITING_APPROVAL)
GROUPS = {"open": "Open", "ended": "Ended"}
_NOT_LISTED = (S.DRAFT, S.DISCARDED)


@dataclass(frozen=True)
class Filter:
    """What the list is narrowed to. Everything is a plain text from the address bar; what makes no sense counts as not given."""

    q: str = ""
    state: str = ""
    runbook: str = ""
    who: str = ""
    on: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Filter:
        given = {field.name: str(raw.get(field.name, "")).strip()[:200].replace("\0", "") for field in fields(cls)}
        if given["state"] not in (*S.values, *GROUPS):
            given["state"] = ""
        for name in ("since", "until"):
            given[name] = given[name] if valid_day(given[name]) else ""
        return cls(**given)

    def without(self, *names: str) -> str:
        """The query string with these left out: links that take one filter away, or set another in its place."""
        return urlencode({name: value for name, value in self.pairs if name not in names})

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(field.name, value) for field in fields(self) if (value := getattr(self, field.name))]

    @property
    def query(self) -> str:
        return self.without()

    @property
    def but_state(self) -> str:
        return self.without("state")

    @property
    def active(self) -> bool:
        return bool(self.pairs)

    @property
    def searches(self) -> bool:
        return bool(self.q or self.on)


def valid_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def midnight(text: str, days: int = 0) -> datetime:
    """The begin of a day, in UTC as everything the portal shows."""
    return timezone.make_aware(datetime.combine(date.fromisoformat(text), time())) + timedelta(days=days)


def rows() -> QuerySet[Operation]:
    """Operations with what a row of a list shows."""
    return Operation.objects.select_related("requester").only(*LISTED)


def page(wanted: Filter, before: int | None, after: int | None) -> Listing:
    """One page of all that match, newest first."""
    if not wanted.searches:
        return listing(matching(wanted), before, after)
    return listing(matching(wanted).only("pk"), before, after, shown=rows())


def matching(wanted: Filter) -> QuerySet[Operation]:
    """All operations that match. Drafts belong to their makers: they are listed only when asked for."""
    found, state, runbook, requester = _by(wanted)
    found = found.filter(_of_state(wanted.state, state))
    if wanted.runbook:
        found = found.filter(Q((runbook, wanted.runbook)))
    if wanted.who:
        people = User.objects.filter(username__iexact=wanted.who).values_list("pk", flat=True)[:5]
        found = found.filter(Q((f"{requester}__in", list(people))))
    if wanted.on:
        found = found.filter(touched__contains=wanted.on.lower())
    return found.filter(_between(wanted), *(_said(word) for word in wanted.q.split()[:6]))


def _by(wanted: Filter) -> tuple[QuerySet[Operation], str, str, str]:
    """All operations, and the names to ask for state, runbook and requester by.

    Words stand anywhere in an operation, so a search reads the index of what it may ask for, from its new end. Other conditions are
    then asked for in a way that no other index answers: every hit of that one would be a look at a wide row.
    """
    state = Coalesce("state", Value(""))
    if wanted.searches:
        found = rows().alias(a_state=state, a_runbook=Coalesce("runbook", Value("")), a_requester=F("requester_id") + 0)
        return found, "a_state", "a_runbook", "a_requester"
    if wanted.state == "ended":  # nearly all of them: their order is worth more than this choice
        return rows().alias(a_state=state), "a_state", "runbook", "requester_id"
    return rows(), "state", "runbook", "requester_id"


def _of_state(state: str, column: str = "state") -> Q:
    if state == "open":
        return Q((f"{column}__in", GOING))
    if state == "ended":
        return Q((f"{column}__in", FINAL - {S.DISCARDED}))
    return Q((column, state)) if state else ~Q((f"{column}__in", _NOT_LISTED))


def _said(word: str) -> Q:
    number = word.removeprefix("#")
    by_number = Q(pk=int(number)) if number.isascii() and number.isdigit() and len(number) < 16 else Q()
    return by_number if by_number and word.startswith("#") else by_number | Q(said__contains=word.lower())


def _between(wanted: Filter) -> Q:
    """Numbers grow with time, so two look-ups by time bound the numbers, whatever else is asked for."""
    found, every = Q(), Operation.objects.all()
    if wanted.since:
        first = every.filter(created_at__gte=midnight(wanted.since)).order_by("created_at").values_list("pk", flat=True).first()
        found &= Q(pk__gte=first) if first else Q(pk=None)
    if wanted.until:
        last = every.filter(created_at__lt=midnight(wanted.until, 1)).order_by("-created_at").values_list("pk", flat=True).first()
        found &= Q(pk__lte=last) if last else Q(pk=None)
    return found


@dataclass(frozen=True)
class Listing:
    """One page of a list that is newest first. `newer` and `older` are the numbers to go on from, None at the ends."""

    rows: list[Any]
    newer: int | None
    older: int | None


def listing(found: QuerySet[Any], before: int | None, after: int | None, key: str = "pk", shown: QuerySet[Any] | None = None) -> Listing:
    """The rows below number `before`, or those just above `after`: as quick on the last page as on the first.

    With `shown`, `found` only finds their numbers, and they are read from there.
    """
    if after is not None:
        above = _some(found.filter(**{f"{key}__gt": after}), key, shown)
        page = above[:PAGE][::-1]
        return Listing(page, _key(page[0], key) if len(above) > PAGE else None, _key(page[-1], key) if page else None)
    below = _some(found.filter(**{f"{key}__lt": before}) if before is not None else found, f"-{key}", shown)
    page = below[:PAGE]
    return Listing(page, _key(page[0], key) if page and before is not None else None, _key(page[-1], key) if len(below) > PAGE else None)


def _some(found: QuerySet[Any], order: str, shown: QuerySet[Any] | None) -> list[Any]:
    some = found.order_by(order)[: PAGE + 1]
    return list(some if shown is None else shown.filter(pk__in=some.values("pk")).order_by(order))


def _key(row: Any, key: str) -> int:
    return int(getattr(row, key))


def counts() -> dict[str, int]:
    """How many operations there are in each state that is not an end."""
    found = Operation.objects.filter(state__in=OPEN).order_by().values_list("state").annotate(number=Count("pk"))
    return dict(found)


def awaiting() -> QuerySet[Operation]:
    """What waits for an approval, each with `against`: a rule blocks it, and its requester gave a reason to go on."""
    against = ExpressionWrapper(Q(findings__icontains='"level": "block"'), output_field=BooleanField())
    return rows().filter(state=S.AWAITING_APPROVAL).annotate(against=against)


def waiting_for(user: User) -> QuerySet[Operation]:
    """What this person may approve or reject now, the longest waiting first."""
    if not has_role(user, "approver"):
        return Operation.objects.none()
    decided = Approval.objects.filter(person=user, revoked_at=None, operation__state=S.AWAITING_APPROVAL, digest=F("operation__digest"))
    undecided = awaiting().exclude(requester=user)
    return undecided.exclude(pk__in=decided.values("operation")).order_by("submitted_at")


def broken_glass(user: User) -> QuerySet[Operation]:
    """What ran with an approval less than it needed and this person, an approver or administrator, has not acknowledged."""
    if not has_role(user, "approver", "administrator"):
        return Operation.objects.none()
    found = Operation.objects.filter(break_glass=True, submitted_at__gte=user.date_joined).exclude(requester=user)
    read = Acknowledgement.objects.filter(person=user).values("operation")
    return found.exclude(pk__in=read).select_related("requester").only(*LISTED, "reason").order_by("-id")


def for_me(user: User) -> int:
    """How many things wait for this person's word, in one query."""
    waiting, broken = waiting_for(user).order_by().values("pk"), broken_glass(user).order_by().values("pk")
    return waiting.union(broken, all=True).count()


def asked_by(user: User) -> QuerySet[Operation]:
    """What this person asked for and others have to decide."""
    return awaiting().filter(requester=user).order_by("submitted_at")


def waiting_for_others(user: User) -> QuerySet[Operation]:
    """What waits for somebody's approval and is neither this person's own nor theirs to decide."""
    mine = waiting_for(user).order_by().values("pk")
    return awaiting().exclude(requester=user).exclude(pk__in=mine).order_by("submitted_at")


def decisions(limit: int = 30) -> list[Approval]:
    """The newest approvals and rejections, with their operations."""
    found = Approval.objects.select_related("person", "operation__requester").order_by("-id")
    return list(found.defer("operation__plan", "operation__looks", "operation__findings", "operation__params")[:limit])


def with_approvals(operations: Iterable[Operation]) -> list[Operation]:
    """The same, each with `given`: how many approvals count for its plan so far."""
    found = {operation.pk: operation for operation in operations}
    counted = Approval.objects.filter(
        operation__in=found,
        decision=Approval.Decision.APPROVE,
        revoked_at=None,
        digest=F("operation__digest"),
        expires_at__gt=timezone.now(),
    )
    given = dict(counted.order_by().values_list("operation").annotate(number=Count("pk")))
    for operation in found.values():
        operation.given = given.get(operation.pk, 0)  # type: ignore[attr-defined]
    return list(found.values())


def drafts_of(user: User, runbook: str = "") -> QuerySet[Operation]:
    found = rows().filter(requester=user, state=S.DRAFT).order_by("-id")
    return found.filter(runbook=runbook) if runbook else found


def failed_lately(hours: int = 24) -> QuerySet[Operation]:
    """What failed in the last hours. What began more than a month ago is not looked for, so that the index by day bounds the work."""
    since = timezone.now() - timedelta(hours=hours)
    return rows().filter(state=S.FAILED, ended_at__gte=since, created_at__gte=since - timedelta(days=31)).order_by("-id")


def open_restorations() -> QuerySet[Restoration]:
    found = Restoration.objects.filter(state=Restoration.State.OPEN).select_related("operation__requester").order_by("id")
    return found.defer("operation__plan", "operation__looks", "operation__findings", "operation__params")


def usual_seconds(runbook: str, keys: Iterable[str], runs: int = 8) -> dict[str, float]:
    """How long each step took at the median of the last runs that it succeeded in; steps that never ran are left out."""
    last = Operation.objects.filter(runbook=runbook, state__in=(S.SUCCEEDED, S.FAILED, S.CANCELLED)).order_by("-id")
    done = Step.objects.filter(operation__in=list(last.values_list("pk", flat=True)[:runs]), state=StepState.SUCCEEDED, key__in=list(keys))
    took: dict[str, list[float]] = {}
    for key, began, ended in done.order_by().values_list("key", "started_at", "ended_at"):
        if began and ended:
            took.setdefault(key, []).append((ended - began).total_seconds())
    return {key: median(seconds) for key, seconds in took.items()}


def readings(operation: Operation) -> list[FactReading]:
    """The facts the operation's plan rests on: the newest answer to each question, those that failed first."""
    newest = FactReading.objects.filter(operation=operation, revision__gt=0).order_by().values("key").annotate(newest=Max("pk"))
    found = FactReading.objects.filter(pk__in=newest.values("newest")).defer("value")
    return sorted(found, key=lambda reading: (not reading.error, reading.read_at))


def changed_answers(operation: Operation) -> list[tuple[FactReading, FactReading]]:
    """Facts that were read more than once and answered differently: the first answer and the last."""
    seen: dict[str, list[FactReading]] = {}
    for reading in FactReading.objects.filter(operation=operation, revision__gt=0).order_by("id"):
        seen.setdefault(reading.key, []).append(reading)
    pairs = [(answers[0], answers[-1]) for answers in seen.values()]
    return [(first, last) for first, last in pairs if (first.value, first.error) != (last.value, last.error)]


def meanwhile(operation: Operation, limit: int = 5) -> list[Operation]:
    """Others that ran on the same things since the plan was made: reasons to look twice."""
    if not operation.planned_at or not operation.locks:
        return []
    mine = set(operation.locks)
    others = rows().filter(started_at__gte=operation.planned_at).exclude(pk=operation.pk).only(*LISTED, "locks").order_by("-id")[:200]
    return [other for other in others if mine & set(other.locks)][:limit]


def blocking(operation: Operation) -> list[Restoration]:
    """Open restorations on what it works on: it cannot run while they are open."""
    if not operation.locks:
        return []
    found = Restoration.objects.filter(state=Restoration.State.OPEN, resource__in=operation.locks).exclude(operation=operation)
    return list(found.select_related("operation").defer("operation__plan", "operation__looks", "operation__findings"))


def followers_of(operation: Operation) -> list[Operation]:
    return list(rows().filter(after=operation).order_by("id"))


@dataclass(frozen=True)
class Rule:
    """A guard, and the runbooks that obey it; none for a rule that every reading of the inventory is held against."""

    ident: str
    title: str
    reason: str
    source: str
    books: list[Any]


def rulebook(q: str = "", runbook: str = "") -> list[Rule]:
    """Every guard of every runbook once, in the order of the runbooks, then those of `settings.STANDING_RULES`."""
    rules: dict[str, Rule] = {}
    for book in registry.runbooks().values():
        for guard in book.guards:
            rules.setdefault(guard.ident, _rule(guard)).books.append(book)
    for guard in registry.standing_rules():
        rules.setdefault(guard.ident, _rule(guard))
    words = q.lower().split()
    found = [rule for rule in rules.values() if not runbook or runbook in {book.name for book in rule.books}]
    return [rule for rule in found if all(word in f"{rule.ident} {rule.title} {rule.reason} {rule.source}".lower() for word in words)]


def _rule(guard: Guard) -> Rule:
    return Rule(guard.ident, guard.title, guard.reason, guard.source, [])
