"""The rulebook on taking CloudStack along when a pool is worked on."""

from __future__ import annotations

from collections.abc import Iterator

from hosts.cloudstack.along import Along, CloudNow, along, clusters
from hosts.cloudstack.cluster_steps import UNMANAGED
from hosts.cloudstack.facts import ApiOfPool
from hosts.cloudstack.state import ENABLED, MAINTENANCE, ON_THE_WAY, UP
from hosts.facts.restorations import CLUSTER, HA
from hosts.xen import pool_guards
from hosts.xen.pool_guards import OnAPool, left_open
from hosts.xen.survey import survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

TOOLS = "The rolling reboot of the cloudstackOps tools: cluster Unmanaged, reboot, cluster Managed"


def taken(params: OnAPool, facts: FactSet) -> Along | None:
    """None also where planning says by itself what is wrong."""
    try:
        return along(survey(params.pool, facts), facts) if params.pool else None
    except FactError:
        return None


@guard(
    "cloudstack.told",
    title="CloudStack is told",
    reason="Two books are kept on every host, the pool's and CloudStack's. What only one of them knows, the other takes for a crash.",
    source=TOOLS,
)
def told(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    api = facts(ApiOfPool("portal", params.pool))
    if api is None:
        message = f"The portal has no connection to the CloudStack of {found.pool.cloud}, so CloudStack is not told."
        yield Finding(Level.NOTE, f"{message} Do it there, or save a connection on the page of the cloud.", "pool")
        return
    state = facts.try_(CloudNow("local", api.pk))
    if isinstance(state, FactError):
        message = f"CloudStack does not answer, so it would not be told. {state}"
        yield Finding(Level.BLOCK, f"{message} To go on without it needs a reason.", "pool", True)
        return
    ours = clusters(found, state)
    if not ours:
        message = f"CloudStack has no host with an address of {found.pool.name}, so there is nothing to tell it."
        yield Finding(Level.WARN, f"{message} If it has the pool under other addresses, do it there.", "pool")
    elif len(ours) > 1:
        names = " and ".join(one.name for one in ours)
        yield Finding(Level.BLOCK, f"Hosts of {found.pool.name} are in {names}. A pool is one cluster: mend that in CloudStack.", "pool")


@guard(
    "cloudstack.cluster-state",
    title="The cluster is managed, or left alone on purpose",
    reason="A plan gives back what it found: a cluster that somebody unmanaged stays so, and one in between belongs to nobody.",
    source="CloudStack's source, ResourceManagerImpl.updateCluster: PrepareUnmanaged, PrepareUnmanagedError",
)
def cluster_state(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not (found := taken(params, facts)) or found.cluster.is_managed:
        return
    name, state = found.cluster.name, found.cluster.managed
    if state != UNMANAGED:
        yield Finding(Level.BLOCK, f"CloudStack says that the cluster {name} is {state}. Run “Manage or unmanage a cluster” first.", "pool")
    elif not found.left:
        message = f"Somebody unmanaged the cluster {name} in CloudStack already. It stays so at the end."
        yield Finding(Level.NOTE, message, "pool")


@guard(
    "cloudstack.hosts-up",
    title="CloudStack reaches every host of the cluster",
    reason="The last step proves that all of them are Up again. One that is not Up before would not be afterwards.",
    source="CloudStack's states of a host: Up, Disconnected, Alert, Down",
)
def hosts_up(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    """Not while the cluster is unmanaged: then nobody is connected."""
    if not (found := taken(params, facts)) or not found.cluster.is_managed:
        return
    for host in found.hosts.values():
        if host.resource == ENABLED and host.state not in (UP, *ON_THE_WAY):
            message = f"{host.name} is {host.state} in CloudStack. Run “Bring back a host in Alert” first, or the last step waits in vain."
            yield Finding(Level.BLOCK, message, "pool", True)


@guard(
    "cloudstack.in-maintenance",
    title="Hosts that are in maintenance in CloudStack",
    reason="Virtual machines need room. While one host is out of service no other one should be taken away.",
    source="The release manager's procedures",
)
def in_maintenance(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    if not (found := taken(params, facts)):
        return
    for host in found.hosts.values():
        if "Maintenance" in host.resource:
            still = "" if host.resource == MAINTENANCE else ", and not through with it"
            message = f"{host.name} is in {host.resource} in CloudStack{still}. It stays so; cancel it there if it should come back."
            yield Finding(Level.WARN, message, "pool")


@guard(
    "cloudstack.restorations",
    title="Nothing else is left changed for a time",
    reason="What was changed for a while has to come back first. HA left off and a cluster left unmanaged are brought back by the plan.",
    source="The portal's own record of restorations",
)
def restorations_but_both(params: OnAPool, facts: FactSet) -> Iterator[Finding]:
    yield from left_open(params, facts, but=(HA, CLUSTER))


ALONG: tuple[Guard, ...] = (told, cluster_state, hosts_up, in_maintenance)

TAKEN_ALONG: tuple[Guard, ...] = (
    *pool_guards.healthy(restorations_but_both),
    *ALONG,
)
"""What must be so before anybody changes a pool, for runbooks that bring HA and the cluster back where they were left otherwise."""
