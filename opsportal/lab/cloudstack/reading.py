"""Commands that only look."""

from __future__ import annotations

from opsportal.lab.cloudstack import guests, rows
from opsportal.lab.cloudstack.commands import Asked, Row, command
from opsportal.lab.cloudstack.errors import ApiError


@command("listCapabilities")
def capabilities(asked: Asked) -> Row:
    return {"capability": rows.capabilities(asked.data)}


@command("listZones")
def zones(asked: Asked) -> Row:
    asked.known("id", [asked.data.zone.id])
    return asked.listed("zone", asked.keep([rows.zone(asked.data)], id="id", name="name"))


@command("listPods")
def pods(asked: Asked) -> Row:
    asked.known("id", [asked.data.pod.id])
    asked.known("zoneid", [asked.data.zone.id])
    return asked.listed("pod", asked.keep([rows.pod(asked.data)], id="id", name="name", zoneid="zoneid"))


def _known_places(asked: Asked) -> None:
    asked.known("zoneid", [asked.data.zone.id])
    asked.known("podid", [asked.data.pod.id])
    asked.known("clusterid", asked.data.clusters)


@command("listClusters")
def clusters(asked: Asked) -> Row:
    _known_places(asked)
    asked.known("id", asked.data.clusters)
    found = [rows.cluster(asked.data, one) for one in asked.data.clusters.values()]
    filters = {name: name for name in ("id", "name", "zoneid", "podid", "allocationstate", "managedstate")}
    return asked.listed("cluster", asked.keep(found, hypervisor="hypervisortype", **filters))


@command("listHosts")
def hosts(asked: Asked) -> Row:
    """Without a type also the system VMs, which are hosts to CloudStack."""
    _known_places(asked)
    asked.known("id", [*asked.data.hosts, *asked.data.removed])
    found = [rows.host(asked.data, one) for one in asked.data.hosts.values()]
    if asked.given.get("details") == "min":
        found = [{key: value for key, value in row.items() if key in MINIMAL} for row in found]
    filters = {name: name for name in ("id", "name", "zoneid", "podid", "clusterid", "type", "state", "resourcestate", "hypervisor")}
    return asked.listed("host", asked.keep(found, **filters))


MINIMAL = {
    "id", "name", "state", "type", "ipaddress", "zoneid", "zonename", "podid", "podname", "clusterid", "clustername", "hypervisor",
    "version", "hypervisorversion", "resourcestate", "hahost", "lastpinged", "created", "disconnected", "managementserverid",
}  # fmt: skip


@command("listVirtualMachines")
def machines(asked: Asked) -> Row:
    """Instances only: routers and system VMs have lists of their own."""
    asked.known("hostid", [*asked.data.hosts, *asked.data.removed])
    found = [rows.machine(asked.data, cluster, vm) for cluster, vm in guests.every(asked.data, asked.world) if vm.name.startswith("i-")]
    return asked.listed("virtualmachine", asked.keep(found, id="id", name="name", hostid="hostid", state="state", zoneid="zoneid"))


@command("listSystemVms")
def system_machines(asked: Asked) -> Row:
    return asked.listed("systemvm", _special(asked, "v-", "s-"))


@command("listRouters")
def routers(asked: Asked) -> Row:
    return asked.listed("router", _special(asked, "r-"))


def _special(asked: Asked, *prefixes: str) -> list[Row]:
    asked.known("hostid", [*asked.data.hosts, *asked.data.removed])
    found = [rows.machine(asked.data, cluster, vm) for cluster, vm in guests.every(asked.data, asked.world) if vm.name.startswith(prefixes)]
    return asked.keep(found, id="id", name="name", hostid="hostid", state="state")


@command("listManagementServers", first=(4, 12))
def servers(asked: Asked) -> Row:
    found = [rows.server(asked.data, one) for one in asked.data.servers.values()]
    return asked.listed("managementserver", asked.keep(found, id="id", name="name"))


@command("queryAsyncJobResult")
def job(asked: Asked) -> Row:
    found = asked.data.jobs.get(asked.need("jobid"))
    if found is None:
        raise ApiError(431, f"Invalid parameter jobid value={asked.given['jobid']}: there is no such job")
    return rows.job(asked.data, found)
