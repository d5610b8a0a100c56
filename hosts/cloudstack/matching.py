"""Which host of CloudStack is which of the inventory: by the hypervisor's uuid, by address, and by name where the address is a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models.fields.json import KeyTransform

from hosts.cloudstack.state import CloudHost, CloudState
from hosts.models import Cloud, Host, Kind, Pool

HYPERVISORS = (Kind.XENSERVER, Kind.XCP_NG, Kind.KVM)


@dataclass(frozen=True)
class Listed:
    """A host of the inventory. `uuid` is the hypervisor's, "" where it was not read; `pool` is a pk."""

    pk: int
    name: str
    address: str
    uuid: str
    kind: str
    pool: int | None
    pool_name: str


@dataclass(frozen=True)
class Matched:
    """`pairs` has the inventory's host by CloudStack's id; what has no partner stands in one of the others."""

    pairs: Mapping[str, Listed]
    only_there: tuple[CloudHost, ...]
    only_here: tuple[Listed, ...]

    def of(self, pk: int) -> str:
        """CloudStack's id of a host of the inventory, or ""."""
        return next((id for id, one in self.pairs.items() if one.pk == pk), "")


def inventory(cloud: Cloud) -> tuple[Listed, ...]:
    """Its hypervisors."""
    rows = Host.objects.filter(cloud=cloud, kind__in=HYPERVISORS).order_by("sort_name", "pk")
    found = rows.values_list("pk", "name", "address", "facts__host_uuid", "kind", "pool", "pool__name")
    return tuple(
        Listed(pk, name, address, str(uuid or "").lower(), kind, pool, at or "") for pk, name, address, uuid, kind, pool, at in found
    )


def aliases(cloud: Cloud) -> dict[str, str]:
    """The hypervisor's uuid by the address in its pool's own database: CloudStack took that, whatever address we use."""
    members = Pool.objects.filter(cloud=cloud).exclude(state={}).order_by().annotate(members=KeyTransform("hosts", "state"))
    rows = [member for listed in members.values_list("members", flat=True) for member in listed or ()]
    return {str(member["address"]).lower(): str(member["uuid"]).lower() for member in rows if member.get("address")}


def matched(state: CloudState, listed: Iterable[Listed], known: Mapping[str, str]) -> Matched:
    """`known` are `aliases`. Each host of the inventory is matched once: the surest way first, for all hosts."""
    free, pairs = {one.pk: one for one in listed}, dict[str, Listed]()
    for way in (_by_uuid, _by_address, _by_name):
        for host in state.hosts:
            found = None if host.id in pairs else way(host, free.values(), known)
            if found:
                pairs[host.id] = free.pop(found.pk)
    return Matched(pairs, tuple(host for host in state.hosts if host.id not in pairs), tuple(free.values()))


def _by_uuid(host: CloudHost, free: Iterable[Listed], known: Mapping[str, str]) -> Listed | None:
    uuid = host.uuid or known.get(host.address.lower(), "")
    same = [one for one in free if uuid and one.uuid == uuid]
    return same[0] if len(same) == 1 else None


def _by_address(host: CloudHost, free: Iterable[Listed], _known: Mapping[str, str]) -> Listed | None:
    return next((one for one in free if host.address and one.address.lower() == host.address.lower()), None)


def _by_name(host: CloudHost, free: Iterable[Listed], _known: Mapping[str, str]) -> Listed | None:
    """An inventory that has names as addresses."""
    name = host.name.lower()
    return next((one for one in free if name and name in (one.address.lower(), one.address.lower().partition(".")[0])), None)


def of_cloud(cloud: Cloud, state: CloudState) -> Matched:
    return matched(state, inventory(cloud), aliases(cloud))
