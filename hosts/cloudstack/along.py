"""CloudStack taken along by runbooks on a pool: its cluster is left alone while they work, and managed again at their end.

While a pool changes its master or its hosts reboot, CloudStack would take them for crashed: it would disconnect them, and start their
virtual machines elsewhere. Only a pool whose cloud has a connection, and whose hosts CloudStack has, is taken along; for every other one
plans are as they were, and a finding says that somebody has to tell CloudStack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hosts.cloudstack import cluster_steps
from hosts.cloudstack.facts import ApiOfPool, CloudFacts
from hosts.cloudstack.state import ENABLED, CloudHost, CloudState, Cluster
from hosts.cloudstack.steps import Api
from hosts.facts.restorations import ClusterLeftUnmanaged
from hosts.xen.survey import Survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.steps import Step


class CloudNow(CloudFacts):
    """What CloudStack says now

    Volatile: a host that connects somewhere else in the cloud is no reason to approve a plan again. What counts for a plan, the ids of its
    cluster and hosts and whether it is managed, stands in the plan's own steps.
    """

    volatile = True


@dataclass(frozen=True)
class Along:
    """The pool as CloudStack has it. `hosts` by the uuid of the pool's own host. `left` is whether an operation left it unmanaged."""

    api: Api
    cluster: Cluster
    hosts: dict[str, CloudHost]
    state: CloudState
    resource: str
    left: bool

    @property
    def was_left(self) -> bool:
        """Unmanaged now, by an operation that ended before it had it managed again."""
        return self.left and not self.cluster.is_managed

    @property
    def ours(self) -> bool:
        """It is managed at the end: it is now, or an operation of ours left it otherwise."""
        return self.cluster.is_managed or self.left

    def host(self, uuid: str) -> CloudHost:
        if uuid not in self.hosts:
            raise FactError(f"CloudStack has no host of the cluster {self.cluster.name} with the address of {uuid}. Read both again.")
        return self.hosts[uuid]

    def begins(self) -> Iterator[Step]:
        """Nothing where somebody else unmanaged it: then it stays so."""
        if self.cluster.is_managed:
            why = "What happens to the pool now looks like a crash to CloudStack: it would start virtual machines elsewhere."
            yield cluster_steps.unmanage(self.api, self.cluster, cluster_steps.managed_again(self.api, self.cluster, self.resource), why)
        elif self.left:
            yield cluster_steps.still_unmanaged(self.api, self.cluster)

    def ends(self) -> Iterator[Step]:
        if self.ours:
            why = "The pool is as it should be, so CloudStack may act on it again."
            yield cluster_steps.manage(self.api, self.cluster, why)
            if well := [host for host in self.hosts.values() if host.resource == ENABLED]:
                yield cluster_steps.all_up(self.api, self.cluster, well)


def addresses(found: Survey) -> dict[str, str]:
    """Addresses of the pool's hosts, those of its own database and of the inventory, to uuids."""
    known = {one.row.address.lower(): one.uuid for one in found.seen if one.uuid}
    return known | {host.address.lower(): host.uuid for host in found.hosts}


def partners(found: Survey, state: CloudState) -> dict[str, CloudHost]:
    """What CloudStack has of the pool, by the uuids of its hosts."""
    by_address, members = addresses(found), {host.uuid for host in found.hosts}
    pairs = ((host.uuid if host.uuid in members else by_address.get(host.address.lower(), ""), host) for host in state.hosts)
    return {uuid: host for uuid, host in pairs if uuid}


def clusters(found: Survey, state: CloudState) -> list[Cluster]:
    """Those that hosts of the pool are in: one, unless something is wrong. None for a pool that CloudStack does not have."""
    ids = {host.cluster for host in partners(found, state).values()}
    return [one for one in state.clusters if one.id in ids]


def along(found: Survey, facts: FactSet) -> Along | None:
    """None when CloudStack has no part in it, or does not answer: guards say which. Raises `FactError` for a pool in two clusters."""
    api = facts(ApiOfPool("portal", found.pool.pk))
    if api is None:
        return None
    state = facts.try_(CloudNow("local", api.pk))
    if isinstance(state, FactError):
        return None
    ours = clusters(found, state)
    if not ours:
        return None
    if len(ours) > 1:
        raise FactError(f"Hosts of {found.pool.name} are in {len(ours)} clusters of CloudStack. A XenServer pool is one cluster.")
    left = facts(ClusterLeftUnmanaged("portal", found.pool.resource)) is not None
    return Along(api, ours[0], partners(found, state), state, found.pool.resource, left)
