"""The virtual machines of the cloud: those of the pools, which CloudStack moves and stops by the toolstack's own means."""

from __future__ import annotations

from collections.abc import Iterator

from opsportal.lab.cloudstack.model import Cluster, Database, Host, Move
from opsportal.lab.cloudstack.watching import machine_of, master_of
from opsportal.lab.xen.model import Database as PoolDatabase
from opsportal.lab.xen.model import Machine, Vm
from opsportal.lab.xen.planning import free_memory
from opsportal.lab.xen.world import World

MOVE = 10.0
"""One virtual machine after the other."""
TRIES_AGAIN = 30.0
CHECK = 5.0
GIVES_UP = 300.0


def leader(data: Database, world: World, cluster: Cluster) -> Machine | None:
    """The cluster's pool master, where it can be reached by any of its hosts."""
    for host in data.routing(cluster.id):
        machine = machine_of(world, host)
        if machine is not None and machine.on and (found := master_of(world, machine)) is not None:
            return found
    return None


def pools(data: Database, world: World) -> Iterator[tuple[Cluster, PoolDatabase]]:
    for cluster in data.clusters.values():
        found = leader(data, world, cluster)
        if found is not None:
            yield cluster, found.db


def every(data: Database, world: World) -> list[tuple[Cluster, Vm]]:
    """Instances, routers and system VMs; a VM without disks of the cloud's own is none of them."""
    return [
        (cluster, vm)
        for cluster, database in pools(data, world)
        for vm in database.vms.values()
        if not (vm.template or vm.control_domain) and vm.name.endswith("-VM")
    ]


def on(data: Database, world: World, host: Host) -> list[Vm]:
    return [vm for _, vm in every(data, world) if vm.host == host.guid and vm.power == "running"]


def empty(data: Database, world: World, host: Host) -> None:
    """Plans how its machines leave. On the last enabled host of a cluster they are stopped."""
    others = [one for one in data.routing(host.cluster) if one is not host and one.state == "Up" and one.resource == "Enabled"]
    for number, vm in enumerate(on(data, world, host), 1):
        data.moves.append(Move(host.id, vm.uuid, data.now + number * MOVE, GIVES_UP + data.now, stop=not others))


def go_on(data: Database, world: World) -> None:
    """Moves what is due, and ends the preparation of hosts that are empty."""
    for move in list(data.moves):
        _move(data, world, move)
    for host in data.routing():
        left = any(move.host == host.id for move in data.moves)
        if host.resource == "PrepareForMaintenance" and not left and host.id not in data.stuck and not on(data, world, host):
            host.resource = "Maintenance"


def _move(data: Database, world: World, move: Move) -> None:
    host = data.hosts.get(move.host)
    vm = None if host is None else next((one for one in on(data, world, host) if one.uuid == move.vm), None)
    if host is None or vm is None or host.resource != "PrepareForMaintenance":
        data.moves.remove(move)
    elif data.now >= move.until:
        data.moves.remove(move)
        host.resource = "ErrorInMaintenance"
    elif data.now >= move.due:
        move.due = data.now + TRIES_AGAIN
        _act(data, world, host, vm, stop=move.stop)


def _act(data: Database, world: World, host: Host, vm: Vm, *, stop: bool) -> None:
    cluster = data.clusters[host.cluster]
    master = leader(data, world, cluster)
    if master is None:
        return
    words = ["xe", "vm-shutdown", f"uuid={vm.uuid}"] if stop else _migration(data, host, vm, master.db)
    if words:
        world.start(master.id, words, {})


def _migration(data: Database, host: Host, vm: Vm, pool: PoolDatabase) -> list[str]:
    """To the emptiest host that CloudStack may use; no words when there is none."""
    able = {one.guid for one in data.routing(host.cluster) if one is not host and one.state == "Up" and one.resource == "Enabled"}
    rows = [row for row in pool.hosts.values() if row.uuid in able and row.enabled and free_memory(pool, row) >= vm.memory]
    best = max(rows, key=lambda row: free_memory(pool, row), default=None)
    return ["xe", "vm-migrate", f"uuid={vm.uuid}", f"host-uuid={best.uuid}", "live=true"] if best else []


def due(data: Database) -> Iterator[float]:
    for move in data.moves:
        yield move.due
    if any(host.resource == "PrepareForMaintenance" and host.id not in data.stuck for host in data.hosts.values()):
        yield data.now + CHECK
