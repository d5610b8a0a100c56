"""Changing the record of one host, without touching what workers write."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from hosts import reading
from hosts.models import Host
from opsportal.operations import audit

REACH = frozenset({"address", "port", "username", "credential", "legacy"})
"""After a change of these the host is read anew: the last answer came from elsewhere, or in another way."""


@transaction.atomic
def save(host: Host, changed: Iterable[str], *, user: User) -> set[str]:
    """Writes the changed fields and nothing else. Allowing SHA-1 is alarming."""
    names = set(changed)
    if names:
        host.save(update_fields=[*names, "sort_name", "cloud"])
        alarming = "legacy" in names and host.legacy
        audit.record(user, "host.edit", subject=host.name, detail={"changed": sorted(names), "legacy": host.legacy}, alarming=alarming)
    if names & REACH:
        reading.ask(Host.objects.filter(pk=host.pk))
    return names
