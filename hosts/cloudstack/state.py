"""What a CloudStack says of itself, as values. Ids are CloudStack's own uuids; "" stands for what it does not say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

Row = dict[str, Any]

UP = "Up"
ENABLED = "Enabled"
MAINTENANCE = "Maintenance"
MANAGED = "Managed"

ON_THE_WAY = ("Creating", "Connecting", "Rebalancing")
"""States of a host's connection that pass by themselves."""

TO_MAINTENANCE = ("PrepareForMaintenance", "ErrorInPrepareForMaintenance")
STUCK = ("ErrorInMaintenance", "ErrorInPrepareForMaintenance", "Degraded", "Error")
"""Resource states in which CloudStack waits for a person."""


@dataclass(frozen=True)
class Zone:
    id: str
    name: str
    allocation: str
    network: str


@dataclass(frozen=True)
class Pod:
    id: str
    name: str
    zone: str


@dataclass(frozen=True)
class Cluster:
    """`managed` is Managed, PrepareUnmanaged, Unmanaged or PrepareUnmanagedError; `allocation` is Enabled or Disabled."""

    id: str
    name: str
    zone: str
    pod: str
    hypervisor: str
    managed: str
    allocation: str

    @property
    def is_managed(self) -> bool:
        return self.managed == MANAGED


@dataclass(frozen=True)
class CloudHost:
    """`state` is that of the connection (Up, Alert, ...), `resource` that which a person gave it (Enabled, Maintenance, ...).

    `version` is that of the agent. `server` is the number of the management server that it is connected to. `pinged` is a time in ISO
    form. `uuid` is the hypervisor's own, where this version shows it.
    """

    id: str
    name: str
    address: str
    zone: str
    pod: str
    cluster: str
    hypervisor: str
    state: str
    resource: str
    version: str
    hypervisor_version: str
    server: str
    pinged: str
    tags: str
    uuid: str = ""

    @property
    def well(self) -> bool:
        return self.state == UP and self.resource == ENABLED


@dataclass(frozen=True)
class Server:
    """A management server. `version` may be empty for one that is down."""

    id: str
    name: str
    version: str
    state: str
    address: str


@dataclass(frozen=True)
class CloudState:
    """`hosts` are hypervisors alone. `servers` is None where this version does not list them (before 4.12)."""

    version: str
    zones: tuple[Zone, ...] = ()
    pods: tuple[Pod, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    hosts: tuple[CloudHost, ...] = ()
    servers: tuple[Server, ...] | None = None

    def cluster(self, id: str) -> Cluster | None:
        return next((one for one in self.clusters if one.id == id), None)

    def host(self, id: str) -> CloudHost | None:
        return next((one for one in self.hosts if one.id == id), None)

    def at(self, address: str) -> CloudHost | None:
        """The host with this address. CloudStack never has two."""
        return next((one for one in self.hosts if address and one.address.lower() == address.lower()), None)

    def by_uuid(self, uuid: str) -> CloudHost | None:
        """The host whose hypervisor has this uuid; None also where this version does not show it."""
        return next((one for one in self.hosts if uuid and one.uuid == uuid.lower()), None)

    def members(self, cluster: str) -> tuple[CloudHost, ...]:
        return tuple(one for one in self.hosts if one.cluster == cluster)

    def settled(self) -> CloudState:
        """Without what always moves."""
        return replace(self, hosts=tuple(replace(one, pinged="") for one in self.hosts))

    def plain(self) -> dict[str, Any]:
        found: dict[str, Any] = ADAPTER.dump_python(self, mode="json")
        return found

    @classmethod
    def of(cls, plain: dict[str, Any]) -> CloudState | None:
        """None for the empty one of a cloud that was never read. Raises pydantic's ValidationError."""
        return ADAPTER.validate_python(plain) if plain else None


ADAPTER: TypeAdapter[CloudState] = TypeAdapter(CloudState)


def _text(row: Row, *names: str) -> str:
    """The first of these that the row has. Numbers come as numbers, such as managementserverid."""
    return next((str(row[name]) for name in names if row.get(name) is not None), "")


def zone(row: Row) -> Zone:
    return Zone(_text(row, "id"), _text(row, "name"), _text(row, "allocationstate"), _text(row, "networktype"))


def pod(row: Row) -> Pod:
    return Pod(_text(row, "id"), _text(row, "name"), _text(row, "zoneid"))


def cluster(row: Row) -> Cluster:
    return Cluster(
        id=_text(row, "id"),
        name=_text(row, "name"),
        zone=_text(row, "zoneid"),
        pod=_text(row, "podid"),
        hypervisor=_text(row, "hypervisortype", "hypervisor"),
        managed=_text(row, "managedstate"),
        allocation=_text(row, "allocationstate"),
    )


def host(row: Row) -> CloudHost:
    details = row.get("details")
    return CloudHost(
        id=_text(row, "id"),
        name=_text(row, "name"),
        address=_text(row, "ipaddress"),
        zone=_text(row, "zoneid"),
        pod=_text(row, "podid"),
        cluster=_text(row, "clusterid"),
        hypervisor=_text(row, "hypervisor"),
        state=_text(row, "state"),
        resource=_text(row, "resourcestate"),
        version=_text(row, "version"),
        hypervisor_version=_text(row, "hypervisorversion"),
        server=_text(row, "managementserverid"),
        pinged=pinged(_text(row, "lastpinged")),
        tags=_text(row, "hosttags"),
        uuid=_text(details, "guid", "uuid").lower() if isinstance(details, dict) else "",
    )


def server(row: Row) -> Server:
    return Server(
        id=_text(row, "id"),
        name=_text(row, "name"),
        version=_text(row, "version"),
        state=_text(row, "state"),
        address=_text(row, "serviceip", "ipaddress"),
    )


def pinged(text: str) -> str:
    """In ISO form, in UTC; "" for what is no time.

    CloudStack keeps milliseconds divided by 1024 and shows them as if they were milliseconds, so that its dates lie in January 1970
    (HostJoinDaoImpl: `new Date(host.getLastPinged())`).
    """
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return ""
    return datetime.fromtimestamp(found * 1024 if found < 365 * 86400 else found, UTC).isoformat()


def state_of(found: dict[str, Any]) -> CloudState:
    """Of what `opsportal.cloudstack.survey` found."""
    servers = found.get("servers")
    return CloudState(
        version=str(found["capability"]["cloudstackversion"]),
        zones=tuple(zone(row) for row in found["zones"]),
        pods=tuple(pod(row) for row in found["pods"]),
        clusters=tuple(sorted((cluster(row) for row in found["clusters"]), key=lambda one: (one.name, one.id))),
        hosts=tuple(sorted((host(row) for row in found["hosts"]), key=lambda one: (one.name, one.id))),
        servers=None if servers is None else tuple(server(row) for row in servers),
    )
