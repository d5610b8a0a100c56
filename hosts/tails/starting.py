"""Beginning to follow a log, and ending it: what people do, on record."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from hosts.models import Host
from hosts.tails import following, places
from hosts.tails.models import LogList, Tail
from opsportal.operations import audit
from opsportal.operations.errors import Refused

MOST = 20
"""Logs followed at once in the whole portal; each takes a connection and a look a second."""

MOST_OF_ONE = 5
SEEN_AGAIN = timedelta(seconds=25)


def start(host: Host, place: str, *, user: User) -> Tail:
    """Follows a log that a worker found on the host. When somebody follows it already, that one is joined. Raises `Refused`."""
    if place not in offered(host):
        raise Refused(f"{place[:100]} is not among the logs that were found on {host}. Look again, then choose one of the list.")
    with transaction.atomic():
        tail = _running(host, place) or _new(host, place, user)
        audit.record(user, "host.follow-log", subject=f"{tail.name} of {host}", detail={"log": place, "tail": tail.pk})
    return tail


def offered(host: Host) -> set[str]:
    found = LogList.objects.filter(host=host).first()
    return {one.place for one in places.known(found.found)} if found else set()


def _running(host: Host, place: str) -> Tail | None:
    tail = Tail.objects.filter(host=host, place=place, state=Tail.State.FOLLOWING).first()
    if tail is not None:
        seen(tail)
    return tail


def _new(host: Host, place: str, user: User) -> Tail:
    running = Tail.objects.filter(state=Tail.State.FOLLOWING)
    if running.filter(person=user).count() >= MOST_OF_ONE:
        raise Refused(f"You follow {MOST_OF_ONE} logs already. Stop one of them first: they are listed below.")
    if running.count() >= MOST:
        raise Refused(f"{MOST} logs are followed right now, which is as many as the portal does at once. Wait until one ends.")
    try:
        with transaction.atomic():
            return Tail.objects.create(host=host, place=place, person=user)
    except IntegrityError:  # somebody else began in this very moment
        return Tail.objects.get(host=host, place=place, state=Tail.State.FOLLOWING)


def stop(tail: Tail, *, user: User) -> None:
    following.end(tail, f"{user} stopped it.")


def seen(tail: Tail) -> None:
    """Somebody looks at it: it goes on. Written at most twice a minute."""
    now = timezone.now()
    if tail.seen_at < now - SEEN_AGAIN:
        Tail.objects.filter(pk=tail.pk, seen_at__lt=now - SEEN_AGAIN).update(seen_at=now)
