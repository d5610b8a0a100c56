"""A cloud as CloudStack lists it, beside the inventory, in rows for pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hosts import pools
from hosts.cloudstack import findings, matching, reading
from hosts.cloudstack.matching import Listed, Matched
from hosts.cloudstack.state import ENABLED, MANAGED, ON_THE_WAY, STUCK, UP, CloudHost, CloudState, Cluster, Zone
from hosts.models import CloudApi, Host, Pool

CONNECTION = {UP: "ok", **dict.fromkeys(ON_THE_WAY, "running"), "Disconnected": "warn", "Removed": "unknown", "": "unknown"}
RESOURCE = {ENABLED: "ok", **dict.fromkeys(STUCK, "bad"), "PrepareForMaintenance": "running", "": "unknown"}
CLUSTER = {MANAGED: "ok", "Unmanaged": "warn", "PrepareUnmanaged": "running", "": "unknown"}


@dataclass(frozen=True)
class HostRow:
    there: CloudHost
    here: Listed | None
    version: str
    """CloudStack's own."""

    @property
    def connection_tone(self) -> str:
        return CONNECTION.get(self.there.state, "bad")

    @property
    def resource_tone(self) -> str:
        return RESOURCE.get(self.there.resource, "warn")

    @property
    def behind(self) -> bool:
        return bool(self.there.version) and self.there.version != self.version

    @property
    def offers(self) -> tuple[tuple[str, str], ...]:
        """Runbooks that its state calls for, with the words of the link."""
        if "Maintenance" in self.there.resource or self.there.resource in STUCK:
            return (("cancel-maintenance", "Cancel maintenance"),)
        if self.there.state in ("Alert", "Down"):
            return (("return-host", "Bring back"),)
        return (("prepare-maintenance", "Maintenance"),) if self.there.state == UP else (("reconnect-host", "Reconnect"),)

    @property
    def pinged(self) -> datetime | None:
        return datetime.fromisoformat(self.there.pinged) if self.there.pinged else None

    def found_by(self, words: str, show: str) -> bool:
        if show == "trouble" and self.there.well:
            return False
        if show == "unknown" and self.here:
            return False
        texts = (self.there.name, self.there.address, self.there.state, self.there.resource, self.there.version, self.there.tags)
        text = " ".join((*texts, self.here.name if self.here else "")).lower()
        return all(word in text for word in words.lower().split())


@dataclass(frozen=True)
class ClusterRow:
    """`shown` are those that the filter left of `all`. `pools` are pks and names of the inventory. `cluster` is None for hosts in none."""

    cluster: Cluster | None
    all: tuple[HostRow, ...]
    shown: tuple[HostRow, ...]

    @property
    def tone(self) -> str:
        return CLUSTER.get(self.cluster.managed, "bad") if self.cluster else "unknown"

    @property
    def well(self) -> int:
        return sum(row.there.well for row in self.all)

    @property
    def pools(self) -> list[tuple[int, str]]:
        return sorted({(row.here.pool, row.here.pool_name) for row in self.all if row.here and row.here.pool})


@dataclass(frozen=True)
class ZoneRow:
    zone: Zone
    clusters: tuple[ClusterRow, ...]


@dataclass(frozen=True)
class View:
    """`missing` are hosts of the inventory that CloudStack does not have; `shown` of `total` hosts the filter left.

    `findings` are what the rulebook says of the reading and of the inventory as it is now, worst first.
    """

    state: CloudState
    zones: tuple[ZoneRow, ...]
    missing: tuple[Listed, ...]
    shown: int
    total: int
    findings: list[dict[str, Any]]


def view(api: CloudApi, words: str = "", show: str = "") -> View | None:
    """None for a cloud that was never read."""
    state = reading.before(api)
    if state is None:
        return None
    found = matching.of_cloud(api.cloud, state)
    zones = tuple(ZoneRow(zone, tuple(_clusters(state, found, zone.id, words, show))) for zone in state.zones)
    shown = sum(len(cluster.shown) for zone in zones for cluster in zone.clusters)
    missing = tuple(one for one in found.only_here if show != "unknown" and all(word in one.name.lower() for word in words.lower().split()))
    said = pools.worst_first(findings.judged(findings.Case(state, found)))
    return View(state, zones, missing, shown, len(state.hosts), said)


def _clusters(state: CloudState, found: Matched, zone: str, words: str, show: str) -> Iterator[ClusterRow]:
    """Those with hosts that the filter left; without a filter also empty ones."""
    for cluster in (*(one for one in state.clusters if one.zone == zone), None):
        hosts = state.members(cluster.id) if cluster else tuple(one for one in state.hosts if one.zone == zone and not one.cluster)
        rows = tuple(HostRow(host, found.pairs.get(host.id), state.version) for host in hosts)
        shown = tuple(row for row in rows if row.found_by(words, show))
        if shown or (cluster and not words and not show):
            yield ClusterRow(cluster, rows, shown)


@dataclass(frozen=True)
class Says:
    """What CloudStack says of one host or pool of the inventory, for its page. `cluster` is None where its host has none."""

    api: CloudApi
    rows: tuple[HostRow, ...]
    clusters: tuple[Cluster, ...]
    missing: tuple[Listed, ...]


def of_host(host: Host) -> Says | None:
    """None where the cloud has no connection, or was never read, or the host is no hypervisor."""
    if host.cloud is None or host.kind not in matching.HYPERVISORS:
        return None
    return _says(CloudApi.objects.select_related("cloud").filter(cloud=host.cloud).first(), lambda one: one.pk == host.pk)


def of_pool(pool: Pool) -> Says | None:
    return _says(CloudApi.objects.select_related("cloud").filter(cloud=pool.cloud_id).first(), lambda one: one.pool == pool.pk)


def _says(api: CloudApi | None, ours: Callable[[Listed], bool]) -> Says | None:
    state = reading.before(api) if api else None
    if api is None or state is None:
        return None
    found = matching.of_cloud(api.cloud, state)
    pairs = ((host, found.pairs.get(host.id)) for host in state.hosts)
    rows = tuple(HostRow(host, here, state.version) for host, here in pairs if here and ours(here))
    clusters = {row.there.cluster: state.cluster(row.there.cluster) for row in rows}
    missing = tuple(one for one in found.only_here if ours(one))
    return Says(api, rows, tuple(one for one in clusters.values() if one), missing)
