"""How the management server sees its hosts: the agents of a XenServer cluster go through the pool master, and are pinged.

From facts about XenServerConnectionPool, CitrixResourceBase and AgentManagerImpl: a host whose master is gone or disabled cannot be
reached either; an unmanaged cluster is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from opsportal.lab.cloudstack.model import KVM, ROUTING, Cluster, Database, Host
from opsportal.lab.xen import dom0
from opsportal.lab.xen.model import Machine
from opsportal.lab.xen.world import World

PING_TIMEOUT = 150.0
"""ping.interval 60 s, times ping.timeout 2.5."""
INVESTIGATION = 30.0
ALERT_WAIT = 1800.0
"""How long a host may stay disconnected before it is worth an alert."""
SCAN = 60.0
"""How often agents that are not connected are tried again."""
CONNECTING = 10.0
DISCONNECTING = 5.0


def machine_of(world: World, host: Host) -> Machine | None:
    """The one that runs under the host's uuid; of clones the one at its address."""
    same = [machine for machine in world.site.machines.values() if dom0.host_uuid(machine) == host.guid]
    return next((machine for machine in same if machine.address == host.address), same[0] if same else None)


def master_of(world: World, machine: Machine) -> Machine | None:
    """Whom the machine's xapi follows, when that one leads and can be reached."""
    found = machine if machine.xapi.role == "master" else world.site.at(machine.xapi.master)
    return found if found is not None and _answers(world, found) and found.xapi.role == "master" else None


def trouble(world: World, host: Host) -> str:
    """Why it cannot be pinged; "" when it can."""
    if host.hypervisor == KVM:
        return "" if host.agent else "the agent does not answer"
    machine = machine_of(world, host)
    if machine is None or not machine.on or world.site.cut(machine):
        return "Unable to reach the host"
    if machine.xapi.state != "running":
        return "Unable to get a connection: xapi does not answer"
    master = master_of(world, machine)
    if master is None:
        return "Unable to create master connection"
    return _disabled(machine, master)


def _disabled(machine: Machine, master: Machine) -> str:
    rows = master.db.hosts
    if not rows[master.db.pool.master].enabled:
        return f"Unable to create master connection, due to master Host {master.address} is not enabled"
    own = rows.get(dom0.host_uuid(machine))
    if own is None:
        return "the host is not in its pool any more"
    return "" if own.enabled else f"Host {machine.address} is not enabled!"


def _answers(world: World, machine: Machine) -> bool:
    return machine.on and not world.site.cut(machine) and machine.xapi.state == "running"


def see(data: Database, world: World) -> None:
    """Lets every host's state follow what can be reached now. The management server runs."""
    _end_disconnecting(data)
    for cluster in data.clusters.values():
        _follow_master(data, world, cluster)
    for host in data.hosts.values():
        own = data.clusters.get(host.cluster)
        if host.type == ROUTING and own is not None and own.managed == "Managed":
            _see(data, world, own, host)


def _follow_master(data: Database, world: World, cluster: Cluster) -> None:
    """Every agent of the cluster loses its connection when another host becomes master, unless nobody is connected."""
    leading = {dom0.host_uuid(one) for one in world.site.running_masters() if one.db.pool.uuid == cluster.guid and _answers(world, one)}
    if len(leading) != 1:
        return
    master = leading.pop()
    if cluster.master and master != cluster.master and cluster.managed == "Managed":
        for host in data.routing(cluster.id):
            if host.state == "Up" and not trouble(world, host):
                host.state, host.disconnected, host.well = "Disconnected", data.now, None
    cluster.master = master


def _see(data: Database, world: World, cluster: Cluster, host: Host) -> None:
    why = trouble(world, host)
    if why:
        host.well = None
        if host.unwell is None:
            host.unwell, host.reason = data.now, why
        _lose(data, world, cluster, host)
    else:
        host.unwell = None
        _find(data, host)


def _lose(data: Database, world: World, cluster: Cluster, host: Host) -> None:
    assert host.unwell is not None
    if host.state in ("Up", "Connecting") and data.now >= host.unwell + PING_TIMEOUT:
        host.state, host.disconnected = "Alert", data.now
    if host.state == "Disconnected" and data.now >= host.unwell + ALERT_WAIT:
        host.state = "Alert"
    if host.state == "Alert" and data.now >= host.unwell + PING_TIMEOUT + INVESTIGATION and _known_dead(data, world, cluster, host):
        host.state = "Down"


def _known_dead(data: Database, world: World, cluster: Cluster, host: Host) -> bool:
    """Another host of the cluster answers, and cannot find this one alive."""
    witness = any(other is not host and not trouble(world, other) for other in data.routing(cluster.id))
    if host.hypervisor == KVM:
        return False
    machine = machine_of(world, host)
    return witness and (machine is None or not machine.on or world.site.cut(machine))


def _find(data: Database, host: Host) -> None:
    if host.state == "Up":
        host.ping, host.well, host.reason = data.now, None, ""
        return
    if host.well is None:
        host.well = data.now
    if host.state == "Connecting" and data.now >= host.well + CONNECTING:
        host.state, host.ping, host.disconnected, host.reason = "Up", data.now, None, ""
    elif host.state != "Connecting" and data.now >= host.well + SCAN:
        host.state, host.well = "Connecting", data.now


def connect(data: Database, host: Host) -> None:
    """At once, as after `reconnectHost` or when a host was added."""
    host.state, host.well, host.unwell = "Connecting", data.now, None


def _end_disconnecting(data: Database) -> None:
    """`updateCluster` waits five seconds for the agents of a cluster that is to be unmanaged."""
    for key in [key for key, at in data.unmanaging.items() if at <= data.now]:
        del data.unmanaging[key]
        if key in data.clusters and data.clusters[key].managed == "PrepareUnmanaged":
            data.clusters[key].managed = "Unmanaged"


def unmanage(data: Database, cluster: Cluster) -> None:
    """Hosts that are up are disconnected, all others are left as they are."""
    cluster.managed = "PrepareUnmanaged"
    data.unmanaging[cluster.id] = data.now + DISCONNECTING
    for host in data.routing(cluster.id):
        host.unwell = host.well = None
        if host.state in ("Up", "Connecting"):
            host.state, host.disconnected = "Disconnected", data.now


def due(data: Database) -> Iterator[float]:
    """When something follows although nothing happens in the world."""
    yield from data.unmanaging.values()
    for host in data.hosts.values():
        if host.unwell is not None:
            yield from (host.unwell + PING_TIMEOUT, host.unwell + PING_TIMEOUT + INVESTIGATION, host.unwell + ALERT_WAIT)
        if host.well is not None:
            yield host.well + (CONNECTING if host.state == "Connecting" else SCAN)
