"""Networks: the list of hosts with switches, and one host's network as a picture."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from hosts.models import Host
from networking import pictures, queries, reading, tasks
from networking.findings import findings
from networking.models import HostNetwork
from networking.persistence.findings import lost
from opsportal.web.access import PortalRequest, operator, viewer


@viewer
@require_safe
def networks(request: PortalRequest) -> HttpResponse:
    page = Paginator(queries.networks(request.GET), queries.PAGE).get_page(request.GET.get("page"))
    rows = [(network, seen, findings(seen) if seen else []) for network in page if (seen := network.newest) or True]
    look = {"page": page, "rows": rows, "q": request.GET.get("q", "")[:100]}
    return render(request, "networking/_list.html" if request.htmx else "networking/list.html", look)


@viewer
@require_safe
def network(request: PortalRequest, pk: int) -> HttpResponse:
    """The page, or for htmx what moves on it."""
    return _shown(request, _network(pk))


@operator
@require_POST
def network_read(request: PortalRequest, pk: int) -> HttpResponse:
    """Asks a worker to read now; an open page does so by itself every few seconds."""
    found = reading.ask(_network(pk).host)
    tasks.wake_reader()
    return _shown(request, found) if request.htmx else redirect(found)


def _network(pk: int) -> HostNetwork:
    """The row; one that only this page needs is not stored for a host that nobody read."""
    owner = get_object_or_404(Host.objects.select_related("cloud", "pool"), pk=pk)
    return HostNetwork.objects.select_related("host").filter(host=owner).first() or HostNetwork(host=owner)


def _shown(request: PortalRequest, found: HostNetwork) -> HttpResponse:
    seen = found.newest
    look = {
        "network": found,
        "host": found.host,
        "seen": seen,
        "picture": pictures.draw(seen) if seen else None,
        "findings": findings(seen) if seen else [],
        "lost": bool(seen and lost(seen)),
    }
    return render(request, "networking/_network.html" if request.htmx else "networking/network.html", look)
