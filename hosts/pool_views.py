"""One pool: how it stands, what the rulebook says to that, what can be done, and the emergency card."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from hosts import pools, tasks
from hosts.models import Pool
from hosts.pool_forms import ClockForm
from hosts.xen import card, pictures, reading
from hosts.xen.ha_clock import DEFAULT
from hosts.xen.roster import Row, roster
from hosts.xen.state import Pif, PoolState, Sr
from opsportal.web.access import PortalRequest, has_role, operator, viewer

HISTORY_PAGE = 50
SHOWN_VMS = 50
RELIABLE = timedelta(hours=1)
"""After this nobody should rely on a reading."""


def _pool(pk: int) -> Pool:
    return get_object_or_404(Pool.objects.select_related("cloud"), pk=pk)


@viewer
@require_safe
def pool(request: PortalRequest, pk: int) -> HttpResponse:
    """The page; for htmx the clock alone, or what moves, or nothing when that is as the page has it (?seen=)."""
    pool = _pool(pk)
    state = reading.before(pool)
    if request.htmx and request.htmx.target == "ha-clock":
        return render(request, "hosts/_pool_clock.html", _clock(request, pool, state))
    look = _look(request, pool, state)
    if request.htmx and request.GET.get("seen") == look["stamp"]:
        return HttpResponse(status=204)
    if request.htmx:
        return render(request, "hosts/_pool_live.html", {**look, "news": pools.news(pool)})
    return render(request, "hosts/pool.html", {**look, **_clock(request, pool, state), "books": pools.books(), "news": pools.news(pool)})


def _look(request: PortalRequest, pool: Pool, state: PoolState | None) -> dict[str, Any]:
    """What the live part shows, with a stamp that changes when it does."""
    rows = roster(state, pools.uuids(pool)) if state else ()
    storage = storage_rows(state) if state else []
    going, ended = pools.operations_on(pool)
    opened = pools.open_on(pool)
    busy = pools.busy(pool)
    moves = [(one.pk, one.state) for one in (*going, *ended)]
    stamp = hashlib.sha256(repr((pool.state_at, pool.problem_at, busy, moves, [one.pk for one in opened])).encode()).hexdigest()[:16]
    return {
        "pool": pool,
        "state": state,
        "rows": rows,
        "picture": pictures.pool(pool.name, state, rows) if state and rows else "",
        "findings": pools.worst_first(pool.findings),
        "storage": [row for row in storage if row.sr.shared or row.missing],
        "local": [row for row in storage if not row.sr.shared and not row.missing],
        "protected": state.vms.protected[:SHOWN_VMS] if state and state.vms else (),
        "interfaces": interface_rows(state) if state else (),
        "going": going,
        "ended": ended,
        "open": opened,
        "busy": busy,
        "stamp": stamp,
        "stale": pool.state_at is not None and pool.state_at < timezone.now() - RELIABLE,
        "token": secrets.token_hex(16),
        "unread": [] if state else list(pool.hosts.only("name", "address", "port", "contact", "contact_message")),
        "may_write": has_role(request.user, "operator"),
        "startable": {book.name: book.title for book in pools.books()},
    }


def _clock(request: PortalRequest, pool: Pool, state: PoolState | None) -> dict[str, Any]:
    """The clock for what the form asks, or first for the pool's own timeout."""
    own = (state.basics.ha_timeout if state and state.basics else None) or DEFAULT
    given = request.GET if "timeout" in request.GET else {"timeout": own, "outage": 90, "what": "both"}
    form = ClockForm(given)
    return {"pool": pool, "form": form, "clock": form.clock(own)}


@dataclass(frozen=True)
class StorageRow:
    """`hosts` and `missing` are names of hosts on which it is plugged, or should be. Bytes, None where the SR does not know."""

    sr: Sr
    plugged: int
    of: int
    hosts: tuple[str, ...]
    missing: tuple[str, ...]
    size: int | None
    free: int | None
    heartbeat: bool


def storage_rows(state: PoolState) -> list[StorageRow]:
    """Shared ones first. A local SR belongs on one host, so nothing is missing for it elsewhere."""
    if state.storage is None:
        return []
    found = [_storage_row(state, sr) for sr in state.storage.srs if sr.type not in ("udev", "iso") or sr.shared]
    return sorted(found, key=lambda row: (not row.heartbeat, not row.sr.shared, row.sr.name.lower(), row.sr.uuid))


def _storage_row(state: PoolState, sr: Sr) -> StorageRow:
    assert state.storage is not None
    plugged = state.storage.plugged(sr.uuid)
    wanted = {pbd.host for pbd in state.storage.pbds if pbd.sr == sr.uuid} | ({host.uuid for host in state.hosts} if sr.shared else set())
    names = {host.uuid: host.name for host in state.hosts}
    space = next((one for one in state.space if one.sr == sr.uuid), None)
    free = space.size - space.used if space and space.size is not None and space.used is not None else None
    used_for_ha = state.basics is not None and state.basics.ha_enabled and sr.uuid in state.basics.statefile_srs
    there, missing = (tuple(sorted(names.get(uuid, uuid) for uuid in some)) for some in (wanted & plugged, wanted - plugged))
    return StorageRow(sr, len(there), len(wanted), there, missing, space.size if space else None, free, used_for_ha)


def interface_rows(state: PoolState) -> list[tuple[str, list[Pif]]]:
    """By host name, the management interface first. VLANs are left out: a cloud has hundreds."""
    names = {host.uuid: host.name for host in state.hosts}
    by_host: dict[str, list[Pif]] = {}
    for pif in state.pifs:
        if pif.vlan < 0 or pif.management:
            by_host.setdefault(names.get(pif.host, pif.host), []).append(pif)
    return [(name, sorted(pifs, key=lambda pif: (not pif.management, pif.device))) for name, pifs in sorted(by_host.items())]


@operator
@require_POST
def pool_read(request: PortalRequest, pk: int) -> HttpResponse:
    """Asks a worker to read the pool now."""
    pool = _pool(pk)
    reading.ask(Pool.objects.filter(pk=pool.pk))
    tasks.wake_pools()
    return redirect("pool", pool.pk)


@viewer
@require_safe
def pool_history(request: PortalRequest, pk: int) -> HttpResponse:
    """Every reading that said something new; with ?all=1 the others too."""
    pool = _pool(pk)
    wanted = pool.readings.defer("state") if request.GET.get("all") else pool.readings.filter(changed=True).defer("state")
    page = Paginator(wanted, HISTORY_PAGE).get_page(request.GET.get("page"))
    return render(request, "hosts/pool_history.html", {"pool": pool, "page": page, "all": bool(request.GET.get("all"))})


@viewer
@require_safe
def pool_card(request: PortalRequest, pk: int) -> HttpResponse:
    """For the printer."""
    pool = _pool(pk)
    return render(request, "hosts/pool_card.html", {"pool": pool, "card": _card(pool, paper=True), "now": timezone.now()})


@viewer
@require_safe
def pool_card_text(request: PortalRequest, pk: int) -> HttpResponse:
    """The same to keep on another machine."""
    pool = _pool(pk)
    name = f"emergency-card-{slugify(f'{pool.cloud}-{pool.name}') or pool.pk}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(card.text(_card(pool), timezone.now()), content_type="text/plain; charset=utf-8", headers=headers)


def _card(pool: Pool, *, paper: bool = False) -> card.Card:
    state = reading.before(pool)
    known = pools.uuids(pool)
    hosts = () if state else pool.hosts.all()
    rows = roster(state, known) if state else tuple(Row.of_inventory(one.pk, one.name, one.address, known.get(one.pk, "")) for one in hosts)
    return card.make(pool.name, pool.cloud.name, pool.uuid, state, rows, paper=paper)
