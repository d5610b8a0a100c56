"""A cloud's CloudStack: the connection, and what it says beside what the inventory knows."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from hosts import tasks
from hosts.cloudstack import connecting, listing, reading
from hosts.cloudstack.forms import CloudApiForm
from hosts.models import Cloud, CloudApi
from opsportal.operations import registry
from opsportal.operations.errors import Refused
from opsportal.secrets.value import Secret
from opsportal.web.access import PortalRequest, administrator, has_role, operator, viewer

SHOWS = (("trouble", "not Up or not Enabled"), ("unknown", "not in the inventory"))
RELIABLE = timedelta(hours=1)
"""After this nobody should rely on a reading."""


def _api(pk: int) -> CloudApi:
    return get_object_or_404(CloudApi.objects.select_related("cloud"), cloud=pk)


@viewer
@require_safe
def cloud_api(request: PortalRequest, pk: int) -> HttpResponse:
    """The page of a cloud's CloudStack, also when there is no connection yet; for htmx what moves, or nothing if it is as ?seen= has it."""
    cloud = get_object_or_404(Cloud, pk=pk)
    api = CloudApi.objects.select_related("cloud").filter(cloud=cloud).first()
    look = _look(request, cloud, api)
    if request.htmx and request.GET.get("seen") == look["stamp"]:
        return HttpResponse(status=204)
    return render(request, "hosts/_cloud_api.html" if request.htmx else "hosts/cloud_api.html", look)


def _look(request: PortalRequest, cloud: Cloud, api: CloudApi | None) -> dict[str, Any]:
    words, show = request.GET.get("q", "")[:100], request.GET.get("show", "")
    seen = listing.view(api, words, show) if api else None
    found = (seen.findings, seen.missing) if seen else ()
    moves = (api.state_at, api.problem_at, api.reading, api.url, words, show, *found) if api else ()
    return {
        "cloud": cloud,
        "api": api,
        "view": seen,
        "offered": connecting.shown(api.offered) if api else "",
        "pinned": connecting.shown(api.pem) if api else "",
        "stale": api is not None and api.state_at is not None and api.state_at < timezone.now() - RELIABLE,
        "words": words,
        "show": show,
        "shows": SHOWS,
        "stamp": hashlib.sha256(repr(moves).encode()).hexdigest()[:16],
        "query": urlencode({"q": words, "show": show}),
        "startable": {name: book.title for name, book in registry.runbooks().items()},
        "may_write": has_role(request.user, "operator"),
        "may_connect": has_role(request.user, "administrator"),
    }


@sensitive_post_parameters("secret_key")
@administrator
def cloud_api_edit(request: PortalRequest, pk: int) -> HttpResponse:
    """Adds the connection or changes it. A worker tries it at once; the page shows how that ended."""
    cloud = get_object_or_404(Cloud, pk=pk)
    api = CloudApi.objects.filter(cloud=cloud).first()
    form = CloudApiForm(request.POST or None, instance=api or CloudApi(cloud=cloud))
    if request.method == "POST" and form.is_valid():
        try:
            connecting.save(form.save(commit=False), Secret(form.cleaned_data["secret_key"]), request.user)
            tasks.wake_clouds()
            return redirect("cloud_api", cloud.pk)
        except Refused as refused:
            form.add_error(None, refused.message)
    look = {"form": form, "cloud": cloud, "api": api}
    return render(request, "hosts/cloud_api_edit.html", look, status=422 if form.errors else 200)


@operator
@require_POST
def cloud_api_read(request: PortalRequest, pk: int) -> HttpResponse:
    reading.ask(CloudApi.objects.filter(pk=_api(pk).pk))
    tasks.wake_clouds()
    return redirect("cloud_api", pk)


@administrator
@require_POST
def cloud_api_pin(request: PortalRequest, pk: int) -> HttpResponse:
    try:
        connecting.pin(_api(pk), request.POST.get("fingerprint", ""), request.user)
        tasks.wake_clouds()
        messages.success(request, "The certificate is pinned: from now on the portal trusts this one alone.")
    except Refused as refused:
        messages.error(request, refused.message)
    return redirect("cloud_api", pk)


@administrator
@require_POST
def cloud_api_remove(request: PortalRequest, pk: int) -> HttpResponse:
    api = _api(pk)
    try:
        connecting.remove(api, request.user)
        messages.success(request, f"The portal no longer knows how to reach the CloudStack of {api.cloud}. In CloudStack nothing changed.")
    except Refused as refused:
        messages.error(request, refused.message)
    return redirect("cloud_api", pk)
