"""Schedules: builds by themselves. Who saves one or switches it on lends it their rights."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from opsportal.operations import audit, targets
from opsportal.operations.errors import Refused
from opsportal.web.access import PortalRequest, has_role, operator, viewer
from releases import looking, nightly, queries, rules
from releases.editing import editor, may_edit
from releases.forms import ScheduleForm
from releases.models import Build, Schedule, Source


def _schedule(pk: int) -> Schedule:
    return get_object_or_404(Schedule.objects.select_related("source", "owner"), pk=pk)


@viewer
@require_safe
def schedules(request: PortalRequest) -> HttpResponse:
    look = {"schedules": queries.schedules(), "sources": Source.objects.exists(), "may_build": has_role(request.user, "operator")}
    return render(request, "releases/schedules.html", look)


@viewer
@require_safe
def schedule(request: PortalRequest, pk: int) -> HttpResponse:
    schedule = _schedule(pk)
    newest = queries.rows(Build.objects.filter(schedule=schedule)).order_by("-pk")[:20]
    target = schedule.params.get("target", "local")
    look = {
        "schedule": schedule,
        "builds": list(newest),
        "times": nightly.times(schedule.cron) if schedule.enabled else [],
        "place": targets.names([target])[target],
        "running": queries.running_of(schedule),
        "may_build": has_role(request.user, "operator"),
        "may_edit": may_edit(request),
    }
    return render(request, "releases/schedule.html", look)


@viewer
@require_safe
def schedules_times(request: PortalRequest) -> HttpResponse:
    """The next times of `?cron=`, while somebody types it."""
    return render(request, "releases/_times.html", _times(request.GET.get("cron", "")))


def _times(cron: str) -> dict[str, Any]:
    try:
        rules.cron(cron[:100])
    except ValidationError as error:
        return {"times": [], "wrong": " ".join(error.messages) if cron else ""}
    return {"times": nightly.times(cron), "wrong": ""}


@operator
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_new(request: PortalRequest) -> HttpResponse:
    """`?source=3` chooses the source."""
    form = ScheduleForm(request.POST) if request.method == "POST" else ScheduleForm(initial=_start(request))
    if not (form.is_bound and form.is_valid()):
        return render(request, "releases/schedule_form.html", {"form": form, **_around(form)}, status=422 if form.errors else 200)
    schedule = form.save(commit=False)
    _keep(request, schedule, form)
    messages.success(
        request,
        f"{schedule} builds {schedule.source} from now on, with your rights. The first look is {schedule.next_at:%Y-%m-%d %H:%M} UTC.",
    )
    return redirect(schedule)


def _start(request: PortalRequest) -> dict[str, Any]:
    number = request.GET.get("source", "")
    known = (
        Source.objects.filter(pk=int(number)) if number.isascii() and number.isdigit() and len(number) < 16 else Source.objects.all()[:2]
    )
    only = list(known)
    return {"source": only[0], "ref": only[0].default_branch, "name": "Nightly"} if len(only) == 1 else {"name": "Nightly"}


@operator
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_edit(request: PortalRequest, pk: int) -> HttpResponse:
    schedule = _schedule(pk)
    form = ScheduleForm(request.POST or None, instance=schedule)
    if not (form.is_bound and form.is_valid()):
        look = {"form": form, "schedule": _schedule(pk), **_around(form)}
        return render(request, "releases/schedule_form.html", look, status=422 if form.errors else 200)
    _keep(request, schedule, form)
    return redirect(schedule)


def _keep(request: PortalRequest, schedule: Schedule, form: ScheduleForm) -> None:
    """Other options are a reason to build, though nothing moved."""
    options, new = form.build_options(), schedule.pk is None
    if options != schedule.params:
        schedule.params, schedule.built_of = options, ""
    schedule.owner = request.user
    schedule.next_at = nightly.following(schedule.cron, timezone.now())
    with transaction.atomic():
        schedule.save()
        audit.record(request.user, "schedule.new" if new else "schedule.edit", subject=f"{schedule.source}: {schedule}", detail=options)


def _around(form: ScheduleForm) -> dict[str, Any]:
    """The next times of what is typed, and what the chosen source can make, if that was looked at."""
    source = form["source"].value()
    number = getattr(source, "pk", source)
    look = looking.kept("source", str(number)) if number else None
    answer = look.answer if look else {}
    return {**_times(str(form["cron"].value() or "")), "tree": answer.get("tree", {}), "branches": answer.get("branches", [])[:500]}


@editor
@require_POST
def schedule_switch(request: PortalRequest, pk: int) -> HttpResponse:
    """`on=1` or `on=0`. Only who may build can switch it on: it builds with their rights."""
    schedule, on = _schedule(pk), request.POST.get("on") == "1"
    if on and not has_role(request.user, "operator"):
        messages.error(request, "Switching a schedule on needs the role of operator: it builds with the rights of who does it.")
    else:
        nightly.switch(schedule, request.user, on=on)
    return redirect(schedule)


@operator
@require_POST
def schedule_run(request: PortalRequest, pk: int) -> HttpResponse:
    schedule = _schedule(pk)
    try:
        nightly.run_now(schedule, request.user)
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, "A worker looks now whether something moved, and builds if so. What comes of it stands below.")
    return redirect(schedule)


@editor
@require_http_methods(["GET", "HEAD", "POST"])
def schedule_remove(request: PortalRequest, pk: int) -> HttpResponse:
    """GET asks, POST removes. Its builds stay."""
    schedule = _schedule(pk)
    if request.method != "POST":
        return render(request, "releases/schedule_remove.html", {"schedule": schedule})
    with transaction.atomic():
        audit.record(request.user, "schedule.remove", subject=f"{schedule.source}: {schedule}", detail=schedule.params)
        schedule.delete()
    messages.success(request, f"{schedule} is gone. What it built stays in the history.")
    return redirect("schedules")
