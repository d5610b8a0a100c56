"""Records as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from opsportal.lab.cloudstack.model import KVM, ROUTING, Cluster, Database, Host, Job, Server
from opsportal.lab.xen.model import Vm

Row = dict[str, Any]
FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def at(data: Database, moment: float) -> str:
    """So long ago as the seat's clock says."""
    return (datetime.now(UTC) - timedelta(seconds=data.now - moment)).strftime(FORMAT)


def zone(data: Database) -> Row:
    return {
        "id": data.zone.id, "name": data.zone.name, "networktype": "Advanced", "securitygroupsenabled": False, "allocationstate": "Enabled",
        "localstorageenabled": False, "dns1": "10.0.0.2", "internaldns1": "10.0.0.2", "tags": [],
    }  # fmt: skip


def pod(data: Database) -> Row:
    return {
        "id": data.pod.id, "name": data.pod.name, "zoneid": data.zone.id, "zonename": data.zone.name, "gateway": "10.0.0.1",
        "netmask": "255.255.0.0", "startip": "10.0.0.200", "endip": "10.0.0.250", "allocationstate": "Enabled",
    }  # fmt: skip


def _place(data: Database) -> Row:
    return {"zoneid": data.zone.id, "zonename": data.zone.name, "podid": data.pod.id, "podname": data.pod.name}


def cluster(data: Database, one: Cluster) -> Row:
    return {
        "id": one.id, "name": one.name, **_place(data), "hypervisortype": one.hypervisor, "clustertype": "CloudManaged",
        "allocationstate": one.allocation, "managedstate": one.managed, "cpuovercommitratio": "1.0", "memoryovercommitratio": "1.0",
    }  # fmt: skip


def host(data: Database, one: Host) -> Row:
    row: Row = {
        "id": one.id, "name": one.name, "state": one.state, "type": one.type, "ipaddress": one.address, **_place(data),
        "version": one.version, "created": at(data, one.created), "lastpinged": at(data, one.ping), "events": EVENTS,
        "resourcestate": one.resource, "managementserverid": 345_052_352_513,
    }  # fmt: skip
    if one.type == ROUTING:
        row |= _hypervisor(data, one)
    if one.disconnected is not None:
        row["disconnected"] = at(data, one.disconnected)
    if one.state in ("Disconnected", "Down", "Alert"):
        row.pop("managementserverid")
    return row


EVENTS = "PrepareUnmanaged; AgentConnected; Ping; HostDown; AgentDisconnected; PingTimeout; ShutdownRequested; ManagementServerDown; Remove"


def _hypervisor(data: Database, one: Host) -> Row:
    cluster = data.clusters[one.cluster]
    return {
        "hypervisor": one.hypervisor, "hypervisorversion": one.hypervisor_version, "clusterid": cluster.id, "clustername": cluster.name,
        "clustertype": "CloudManaged", "hahost": False, "hosttags": ",".join(one.tags), "cpunumber": 16, "cpuspeed": 2394,
        "cpusockets": 2, "memorytotal": 64 << 30, "capabilities": "hvm" if one.hypervisor == KVM else "xen-3.0-x86_64 , hvm-3.0-x86_64",
        "islocalstorageactive": False,
    }  # fmt: skip


def machine(data: Database, one: Cluster, vm: Vm) -> Row:
    """An instance. One whose host the cloud does not know counts as stopped."""
    found = next((host for host in data.routing(one.id) if host.guid == vm.host), None)
    running = vm.power == "running" and found is not None
    row: Row = {
        "id": vm.uuid, "name": vm.name, "instancename": vm.name, "displayname": vm.name, "account": "admin", "domain": "ROOT",
        "state": "Running" if running else "Stopped", "haenable": True, "hypervisor": one.hypervisor, "zoneid": data.zone.id,
        "zonename": data.zone.name, "cpunumber": vm.vcpus, "memory": vm.memory >> 20,
    }  # fmt: skip
    return row | {"hostid": found.id, "hostname": found.name} if running and found else row


def server(data: Database, one: Server) -> Row:
    return {
        "id": one.id, "name": one.name, "state": "Up" if one.running else "Down", "version": data.version, "javadistribution": "OpenJDK",
        "javaversion": "17.0.12", "osdistribution": "Debian GNU/Linux 12", "lastserverstart": at(data, one.since), "ipaddress": one.address,
        "serviceip": one.address, "kernelversion": "6.1.0-26-amd64",
    }  # fmt: skip


CLASSES = {
    "prepareHostForMaintenance": "PrepareForMaintenanceCmd",
    "cancelHostMaintenance": "CancelMaintenanceCmd",
    "reconnectHost": "ReconnectHostCmd",
}


def job(data: Database, one: Job) -> Row:
    """jobstatus 0 pending, 1 done, 2 failed; `jobresult` is the host, or the error."""
    row: Row = {
        "accountid": "0b5d6e0c-1111-11e6-9d5a-525400a1b2c3", "userid": "0b5da0ba-1111-11e6-9d5a-525400a1b2c3",
        "cmd": f"org.apache.cloudstack.api.command.admin.host.{CLASSES[one.command]}", "jobstatus": 0, "jobprocstatus": 0,
        "jobresultcode": 0, "created": at(data, one.created), "jobid": one.id, "jobinstancetype": "Host", "jobinstanceid": one.instance,
    }  # fmt: skip
    if not one.done:
        return row
    row["jobresulttype"] = "object"
    if one.error:
        code, text = one.error
        return row | {"jobstatus": 2, "jobresultcode": code, "jobresult": {"errorcode": code, "errortext": text}}
    found = data.hosts.get(one.instance)
    return row | {"jobstatus": 1, "jobresult": {"host": host(data, found)} if found else {"success": True}}


def capabilities(data: Database) -> Row:
    return {
        "securitygroupsenabled": False, "cloudstackversion": data.version, "userpublictemplateenabled": True, "supportELB": "false",
        "projectinviterequired": False, "allowusercreateprojects": True, "customdiskofferingmaxsize": 1024, "regionsecondaryenabled": False,
        "kvmsnapshotenabled": False,
    }  # fmt: skip
