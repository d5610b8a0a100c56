"""Network designs: the list, one with the hosts that are held against it, and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from networking import design_pictures, queries
from networking.design import Design
from networking.design_forms import DesignForm
from networking.matching import Part, differences
from networking.models import HostNetwork, NetworkDesign
from opsportal.operations import audit
from opsportal.web.access import PortalRequest, has_role, operator, viewer

RUNBOOK = "hypervisor-networking"


@dataclass(frozen=True)
class Held:
    """A host held against a design. `state` is "same", "differs" or "stuck": a person has to do something first."""

    network: HostNetwork
    parts: list[Part]

    @property
    def state(self) -> str:
        return "stuck" if self.stuck else "differs" if self.parts else "same"

    @property
    def stuck(self) -> list[Part]:
        return [part for part in self.parts if part.stuck]

    @property
    def others(self) -> int:
        return len(self.parts) - len(self.stuck)


@viewer
@require_safe
def network_designs(request: PortalRequest) -> HttpResponse:
    look = {"designs": NetworkDesign.objects.select_related("cloud"), "may_write": has_role(request.user, "operator")}
    return render(request, "networking/designs.html", look)


@viewer
@require_safe
def network_design(request: PortalRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(NetworkDesign.objects.select_related("cloud"), pk=pk)
    design = found.design
    rows = held(found, design) if design else []
    differing = [row for row in rows if row.state == "differs"]
    look = {
        "network_design": found,
        "design": design,
        "picture": design_pictures.draw(design) if design else None,
        "groups": [
            ("differs", "Hosts that differ", differing),
            ("stuck", "Hosts that need a decision first", [row for row in rows if row.state == "stuck"]),
            ("same", "Hosts that have it", [row for row in rows if row.state == "same"]),
        ],
        "rows": rows,
        "differing": differing,
        "apply": _apply(found, differing),
        "limit": queries.MOST,
        "may_write": has_role(request.user, "operator"),
    }
    return render(request, "networking/design.html", look)


def held(found: NetworkDesign, design: Design) -> list[Held]:
    """By their newest readings; a host without Open vSwitch is left out."""
    rows = [(network, network.newest) for network in queries.switched(cloud=found.cloud_id)]
    return [Held(network, differences(design, seen)) for network, seen in rows if seen and seen.switches]


def _apply(found: NetworkDesign, differing: list[Held]) -> str:
    """The runbook's address, with the answers in it."""
    query = QueryDict(mutable=True)
    query["design"] = str(found.pk)
    query.setlist("hosts", [str(row.network.host_id) for row in differing])
    return f"{reverse('runbook_start', args=[RUNBOOK])}?{query.urlencode()}"


@operator
@require_http_methods(["GET", "HEAD", "POST"])
def network_design_new(request: PortalRequest) -> HttpResponse:
    """`?copy=ID` begins with another one's answers."""
    wanted = request.GET.get("copy", "")
    original = NetworkDesign.objects.filter(pk=wanted).first() if wanted.isascii() and wanted.isdigit() and len(wanted) < 16 else None
    initial = {"name": f"{original.name[:58]} copy", "cloud": original.cloud_id, "note": original.note} if original else {}
    form = DesignForm(request.POST or None, initial=initial, like=original.design if original else None)
    return _edited(request, form, None)


@operator
@require_http_methods(["GET", "HEAD", "POST"])
def network_design_edit(request: PortalRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(NetworkDesign, pk=pk)
    return _edited(request, DesignForm(request.POST or None, instance=found, like=found.design), found)


def _edited(request: PortalRequest, form: DesignForm, found: NetworkDesign | None) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        audit.record(request.user, "network_design.edit" if found else "network_design.add", subject=saved.name, detail=saved.wanted)
        return redirect(saved)
    look: dict[str, Any] = {"form": form, "network_design": found}
    return render(request, "networking/design_edit.html", look, status=422 if form.errors else 200)


@operator
@require_POST
def network_design_remove(request: PortalRequest, pk: int) -> HttpResponse:
    """Hosts keep what they have of it."""
    found = get_object_or_404(NetworkDesign, pk=pk)
    audit.record(request.user, "network_design.remove", subject=found.name, detail=found.wanted)
    found.delete()
    messages.success(request, f"The design {found.name} was removed. Hosts keep what they have.")
    return redirect("network_designs")
