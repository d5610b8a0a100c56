"""The lab page: the truth about the practice cloud, and its faults as buttons."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from hosts import tasks
from hosts.models import Pool
from hosts.xen import reading
from opsportal.lab import control, exercises, stories
from opsportal.lab.forms import ApiFaultForm, FaultForm, SeatForm, SpeedForm
from opsportal.lab.inventory_seed import cloud_name
from opsportal.lab.participants import seat_of
from opsportal.operations import audit
from opsportal.web.access import PortalRequest, has_role, operator, viewer


@viewer
@require_safe
def lab(request: PortalRequest) -> HttpResponse:
    """?seat=NAME. A fragment for htmx, which asks again by itself."""
    try:
        look = _look(request.GET.get("seat", ""), seat_of(request.user))
    except control.NotRunning as error:
        look = {"away": str(error)}
    look["may_write"] = has_role(request.user, "operator")
    return render(request, "lab/_lab.html" if request.htmx else "lab/lab.html", look)


def _look(wanted: str, own: str) -> dict[str, Any]:
    """A participant of a workshop sees the own seat alone."""
    there = control.seats()
    names = [own] if own in there else there
    seat = wanted if wanted in names else names[0]
    state = control.state(seat)
    if reached := exercises.reached(seat, state):
        control.solved(seat, reached)
        state["done"] += reached
    shown = exercises.of(seat, state)
    here = next((one for one in shown if not one.done), None)
    return {"seats": names, "seat": seat, "exercises": shown, "here": here, **stories.page(state)}


@operator
@require_POST
def fault(request: PortalRequest) -> HttpResponse:
    return _act(request, FaultForm(request.POST))


@operator
@require_POST
def api_fault(request: PortalRequest) -> HttpResponse:
    return _act(request, ApiFaultForm(request.POST))


@operator
@require_POST
def reset(request: PortalRequest) -> HttpResponse:
    return _act(request, SeatForm(request.POST))


@operator
@require_POST
def speed(request: PortalRequest) -> HttpResponse:
    return _act(request, SpeedForm(request.POST))


def _act(request: PortalRequest, form: SeatForm) -> HttpResponse:
    """Does it, says what was done, and goes back to the seat."""
    if form.is_valid() and seat_of(request.user) not in ("", form.cleaned_data["seat"]):
        raise PermissionDenied("This seat of the practice cloud is somebody else's.")
    if not form.is_valid():
        messages.error(request, "This form was not understood. Load the page again, and use its buttons.")
        return redirect("lab")
    try:
        said = form.act()
    except (control.NotRunning, control.Impossible) as error:
        messages.error(request, str(error))
    else:
        audit.record(request.user, "lab.act", subject=form.cleaned_data["seat"], detail={"what": said})
        messages.success(request, said)
        _read_again(form.cleaned_data["seat"])
    return redirect(f"{reverse('lab')}?{urlencode({'seat': form.cleaned_data['seat']})}")


def _read_again(seat: str) -> None:
    """The inventory shall not show for minutes what was true before."""
    reading.ask(Pool.objects.filter(cloud__name=cloud_name(seat)))
    tasks.wake_pools()
