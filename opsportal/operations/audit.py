"""The audit trail: append-only entries, each carrying the hash of the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from opsportal.operations.models import AuditEntry, Operation
from opsportal.operations.plan import canonical

GENESIS = "0" * 64
_TRIES = 50


def record(
    actor: AbstractBaseUser | str,
    action: str,
    operation: Operation | None = None,
    subject: str = "",
    detail: dict[str, Any] | None = None,
    *,
    alarming: bool = False,
) -> AuditEntry:
    """Write one entry, in the caller's transaction: no record, no action."""
    name = actor if isinstance(actor, str) else actor.get_username()
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return _append(name, action, operation, subject, detail or {}, alarming)
        except IntegrityError:
            continue  # somebody else took this number; read the new end of the chain
    raise IntegrityError("the audit trail is written to by too many at once")


def _append(name: str, action: str, operation: Operation | None, subject: str, detail: dict[str, Any], alarming: bool) -> AuditEntry:
    last = AuditEntry.objects.order_by("-number").first()
    entry = AuditEntry(
        number=last.number + 1 if last else 1,
        at=timezone.now(),
        actor=name[:150],
        action=action,
        operation=operation,
        subject=subject[:300] or (f"{operation.title}: {operation.subject}"[:300].removesuffix(": ") if operation else ""),
        detail=detail,
        alarming=alarming,
        previous=last.digest if last else GENESIS,
    )
    entry.digest = digest(entry)
    entry.save(force_insert=True)
    return entry


def digest(entry: AuditEntry) -> str:
    """SHA-256 over everything the entry says and the hash of the one before."""
    said = [
        entry.number,
        entry.at.isoformat(),
        entry.actor,
        entry.action,
        entry.operation_id,
        entry.subject,
        entry.detail,
        entry.alarming,
        entry.previous,
    ]
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def verify(first: int = 1, count: int | None = None) -> Iterator[str]:
    """One sentence for each place where the chain does not hold; nothing when it does. Long chains can be verified in parts."""
    before = AuditEntry.objects.filter(number=first - 1).first()
    previous, expected = before.digest if before else GENESIS, first
    rows = AuditEntry.objects.filter(number__gte=first).order_by("number")
    for entry in (rows if count is None else rows.filter(number__lt=first + count)).iterator(chunk_size=1000):
        if entry.number != expected:
            yield f"Entries {expected} to {entry.number - 1} are missing."
        elif entry.previous != previous:
            yield f"Entry {entry.number} does not follow entry {entry.number - 1}: one of them was changed."
        if digest(entry) != entry.digest:
            yield f"Entry {entry.number} was changed after it was written."
        previous, expected = entry.digest, entry.number + 1
