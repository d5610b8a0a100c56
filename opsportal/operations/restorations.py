"""Temporary changes and their ways back."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from pydantic import TypeAdapter

from opsportal.operations.models import Operation, Restoration, Step
from opsportal.operations.steps import Step as Planned
from opsportal.operations.steps import WayBack

WAY_BACK: TypeAdapter[WayBack] = TypeAdapter(WayBack)


def open_(operation: Operation, step: Step, planned: Planned) -> None:
    """On record before the change is made: from now on somebody has to bring it back."""
    assert planned.opens is not None
    way_back: dict[str, Any] = WAY_BACK.dump_python(planned.opens, mode="json")
    Restoration.objects.get_or_create(
        operation=operation,
        key=planned.opens.key,
        defaults={
            "step": step,
            "resource": planned.opens.resource,
            "target": planned.target,
            "title": planned.opens.title,
            "way_back": way_back,
            "opened_at": Now(),
        },
    )


def of(operation: Operation) -> QuerySet[Restoration]:
    """Its own, and those of the operations that it takes up again or takes back: it goes on from what they left, and brings it back."""
    numbers, one = [operation.pk], operation
    while one.kind in (Operation.Kind.RETRY, Operation.Kind.UNDO) and one.after is not None:
        one = one.after
        numbers.append(one.pk)
    return Restoration.objects.filter(operation__in=numbers)


def settle(operation: Operation, key: str, by: str) -> None:
    """Brought back and proved."""
    of(operation).filter(key=key).exclude(state=Restoration.State.SETTLED).update(
        state=Restoration.State.SETTLED, settled_at=Now(), settled_by=by
    )


def open_on(resource: str) -> list[Restoration]:
    return list(Restoration.objects.filter(resource=resource, state=Restoration.State.OPEN))
