"""What the rulebook says to a CloudStack as it was read: pure rules over its state and what it has in common with the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hosts.cloudstack.matching import Matched
from hosts.cloudstack.state import ENABLED, MAINTENANCE, ON_THE_WAY, STUCK, TO_MAINTENANCE, UP, CloudHost, CloudState
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

NAMED = 6
"""Hosts that a sentence names; the others it counts."""


@dataclass(frozen=True)
class CloudFinding(Finding):
    """`about` is CloudStack's id of the host or cluster that it concerns; `runbook` mends it, and `fills` is its parameter for that id.

    `host` and `pool` are the inventory's numbers.
    """

    about: str = ""
    runbook: str = ""
    fills: str = "host"
    host: int | None = None
    pool: int | None = None


@dataclass(frozen=True)
class Case:
    state: CloudState
    matched: Matched

    def host(self, there: CloudHost) -> int | None:
        found = self.matched.pairs.get(there.id)
        return found.pk if found else None

    def pools(self, cluster: str) -> dict[int, str]:
        """Pools of the inventory whose hosts stand in this cluster, with their names."""
        found = (self.matched.pairs.get(host.id) for host in self.state.members(cluster))
        return {one.pool: one.pool_name for one in found if one and one.pool}


MENDS = {
    "return-host": "Bring the host back",
    "reconnect-host": "Reconnect it",
    "cancel-maintenance": "Cancel its maintenance",
    "manage-cluster": "Manage the cluster again",
    "upgrade-kvm-agents": "Upgrade them",
    "add-host-to-cloud": "Add the host to CloudStack",
}
"""The words on the button, by the runbook's name."""


def judged(case: Case) -> list[dict[str, Any]]:
    """As `pools.worst_first` and pages take them, in the order of the rules."""
    nothing = FactSet({})
    return [_stored(rule, finding) for rule in RULES for finding in rule.check(case, nothing)]


def _stored(rule: Guard, finding: Finding) -> dict[str, Any]:
    kept = {"guard": rule.ident, "title": rule.title, "reason": rule.reason, "source": rule.source, **asdict(finding)}
    return kept | {"level": finding.level.value, "mends": MENDS.get(kept.get("runbook", ""), "")}


@guard(
    "cloud.connected",
    title="Every host is connected",
    reason="CloudStack places nothing on a host that is not Up and does not see what becomes of its virtual machines; it may start them "
    "elsewhere. A XenServer stays in Alert when its pool keeps it disabled after a crash.",
    source="CloudStack source, Status.java and AgentManagerImpl; XenServerConnectionPool (checks that the host is enabled)",
)
def connected(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for host in case.state.hosts:
        if host.state != UP and host.resource != MAINTENANCE:
            level = Level.NOTE if host.state in ON_THE_WAY else Level.WARN if host.state == "Disconnected" else Level.BLOCK
            runbook = {"Alert": "return-host", "Down": "return-host", "Disconnected": "reconnect-host"}.get(host.state, "")
            yield CloudFinding(
                level, f"{host.name} is in {host.state or 'no state'}.", about=host.id, runbook=runbook, host=case.host(host)
            )


@guard(
    "cloud.stuck",
    title="No host is stuck on its way into maintenance",
    reason="The job of prepareHostForMaintenance ends before the virtual machines have moved. When one cannot move the host stays in an "
    "error state until somebody tries again or cancels, and 4.8 lets no other host of the cluster into maintenance meanwhile.",
    source="CloudStack source, ResourceState.java and ResourceManagerImpl",
)
def stuck(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for host in case.state.hosts:
        if host.resource in STUCK:
            message = f"{host.name} is in {host.resource}: CloudStack waits for somebody."
            yield CloudFinding(Level.BLOCK, message, about=host.id, runbook="cancel-maintenance", host=case.host(host))


@guard(
    "cloud.set-aside",
    title="Hosts in maintenance or disabled are so on purpose",
    reason="They take no virtual machines. One that was forgotten is missing when another fails.",
    source="CloudStack's administration guide, “Maintaining Hypervisors on Hosts”",
)
def set_aside(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for host in case.state.hosts:
        if host.resource in (MAINTENANCE, "Disabled", TO_MAINTENANCE[0]):
            runbook = "cancel-maintenance" if host.resource == MAINTENANCE else ""
            yield CloudFinding(Level.NOTE, f"{host.name} is in {host.resource}.", about=host.id, runbook=runbook, host=case.host(host))


@guard(
    "cloud.managed",
    title="Every cluster is managed and enabled",
    reason="CloudStack disconnects the hosts of an unmanaged cluster: it neither places nor restarts anything there. That is right while "
    "somebody works on the pool, and must not be forgotten.",
    source="CloudStack source, Managed.java and ResourceManagerImpl (updateCluster); CloudStack's XenServer documentation",
)
def managed(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for cluster in case.state.clusters:
        pool = next(iter(case.pools(cluster.id)), None)
        if not cluster.is_managed:
            message = f"The cluster {cluster.name} is {cluster.managed or 'in no known state'}."
            yield CloudFinding(Level.WARN, message, about=cluster.id, runbook="manage-cluster", fills="cluster", pool=pool)
        elif cluster.allocation != ENABLED:
            yield CloudFinding(
                Level.NOTE, f"The cluster {cluster.name} is disabled: nothing new is placed there.", about=cluster.id, pool=pool
            )


@guard(
    "cloud.one-pool",
    title="A cluster is one pool",
    reason="CloudStack takes a cluster of XenServers for one pool: it moves virtual machines and storage within it, and finds a new host "
    "by its pool master. Hosts of two pools in one cluster, or of one pool in two, break both.",
    source="CloudStack's XenServer documentation; XcpServerDiscoverer (compares the pool's uuid with the cluster's guid)",
)
def one_pool(case: Case, _facts: FactSet) -> Iterator[Finding]:
    places: dict[int, list[str]] = {}
    for cluster in case.state.clusters:
        pools = case.pools(cluster.id)
        for pk in pools:
            places.setdefault(pk, []).append(cluster.name)
        if len(pools) > 1 and cluster.hypervisor != "KVM":
            message = f"The cluster {cluster.name} has hosts of several pools: {', '.join(sorted(pools.values()))}."
            yield CloudFinding(Level.BLOCK, message, about=cluster.id)
    names = {one.pool: one.pool_name for one in case.matched.pairs.values()}
    for pk, clusters in places.items():
        if len(clusters) > 1:
            message = f"The hosts of {names[pk]} stand in several clusters: {', '.join(sorted(clusters))}."
            yield CloudFinding(Level.WARN, message, pool=pk)


@guard(
    "cloud.not-here",
    title="Every host of CloudStack is in the inventory",
    reason="The portal neither reads nor guards a host that it does not know, and its runbooks would take the pool for smaller than it is.",
    source="the portal's own comparison, by address and uuid",
)
def not_here(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if found := case.matched.only_there:
        yield CloudFinding(Level.WARN, f"In CloudStack but not in the inventory: {_names([host.name for host in found])}.")


@guard(
    "cloud.not-there",
    title="Every hypervisor of the inventory is in CloudStack",
    reason="A host that belongs to the pool but not to CloudStack carries nothing, and CloudStack may place a virtual machine's disk where "
    "this host's virtual machines have theirs. A new one is added last, a leaving one removed first.",
    source="the portal's own comparison, by address and uuid; CloudStack's installation guide, “Adding a Host”",
)
def not_there(case: Case, _facts: FactSet) -> Iterator[Finding]:
    if found := case.matched.only_here:
        yield CloudFinding(Level.WARN, f"In the inventory but not in CloudStack: {_names([host.name for host in found])}.")


@guard(
    "cloud.agents",
    title="Agents run the management server's version",
    reason="An agent of another version is not upgraded yet, or was left behind. It may not know what it is asked.",
    source="CloudStack's upgrade instructions: agents are upgraded together with the management servers",
)
def agents(case: Case, _facts: FactSet) -> Iterator[Finding]:
    others: dict[str, list[str]] = {}
    for host in case.state.hosts:
        if host.hypervisor == "KVM" and host.version and host.version != case.state.version:
            others.setdefault(host.version, []).append(host.name)
    for version, names in sorted(others.items()):
        message = f"The agent {version} and not {case.state.version} runs on {_names(names)}."
        yield CloudFinding(Level.WARN, message, runbook="upgrade-kvm-agents")


@guard(
    "cloud.servers",
    title="Management servers are up and of one version",
    reason="Two versions at one database damage it: an upgrade begins when all management servers are stopped.",
    source="CloudStack's upgrade instructions; DatabaseUpgradeChecker",
)
def servers(case: Case, _facts: FactSet) -> Iterator[Finding]:
    for server in case.state.servers or ():
        if server.state != UP:
            yield CloudFinding(Level.WARN, f"The management server {server.name} is {server.state or 'in no known state'}.")
    versions = sorted({one.version for one in case.state.servers or () if one.version and one.state == UP})
    if len(versions) > 1:
        yield CloudFinding(Level.BLOCK, f"The management servers run different versions: {', '.join(versions)}.")


def _names(names: list[str]) -> str:
    """The first ones by name."""
    more = len(names) - NAMED
    return ", ".join(sorted(names)[:NAMED]) + (f" and {more} more" if more > 0 else "")


RULES: tuple[Guard, ...] = (connected, stuck, managed, one_pool, servers, agents, not_here, not_there, set_aside)
"""In the order in which an operator should look at them."""
