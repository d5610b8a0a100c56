"""Home, the list of operations, one operation, and what a person can do to it once it was submitted."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from opsportal.operations import answering, approval, cancellation, differing, followers, letter, queries, registry
from opsportal.operations.errors import Refused
from opsportal.operations.forms import DecideForm, ResolveForm
from opsportal.operations.models import AuditEntry, Operation, Restoration, Step
from opsportal.operations.runbook import Risk
from opsportal.operations.states import OPEN, OperationState, StepState
from opsportal.operations.wizard_views import one_time
from opsportal.web import fresh
from opsportal.web.access import PortalRequest, has_role, operator, viewer

S = OperationState
LONGER = 1.5
"""Times the usual duration, after which the page says that a step takes longer than usual."""


@require_safe
@viewer
def home(request: PortalRequest) -> HttpResponse:
    """What waits for this person, what runs, what is at risk, and where to begin."""
    going = queries.rows().filter(state__in=(S.QUEUED, S.RUNNING, S.APPROVED)).order_by("-id")
    context = {
        "broken": queries.broken_glass(request.user)[:20],
        "waiting": queries.with_approvals(queries.waiting_for(request.user)[:20]),
        "asked": queries.with_approvals(queries.asked_by(request.user)[:20]),
        "running": going[:20],
        "unknown": queries.rows().filter(state=S.UNKNOWN).order_by("-id")[:20],
        "failed": queries.failed_lately()[:10],
        "restorations": queries.open_restorations()[:20],
        "drafts": queries.drafts_of(request.user)[:10],
        "books": [book for book in registry.runbooks().values() if book.pages],
        "may_start": has_role(request.user, "operator"),
        "name": request.user.get_short_name() or request.user.get_username(),
    }
    return render(request, "_home.html" if request.htmx else "home.html", context)


@require_safe
@viewer
def operations(request: PortalRequest) -> HttpResponse:
    wanted = queries.Filter.of(request.GET)
    found = queries.page(wanted, number(request, "before"), number(request, "after"))
    counts = queries.counts()
    context = {
        "wanted": wanted,
        "found": found,
        "states": S.choices,
        "groups": queries.GROUPS.items(),
        "counts": [(state, S(state).label, counts[state]) for state in queries.GOING if counts.get(state)],
        "books": registry.runbooks().values(),
        "moving": any(row.state in OPEN and row.state != S.DRAFT for row in found.rows),
        "page": request.get_full_path(),
    }
    return render(request, "operations/_list.html" if request.htmx else "operations/list.html", context)


def number(request: HttpRequest, name: str) -> int | None:
    """A number of the address, or None for anything else."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@dataclass(frozen=True)
class Row:
    """One line of the timeline: the step as planned and as it went. `late` when it takes longer than it usually does."""

    step: Step
    planned: letter.Paragraph | None
    seconds: float | None
    late: bool

    @property
    def usual(self) -> float | None:
        return self.planned.usual if self.planned else None

    @property
    def number(self) -> int:
        return self.step.index + 1


def timeline(operation: Operation, written: letter.Letter) -> list[Row]:
    rows = []
    for step in operation.steps.all():
        planned = written.at(step.index)
        seconds = ((step.ended_at or timezone.now()) - step.started_at).total_seconds() if step.started_at else None
        usual = planned.usual if planned else None
        late = step.state == StepState.RUNNING and bool(usual and seconds and seconds > LONGER * usual + 5)
        rows.append(Row(step, planned, seconds, late))
    return rows


def left(operation: Operation, rows: list[Row]) -> float | None:
    """Seconds until the end as earlier runs tell; None when they do not tell about every step that is left."""
    if operation.state != S.RUNNING:
        return None
    todo = [row for row in rows if row.step.state in (StepState.PENDING, StepState.RUNNING)]
    if not todo or any(row.usual is None for row in todo):
        return None
    return sum(max((row.usual or 0) - (row.seconds or 0), 0) for row in todo)


def operation_of(pk: int) -> Operation:
    return get_object_or_404(Operation.objects.select_related("requester", "after", "cancel_requested_by"), pk=pk)


@require_safe
@viewer
def operation(request: PortalRequest, pk: int) -> HttpResponse:
    """The whole page, or for a script the parts that change: the acts only when something about them did (`?was=`)."""
    found = operation_of(pk)
    if found.state == S.DRAFT:
        return redirect("operation_review", found.pk)
    if not request.htmx:
        return render(request, "operations/operation.html", whole(request, found))
    context, was = moving(found), request.GET.get("was", "")
    if was.partition("-")[0] != context["marks"].partition("-")[0]:
        return HttpResponse(headers={"HX-Refresh": "true"})  # the plan has become steps, or stale: the page is another one
    if was != context["marks"]:
        context |= acts(request, found) | records(found) | {"with_acts": True}
    return render(request, "operations/_moving.html", context)


def moving(found: Operation) -> dict[str, Any]:
    """What changes while it runs."""
    book = registry.runbooks().get(found.runbook)
    keys = found.steps.values_list("key", flat=True) if found.started_at else _planned_keys(found)
    written = letter.write(found, queries.usual_seconds(found.runbook, keys))
    rows = timeline(found, written)
    return {
        "operation": found,
        "book": book,
        "letter": written,
        "rows": rows,
        "running": next((row for row in rows if row.step.state == StepState.RUNNING), None),
        "done": sum(row.step.state == StepState.SUCCEEDED for row in rows),
        "left": left(found, rows),
        "seconds": ((found.ended_at or timezone.now()) - found.started_at).total_seconds() if found.started_at else None,
        "marks": marks(found),
    }


def _planned_keys(found: Operation) -> list[str]:
    return [one.step.key for one in letter.write(found).paragraphs]


def marks(found: Operation) -> str:
    """Changes whenever the acts on the page could; begins with whether it is the page of a run or of a stale plan."""
    decided = [f"{one.pk}{one.revoked_at}{one.used_at}" for one in found.approvals.all()]
    states = list(found.steps.values_list("state", flat=True))
    said = [found.state, str(found.cancel_requested_at), *decided, str(states.count(StepState.UNKNOWN))]
    page = "stale" if found.state == S.STALE else int(found.started_at is not None)
    return f"{page}-{hashlib.sha256('|'.join(said).encode()).hexdigest()[:12]}"


def acts(request: PortalRequest, found: Operation) -> dict[str, Any]:
    """What may be done to it, by whom, and why not."""
    gone = _gone(found)
    may_run = has_role(request.user, "operator")
    dangerous = found.risk == Risk.DANGEROUS.value
    why_not = approval.may_decide(found, request.user)
    approvals = list(found.approvals.select_related("person"))
    return {
        "may_run": may_run,
        "token": secrets.token_hex(16),
        "retry": gone or followers.can_retry(found),
        "undo": gone or followers.can_undo(found),
        "again": gone or followers.can_again(found),
        "may_cancel": may_run and found.state in OPEN and not found.cancel_requested_at,
        "approvals": approvals,
        "counting": {one.pk for one in approval.valid(found)},
        "decide": DecideForm(initial={"digest": found.digest}) if not why_not else None,
        "why_not": why_not,
        "mine": [one for one in approvals if one.person_id == request.user.pk and not (one.revoked_at or one.used_at)],
        "unknown_steps": _unknown(request, found),
        "to_read": found.break_glass and queries.broken_glass(request.user).filter(pk=found.pk).exists(),
        "dangerous": dangerous,
    }


def _gone(found: Operation) -> str:
    """Why nothing can follow a record that this version of the portal does not understand; "" for all others."""
    if found.runbook not in registry.runbooks():
        return "The runbook of this operation is not part of this portal any more."
    return letter.write(found).fault


def _unknown(request: PortalRequest, found: Operation) -> list[tuple[Row, ResolveForm, str]]:
    """Steps that wait for somebody's word, each with its form and the sentence why this person may not give it."""
    if found.state != S.UNKNOWN:
        return []
    sentence = "" if has_role(request.user, "operator", "approver") else "Deciding needs the role of operator or approver."
    if found.risk == Risk.DANGEROUS.value and (found.requester_id == request.user.pk or not has_role(request.user, "approver")):
        sentence = "After a dangerous step somebody else with the role of approver has to decide."
    rows = timeline(found, letter.write(found))
    return [(row, ResolveForm(prefix=f"step{row.step.index}"), sentence) for row in rows if row.step.state == StepState.UNKNOWN]


def whole(request: PortalRequest, found: Operation) -> dict[str, Any]:
    book = registry.runbooks().get(found.runbook)
    stale = found.state == S.STALE
    return {
        **moving(found),
        **acts(request, found),
        **records(found),
        "look": answering.found(found, "review"),
        "answered": answering.answered(found) if book else [],
        "findings": found.findings,
        "facts": letter.facts(queries.readings(found)),
        "changed_answers": differing.told(queries.changed_answers(found)) if stale else [],
        "changes": letter.changes(found.after, found) if found.after and found.after.plan and found.plan else [],
        "meanwhile": queries.meanwhile(found) if found.state == S.AWAITING_APPROVAL else [],
        "blocking": queries.blocking(found) if found.state in OPEN else [],
    }


def records(found: Operation) -> dict[str, Any]:
    """What belongs to it beside itself."""
    return {
        "restorations": Restoration.objects.filter(operation=found),
        "read_by": found.acknowledgements.select_related("person") if found.break_glass else [],
        "followers": queries.followers_of(found),
        "trail": AuditEntry.objects.filter(operation=found).order_by("number")[:200],
    }


@require_safe
@viewer
def operation_step(request: PortalRequest, pk: int, index: int) -> HttpResponse:
    """One step: what was planned, what was checked, each attempt. A page, or the part that opens below the timeline's line."""
    found = operation_of(pk)
    step = get_object_or_404(found.steps.prefetch_related("attempts"), index=index)
    written = letter.write(found, queries.usual_seconds(found.runbook, [step.key]))
    row = next(one for one in timeline(found, written) if one.step.index == index)
    context = {"operation": found, "row": row, "step": step, "planned": written.at(index), "attempts": step.attempts.all()}
    return render(request, "operations/_step.html" if request.htmx else "operations/step.html", context)


def told(request: PortalRequest, found: Operation, act: Callable[[], Operation | None], said: str = "") -> HttpResponse:
    """Do it, or say why not; then to the operation it made, or back to this one."""
    if found.final and (sentence := _gone(found)):
        messages.error(request, sentence)
        return redirect(found)
    try:
        made = act()
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(found)
    except Operation.DoesNotExist:
        messages.error(request, "This form was used already. Load the page again.")
        return redirect(found)
    if said:
        messages.success(request, said)
    return redirect(made or found)


@require_POST
@operator
def operation_cancel(request: PortalRequest, pk: int) -> HttpResponse:
    found = operation_of(pk)
    return told(request, found, lambda: cancellation.request(found, user=request.user))


@require_POST
@operator
def operation_retry(request: PortalRequest, pk: int) -> HttpResponse:
    found = operation_of(pk)
    return told(request, found, lambda: followers.retry(found, user=request.user, token=one_time(request)))


@require_POST
@operator
def operation_undo(request: PortalRequest, pk: int) -> HttpResponse:
    found = operation_of(pk)
    return told(request, found, lambda: followers.undo(found, user=request.user, token=one_time(request)))


@require_POST
@operator
def operation_again(request: PortalRequest, pk: int) -> HttpResponse:
    found = operation_of(pk)
    return told(request, found, lambda: followers.again(found, user=request.user, token=one_time(request)))


@require_POST
@viewer
def operation_resolve(request: PortalRequest, pk: int, index: int) -> HttpResponse:
    """A person's word on a step whose fate is not known. After a dangerous one the password is asked again."""
    if not has_role(request.user, "operator", "approver"):
        raise PermissionDenied("This needs the role of operator or approver.")
    found = operation_of(pk)
    view = fresh.required(_resolve) if found.risk == Risk.DANGEROUS.value else _resolve
    return view(request, found, get_object_or_404(found.steps.select_related("operation"), index=index))


def _resolve(request: PortalRequest, found: Operation, step: Step) -> HttpResponse:
    form = ResolveForm(request.POST, prefix=f"step{step.index}")
    if not form.is_valid():
        context = whole(request, found)
        context["unknown_steps"] = [(row, form if row.step == step else other, why) for row, other, why in context["unknown_steps"]]
        return render(request, "operations/operation.html", context, status=422)
    happened, reason = form.cleaned_data["happened"] == "yes", form.cleaned_data["reason"]
    return told(request, found, lambda: followers.resolve(step, user=request.user, happened=happened, reason=reason))
