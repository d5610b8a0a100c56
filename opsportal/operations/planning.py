"""From parameters to facts, findings and a frozen plan. Drafts are planned in workers, never in a web request."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from opsportal.operations import audit, dispatch, leases, reading, registry, stream
from opsportal.operations.errors import Refused
from opsportal.operations.facts import FactError, FactSet, Reading
from opsportal.operations.guards import Verdict, judge
from opsportal.operations.models import FactReading, Operation, joined
from opsportal.operations.plan import Plan
from opsportal.operations.runbook import NothingToDo, Runbook
from opsportal.operations.states import OperationState

logger = logging.getLogger(__name__)

DRAFTS = frozenset({OperationState.DRAFT})
REUSE = timedelta(minutes=10)
"""How long a draft goes on with a fact it has read. A run always reads afresh."""


@dataclass(frozen=True)
class Outcome:
    """What planning found. `plan` is None while the form is incomplete or a fact could not be read (`error` says which)."""

    plan: Plan | None
    verdicts: list[Verdict]
    error: str = ""
    looks: dict[str, Any] = field(default_factory=dict)


def create(
    runbook: str,
    *,
    user: User,
    token: str,
    params: dict[str, Any] | None = None,
    prefill: dict[str, Any] | None = None,
    kind: str = Operation.Kind.FIRST,
    after: Operation | None = None,
    from_step: str = "",
) -> Operation:
    """A new draft. The same token twice gives the same operation: a double click makes one.

    With `params` every page is filled in; `prefill` only changes what a draft starts with.
    """
    book = registry.get(runbook)
    given = params if params is not None else {**book.initial(), **book.fresh(), **(prefill or {})}
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                runbook=book.name,
                runbook_version=book.version,
                title=book.title,
                requester=user,
                token=token,
                params=given,
                pages_done=[page.slug for page in book.pages] if params is not None else [],
                kind=kind,
                after=after,
                from_step=from_step,
                risk=book.risk.value,
                approvals_needed=book.approvals,
                queue=book.queue.value,
            )
            audit.record(user, "draft", operation)
            if after is not None and kind in (Operation.Kind.RETRY, Operation.Kind.REBUILD):
                keep_readings(operation, pinned(after))
            describe(operation)
            dispatch.wake(operation)
            return operation
    except IntegrityError:
        return Operation.objects.get(token=token, requester=user)


def save_page(operation: Operation, page: str, params: dict[str, Any], *, user: User, typed: dict[str, list[str]] | None = None) -> None:
    """Keep one page's answers and have the draft planned again.

    `typed` says that the page is not valid yet: `params` are then the valid ones of its answers, and `typed` is all that was typed.
    """
    own_draft(operation, user)
    others = [slug for slug in operation.pages_done if slug != page]
    done = others if typed is not None else operation.pages_done if page in operation.pages_done else [*others, page]
    kept = {slug: texts for slug, texts in operation.typed.items() if slug != page} | ({page: typed} if typed else {})
    if done == operation.pages_done and all(operation.params.get(name, _ABSENT) == value for name, value in params.items()):
        Operation.objects.filter(pk=operation.pk, state=OperationState.DRAFT).update(typed=kept)
        return
    _change(operation, params={**operation.params, **params}, pages_done=done, typed=kept)


_ABSENT = object()


def replan(operation: Operation) -> None:
    """Read every fact afresh."""
    FactReading.objects.filter(operation=operation).update(revision=0)
    _change(operation)


def discard(operation: Operation, user: User) -> None:
    own_draft(operation, user)
    if Operation.objects.filter(pk=operation.pk, state=OperationState.DRAFT).update(
        state=OperationState.DISCARDED, ended_at=Now(), settled=True
    ):
        audit.record(user, "discard", operation)


def own_draft(operation: Operation, user: User) -> None:
    """Raises `Refused` when this person may not change it."""
    if operation.state != OperationState.DRAFT:
        raise Refused("This is no longer a draft: what was submitted cannot be changed. Start again from it instead.")
    if operation.requester_id != user.pk:
        raise Refused(f"This draft belongs to {operation.requester}. Start one of your own.")


def _change(operation: Operation, **fields: Any) -> None:
    with transaction.atomic():
        Operation.objects.filter(pk=operation.pk, state=OperationState.DRAFT).update(
            **fields, revision=F("revision") + 1, woken_at=None, plan="", digest=""
        )
        operation.refresh_from_db()
        describe(operation)
        dispatch.wake(operation)


def describe(operation: Operation) -> None:
    """Fill in what lists show."""
    params = operation.parsed()
    subject, locks = str(operation.book.subject(params))[:300], sorted(operation.book.locks(params))
    said, touched = joined(operation.title, subject), joined(*locks, *operation.targets)
    Operation.objects.filter(pk=operation.pk).update(subject=subject, locks=locks, said=said, touched=touched)
    operation.subject, operation.locks = subject, locks


def work(operation_id: int) -> None:
    """In a worker: plan a draft's newest revision and keep the outcome, unless it was changed meanwhile."""
    lease = leases.claim(operation_id, DRAFTS)
    if lease is None:
        return
    try:
        with leases.heartbeat(lease):
            _work(operation_id)
    finally:
        leases.release(lease)
    if operation := Operation.objects.filter(pk=operation_id, state=OperationState.DRAFT, planned_revision__lt=F("revision")).first():
        dispatch.wake(operation)


def _work(operation_id: int) -> None:
    operation = Operation.objects.filter(pk=operation_id, state=OperationState.DRAFT, planned_revision__lt=F("revision")).first()
    if operation is None:
        return
    readings = _reusable(operation)
    known = set(readings)
    try:
        looks = _looks(operation, readings)
        outcome = dataclasses.replace(plan(operation, readings), looks=looks)
    except Exception:
        logger.exception("planning operation %s failed", operation_id)
        outcome = Outcome(None, [], "The portal could not make a plan because of a fault of its own. It is in the portal's log.")
    _keep(operation, outcome, {key: value for key, value in readings.items() if key not in known})
    stream.publish(operation_id, "operation", {"state": operation.state})


def _reusable(operation: Operation) -> dict[str, Reading]:
    young = Q(pinned=True) | Q(read_at__gt=timezone.now() - REUSE)
    rows = FactReading.objects.filter(young, operation=operation, revision__gt=0, error="")
    return {row.key: Reading(row.value, pinned=row.pinned) for row in rows}


def pinned(operation: Operation) -> dict[str, Reading]:
    """What the plan pinned: a run and a repetition go on with it."""
    rows = FactReading.objects.filter(operation=operation, pinned=True, revision__gt=0, error="")
    return {row.key: Reading(row.value, pinned=True) for row in rows}


def keep_readings(operation: Operation, readings: Mapping[str, Reading]) -> None:
    FactReading.objects.bulk_create(
        FactReading(operation=operation, key=key, value=one.value, error=one.error, pinned=one.pinned, revision=operation.revision)
        for key, one in readings.items()
    )


def _keep(operation: Operation, outcome: Outcome, fresh: dict[str, Reading]) -> None:
    targets = sorted({step.target for step in outcome.plan.steps}) if outcome.plan else []
    with transaction.atomic():
        keep_readings(operation, fresh)
        Operation.objects.filter(pk=operation.pk, revision=operation.revision, state=OperationState.DRAFT).update(
            planned_revision=operation.revision,
            planned_at=Now(),
            plan=outcome.plan.to_json() if outcome.plan else "",
            digest=outcome.plan.digest() if outcome.plan else "",
            targets=targets,
            touched=joined(*operation.locks, *targets),
            findings=[dataclasses.asdict(verdict) for verdict in outcome.verdicts],
            looks=outcome.looks,
            plan_error=outcome.error,
        )


def plan(operation: Operation, readings: dict[str, Reading]) -> Outcome:
    """Facts, guards and steps for the operation's parameters. `readings` is filled with what was read."""
    book, params = operation.book, operation.parsed()
    if not {page.slug for page in book.pages} <= set(operation.pages_done):
        return Outcome(None, _early_verdicts(book, params, readings))
    try:
        steps, facts = reading.gather(lambda facts: tuple(book.plan(params, facts)), readings)
        frozen = Plan(book.name, book.version, steps, facts.used)
    except FactError as error:
        return Outcome(None, _early_verdicts(book, params, readings), str(error))
    except NothingToDo as nothing:
        frozen = Plan(book.name, book.version, (), {}, str(nothing))
    try:
        verdicts, _ = reading.gather(lambda facts: judge(book.guards, params, facts), readings)
    except FactError as error:
        return Outcome(None, _early_verdicts(book, params, readings), str(error))
    if operation.from_step and frozen.steps and not book.plans_the_rest:
        frozen = frozen.after(operation.from_step)
    return Outcome(frozen, verdicts)


def _looks(operation: Operation, readings: dict[str, Reading]) -> dict[str, Any]:
    """What the pages show, up to the first that was not filled in, and the review."""
    book, params, looks = operation.book, operation.parsed(), dict[str, Any]()
    slugs = [page.slug for page in book.pages]
    waiting = next((slug for slug in slugs if slug not in operation.pages_done), "review")
    for slug in [*slugs, "review"]:
        looks[slug] = _look(book, slug, params, readings)
        if slug == waiting:
            break
    return looks


def _look(book: Runbook[Any], slug: str, params: Any, readings: dict[str, Reading]) -> dict[str, Any]:
    def one(facts: FactSet) -> dict[str, Any]:
        return book.look(slug, params, facts)

    try:
        return reading.gather(one, readings)[0]
    except FactError as error:
        return {"error": str(error)}


def _early_verdicts(book: Runbook[Any], params: Any, readings: dict[str, Reading]) -> list[Verdict]:
    """Findings while the form is incomplete: those of the guards that can already be judged."""
    verdicts: list[Verdict] = []
    for rule in book.guards:
        try:
            verdicts += reading.gather(lambda facts, rule=rule: judge([rule], params, facts), readings)[0]  # type: ignore[misc]
        except FactError:
            continue
    return verdicts
