"""Looking things up in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from django.db.models import Max, Q, QuerySet

from opsportal.operations.models import AuditEntry
from opsportal.operations.queries import midnight, valid_day


@dataclass(frozen=True)
class Filter:
    """What the trail is narrowed to. Everything is a plain text from the address bar; what makes no sense counts as not given."""

    q: str = ""
    actor: str = ""
    action: str = ""
    operation: str = ""
    since: str = ""
    until: str = ""
    alarming: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Filter:
        given = {field.name: str(raw.get(field.name, "")).strip()[:200].replace("\0", "") for field in fields(cls)}
        number = given["operation"].removeprefix("#")
        given["operation"] = number if number.isascii() and number.isdigit() and len(number) < 16 else ""
        for name in ("since", "until"):
            given[name] = given[name] if valid_day(given[name]) else ""
        return cls(**given)

    @property
    def query(self) -> str:
        return urlencode({field.name: value for field in fields(self) if (value := getattr(self, field.name))})

    @property
    def active(self) -> bool:
        return bool(self.query)


def entries(wanted: Filter) -> QuerySet[AuditEntry]:
    """The entries that match."""
    found = AuditEntry.objects.select_related("operation").only(*(field.name for field in AuditEntry._meta.fields), "operation__title")
    for name in ("actor", "action"):
        if value := getattr(wanted, name):
            found = found.filter(**{name: value})
    if wanted.operation:
        found = found.filter(operation_id=int(wanted.operation))
    if wanted.since:
        found = found.filter(at__gte=midnight(wanted.since))
    if wanted.until:
        found = found.filter(at__lt=midnight(wanted.until, 1))
    if wanted.alarming:
        found = found.filter(alarming=True)
    for word in wanted.q.split()[:6]:
        found = found.filter(Q(subject__icontains=word) | Q(detail__icontains=word) | Q(actor__icontains=word))
    return found


def spoken() -> dict[str, int]:
    """Every action that is on record, for the filter, with the number of its newest entry."""
    found = AuditEntry.objects.order_by().values_list("action").annotate(newest=Max("number"))
    return dict(sorted(found[:200]))
