"""Clouds and their pools."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from hosts import pools, removing
from hosts.forms import CloudForm, PoolForm
from hosts.models import Cloud, Pool
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.web.access import PortalRequest, has_role, operator, viewer


@viewer
@require_safe
def clouds(request: PortalRequest) -> HttpResponse:
    query, cloud = request.GET.get("q", "").strip()[:100], request.GET.get("cloud", "")
    chosen = int(cloud) if cloud.isascii() and cloud.isdigit() and len(cloud) < 19 else None
    look = {
        "q": query, "cloud": chosen, "found": pools.listing(query, chosen, request.GET.get("page")),
        "many": Pool.objects.count() > pools.FEW, "may_write": has_role(request.user, "operator"),
    }  # fmt: skip
    return render(request, "hosts/_clouds.html" if request.htmx and not request.htmx.boosted else "hosts/clouds.html", look)


@operator
def cloud_edit(request: PortalRequest, pk: int | None = None) -> HttpResponse:
    """A new cloud without `pk`."""
    cloud = get_object_or_404(Cloud, pk=pk) if pk else None
    form = CloudForm(request.POST or None, instance=cloud)
    if request.method == "POST" and form.is_valid():
        form.save()
        audit.record(request.user, "cloud.edit" if cloud else "cloud.add", subject=form.instance.name)
        return redirect("clouds")
    look = {"form": form, "thing": cloud, "noun": "cloud", "remove": "cloud_remove"}
    return render(request, "hosts/place.html", look, status=422 if form.errors else 200)


@operator
def pool_edit(request: PortalRequest, pk: int | None = None) -> HttpResponse:
    """A new pool without `pk`; ?cloud=ID chooses its cloud."""
    pool = get_object_or_404(Pool, pk=pk) if pk else None
    form = PoolForm(request.POST or None, instance=pool, initial={} if pool else {"cloud": request.GET.get("cloud", "")})
    if request.method == "POST" and form.is_valid():
        saved: Pool = form.save(commit=False)
        saved.save(update_fields=list(PoolForm.Meta.fields) if pool else None)  # a worker may write its reading meanwhile
        saved.hosts.exclude(cloud=saved.cloud).update(cloud=saved.cloud)
        audit.record(request.user, "pool.edit" if pool else "pool.add", subject=str(saved))
        return redirect("pool", saved.pk)
    look = {"form": form, "thing": pool, "noun": "pool", "remove": "pool_remove"}
    return render(request, "hosts/place.html", look, status=422 if form.errors else 200)


@operator
@require_POST
def cloud_remove(request: PortalRequest, pk: int) -> HttpResponse:
    cloud = get_object_or_404(Cloud, pk=pk)
    try:
        removing.remove_cloud(cloud, user=request.user)
        messages.success(request, f"The cloud {cloud} was removed.")
    except Refused as refused:
        messages.error(request, refused.message)
    return redirect("clouds")


@operator
@require_POST
def pool_remove(request: PortalRequest, pk: int) -> HttpResponse:
    pool = get_object_or_404(Pool, pk=pk)
    try:
        removing.remove_pool(pool, user=request.user)
        messages.success(request, f"The pool {pool} was removed.")
    except Refused as refused:
        messages.error(request, refused.message)
    return redirect("clouds")
