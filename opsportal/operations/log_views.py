"""The log over HTTP: ranges of lines, search, the raw text, pages without script, and the stream of events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.module_loading import import_string
from django.views.decorators.http import require_GET

from opsportal.operations import journal, news, stream
from opsportal.operations.models import Operation
from opsportal.web.access import PortalRequest, has_role, viewer

PAGE = 1000
MAX_LINES = 1000
MAX_NEEDLE = 1000


def number(request: HttpRequest, name: str, default: int) -> int:
    """A whole number of the query, or the default for anything else."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else default


@require_GET
@viewer
def lines(request: PortalRequest, pk: int) -> JsonResponse:
    """`?first=&count=` (count at most 1,000): these lines; `open` says that the last one may still grow.

    `?after=`: what a stream would begin with, for a browser that cannot have one.
    """
    if "after" in request.GET:
        operation = get_object_or_404(Operation.objects.defer("plan", "looks", "findings"), pk=pk)
        return JsonResponse({"operation": news.summary(operation), "log": news.log(operation, number(request, "after", 0))})
    operation = get_object_or_404(Operation.objects.only("log_lines"), pk=pk)
    first = number(request, "first", 0)
    found = journal.lines(operation, first, min(number(request, "count", 200), MAX_LINES))
    is_open = bool(found) and not found[-1].ended and found[-1].number >= operation.log_lines - 1
    return JsonResponse({"first": first, "lines": [line.json() for line in found], "total": operation.log_lines, "open": is_open})


@require_GET
@viewer
def search(request: PortalRequest, pk: int) -> JsonResponse:
    """`?q=&case=1&after=&cursor=`: numbers of matching lines behind `after`; with a cursor in the answer there is more to scan."""
    operation = get_object_or_404(Operation.objects.only("pk"), pk=pk)
    needle, cursor = request.GET.get("q", ""), request.GET.get("cursor", "")
    if len(needle) > MAX_NEEDLE:
        return JsonResponse({"error": f"A text to search for has at most {MAX_NEEDLE} characters."}, status=400)
    if cursor and not journal.valid_cursor(cursor):
        return JsonResponse({"error": "This search cannot go on. Search again."}, status=400)
    after = number(request, "after", -1)
    found = journal.search(operation, needle, after=after, cursor=cursor, ignore_case=request.GET.get("case") != "1")
    return JsonResponse({"lines": found.lines, "cursor": found.cursor})


@require_GET
@viewer
def raw(request: PortalRequest, pk: int) -> StreamingHttpResponse:
    """The bytes as printed, `?step=` for those of one step, `?line=` for one line; always a download, never shown by the browser."""
    operation = get_object_or_404(Operation.objects.defer("plan", "looks", "findings"), pk=pk)
    pieces, part = _pieces(request, operation)
    response = StreamingHttpResponse(one_by_one(pieces), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="operation-{pk}{part}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _pieces(request: HttpRequest, operation: Operation) -> tuple[Iterator[bytes], str]:
    """The bytes asked for, and what a file of them is called."""
    if (line := number(request, "line", -1)) >= 0:
        return journal.raw_line(operation, line), f"-line-{line + 1}"
    if (index := number(request, "step", -1)) >= 0:
        return journal.raw(operation, get_object_or_404(operation.steps, index=index)), f"-step-{index + 1}"
    marker = journal.marker(operation)
    return chain(journal.raw(operation), [f"\n[{marker}]\n".encode()] if marker else []), ""


async def one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Django would read a plain iterator to its end before it sends the first byte."""
    while piece := await sync_to_async(lambda: next(pieces, b""))():
        yield piece


@require_GET
@viewer
def page(request: PortalRequest, pk: int) -> HttpResponse:
    """A thousand lines as plain text: the log for a browser without script, `?first=`."""
    operation = get_object_or_404(Operation.objects.defer("plan", "looks", "findings"), pk=pk)
    first = number(request, "first", 0) // PAGE * PAGE
    found = journal.lines(operation, first, PAGE)
    context = {
        "operation": operation,
        "lines": found,
        "first": first,
        "last": first + len(found),
        "earlier": first - PAGE if first else None,
        "later": first + PAGE if first + PAGE < operation.log_lines else None,
        "marker": journal.marker(operation),
    }
    return render(request, "operations/log_page.html", context)


@require_GET
async def events(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Server-sent events. The id of an event is the first line that may still change: a browser that comes back goes on there."""
    await sync_to_async(_admit)(request, pk)
    last = request.headers.get("Last-Event-ID", "") or request.GET.get("after", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else 0
    response = StreamingHttpResponse(_stream(request, pk, after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    # A stream holds its thread, and the thread its connection: give it back before the stream begins.
    await sync_to_async(connections.close_all)()
    return response


def _admit(request: HttpRequest, pk: int) -> None:
    if not has_role(request.user, "viewer"):
        raise PermissionDenied("This needs the role of viewer.")
    get_object_or_404(Operation.objects.only("pk"), pk=pk)


def still_admitted(session_key: str | None, role: str = "viewer") -> bool:
    """Asked again from the database: logged out, deactivated, or without a role since?"""
    again = HttpRequest()
    again.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key)
    try:
        return has_role(get_user(again), role)
    finally:
        connections.close_all()


def _start(viewer: stream.Viewer, after: int) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        operation = Operation.objects.get(pk=viewer.operation_id)
        return news.summary(operation), news.log(operation, after)
    finally:
        connections.close_all()


async def _stream(request: HttpRequest, pk: int, after: int) -> AsyncIterator[bytes]:
    """Joined before the database is read, so nothing falls between what is read and what is published."""
    viewer, hub = stream.Viewer(pk), stream.hub()
    hub.join(viewer)
    try:
        summary, log = await sync_to_async(_start)(viewer, after)
        hub.greet(viewer, summary, log)
        yield b"retry: 1000\n\n" + stream.frame("operation", summary) + stream.frame("log", log)
        async for data in _guarded(request, viewer):
            yield data
    finally:
        hub.leave(viewer)


async def _guarded(request: HttpRequest, viewer: stream.Viewer) -> AsyncIterator[bytes]:
    """Ends soon after its reader lost the right to look; says something at least each 15 s."""
    sent = asked = time.monotonic()
    async for data in stream.watch(viewer):
        now = time.monotonic()
        if now - asked > stream.RECHECK:
            asked = now
            if not await sync_to_async(still_admitted)(request.session.session_key):
                yield stream.frame("end", {"reason": "signed out"})
                return
        if data or now - sent > stream.KEEP_ALIVE:
            sent = now
            yield data or stream.frame("alive", {})
