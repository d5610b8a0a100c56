"""The pages of Add host. Each act is one POST; the draft's own page always shows where it stands."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from hosts import adding, tasks
from hosts.forms import DraftForm, SaveDraftForm
from hosts.models import Credential, HostDraft
from opsportal.operations.errors import Refused
from opsportal.web.access import PortalRequest, operator


def _draft(request: PortalRequest, pk: UUID) -> HostDraft:
    """Drafts are their owner's; to others they do not exist."""
    return get_object_or_404(HostDraft.objects.select_related("credential"), pk=pk, owner=request.user)


@operator
def host_new(request: PortalRequest) -> HttpResponse:
    """A new draft, or with ?draft=ID the same page over an open one."""
    asked = _uuid(request.GET.get("draft", ""))
    old = HostDraft.objects.filter(owner=request.user, pk=asked).first() if asked else None
    form = DraftForm(request.POST or None, instance=old or HostDraft(owner=request.user))
    if request.method == "POST" and form.is_valid():
        draft: HostDraft = form.save()
        adding.ask_for_keys(draft)
        tasks.wake_draft(draft)
        return redirect(draft)
    others = HostDraft.objects.filter(owner=request.user).exclude(pk__in=[old.pk] if old else [])
    drafts = others.select_related("credential")[:10]
    look = {"form": form, "draft": old, "drafts": drafts, "no_credentials": not Credential.objects.exists()}
    return render(request, "hosts/new.html", look, status=422 if form.errors else 200)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@operator
@require_safe
def host_draft(request: PortalRequest, pk: UUID) -> HttpResponse:
    draft = _draft(request, pk)
    return render(request, "hosts/draft.html", _look(draft))


@operator
@require_safe
def host_draft_state(request: PortalRequest, pk: UUID) -> HttpResponse:
    """The live part of the page, asked for while a worker is busy."""
    return render(request, "hosts/_draft.html", _look(_draft(request, pk)))


def _look(draft: HostDraft, form: SaveDraftForm | None = None) -> dict[str, object]:
    if draft.state == HostDraft.State.READ and form is None:
        form = SaveDraftForm(initial=adding.suggestion(draft))
    return {"draft": draft, "form": form, "facts": draft.facts}


@operator
@require_POST
def host_draft_pin(request: PortalRequest, pk: UUID) -> HttpResponse:
    draft = _draft(request, pk)
    try:
        adding.pin(draft, request.POST.getlist("key"), expected=request.POST.get("expected", ""))
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        tasks.wake_draft(draft)
    return redirect(draft)


@operator
@require_POST
def host_draft_scan(request: PortalRequest, pk: UUID) -> HttpResponse:
    """Reads the keys again; with `legacy` the host may use SHA-1 from now on, or with legacy=no may not."""
    draft = _draft(request, pk)
    legacy = {"yes": True, "no": False}.get(request.POST.get("legacy", ""))
    return _go_on(request, draft, lambda: adding.ask_for_keys(draft, legacy=legacy))


@operator
@require_POST
def host_draft_login(request: PortalRequest, pk: UUID) -> HttpResponse:
    draft = _draft(request, pk)
    return _go_on(request, draft, lambda: adding.log_in_again(draft))


def _go_on(request: PortalRequest, draft: HostDraft, act: Callable[[], None]) -> HttpResponse:
    try:
        act()
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        tasks.wake_draft(draft)
    return redirect(draft)


@operator
@require_POST
def host_draft_save(request: PortalRequest, pk: UUID) -> HttpResponse:
    draft = _draft(request, pk)
    form = SaveDraftForm(request.POST)
    if not form.is_valid():
        return render(request, "hosts/draft.html", _look(draft, form), status=422)
    try:
        host = adding.save(draft, form.save(commit=False), user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(draft)
    messages.success(request, f"{host} is in the inventory. It is read every few minutes from now on.")
    return redirect(host)


@operator
@require_POST
def host_draft_discard(request: PortalRequest, pk: UUID) -> HttpResponse:
    _draft(request, pk).delete()
    messages.success(request, "The draft is gone. Nothing was changed on the machine.")
    return redirect("hosts")
