"""The pages of Add host. Each act is one POST; the draft's own page always shows where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from hosts import adding, tasks
from hosts.forms import DraftForm, SaveDraftForm, SaveMemberForm
from hosts.models import Credential, HostDraft
from hosts.xen import recognising
from hosts.xen.recognising import Recognised
from opsportal.operations.errors import Refused
from opsportal.web.access import PortalRequest, operator


def _draft(request: PortalRequest, pk: UUID) -> HostDraft:
    """Drafts are their owner's; to others they do not exist."""
    return get_object_or_404(HostDraft.objects.select_related("credential"), pk=pk, owner=request.user)


@operator
def host_new(request: PortalRequest) -> HttpResponse:
    """A new draft, or with ?draft=ID the same page over an open one; ?address= is where it is."""
    asked = _uuid(request.GET.get("draft", ""))
    old = HostDraft.objects.filter(owner=request.user, pk=asked).first() if asked else None
    form = DraftForm(request.POST or None, instance=old or HostDraft(owner=request.user, address=request.GET.get("address", "")[:253]))
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
    if draft.state != HostDraft.State.READ:
        return {"draft": draft, "form": None, "facts": draft.facts}
    form = form or _form(draft, initial=adding.suggestion(draft))
    known = {"xen": Recognised.of(draft), "known_pool": recognising.pool_of(draft), "twins": recognising.twins(draft)}
    return {"draft": draft, "form": form, "facts": draft.facts, **known}


def _form(draft: HostDraft, data: QueryDict | None = None, initial: dict[str, Any] | None = None) -> SaveDraftForm:
    if not draft.xen:
        return SaveDraftForm(data, initial=initial)
    members = [(host.address, f"{host.name} ({host.address})") for host in recognising.missing(draft)]
    return SaveMemberForm(data, initial=initial, known=recognising.pool_of(draft), members=members)


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
    form = _form(draft, request.POST)
    if not form.is_valid():
        return render(request, "hosts/draft.html", _look(draft, form), status=422)
    try:
        host, others = adding.finish(draft, form.save(commit=False), form.cleaned_data, user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(draft)
    for other in others:
        tasks.wake_draft(other)
    tasks.wake_pools()
    messages.success(request, f"{host} is in the inventory. It is read every few minutes from now on.")
    waiting = adding.members_left(host, request.user)
    return redirect(waiting or host)


@operator
@require_POST
def host_draft_discard(request: PortalRequest, pk: UUID) -> HttpResponse:
    _draft(request, pk).delete()
    messages.success(request, "The draft is gone. Nothing was changed on the machine.")
    return redirect("hosts")
