"""What the inventory knows, as facts, so that planners stay pure."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.models import Host
from networking.design import Design
from networking.models import NetworkDesign
from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader


@dataclass(frozen=True)
class HostData:
    pk: int
    name: str
    kind: str

    @property
    def target(self) -> str:
        return f"host:{self.pk}"


@dataclass(frozen=True)
class InventoryHost(OfThePortal, Fact[HostData]):
    """The host as the inventory has it. Target "portal": no command reads it."""

    host: int

    def read(self, reader: Reader) -> HostData:
        host = Host.objects.filter(pk=self.host).first()
        if host is None:
            raise FactError("Choose a host. If it is not in the list, add it to the inventory first.")
        return HostData(host.pk, host.name, host.kind)


@dataclass(frozen=True)
class DesignData:
    name: str
    design: Design


@dataclass(frozen=True)
class SavedDesign(OfThePortal, Fact[DesignData]):
    """A network design as it is saved now: one that is edited later makes a plan stale. Target "portal"."""

    design: int

    def read(self, reader: Reader) -> DesignData:
        found = NetworkDesign.objects.filter(pk=self.design).first()
        if found is None:
            raise FactError("Choose a network design. If there is none yet, write one under Networks, Designs.")
        if found.design is None:
            raise FactError(f"The design {found} was written by another version of the portal. Open it and save it again.")
        return DesignData(found.name, found.design)
