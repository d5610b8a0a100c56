"""`addHost`: what is discovered at an address. From ResourceManagerImpl, XcpServerDiscoverer and LibvirtServerDiscoverer of 4.8."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from opsportal.lab.cloudstack import rows
from opsportal.lab.cloudstack.commands import Asked, Row, command
from opsportal.lab.cloudstack.errors import ApiError, invalid, missing, no_such
from opsportal.lab.cloudstack.model import KVM, XENSERVER, Agent, Cluster, Database, Host
from opsportal.lab.cloudstack.watching import connect, master_of
from opsportal.lab.xen import dom0
from opsportal.lab.xen.model import Host as PoolHost
from opsportal.lab.xen.model import Machine
from opsportal.lab.xen.world import World

DISCOVERY = 20.0
"""A KVM host may take five minutes, a pool is found within seconds."""


@command("addHost", changes=True)
def add(asked: Asked) -> Row:
    where, hypervisor = asked.need("url"), asked.need("hypervisor")
    for name, ident in (("zoneid", asked.data.zone.id), ("podid", asked.data.pod.id)):
        if asked.need(name) != ident:
            raise no_such(asked.command, name, asked.given[name])
    for name in ("username", "password"):
        if not asked.given.get(name) and not asked.data.since(4, 14):
            raise missing(asked.command, name)
    cluster = _cluster(asked, where, hypervisor)
    url = urlsplit(where)
    if not url.scheme:
        raise invalid(f"uri.scheme is null {where}, add nfs:// as a prefix")
    asked.after = DISCOVERY
    made = _discovered(asked, cluster, url.hostname or "")
    if not made:
        raise ApiError(530, "Failed to add host")
    for host in made:
        _allot(asked, host)
    return {"host": [rows.host(asked.data, host) for host in made]}


def _allot(asked: Asked, host: Host) -> None:
    host.username = asked.given.get("username", "root")
    host.tags = [tag for tag in asked.given.get("hosttags", "").split(",") if tag]
    if asked.given.get("allocationstate", "").startswith("Disable"):
        host.resource = "Disabled"


def _cluster(asked: Asked, where: str, hypervisor: str) -> Cluster:
    """One that is named is made, and stays when the host cannot be added."""
    if "clusterid" in asked.given:
        if "clustername" in asked.given:
            raise invalid("Can't specify cluster by both id and name")
        found = asked.cluster("clusterid")
        if found.hypervisor.lower() != hypervisor.lower():
            raise _nothing(asked, where)
        return found
    name = asked.given.get("clustername") or f"Standalone-{where}"
    known = next((one for one in asked.data.clusters.values() if one.name == name), None)
    if hypervisor not in (XENSERVER, KVM):
        raise ApiError(530, f"Do not support HypervisorType {hypervisor} for {where}")
    return known or new_cluster(asked.data, name, hypervisor)


def new_cluster(data: Database, name: str, hypervisor: str) -> Cluster:
    made = Cluster(data.uuid(), data.number(), name, hypervisor)
    data.clusters[made.id] = made
    return made


def _nothing(asked: Asked, where: str) -> ApiError:
    """Newer versions say where they looked."""
    more = f". Cannot find the server resources at {where}" if asked.data.since(4, 15) else ""
    return ApiError(530, f"Unable to add the host{more}")


def _discovered(asked: Asked, cluster: Cluster, address: str) -> list[Host]:
    if cluster.hypervisor == KVM:
        return [_agent(asked, cluster, address)]
    machine = _at(asked.world, asked.places.get(address, address))
    if cluster.hypervisor != XENSERVER or machine is None or not machine.on or asked.world.site.cut(machine):
        raise _nothing(asked, asked.given["url"])
    if asked.given.get("password") not in (machine.password, asked.password):
        raise ApiError(530, "Authentication error")
    master = master_of(asked.world, machine) if machine.xapi.state == "running" else None
    if master is None:
        raise _nothing(asked, asked.given["url"])
    return join(asked.data, cluster, master, machine.address)


def _agent(asked: Asked, cluster: Cluster, address: str) -> Host:
    """Sets it up, which starts its service. An address that the cloud knows already leads to nothing."""
    name = asked.places.get(address, address)
    found = next((one for one in asked.data.agents.values() if name in (one.name, one.address)), None)
    if found is None or any(host.guid == found.name for host in asked.data.hosts.values()):
        raise _nothing(asked, asked.given["url"])
    if asked.given.get("password") not in (found.password, asked.password):
        raise ApiError(530, "Authentication error")
    return set_up(asked.data, cluster, found)


def set_up(data: Database, cluster: Cluster, agent: Agent) -> Host:
    made = Host(
        data.uuid(), data.number(), agent.name, agent.address, cluster=cluster.id, hypervisor=KVM, guid=agent.name, version=agent.version,
        created=data.now, ping=data.now,
    )  # fmt: skip
    guid = str(uuid.uuid5(uuid.NAMESPACE_DNS, agent.address))
    agent.belongs = {"zone": data.zone.id, "pod": data.pod.id, "cluster": cluster.id, "guid": f"{guid}-LibvirtComputingResource"}
    agent.running, agent.since = True, data.now
    connect(data, made)
    data.hosts[made.id] = made
    return made


def _at(world: World, address: str) -> Machine | None:
    """By its address or its name."""
    machines = world.site.machines.values()
    return next((one for one in machines if address in (one.address, one.hostname.lower(), one.dns_name.lower(), one.id)), None)


def join(data: Database, cluster: Cluster, master: Machine, address: str = "") -> list[Host]:
    """Every member of the pool that the cloud does not know yet. One whose uuid it knows is left out without a word."""
    pool = master.db.pool.uuid
    if cluster.guid and cluster.guid != pool:
        raise ApiError(530, f"Please join the host {address} to XS pool  {cluster.guid} through XC/XS before adding it through CS UI")
    cluster.guid, cluster.master = pool, dom0.host_uuid(master)
    known = {host.guid for host in data.hosts.values()}
    return [_host(data, cluster, row) for row in master.db.hosts.values() if row.uuid not in known]


def _host(data: Database, cluster: Cluster, row: PoolHost) -> Host:
    made = Host(
        data.uuid(),
        data.number(),
        row.name,
        row.address,
        cluster=cluster.id,
        hypervisor=XENSERVER,
        hypervisor_version=row.software.get("product_version", ""),
        guid=row.uuid,
        version=data.version,
        created=data.now,
        ping=data.now,
    )
    connect(data, made)
    data.hosts[made.id] = made
    return made


@command("addCluster", changes=True)
def add_cluster(asked: Asked) -> Row:
    """Of the types that CloudStack manages itself."""
    name, hypervisor = asked.need("clustername"), asked.need("hypervisor")
    if any(one.name == name for one in asked.data.clusters.values()):
        raise ApiError(530, f"Unable to create cluster {name} in pod with specified podId and data center with specified dcID")
    return {"cluster": [rows.cluster(asked.data, new_cluster(asked.data, name, hypervisor))]}
