"""The list of hosts, one host, and what is done to either."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from hosts import connections, editing, importing, pinning, queries, reading, removing, scanning, tagging, tasks
from hosts.forms import GiveCredentialForm, HostForm, MoveForm, RepinForm, TagForm
from hosts.models import Contact, Host, HostKey, Kind
from hosts.xen import recognising
from opsportal.operations.errors import Refused
from opsportal.web.access import PortalRequest, has_role, operator, viewer

HISTORY_PAGE = 50


def _host(pk: int) -> Host:
    return get_object_or_404(Host.objects.select_related("cloud", "pool", "credential", "created_by"), pk=pk)


@viewer
@require_safe
def hosts(request: PortalRequest) -> HttpResponse:
    wanted = queries.Filter.of(request.GET)
    page = request.GET.get("page", "1")
    found = queries.listing(wanted, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1)
    look = {
        "wanted": wanted, "found": found, "kinds": Kind.choices,
        "without_contact": wanted.without("contact"), "without_tag": wanted.without("tag"), "without_order": wanted.without("order"),
        "without_credential": wanted.without("credential"), "without_legacy": wanted.without("legacy"),
        "carried": wanted.pairs, "may_write": has_role(request.user, "operator"),
    }  # fmt: skip
    if request.htmx and not request.htmx.boosted:
        return render(request, "hosts/_list.html", look)
    return render(request, "hosts/list.html", look)


@viewer
@require_safe
def export(request: PortalRequest) -> HttpResponse:
    keys = Prefetch("keys", HostKey.objects.filter(retired_at=None))
    found = queries.hosts(queries.Filter.of(request.GET)).select_related("cloud", "pool", "credential").prefetch_related(keys)
    text = importing.export(found.order_by("sort_name", "id"))
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="hosts.csv"'})


@viewer
@require_safe
def host(request: PortalRequest, pk: int) -> HttpResponse:
    return render(request, "hosts/host.html", _host_look(request, _host(pk)))


@viewer
@require_safe
def host_history(request: PortalRequest, pk: int) -> HttpResponse:
    """Every reading that said something new; with ?all=1 the others too."""
    host = _host(pk)
    wanted = host.readings.defer("values") if request.GET.get("all") else host.readings.filter(changed=True).defer("values")
    page = Paginator(wanted, HISTORY_PAGE).get_page(request.GET.get("page"))
    return render(request, "hosts/history.html", {"host": host, "page": page, "all": bool(request.GET.get("all"))})


@viewer
@require_safe
def host_state(request: PortalRequest, pk: int) -> HttpResponse:
    """The live part of the page, asked for while a worker is reading."""
    return render(request, "hosts/_host.html", _host_look(request, _host(pk)))


def _host_look(request: PortalRequest, host: Host) -> dict[str, object]:
    keys = list(host.keys.select_related("pinned_by"))
    pinned = [key for key in keys if key.retired_at is None]
    readings = list(host.readings.filter(changed=True).defer("values")[:8])
    return {
        "twins": recognising.twins_of(host),
        "host": host,
        "pinned": pinned,
        "retired": [key for key in keys if key.retired_at is not None],
        "readings": readings,
        "keys_first": not pinned or host.contact in (Contact.KEY_CHANGED, Contact.KEY_UNKNOWN) or host.scanning or host.offered,
        "operations": queries.operations_on(connections.target_name(host)),
        "repin": RepinForm(),
        "may_write": has_role(request.user, "operator"),
        "may_pin": has_role(request.user, "operator", "administrator"),
        "may_repin": has_role(request.user, "administrator"),
    }


@operator
def host_edit(request: PortalRequest, pk: int) -> HttpResponse:
    host = _host(pk)
    form = HostForm(request.POST or None, instance=host)
    if request.method == "POST" and form.is_valid():
        changed = editing.save(form.save(commit=False), form.changed_data, user=request.user)
        if changed & editing.REACH:
            tasks.wake_reader()
        return redirect(host)
    return render(request, "hosts/edit.html", {"form": form, "host": host}, status=422 if form.errors else 200)


@operator
def host_remove(request: PortalRequest, pk: int) -> HttpResponse:
    """GET asks, POST removes."""
    host = _host(pk)
    if request.method != "POST":
        return render(
            request, "hosts/remove.html", {"chosen": [host], "number": 1, "held": removing.held([host]), "back": host.get_absolute_url()}
        )
    try:
        removing.remove_hosts([host], user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(host)
    messages.success(request, f"{host} was removed from the inventory. Nothing was changed on the machine.")
    return redirect("hosts")


@operator
@require_POST
def host_read(request: PortalRequest, pk: int) -> HttpResponse:
    host = _host(pk)
    reading.ask(Host.objects.filter(pk=host.pk))
    tasks.wake_reader()
    return redirect(host)


def _may_pin(request: PortalRequest) -> None:
    """Operators pin the first keys, administrators pin others in their place; both look at what the host shows."""
    if not has_role(request.user, "operator", "administrator"):
        raise PermissionDenied("This needs the role of operator or administrator.")


@viewer
@require_POST
def host_scan(request: PortalRequest, pk: int) -> HttpResponse:
    _may_pin(request)
    host = _host(pk)
    scanning.ask(host)
    tasks.wake_scan(host)
    return redirect(f"{host.get_absolute_url()}#keys")


@viewer
@require_POST
def host_pin(request: PortalRequest, pk: int) -> HttpResponse:
    _may_pin(request)
    host, form = _host(pk), RepinForm(request.POST)
    try:
        if not form.is_valid():
            raise Refused(" ".join(str(text) for texts in form.errors.values() for text in texts))
        pinning.pin(host, request.POST.getlist("key"), user=request.user, reason=form.cleaned_data["reason"])
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        tasks.wake_reader()
        messages.success(request, f"The keys of {host} are pinned. The portal talks to a machine that owns one of them, and to no other.")
    return redirect(f"{host.get_absolute_url()}#keys")


def _chosen(request: PortalRequest) -> QuerySet[Host]:
    """The ticked hosts, or with `all` everything that the filter of the list matches."""
    if request.POST.get("all"):
        return queries.hosts(queries.Filter.of(request.POST))
    ticked = [pk for pk in request.POST.getlist("host") if pk.isascii() and pk.isdigit() and len(pk) < 16]
    return Host.objects.filter(pk__in=ticked[:1000])


def _back(request: PortalRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('hosts')}?{queries.Filter.of(request.POST).query}")


@operator
@require_POST
def hosts_tag(request: PortalRequest) -> HttpResponse:
    form = TagForm({"tags": request.POST.get("tags", "")})
    if not form.is_valid():
        messages.error(request, " ".join(str(text) for text in form.errors["tags"]))
    else:
        _tag(request, form.cleaned_data["tags"].split(), take_off=request.POST.get("do") == "untag")
    return _back(request)


def _tag(request: PortalRequest, words: list[str], *, take_off: bool) -> None:
    try:
        number = tagging.change(_chosen(request), words, take_off=take_off, user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"{', '.join(words)}: {'taken off' if take_off else 'put on'} {_hosts(number)}.")


@operator
@require_POST
def hosts_move(request: PortalRequest) -> HttpResponse:
    """Without `really` the page asks where to."""
    chosen = _chosen(request)
    form = MoveForm(request.POST if request.POST.get("really") else None, prefix="to")
    if form.is_bound and form.is_valid():
        cloud, pool = form.cleaned_data["cloud"], form.cleaned_data["pool"]
        number = tagging.move(chosen, cloud, pool, user=request.user)
        messages.success(request, f"{_hosts(number)} moved to {pool or cloud or 'no cloud'}.")
        return _back(request)
    return render(request, "hosts/move.html", {"form": form, **_asked(request, chosen)}, status=422 if form.errors else 200)


@operator
@require_POST
def hosts_credential(request: PortalRequest) -> HttpResponse:
    """Without `really` the page asks which."""
    chosen = _chosen(request)
    form = GiveCredentialForm(request.POST if request.POST.get("really") else None, prefix="new")
    if form.is_bound and form.is_valid():
        credential = form.cleaned_data["credential"]
        number = tagging.give_credential(chosen, credential, user=request.user)
        tasks.wake_reader()
        messages.success(request, f"{_hosts(number)}: the portal logs in with {credential} from now on, and reads them now.")
        return _back(request)
    return render(request, "hosts/give_credential.html", {"form": form, **_asked(request, chosen)}, status=422 if form.errors else 200)


@operator
@require_POST
def hosts_read(request: PortalRequest) -> HttpResponse:
    number = reading.ask(_chosen(request))
    tasks.wake_reader()
    messages.success(request, f"{_hosts(number)} will be read now. The list shows the answers as they come.")
    return _back(request)


@operator
@require_POST
def hosts_remove(request: PortalRequest) -> HttpResponse:
    """Without `really` the page asks first."""
    chosen = _chosen(request)
    if not request.POST.get("really"):
        return render(
            request, "hosts/remove.html", {**_asked(request, chosen), "held": removing.held(list(chosen))[:5], "back": reverse("hosts")}
        )
    try:
        number = removing.remove_hosts(list(chosen), user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"{_hosts(number)} removed from the inventory. Nothing was changed on the machines.")
    return _back(request)


def _asked(request: PortalRequest, chosen: QuerySet[Host]) -> dict[str, object]:
    """What a page that asks first shows, and carries on in hidden fields."""
    return {
        "chosen": list(chosen[:20]),
        "number": chosen.count(),
        "all": request.POST.get("all", ""),
        "ticked": request.POST.getlist("host"),
        "carried": queries.Filter.of(request.POST).pairs,
    }


def _hosts(number: int) -> str:
    return "1 host" if number == 1 else f"{number:,} hosts"
