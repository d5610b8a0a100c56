"""What operations changed for a time and did not bring back, as a fact for guards."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.facts.portal import OfThePortal
from opsportal.operations.facts import Fact, Reader
from opsportal.operations.models import Restoration
from opsportal.operations.states import FINAL


@dataclass(frozen=True)
class Open:
    """`key` is the way back's own, such as "pool-ha"; `operation` the number of the operation that made the change.

    `left` is False while that operation is at work: it brings the change back itself.
    """

    key: str
    title: str
    operation: int
    left: bool


@dataclass(frozen=True)
class OpenRestorations(OfThePortal, Fact[tuple[Open, ...]]):
    """Open restorations on one resource. Target "portal". Volatile: settling one is no reason to approve a plan again."""

    volatile = True

    resource: str

    def read(self, reader: Reader) -> tuple[Open, ...]:
        rows = Restoration.objects.filter(resource=self.resource, state=Restoration.State.OPEN).order_by("pk")
        return tuple(Open(row.key, row.title, row.operation_id, row.operation.state in FINAL) for row in rows.select_related("operation"))
