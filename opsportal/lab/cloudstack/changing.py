"""Commands that change hosts and clusters. The order of the checks is that of ResourceManagerImpl of 4.8."""

from __future__ import annotations

from opsportal.lab.cloudstack import guests, rows, watching
from opsportal.lab.cloudstack.commands import Asked, Row, command
from opsportal.lab.cloudstack.errors import internal, invalid
from opsportal.lab.cloudstack.model import XENSERVER, Host
from opsportal.lab.cloudstack.watching import DISCONNECTING

BUSY = ("PrepareForMaintenance", "ErrorInMaintenance")
CANCELLABLE = ("PrepareForMaintenance", "ErrorInMaintenance", "Maintenance")
JOB = 5.0


@command("prepareHostForMaintenance", changes=True)
def maintain(asked: Asked) -> Row:
    host = asked.host()
    return asked.job(host, JOB, lambda: _maintain(asked, host))


def _maintain(asked: Asked, host: Host) -> None:
    """The job succeeds as soon as the moves are planned."""
    data = asked.data
    if any(one.resource in BUSY for one in data.routing(host.cluster)):
        number = data.clusters[host.cluster].number
        raise invalid(f"There are other servers in PrepareForMaintenance OR ErrorInMaintenance STATUS in cluster {number}")
    if host.resource == "Maintenance":
        raise internal(f"Cannot transimit resource state of host {host.number} to Maintenance: no next resource state found")
    if host.state != "Up" and data.since(4, 11):
        raise internal(f"Cannot prepare host {host.name} for maintenance as it is not in UP state")
    host.resource = "PrepareForMaintenance"
    if data.faults.sticks:
        data.faults.sticks = False
        data.stuck.append(host.id)
    else:
        guests.empty(data, asked.world, host)


@command("cancelHostMaintenance", changes=True)
def cancel(asked: Asked) -> Row:
    host = asked.host()
    return asked.job(host, JOB, lambda: _cancel(asked, host))


def _cancel(asked: Asked, host: Host) -> None:
    if host.resource not in CANCELLABLE:
        raise internal(f"Cannot perform cancelMaintenance when resource state is {host.resource}, hostId = {host.number}")
    data = asked.data
    data.moves = [move for move in data.moves if move.host != host.id]
    data.stuck = [each for each in data.stuck if each != host.id]
    host.resource = "Enabled"


@command("reconnectHost", changes=True)
def reconnect(asked: Asked) -> Row:
    host = asked.host()
    return asked.job(host, 2 * JOB, lambda: _reconnect(asked, host))


def _reconnect(asked: Asked, host: Host) -> None:
    cluster = asked.data.clusters.get(host.cluster)
    unmanaged = cluster is None or cluster.managed != "Managed"
    if unmanaged or watching.trouble(asked.world, host):
        raise internal("Failed to reconnect host")
    watching.connect(asked.data, host)


@command("updateHost", changes=True)
def update(asked: Asked) -> Row:
    host, wanted = asked.host(), asked.given.get("allocationstate", "")
    if wanted:
        _allocate(host, wanted)
    if "hosttags" in asked.given:
        host.tags = [tag for tag in asked.given["hosttags"].split(",") if tag]
    return {"host": rows.host(asked.data, host)}


def _allocate(host: Host, wanted: str) -> None:
    if wanted not in ("Enable", "Disable"):
        raise internal(f"Invalid allocation state:{wanted}, only Enable/Disable are allowed")
    if host.resource not in ("Enabled", "Disabled"):
        raise internal(f"No next resource state found for current state ={host.resource} event ={wanted}")
    host.resource = "Enabled" if wanted == "Enable" else "Disabled"


@command("updateHostPassword", changes=True)
def password(asked: Asked) -> Row:
    user, _ = asked.need("username"), asked.need("password")
    if "clusterid" in asked.given:
        hosts = asked.data.routing(asked.cluster("clusterid").id)
    elif "hostid" in asked.given:
        hosts = [asked.host("hostid")]
    else:
        raise invalid("You should provide one of cluster id or a host id.")
    if "clusterid" not in asked.given and hosts[0].hypervisor == XENSERVER:
        raise invalid("Please use the cluster id: the hosts of a XenServer pool share one password.")
    for host in hosts:
        host.username = user
    return {"success": "true"}


@command("deleteHost", changes=True)
def delete(asked: Asked) -> Row:
    host = asked.host()
    if not asked.flag("forced") and host.resource != "Maintenance":
        raise internal(
            f"Host {host.id} cannot be deleted as it is not in maintenance mode. Either put the host into maintenance or perform a forced "
            "deletion."
        )
    data = asked.data
    del data.hosts[host.id]
    data.removed.append(host.id)
    data.moves = [move for move in data.moves if move.host != host.id]
    if host.cluster and not data.routing(host.cluster):
        data.clusters[host.cluster].guid = ""
    return {"success": "true"}


ALLOCATION, MANAGED = ("Enabled", "Disabled"), ("Managed", "PrepareUnmanaged", "Unmanaged", "PrepareUnmanagedError")


@command("updateCluster", changes=True)
def update_cluster(asked: Asked) -> Row:
    """Answers when the cluster is unmanaged, which takes at least five seconds."""
    cluster = asked.cluster()
    allocation, managed = asked.given.get("allocationstate", ""), asked.given.get("managedstate", "")
    if allocation and allocation not in ALLOCATION:
        raise invalid(f"Unable to resolve Allocation State '{allocation}' to a supported state")
    if managed and managed not in MANAGED:
        raise invalid(f"Unable to resolve Managed State '{managed}' to a supported state")
    cluster.allocation = allocation or cluster.allocation
    if managed == "Unmanaged" and cluster.managed != "Unmanaged":
        watching.unmanage(asked.data, cluster)
        asked.after = DISCONNECTING
    elif managed == "Managed":
        cluster.managed = "Managed"
    row = rows.cluster(asked.data, cluster)
    return {"cluster": row | {"managedstate": "Unmanaged"} if asked.after else row}
