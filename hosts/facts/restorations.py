"""What operations changed for a time and did not bring back, as a fact for guards."""

from __future__ import annotations

from dataclasses import dataclass

from opsportal.operations.facts import Fact, OfThePortal, Reader
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
    """What operations left changed on it

    Open restorations on one resource. Target "portal". Volatile: settling one is no reason to approve a plan again.
    """

    volatile = True

    resource: str

    def read(self, reader: Reader) -> tuple[Open, ...]:
        rows = Restoration.objects.filter(resource=self.resource, state=Restoration.State.OPEN).order_by("pk")
        return tuple(Open(row.key, row.title, row.operation_id, row.operation.state in FINAL) for row in rows.select_related("operation"))


@dataclass(frozen=True)
class LeftOff:
    """Pool HA that an operation turned off and did not bring back: how it was."""

    sr: str
    timeout: int
    operation: int


@dataclass(frozen=True)
class HaLeftOff(OfThePortal, Fact[LeftOff | None]):
    """Pool HA that an operation left off

    Read from the command of the open restoration on `resource`. Target "portal". While the operation is at work it
    counts as well: who waits for it has to look again when it is over.
    """

    resource: str

    def read(self, reader: Reader) -> LeftOff | None:
        rows = Restoration.objects.filter(resource=self.resource, state=Restoration.State.OPEN, key=HA).order_by("-pk")
        return next((found for row in rows if (found := _left(row))), None)


@dataclass(frozen=True)
class ClusterLeftUnmanaged(OfThePortal, Fact[int | None]):
    """The operation that left the pool's cluster unmanaged in CloudStack

    By the open restoration on `resource`; None when there is none. Target "portal". As with HA, one that is at work counts as well.
    """

    resource: str

    def read(self, reader: Reader) -> int | None:
        rows = Restoration.objects.filter(resource=self.resource, state=Restoration.State.OPEN, key=CLUSTER)
        return rows.order_by("-pk").values_list("operation_id", flat=True).first()


HA, CLUSTER = "pool-ha", "cloudstack-cluster"
SR, TIMEOUT = "heartbeat-sr-uuids=", "ha-config:timeout="


def _left(row: Restoration) -> LeftOff | None:
    words = [str(word) for word in row.way_back["action"]["command"]["argv"]]
    sr = next((word.removeprefix(SR) for word in words if word.startswith(SR)), "")
    timeout = next((word.removeprefix(TIMEOUT) for word in words if word.startswith(TIMEOUT)), "")
    return LeftOff(sr, int(timeout), row.operation_id) if sr and timeout.isdigit() else None
