"""Reading which keys a host shows now, when a person wants to pin them or to pin others."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from hosts import connections
from hosts.models import Host
from opsportal.transport.errors import TransportError

ASK_AGAIN = timedelta(seconds=10)


def ask(host: Host) -> None:
    """What was offered before is forgotten: nobody can pin a stale offer."""
    Host.objects.filter(pk=host.pk).update(scan_asked_at=timezone.now(), offered=[], offered_at=None, offer_error="")


def scan(host: Host) -> None:
    """Worker: an answer counts only for the question it was asked by."""
    try:
        offers, error = connections.offers(host.address, host.port, legacy=host.legacy), ""
    except TransportError as raised:
        offers, error = [], str(raised)
    asked = Host.objects.filter(pk=host.pk, scan_asked_at=host.scan_asked_at)
    asked.update(offered=offers, offered_at=timezone.now(), offer_error=error)


def waiting() -> list[Host]:
    """Hosts whose message to a worker seems lost."""
    unanswered = Q(offered_at=None) | Q(offered_at__lt=F("scan_asked_at"))
    return list(Host.objects.filter(unanswered, scan_asked_at__lt=timezone.now() - ASK_AGAIN)[:50])
