"""What is on record: the rulebook, open restorations, and the audit trail."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator
from typing import Any

from django.db.models import Max
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from opsportal.operations import audit, followers, queries, registry
from opsportal.operations.models import AuditEntry, Restoration
from opsportal.operations.plan import canonical
from opsportal.operations.trail import Filter, entries, spoken
from opsportal.operations.views import number, told
from opsportal.operations.wizard_views import one_time
from opsportal.web.access import PortalRequest, administrator, has_role, operator, viewer

VERIFIED_AT_ONCE = 2000
"""Entries of the audit trail that one request verifies: a fraction of a second."""

EXPORT_LIMIT = 1_000_000


@require_safe
@viewer
def rulebook(request: PortalRequest) -> HttpResponse:
    q, runbook = request.GET.get("q", "")[:200], request.GET.get("runbook", "")[:80]
    books = [book for book in registry.runbooks().values() if book.guards]
    context = {"rules": queries.rulebook(q, runbook), "books": books, "q": q, "runbook": runbook}
    return render(request, "operations/_rules.html" if request.htmx else "operations/rulebook.html", context)


@require_safe
@viewer
def restorations(request: PortalRequest) -> HttpResponse:
    """What is changed for a time right now, and what was settled lately."""
    settled = Restoration.objects.filter(state=Restoration.State.SETTLED).select_related("operation").order_by("-settled_at", "-id")
    context = {
        "open": queries.open_restorations(),
        "settled": settled.defer("operation__plan", "operation__looks", "operation__findings")[:30],
        "token": secrets.token_hex(16),
        "may_run": has_role(request.user, "operator"),
    }
    return render(request, "operations/restorations.html", context)


@require_POST
@operator
def restoration_settle(request: PortalRequest, pk: int) -> HttpResponse:
    """Makes the operation that brings back what was."""
    restoration = get_object_or_404(Restoration.objects.select_related("operation"), pk=pk)
    return told(
        request, restoration.operation, lambda: followers.restore(restoration, user=request.user, token=f"{one_time(request)[:50]}-{pk}")
    )


@require_safe
@administrator
def audit_trail(request: PortalRequest) -> HttpResponse:
    wanted = Filter.of(request.GET)
    found = queries.listing(entries(wanted), number(request, "before"), number(request, "after"), "number")
    actions = spoken()
    context = {"wanted": wanted, "found": found, "actions": list(actions), "newest": max(actions.values(), default=0)}
    return render(request, "operations/_audit.html" if request.htmx else "operations/audit.html", context)


def _newest() -> int:
    return AuditEntry.objects.aggregate(newest=Max("number"))["newest"] or 0


@require_POST
@administrator
def audit_verify(request: PortalRequest) -> HttpResponse:
    """Verifies the next entries of the chain, from `first`; the page goes on by itself until the end."""
    first = int(text) if (text := request.POST.get("first", "1")).isascii() and text.isdigit() and 0 < len(text) < 16 else 1
    newest, wrong = _newest(), list(audit.verify(first, VERIFIED_AT_ONCE))
    after = min(first + VERIFIED_AT_ONCE, newest + 1)
    before = request.POST.getlist("wrong")[:50]
    context = {"checked": after - 1, "newest": newest, "next": after, "finished": after > newest, "wrong": [*before, *wrong][:50]}
    return render(request, "operations/_verify.html" if request.htmx else "operations/verify.html", context)


@require_safe
@administrator
def audit_export(request: HttpRequest) -> StreamingHttpResponse:
    """The entries that match, oldest first, as CSV."""
    found = entries(Filter.of(request.GET)).order_by("number")[:EXPORT_LIMIT]
    response = StreamingHttpResponse(_csv(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


COLUMNS = ("number", "at", "actor", "action", "operation", "subject", "alarming", "detail", "previous", "digest")


def _csv(found: Any) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for entry in found.iterator(chunk_size=1000):
        cells = [entry.number, entry.at.isoformat(), entry.actor, entry.action, entry.operation_id or "", entry.subject]
        yield writer.writerow([harmless(cell) for cell in [*cells, entry.alarming, canonical(entry.detail), entry.previous, entry.digest]])


class _Echo:
    """A file that gives back what is written, for `csv.writer`."""

    def write(self, text: str) -> str:
        return text


def harmless(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
