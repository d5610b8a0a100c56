"""Approving: the inbox, and the three decisions. The plan is read on the operation's own page."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from opsportal.operations import approval, queries
from opsportal.operations.errors import Refused
from opsportal.operations.forms import DecideForm
from opsportal.operations.models import Operation
from opsportal.operations.runbook import Risk
from opsportal.operations.views import operation_of, told, whole
from opsportal.web import fresh
from opsportal.web.access import PortalRequest, approver, has_role, viewer


@require_safe
@viewer
def approvals(request: PortalRequest) -> HttpResponse:
    """What waits for this person, what they wait for, what others wait for, and what was decided."""
    context = {
        "broken": queries.broken_glass(request.user)[:100],
        "waiting": queries.with_approvals(queries.waiting_for(request.user)[:100]),
        "asked": queries.with_approvals(queries.asked_by(request.user)[:100]),
        "others": queries.with_approvals(queries.waiting_for_others(request.user)[:100]),
        "decisions": queries.decisions(),
        "may_decide": has_role(request.user, "approver"),
    }
    return render(request, "operations/_approvals_inbox.html" if request.htmx else "operations/approvals.html", context)


@require_POST
@approver
def operation_approve(request: PortalRequest, pk: int) -> HttpResponse:
    """Of the plan whose digest was on the page. A dangerous one asks for the password again."""
    operation = operation_of(pk)
    view = fresh.required(_approve) if operation.risk == Risk.DANGEROUS.value else _approve
    return view(request, operation)


def _approve(request: PortalRequest, operation: Operation) -> HttpResponse:
    form = DecideForm(request.POST)
    if not form.is_valid():
        return _again(request, operation, form)
    said = form.cleaned_data
    return _decided(
        request,
        operation,
        form,
        lambda: approval.approve(operation, user=request.user, digest=said["digest"], comment=said["comment"]),
        "Your approval counts.",
    )


@require_POST
@approver
def operation_reject(request: PortalRequest, pk: int) -> HttpResponse:
    operation = operation_of(pk)
    form = DecideForm(request.POST)
    if form.is_valid() and not form.cleaned_data["comment"].strip():
        form.add_error("comment", "Say why you reject it: the requester has to know what to change.")
    if not form.is_valid():
        return _again(request, operation, form)
    comment = form.cleaned_data["comment"]
    return _decided(request, operation, form, lambda: approval.reject(operation, user=request.user, comment=comment), "You rejected it.")


def _decided(request: PortalRequest, operation: Operation, form: DecideForm, decide: Callable[[], None], said: str) -> HttpResponse:
    """A decision that is refused is told on the page as it is now, with status 409."""
    try:
        decide()
    except Refused as refused:
        operation.refresh_from_db()
        form.add_error(None, refused.message)
        return _again(request, operation, form, status=409)
    messages.success(request, said)
    return redirect(operation)


def _again(request: PortalRequest, operation: Operation, form: DecideForm, status: int = 422) -> HttpResponse:
    """The page as it is now, with what was typed; the digest is the one of the plan that is on it."""
    if status == 409:
        for error in form.non_field_errors():
            messages.error(request, str(error))
    context = whole(request, operation)
    if context["decide"] is not None and status == 422:
        context["decide"] = form
    return render(request, "operations/operation.html", context, status=status)


@require_POST
@viewer
def operation_acknowledge(request: PortalRequest, pk: int) -> HttpResponse:
    """The reader knows that the glass was broken; it is not shown to them again."""
    if not has_role(request.user, "approver", "administrator"):
        raise PermissionDenied("This needs the role of approver or administrator.")
    operation = operation_of(pk)
    return told(request, operation, lambda: approval.acknowledge(operation, user=request.user), "It is on record that you have read it.")


@require_POST
@approver
def operation_revoke(request: PortalRequest, pk: int) -> HttpResponse:
    operation = operation_of(pk)
    try:
        approval.revoke(operation, user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, "Your approval no longer counts.")
    return redirect(operation)
