"""Finding which logs a host has: asked for by a person, answered by a worker, kept for the page that offers them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from hosts import connections
from hosts.models import Host
from hosts.tails import following, places
from hosts.tails.models import LogList
from opsportal.transport.errors import TransportError

ANSWER_SECONDS = 20
ASK_AGAIN = timedelta(seconds=10)
NEWS_FOR = timedelta(minutes=10)
"""A list older than this is read anew when somebody opens the page."""


def ask(host: Host) -> None:
    """A worker will look; what was found before is shown until then."""
    LogList.objects.update_or_create(host=host, defaults={"asked_at": timezone.now(), "problem": ""})


def look(host_id: int) -> None:
    """Worker: an answer counts only for the question it was asked by."""
    wanted = LogList.objects.filter(host_id=host_id).first()
    host = connections.with_keys(Host.objects.filter(pk=host_id)).first()
    if wanted is None or host is None or not wanted.waiting:
        return
    mine = LogList.objects.filter(pk=wanted.pk, asked_at=wanted.asked_at)
    try:
        with connections.opened(connections.ssh_target(host), insist=True) as transport:
            answer = transport.run(places.find(sudo=following.as_root(host)), timeout=ANSWER_SECONDS)
    except TransportError as error:
        mine.update(read_at=timezone.now(), problem=str(error))
        return
    parsed = places.parse(answer.out)
    if parsed is None:
        said = (answer.err or answer.out).strip()[:200] or "it said nothing"
        mine.update(read_at=timezone.now(), problem=f"{host} did not answer like a Linux machine (exit code {answer.exit}): {said}")
        return
    found, closed = parsed
    mine.update(read_at=timezone.now(), found=[asdict(one) for one in found], closed=closed, problem="")


def waiting() -> list[int]:
    """Hosts whose message to a worker seems lost."""
    unanswered = Q(read_at=None) | Q(read_at__lt=F("asked_at"))
    recent = Q(asked_at__lt=timezone.now() - ASK_AGAIN, asked_at__gt=timezone.now() - timedelta(hours=1))
    return list(LogList.objects.filter(unanswered & recent).values_list("host_id", flat=True)[:20])


def stale(found: LogList | None) -> bool:
    """The page asks a worker by itself."""
    return found is None or (not found.waiting and found.asked_at < timezone.now() - NEWS_FOR)
