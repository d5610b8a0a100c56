"""Sources: the list, one of them, and what is done to it. What only a worker can read is asked for, and shown when it is there."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import ProtectedError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from opsportal.operations import audit
from opsportal.operations.answering import quiet
from opsportal.web.access import PortalRequest, has_role, viewer
from releases import looking, queries, retention
from releases.editing import editor, may_edit
from releases.forms import RetentionForm, SourceForm
from releases.models import Look, Source


@viewer
@require_safe
def sources(request: PortalRequest) -> HttpResponse:
    return render(request, "releases/sources.html", {"sources": queries.sources(), "may_edit": may_edit(request)})


@editor
@require_http_methods(["GET", "HEAD", "POST"])
def source_new(request: PortalRequest) -> HttpResponse:
    """What is in the address fills the form in: ?name=…&url=…"""
    form = SourceForm(request.POST) if request.method == "POST" else SourceForm(initial=request.GET.dict())
    if not (form.is_bound and form.is_valid()):
        return render(request, "releases/source_form.html", {"form": form, **_address(form)}, status=422 if form.errors else 200)
    source = form.save(commit=False)
    source.created_by = request.user
    with transaction.atomic():
        source.save()
        audit.record(request.user, "source.new", subject=source.name, detail=_said(form))
        looking.ask("source", str(source.pk))
    messages.success(request, f"{source} is registered. A worker makes a mirror of it and looks at what it can build.")
    return redirect(source)


@editor
@require_http_methods(["GET", "HEAD", "POST"])
def source_edit(request: PortalRequest, pk: int) -> HttpResponse:
    source = _source(pk)
    form = SourceForm(request.POST or None, instance=source)
    if not (form.is_bound and form.is_valid()):
        look = {"form": form, "source": _source(pk), **_address(form)}
        return render(request, "releases/source_form.html", look, status=422 if form.errors else 200)
    with transaction.atomic():
        form.save()
        audit.record(request.user, "source.edit", subject=source.name, detail=_said(form))
        if {"url", "default_branch"} & set(form.changed_data):
            looking.ask("source", str(source.pk))
    return redirect(source)


def _said(form: SourceForm) -> dict[str, Any]:
    return {name: str(form.cleaned_data[name])[:500] for name in form.changed_data if name != "notes"}


def _source(pk: int) -> Source:
    return get_object_or_404(Source.objects.select_related("created_by"), pk=pk)


@editor
@require_POST
def source_check(request: PortalRequest) -> HttpResponse:
    """Errors of what is typed so far, each for its field; `of` is the source that is edited."""
    form = SourceForm(request.POST, instance=_edited(request))
    form.is_valid()
    quiet(form)
    return render(request, "releases/_source_said.html", {"form": form, **_address(form)})


def _edited(request: PortalRequest) -> Source | None:
    of = request.POST.get("of", "")
    return Source.objects.filter(pk=int(of)).first() if of.isascii() and of.isdigit() and len(of) < 16 else None


def _address(form: SourceForm) -> dict[str, Look | None]:
    """What a worker said of the address and branch in the form, if somebody asked."""
    cleaned = getattr(form, "cleaned_data", None) or {}
    url = cleaned.get("url") or (form.initial.get("url", "") if not form.is_bound else "")
    branch = cleaned.get("default_branch") or (form.initial.get("default_branch", "") if not form.is_bound else "")
    return {"look": looking.kept("address", looking.about_address(url, branch)) if url else None}


@editor
@require_POST
def source_address(request: PortalRequest) -> HttpResponse:
    """Has a worker ask the repository in the form what branches it has."""
    form = SourceForm(request.POST, instance=_edited(request))
    form.is_valid()
    url, branch = form.cleaned_data.get("url", ""), form.cleaned_data.get("default_branch", "")
    look = looking.ask("address", looking.about_address(url, branch)) if url else None
    if request.htmx:
        quiet(form)
        return render(request, "releases/_source_said.html", {"form": form, "look": look})
    return render(request, "releases/source_form.html", {"form": form, "source": _edited(request), "look": look})


@editor
@require_safe
def source_answer(request: PortalRequest, pk: int) -> HttpResponse:
    """The answer of a repository, asked for until it is there."""
    return render(request, "releases/_address.html", {"look": get_object_or_404(Look, pk=pk, kind="address")})


@viewer
@require_safe
def source(request: PortalRequest, pk: int) -> HttpResponse:
    source = _source(pk)
    disk = looking.kept("disk", "local")
    look = {
        "source": source,
        "look": looking.kept("source", str(pk)),
        "builds": queries.newest_of(source),
        "versions": queries.versions_of(source),
        "schedules": queries.schedules().filter(source=source),
        "form": RetentionForm(instance=source),
        "disk": _disk(disk, source) if disk else None,
        "artefact_bytes": queries.stored_bytes(source),
        "upcoming": retention.upcoming(source),
        "may_edit": may_edit(request),
        "may_build": has_role(request.user, "operator"),
    }
    return render(request, "releases/source.html", look)


def _disk(disk: Look, source: Source) -> dict[str, Any]:
    """Bytes that the source takes on this machine, when it was last measured."""
    names = {tree.name for tree in retention.trees(source) if tree.target == "local"}
    used = disk.answer
    workspaces = [size for name, size in used.get("workspaces", {}).items() if name in names]
    return {
        "at": disk.answered_at,
        "waiting": disk.waiting,
        "mirror": used.get("mirrors", {}).get(f"{source.pk}.git"),
        "repository": used.get("repositories", {}).get(str(source.pk)),
        "workspaces": sum(workspaces),
        "workspace_number": len(workspaces),
    }


@viewer
@require_safe
def source_state(request: PortalRequest, pk: int) -> HttpResponse:
    """What the worker found, while it is at it."""
    return render(request, "releases/_source_look.html", _look_of(request, _source(pk)))


@editor
@require_POST
def source_look(request: PortalRequest, pk: int) -> HttpResponse:
    """Fetch the mirror and look again."""
    source = _source(pk)
    looking.ask("source", str(source.pk))
    return render(request, "releases/_source_look.html", _look_of(request, source)) if request.htmx else redirect(source)


def _look_of(request: PortalRequest, source: Source) -> dict[str, Any]:
    return {"source": source, "look": looking.kept("source", str(source.pk)), "may_edit": may_edit(request)}


@editor
@require_POST
def source_retention(request: PortalRequest, pk: int) -> HttpResponse:
    source = _source(pk)
    form = RetentionForm(request.POST, instance=source)
    if not form.is_valid():
        messages.error(request, " ".join(f"{form.fields[name].label}: {texts[0]}" for name, texts in form.errors.items()))
        return redirect(f"{source.get_absolute_url()}#retention")
    with transaction.atomic():
        form.save()
        audit.record(request.user, "source.retention", subject=source.name, detail=form.cleaned_data)
    messages.success(request, "Kept. What is too much goes with the next clean-up, within the hour.")
    return redirect(f"{source.get_absolute_url()}#retention")


@editor
@require_http_methods(["GET", "HEAD", "POST"])
def source_remove(request: PortalRequest, pk: int) -> HttpResponse:
    """GET asks, POST removes; only what nothing was built of."""
    source = _source(pk)
    built = source.builds.exists()
    if request.method != "POST":
        return render(request, "releases/source_remove.html", {"source": source, "built": built, "schedules": source.schedules.count()})
    try:
        with transaction.atomic():
            audit.record(request.user, "source.remove", subject=source.name, detail={"url": source.url})
            Look.objects.filter(kind="source", about=str(pk)).delete()
            source.delete()
    except ProtectedError:
        messages.error(request, f"{source} has builds on record, and records stay. Take its schedules off instead.")
        return redirect("source", pk)
    messages.success(request, f"{source} was removed. Its repository was not touched.")
    return redirect("sources")
