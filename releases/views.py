"""Builds: the history, one of them, two side by side, their artefacts, and what is done to them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hosts.models import Cloud, Host
from opsportal.operations import followers, targets
from opsportal.operations.errors import Refused
from opsportal.operations.models import Operation
from opsportal.operations.wizard_views import first_page, one_time
from opsportal.web.access import PortalRequest, has_role, operator, viewer
from releases import comparing, downloading, impact, looking, queries, retention
from releases.editing import editor, may_edit
from releases.models import Artefact, Build, Source


def _number(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None


@viewer
@require_safe
def builds(request: PortalRequest) -> HttpResponse:
    wanted = queries.Filter.of(request.GET)
    around = queries.around(wanted)
    found = queries.page(wanted, around.people, _number(request, "before"), _number(request, "after"))
    look = {"wanted": wanted, "found": found, "around": around, "results": queries.RESULTS, "may_build": has_role(request.user, "operator")}
    return render(request, "releases/_builds.html" if request.htmx and not request.htmx.boosted else "releases/builds.html", look)


@viewer
@require_safe
def builds_charts(request: PortalRequest) -> HttpResponse:
    """Durations and results of what matches; a part of the list's page, or a page of its own without script."""
    wanted = queries.Filter.of(request.GET)
    people = queries.around(wanted).people
    look = {"wanted": wanted, "durations": queries.durations(wanted, people), "weeks": queries.weekly(wanted, people)}
    return render(request, "releases/_charts.html" if request.htmx else "releases/charts.html", look)


def _build(pk: int) -> Build:
    return get_object_or_404(queries.build(pk))


@viewer
@require_safe
def build(request: PortalRequest, pk: int) -> HttpResponse:
    build = _build(pk)
    operation, previous = build.operation, queries.before(build)
    artefacts = list(build.artefacts.all())
    look = {
        "build": build,
        "operation": operation,
        "took": queries.took(build),
        "steps": list(operation.steps.all()),
        "artefacts": artefacts,
        "artefact_bytes": sum(artefact.size for artefact in artefacts),
        "outlook": retention.outlook(build) if artefacts else "",
        "options": comparing.shown_options(build),
        "place": targets.names([build.target])[build.target],
        "tries": queries.tries(build),
        "previous": previous,
        "patches": comparing.patches(previous, build) if previous else [],
        **_commits(previous, build),
        **_acts(request, build),
    }
    return render(request, "releases/build.html", look)


def _acts(request: PortalRequest, build: Build) -> dict[str, Any]:
    """What may be done now. `retry` says why it cannot be taken up, "" when it can."""
    operation = build.operation
    retry = followers.can_retry(operation)
    if not retry and build.workspace_gone_at:
        retry = "Its workspace was removed, so it cannot be taken up where it failed: build it again."
    return {
        "retry": retry,
        "may_build": has_role(request.user, "operator"),
        "may_edit": may_edit(request),
        "token": secrets.token_hex(16),
    }


def _commits(older: Build | None, newer: Build) -> dict[str, Any]:
    """The history between two builds of one source, if a worker has read it."""
    if older is None or older.source_id != newer.source_id:
        return {"look": None, "comparable": False}
    about = looking.about_commits(newer.source_id, older.commit, newer.commit)
    return {"look": looking.kept("commits", about), "comparable": True, "older": older, "newer": newer}


@viewer
@require_http_methods(["GET", "HEAD", "POST"])
def builds_commits(request: PortalRequest, older: int, newer: int) -> HttpResponse:
    """The commits between two builds: POST has a worker read them, GET shows how far it is."""
    pair = [get_object_or_404(Build.objects.select_related("source"), pk=number) for number in (older, newer)]
    if request.method == "POST" and pair[0].source_id == pair[1].source_id:
        looking.ask("commits", looking.about_commits(pair[0].source_id, pair[0].commit, pair[1].commit))
    if request.method == "POST" and not request.htmx:
        return redirect(f"{reverse('builds_compare')}?b={older}&b={newer}#commits")
    return render(request, "releases/_commits.html", _commits(*pair))


@viewer
@require_safe
def builds_compare(request: PortalRequest) -> HttpResponse:
    """`?b=12&b=15`: two builds side by side; anything else asks which."""
    asked = [int(text) for text in request.GET.getlist("b") if text.isascii() and text.isdigit() and len(text) < 16]
    pair = queries.compared(dict.fromkeys(asked)) if len(set(asked)) == 2 else []
    if len(pair) == 2:
        older, newer = pair
        look = {"comparison": comparing.compare(older, newer), "old": older, "new": newer, **_commits(older, newer)}
        return render(request, "releases/compare.html", look)
    first = Build.objects.select_related("source").filter(pk__in=asked[:1]).first()
    source = first.source_id if first else _number(request, "source")
    look = {
        "first": first,
        "number": len(set(asked)),
        "pickable": queries.pickable(source),
        "sources": Source.objects.all(),
        "source_id": source,
    }
    return render(request, "releases/compare_pick.html", look)


@operator
@require_POST
def build_again(request: PortalRequest, pk: int) -> HttpResponse:
    """The same parameters in a new draft, for its maker to look at and submit."""
    return _follow(request, _build(pk), followers.again)


@operator
@require_POST
def build_retry(request: PortalRequest, pk: int) -> HttpResponse:
    build = _build(pk)
    if build.workspace_gone_at:
        messages.error(request, "The workspace of this build was removed, so it cannot be taken up where it failed. Build it again.")
        return redirect(build)
    return _follow(request, build, followers.retry)


def _follow(request: PortalRequest, build: Build, make: Callable[..., Operation]) -> HttpResponse:
    try:
        operation = make(build.operation, user=request.user, token=one_time(request))
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(build)
    return redirect(first_page(operation))


@editor
@require_POST
def build_keep(request: PortalRequest, pk: int) -> HttpResponse:
    """`keep=1` or `keep=0`."""
    build = _build(pk)
    retention.keep(build, request.user, wanted=request.POST.get("keep") == "1")
    return redirect(f"{build.get_absolute_url()}#artefacts")


@editor
@require_http_methods(["GET", "HEAD", "POST"])
def build_forget(request: PortalRequest, pk: int) -> HttpResponse:
    """GET asks, POST removes the artefacts. The record stays."""
    build = _build(pk)
    if request.method != "POST":
        return render(request, "releases/build_forget.html", {"build": build, "artefacts": list(build.artefacts.filter(stored=True))})
    try:
        retention.forget(build, request.user, "Asked for by hand")
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, "The artefacts are gone from the portal's store. What was installed from them stays where it is.")
    return redirect(build)


@viewer
@require_safe
def build_servers(request: PortalRequest, pk: int) -> HttpResponse:
    """What the build would change on the servers of a cloud (?cloud=3), or of all."""
    build, cloud = _build(pk), _number(request, "cloud")
    look = {
        "build": build,
        "clouds": Cloud.objects.all(),
        "cloud": cloud,
        "impact": impact.of(build, cloud),
        "may_read": has_role(request.user, "operator"),
    }
    return render(request, "releases/build_servers.html", look)


@operator
@require_POST
def build_servers_read(request: PortalRequest, pk: int) -> HttpResponse:
    """Has workers read those servers again."""
    build, cloud = _build(pk), request.POST.get("cloud", "")
    rows = Host.objects.filter(kind__in=impact.KINDS)
    rows = rows.filter(cloud=int(cloud)) if cloud.isascii() and cloud.isdigit() and len(cloud) < 16 else rows
    number = rows.update(next_read_at=timezone.now(), claim="")
    messages.success(request, f"Workers read {number} servers now. Load the page again in a moment.")
    return redirect(f"{reverse('build_servers', args=[build.pk])}{f'?cloud={cloud}' if cloud.isdigit() else ''}")


@viewer
@require_safe
def build_sums(request: PortalRequest, pk: int) -> HttpResponse:
    """A SHA256SUMS file of all artefacts, gone ones included: what was installed can still be compared."""
    headers = {"Content-Disposition": 'attachment; filename="SHA256SUMS"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(downloading.sums(_build(pk)), content_type="text/plain; charset=utf-8", headers=headers)


@viewer
@require_safe
def artefact(request: PortalRequest, pk: int) -> HttpResponseBase:
    """The file. One that is gone answers 410, and says since when and why."""
    artefact = get_object_or_404(Artefact.objects.select_related("build__source", "build__operation"), pk=pk)
    look = {"artefact": artefact, "build": artefact.build, "source": artefact.build.source}
    if not artefact.available:
        return render(request, "releases/artefact_gone.html", look, status=410 if artefact.stored else 404)
    try:
        return downloading.respond(request, artefact)
    except downloading.Missing as missing:
        return render(request, "releases/artefact_gone.html", {**look, "missing": str(missing)}, status=410)


@viewer
@require_safe
def build_progress(request: PortalRequest, pk: int) -> HttpResponse:
    """The part of an operation's page that shows how far its build is; `pk` is the operation's."""
    operation = get_object_or_404(Operation.objects.defer("plan", "looks", "findings"), pk=pk)
    return render(request, "releases/_build_progress.html", {"operation": operation, "part": True})


@viewer
@require_safe
def clean_up(request: PortalRequest) -> HttpResponse:
    """What stays on disk and what goes next, of all sources."""
    disks = [look for target in retention.places() if (look := looking.kept("disk", target))]
    names = targets.names(look.about for look in disks)
    context = {
        "upcoming": [one for one in map(retention.upcoming, Source.objects.all()) if one.anything],
        "sources": Source.objects.all(),
        "disks": [(names[disk.about], disk, sum(one["size"] for one in disk.answer.get("strangers", []))) for disk in disks],
        "may_edit": may_edit(request),
    }
    return render(request, "releases/clean_up.html", context)


@editor
@require_POST
def disks_measure(request: PortalRequest) -> HttpResponse:
    for target in retention.places():
        looking.ask("disk", target)
    messages.success(request, "Workers measure the disks now. That takes a minute for large workspaces; load the page again to see it.")
    return redirect("clean_up")
