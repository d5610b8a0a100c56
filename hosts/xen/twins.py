"""Duplicate uuids, across everything the portal knows: clones of one disk image carry the same host uuid, and often the same pool's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models.fields.json import KeyTransform

from hosts.models import Host, Kind, Pool
from hosts.xen.state import MemberState, PoolState


@dataclass(frozen=True)
class Bearer:
    """Who has a uuid: a host of the inventory (`host`), a member that another pool (`pool`) has on record, or that pool itself."""

    uuid: str
    name: str
    address: str = ""
    host: int | None = None
    pool: int | None = None


Known = dict[str, list[Bearer]]


def known() -> Known:
    """Every uuid of hosts and pools, in two queries."""
    found: Known = {}
    for bearer in (*_inventory(), *_pools()):
        found.setdefault(bearer.uuid, []).append(bearer)
    return found


def _inventory() -> Iterator[Bearer]:
    rows = Host.objects.filter(kind__in=(Kind.XENSERVER, Kind.XCP_NG)).exclude(facts={}).order_by()
    for pk, name, address, pool, uuid in rows.values_list("pk", "name", "address", "pool", "facts__host_uuid"):
        if uuid:
            yield Bearer(str(uuid).lower(), name, address, pk, pool)


def _pools() -> Iterator[Bearer]:
    pools = Pool.objects.exclude(state={}).order_by().annotate(members=KeyTransform("hosts", "state"))
    for pk, name, uuid, members in pools.values_list("pk", "name", "uuid", "members"):
        if uuid:
            yield Bearer(uuid, f"the pool {name}", pool=pk)
        for member in members or ():
            yield Bearer(member["uuid"], f"{member['name']} in the pool {name}", member["address"], pool=pk)


def of(pool: int, state: PoolState, everybody: Known) -> tuple[Bearer, ...]:
    """Others that have a uuid which this pool, its members or its hosts have, each once.

    A host of the inventory under another pool or none is no twin when this pool has it on record at the same address: it is only
    filed in the wrong place.
    """
    ours, filed = {one.pk for one in state.members}, {(host.uuid, host.address) for host in state.hosts}
    uuids = {one.view.uuid for one in state.members if one.view} | {host.uuid for host in state.hosts}
    uuids |= {state.basics.uuid} if state.basics else set()
    others = [one for uuid in sorted(uuids) for one in everybody.get(uuid, ()) if one.pool != pool and one.host not in ours]
    twins = [one for one in others if one.host is None or (one.uuid, one.address) not in filed]
    named = {(one.uuid, one.pool) for one in twins if one.host is not None}
    return tuple(one for one in twins if one.host is not None or (one.uuid, one.pool) not in named)


def among(state: PoolState) -> dict[str, list[MemberState]]:
    """Uuids that more than one host of the same pool in the inventory gives as its own."""
    found: dict[str, list[MemberState]] = {}
    for one in state.members:
        if one.view:
            found.setdefault(one.view.uuid, []).append(one)
    return {uuid: members for uuid, members in found.items() if len(members) > 1}
