"""What the inventory knows, as facts, so that planners stay pure."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.models import Host, Pool
from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader


@dataclass(frozen=True)
class HostRow:
    """A host of the inventory. `uuid` is its INSTALLATION_UUID at the last reading, "" when it was not read."""

    pk: int
    name: str
    address: str
    uuid: str

    @property
    def target(self) -> str:
        return f"host:{self.pk}"


@dataclass(frozen=True)
class PoolRow:
    """A pool of the inventory with its hosts, in the order of their names. `uuid` is "" for a pool that was never read."""

    pk: int
    name: str
    uuid: str
    kind: str
    cloud: str
    hosts: tuple[HostRow, ...]

    @property
    def resource(self) -> str:
        """Its name as a lock and as what a restoration is open on."""
        return f"pool:{self.pk}"


def row(host: Host) -> HostRow:
    return HostRow(host.pk, host.name, host.address, str(host.facts.get("host_uuid", "")).lower())


@dataclass(frozen=True)
class InventoryPool(OfThePortal, Fact[PoolRow]):
    """The pool and its hosts in the inventory

    Target "portal". Volatile: what the hosts said when they were last read moves by itself. Which hosts they are is in the plan, as
    each is asked by itself.
    """

    volatile = True

    pool: int

    def read(self, reader: Reader) -> PoolRow:
        pool = Pool.objects.select_related("cloud").filter(pk=self.pool).first()
        if pool is None:
            raise FactError("Choose a pool. If there is none yet, add one under Clouds.")
        hosts = tuple(row(host) for host in pool.hosts.order_by("sort_name", "pk"))
        return PoolRow(pool.pk, pool.name, pool.uuid, pool.kind, pool.cloud.name, hosts)


@dataclass(frozen=True)
class InventoryHost(OfThePortal, Fact[HostRow]):
    """The host in the inventory

    Target "portal". Volatile, as `InventoryPool`.
    """

    volatile = True

    host: int

    def read(self, reader: Reader) -> HostRow:
        host = Host.objects.filter(pk=self.host).first()
        if host is None:
            raise FactError("Choose a host. If it is not in the list, add it to the inventory first.")
        return row(host)
