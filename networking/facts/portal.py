"""What the inventory knows, as facts, so that planners stay pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Never

from hosts.models import Host
from opsportal.operations.facts import Fact, FactError, Reader
from opsportal.transport.base import Result
from opsportal.transport.command import Command


@dataclass(frozen=True)
class HostData:
    pk: int
    name: str
    kind: str

    @property
    def target(self) -> str:
        return f"host:{self.pk}"


@dataclass(frozen=True)
class InventoryHost(Fact[HostData]):
    """The host as the inventory has it. Target "portal": no command reads it."""

    host: int

    def command(self) -> Command:
        raise FactError("This fact is in the portal's own database.")

    def parse(self, result: Result) -> Never:
        raise FactError("This fact is in the portal's own database.")

    def read(self, reader: Reader) -> HostData:
        host = Host.objects.filter(pk=self.host).first()
        if host is None:
            raise FactError("Choose a host. If it is not in the list, add it to the inventory first.")
        return HostData(host.pk, host.name, host.kind)
