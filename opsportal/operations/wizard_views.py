"""The way to a plan: what can be started, the wizard's pages, the review, and submitting it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from opsportal.operations import answering, approval, letter, planning, queries, registry
from opsportal.operations.errors import Refused
from opsportal.operations.forms import SubmitForm
from opsportal.operations.models import Operation
from opsportal.operations.runbook import Page, Runbook
from opsportal.operations.states import OperationState
from opsportal.web import fresh
from opsportal.web.access import PortalRequest, has_role, operator, viewer

SLOW = 20
"""Seconds of planning after which the page says who is slow."""


@require_safe
@viewer
def runbooks(request: PortalRequest) -> HttpResponse:
    """All that can be started, by the room it belongs to."""
    groups: dict[str, list[Runbook[Any]]] = {}
    for book in registry.runbooks().values():
        if book.pages:
            room = apps.get_containing_app_config(type(book).__module__)
            groups.setdefault(str(room.verbose_name) if room else "More", []).append(book)
    return render(request, "operations/runbooks.html", {"groups": groups.items(), "may_start": has_role(request.user, "operator")})


@require_http_methods(["GET", "HEAD", "POST"])
@viewer
def runbook_start(request: PortalRequest, name: str) -> HttpResponse:
    """GET says what it is; POST makes a draft, with answers from the address where it has any (?source=3)."""
    book = registry.runbooks().get(name)
    if book is None or not book.pages:
        raise Http404("There is no runbook of this name that can be started.")
    given = answering.prefill(book, request.GET)
    if request.method == "POST":
        return _start(request, book, given)
    context = {
        "book": book,
        "given": answering.given(book, given),
        "drafts": queries.drafts_of(request.user, book.name)[:10],
        "token": secrets.token_hex(16),
        "may_start": has_role(request.user, "operator"),
    }
    return render(request, "operations/runbook_start.html", context)


@operator
def _start(request: PortalRequest, book: Runbook[Any], given: dict[str, Any]) -> HttpResponse:
    try:
        operation = planning.create(book.name, user=request.user, token=one_time(request), prefill=given)
    except (Refused, Operation.DoesNotExist):
        messages.error(request, "This page was open for too long. Start from here again.")
        return redirect(request.get_full_path())
    return redirect(first_page(operation))


def one_time(request: HttpRequest) -> str:
    """The form's own token, so that a double click makes one operation; raises `Refused` without one."""
    token = request.POST.get("token", "")
    if not 16 <= len(token) <= 64:
        raise Refused("The form was not complete. Load the page again.")
    return token


def first_page(operation: Operation) -> str:
    """Where a draft goes on: its first page that is not done, or the review."""
    todo = [page.slug for page in operation.book.pages if page.slug not in operation.pages_done]
    return reverse("operation_page", args=[operation.pk, todo[0]]) if todo else reverse("operation_review", args=[operation.pk])


def draft_of(pk: int) -> Operation:
    operation = get_object_or_404(Operation.objects.select_related("requester", "after"), pk=pk)
    if operation.runbook not in registry.runbooks():
        raise Http404("The runbook of this operation is not part of this portal any more.")
    return operation


@dataclass(frozen=True)
class Stage:
    """One entry of the row of steps above the wizard. `state` is "done", "current" or "todo"; only what is done has an address."""

    title: str
    state: str
    url: str


def stages(operation: Operation, here: str) -> list[Stage]:
    """The pages and the review, which opens when every page is done."""
    done = set(operation.pages_done)
    found = []
    for page in operation.book.pages:
        state = "current" if page.slug == here else "done" if page.slug in done else "todo"
        found.append(Stage(page.title, state, reverse("operation_page", args=[operation.pk, page.slug]) if page.slug in done else ""))
    ready = {page.slug for page in operation.book.pages} <= done
    review = reverse("operation_review", args=[operation.pk]) if ready else ""
    return [*found, Stage("Review", "current" if here == "review" else "todo", review)]


@require_http_methods(["GET", "HEAD", "POST"])
@viewer
def operation_page(request: PortalRequest, pk: int, slug: str) -> HttpResponse:
    """One page of the wizard; POST keeps it and goes on (or to `to`, the page of another step)."""
    operation, page = _page(pk, slug)
    if operation.state != OperationState.DRAFT:
        return redirect(operation)
    if request.method == "POST":
        return _go_on(request, operation, page)
    form = answering.form_of(operation, page)
    answering.quiet(form)
    context = _context(request, operation, page, form)
    return render(request, "operations/_wizard.html" if request.htmx else "operations/wizard.html", context)


def _page(pk: int, slug: str) -> tuple[Operation, Page]:
    operation = draft_of(pk)
    page = answering.page_of(operation, slug)
    if page is None:
        raise Http404("This runbook has no such page.")
    return operation, page


@operator
def _go_on(request: PortalRequest, operation: Operation, page: Page) -> HttpResponse:
    try:
        kept = answering.keep(operation, page, request.POST, user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(operation)
    wanted = answering.page_of(operation, request.POST.get("to", ""))
    if kept.differs or not (kept.valid or wanted):
        context = _context(request, operation, page, kept.form, kept.differs)
        return render(request, "operations/wizard.html", context, status=409 if kept.differs else 422)
    return redirect(reverse("operation_page", args=[operation.pk, wanted.slug]) if wanted else _next(operation, page))


def _next(operation: Operation, page: Page) -> str:
    slugs = [other.slug for other in operation.book.pages]
    after = slugs[slugs.index(page.slug) + 1 :]
    return reverse("operation_page", args=[operation.pk, after[0]]) if after else first_page(operation)


@require_POST
@operator
def operation_page_check(request: PortalRequest, pk: int, slug: str) -> HttpResponse:
    """Validates and keeps what is typed so far, without leaving the page."""
    operation, page = _page(pk, slug)
    try:
        kept = answering.keep(operation, page, request.POST, user=request.user)
    except Refused as refused:
        return render(request, "operations/_refused.html", {"sentence": refused.message, "operation": operation})
    answering.quiet(kept.form)
    answer = render(request, "operations/_wizard.html", _context(request, operation, page, kept.form, kept.differs))
    answer["Portal-Kept"] = "no" if kept.differs else "yes"
    return answer


def _context(
    request: PortalRequest, operation: Operation, page: Page, form: forms.Form, differs: tuple[answering.Difference, ...] = ()
) -> dict[str, Any]:
    mine = [finding for finding in operation.findings if finding["field"] in form.fields]
    slugs = [other.slug for other in operation.book.pages]
    here = slugs.index(page.slug)
    return {
        "operation": operation,
        "book": operation.book,
        "page": page,
        "form": form,
        "look": answering.found(operation, page.slug),
        "findings": mine,
        "others": [finding for finding in operation.findings if finding not in mine],
        "differs": differs,
        "so_far": [one for one in answering.answered(operation, operation.book.pages[:here]) if one.answers],
        "seen": request.POST.get(answering.SEEN, "") if differs else answering.seen(operation),
        "stages": stages(operation, page.slug),
        "previous": operation.book.pages[here - 1] if here else None,
        "last": here + 1 == len(slugs),
        "readonly": operation.requester_id != request.user.pk or not has_role(request.user, "operator"),
        **waiting(request, reverse("operation_page", args=[operation.pk, page.slug]), "#said"),
    }


def waiting(request: HttpRequest, address: str, place: str) -> dict[str, Any]:
    """Where and how to ask whether a worker is done, and how long this page has waited, in seconds, as it counts itself."""
    now = time.time()
    given = request.GET.get("since", "")
    since = float(given) if given.isascii() and given.isdigit() and len(given) < 12 and float(given) <= now else now
    return {"address": address, "place": place, "since": int(since), "waited": int(now - since), "slow": now - since >= SLOW}


@require_safe
@viewer
def operation_review(request: PortalRequest, pk: int) -> HttpResponse:
    """The plan as a letter, with what the rulebook says, before it is handed on."""
    operation = draft_of(pk)
    if operation.state != OperationState.DRAFT:
        return redirect(operation)
    if not request.htmx and (todo := first_page(operation)) != request.path:
        return redirect(todo)
    if request.htmx and not operation.planning:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = _review(request, operation, _submit_form(request, operation))
    return render(request, "operations/_reading.html" if request.htmx else "operations/review.html", context)


def _review(request: PortalRequest, operation: Operation, form: SubmitForm) -> dict[str, Any]:
    keys = [step.key for step in operation.frozen().steps] if operation.plan else []
    blocks = [finding for finding in operation.findings if finding["level"] == "block"]
    return {
        "operation": operation,
        "book": operation.book,
        "letter": letter.write(operation, queries.usual_seconds(operation.runbook, keys)),
        "look": answering.found(operation, "review"),
        "findings": operation.findings,
        "blocks": [finding for finding in blocks if not finding["override"]],
        "overridable": [finding for finding in blocks if finding["override"]],
        "facts": letter.facts(queries.readings(operation)),
        "changes": letter.changes(operation.after, operation) if operation.after and operation.plan and operation.after.plan else [],
        "restorations": queries.blocking(operation),
        "stages": stages(operation, "review"),
        "form": form,
        "readonly": operation.requester_id != request.user.pk or not has_role(request.user, "operator"),
        **waiting(request, reverse("operation_review", args=[operation.pk]), "#reading"),
    }


def _submit_form(request: PortalRequest, operation: Operation, data: Any = None) -> SubmitForm:
    overridable = any(finding["level"] == "block" and finding["override"] for finding in operation.findings)
    glass = operation.approvals_due > 0 and has_role(request.user, "administrator")
    return SubmitForm(data, overridable=overridable, glass=glass, initial={"digest": operation.digest, "reason": operation.reason})


@require_POST
@operator
def operation_replan(request: PortalRequest, pk: int) -> HttpResponse:
    """Reads every fact afresh."""
    operation = draft_of(pk)
    if operation.requester_id != request.user.pk or operation.state != OperationState.DRAFT:
        messages.error(request, f"Only {operation.requester} can have the facts of this draft read again.")
    else:
        planning.replan(operation)
    return redirect("operation_review", operation.pk)


@require_POST
@operator
def operation_submit(request: PortalRequest, pk: int) -> HttpResponse:
    operation = draft_of(pk)
    if operation.state != OperationState.DRAFT:
        messages.info(request, "This was submitted already.")
        return redirect(operation)
    form = _submit_form(request, operation, request.POST)
    if not form.is_valid():
        return render(request, "operations/review.html", _review(request, operation, form), status=422)
    if form.cleaned_data.get("break_glass"):
        return _break_glass(request, operation, form)
    return _hand_on(request, operation, form)


def _hand_on(request: PortalRequest, operation: Operation, form: SubmitForm) -> HttpResponse:
    said = form.cleaned_data
    try:
        if said["digest"] != operation.digest:
            raise Refused("The plan is not the one that was on your page. Read it again before you submit it.")
        approval.submit(
            operation,
            user=request.user,
            reason=said["reason"],
            overrides=said.get("overrides", False),
            break_glass=said.get("break_glass", False),
        )
    except Refused as refused:
        form.add_error(None, refused.message)
        operation.refresh_from_db()
        return render(request, "operations/review.html", _review(request, operation, form), status=409)
    return redirect(operation)


_break_glass = fresh.required(_hand_on)


@require_POST
@operator
def operation_discard(request: PortalRequest, pk: int) -> HttpResponse:
    operation = get_object_or_404(Operation, pk=pk)
    try:
        planning.discard(operation, request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(operation)
    messages.success(request, f"The draft “{operation.title}” is gone. Nothing has run.")
    return redirect("home")
