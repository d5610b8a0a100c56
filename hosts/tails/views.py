"""Pages of followed logs: which there are, one that is followed, and what its viewer asks for. Nothing here talks to a host."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from hosts import tasks
from hosts.models import Host
from hosts.tails import keeping, listing, places, starting, streaming, telling
from hosts.tails.models import LogList, Tail
from opsportal.operations import stream
from opsportal.operations.errors import Refused
from opsportal.operations.log_views import MAX_LINES, MAX_NEEDLE, number, one_by_one, still_admitted
from opsportal.web.access import PortalRequest, has_role, operator

FIRST_LINES = 200


@operator
@require_safe
def host_logs(request: PortalRequest, pk: int) -> HttpResponse:
    """The logs that a worker found on the host; htmx asks for the list alone while one is looking."""
    host = get_object_or_404(Host, pk=pk)
    found = LogList.objects.filter(host=host).first()
    following = Tail.objects.filter(host=host, state=Tail.State.FOLLOWING).select_related("person")
    look = {
        "host": host,
        "list": found,
        "logs": _grouped(found, {tail.place: tail for tail in following}),
        "stale": listing.stale(found),
        "recent": Tail.objects.filter(host=host, state=Tail.State.ENDED).select_related("person")[:10],
        "may_write": True,
    }
    return render(request, "hosts/_tail_list.html" if request.htmx and not request.htmx.boosted else "hosts/tail_list.html", look)


def _grouped(found: LogList | None, following: dict[str, Tail]) -> list[tuple[str, list[tuple[places.Found, Tail | None]]]]:
    """By folder, the journal last; each with who follows it already."""
    groups: dict[str, list[tuple[places.Found, Tail | None]]] = {}
    logs = places.known(found.found) if found else []
    for one in sorted(logs, key=lambda log: (bool(log.unit), log.place)):
        heading = "Journal" if one.unit else one.place.rpartition("/")[0]
        groups.setdefault(heading, []).append((one, following.get(one.place)))
    return list(groups.items())


@operator
@require_POST
def host_logs_look(request: PortalRequest, pk: int) -> HttpResponse:
    host = get_object_or_404(Host, pk=pk)
    listing.ask(host)
    tasks.wake_log_list(host)
    return redirect("host_logs", pk)


@operator
@require_POST
def host_logs_follow(request: PortalRequest, pk: int) -> HttpResponse:
    host = get_object_or_404(Host, pk=pk)
    try:
        tail = starting.start(host, request.POST.get("place", ""), user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("host_logs", pk)
    tasks.wake_tails()
    return redirect(tail)


def _tail(pk: int) -> Tail:
    return get_object_or_404(Tail.objects.select_related("host", "person"), pk=pk)


@operator
@require_safe
def tail(request: PortalRequest, pk: int) -> HttpResponse:
    """The page; htmx asks for its head alone when the state changed."""
    tail = _tail(pk)
    if request.htmx and not request.htmx.boosted:
        return render(request, "hosts/_tail_head.html", {"tail": tail})
    starting.seen(tail)
    lines = keeping.lines(tail, tail.log_lines - FIRST_LINES, FIRST_LINES)
    names = {"events": "tail_events", "search": "tail_search", "raw": "tail_raw", "lines": "tail_lines"}
    start = telling.summary(tail) | {
        "first": lines[0].number if lines else 0,
        "lines": [line.json() for line in lines],
        "next": tail.log_lines,
        "now": time.time(),
        "addresses": {name: reverse(url, args=[pk]) for name, url in names.items()},
    }
    return render(request, "hosts/tail.html", {"tail": tail, "lines": lines, "start": start, "raw": start["addresses"]["raw"]})


@operator
@require_POST
def tail_stop(request: PortalRequest, pk: int) -> HttpResponse:
    tail = _tail(pk)
    starting.stop(tail, user=request.user)
    return redirect(tail)


@operator
@require_GET
def tail_lines(request: PortalRequest, pk: int) -> JsonResponse:
    """`?first=&count=`: these lines. `?after=`: what a stream would begin with, for a browser that cannot have one."""
    tail = _tail(pk)
    if "after" in request.GET:
        starting.seen(tail)
        return JsonResponse({"operation": telling.summary(tail), "log": streaming.log(tail, number(request, "after", 0))})
    first = number(request, "first", 0)
    found = keeping.lines(tail, first, min(number(request, "count", 200), MAX_LINES))
    return JsonResponse({"first": first, "lines": [line.json() for line in found], "total": tail.log_lines, "open": False})


@operator
@require_GET
def tail_search(request: PortalRequest, pk: int) -> JsonResponse:
    """`?q=&case=1&after=&cursor=`, as for an operation's log."""
    tail, needle = _tail(pk), request.GET.get("q", "")
    if len(needle) > MAX_NEEDLE:
        return JsonResponse({"error": f"A text to search for has at most {MAX_NEEDLE} characters."}, status=400)
    after = number(request, "cursor", number(request, "after", -1))
    found = keeping.search(tail, needle, after=after, ignore_case=request.GET.get("case") != "1") if needle else None
    return JsonResponse({"lines": found.lines if found else [], "cursor": found.cursor if found else ""})


@operator
@require_GET
def tail_raw(request: PortalRequest, pk: int) -> StreamingHttpResponse:
    """What was fetched, or one line of it with `?line=`; always a download, never shown by the browser."""
    tail = _tail(pk)
    line = number(request, "line", -1)
    pieces = keeping.raw_line(tail, line) if line >= 0 else keeping.raw(tail)
    response = StreamingHttpResponse(one_by_one(pieces), content_type="text/plain; charset=utf-8")
    name = f"{tail.host.name}-{tail.unit or tail.place.rpartition('/')[2]}".replace(" ", "-")
    response["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@require_GET
async def tail_events(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Server-sent events, as for an operation's log. As long as one is open, the log is followed."""
    await sync_to_async(_admit)(request, pk)
    last = request.headers.get("Last-Event-ID", "") or request.GET.get("after", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else 0
    response = StreamingHttpResponse(_stream(request, pk, after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    await sync_to_async(connections.close_all)()
    return response


def _admit(request: HttpRequest, pk: int) -> None:
    if not has_role(request.user, "operator"):
        raise PermissionDenied("This needs the role of operator.")
    get_object_or_404(Tail.objects.only("pk"), pk=pk)


def _start(pk: int, after: int) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        tail = Tail.objects.get(pk=pk)
        starting.seen(tail)
        return telling.summary(tail), streaming.log(tail, after)
    finally:
        connections.close_all()


async def _stream(request: HttpRequest, pk: int, after: int) -> AsyncIterator[bytes]:
    """Joined before the database is read, so nothing falls between what is read and what is published."""
    viewer, hub = stream.Viewer(pk), stream.hub(streaming.TailHub)
    hub.join(viewer)
    try:
        summary, log = await sync_to_async(_start)(pk, after)
        hub.greet(viewer, summary, log)
        yield b"retry: 1000\n\n" + stream.frame("operation", summary) + stream.frame("log", log)
        async for data in _guarded(request, viewer, hub):
            yield data
    finally:
        hub.leave(viewer)


async def _guarded(request: HttpRequest, viewer: stream.Viewer, hub: stream.Hub) -> AsyncIterator[bytes]:
    """Ends soon after its reader lost the right to look; says something at least each 15 s; notes that somebody looks."""
    sent = asked = time.monotonic()
    async for data in stream.watch(viewer, hub):
        now = time.monotonic()
        if now - asked > stream.RECHECK:
            asked = now
            if not await sync_to_async(_looks)(request.session.session_key, viewer.operation_id):
                yield stream.frame("end", {"reason": "signed out"})
                return
        if data or now - sent > stream.KEEP_ALIVE:
            sent = now
            yield data or stream.frame("alive", {})


def _looks(session_key: str | None, pk: int) -> bool:
    if not still_admitted(session_key, "operator"):
        return False
    try:
        if tail := Tail.objects.filter(pk=pk).first():
            starting.seen(tail)
        return True
    finally:
        connections.close_all()
