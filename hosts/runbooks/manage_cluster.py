"""Have CloudStack leave a cluster alone for work by hand, or manage it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django import forms

from hosts.cloudstack import cluster_steps
from hosts.cloudstack.cloud_runbook import PartnersOf, RowForm, cloud_now, cloud_page, partners, resource
from hosts.cloudstack.cluster_steps import UNMANAGED
from hosts.cloudstack.state import ENABLED, MANAGED, CloudState, Cluster
from hosts.cloudstack.steps import Api
from hosts.facts.restorations import CLUSTER, OpenRestorations
from hosts.models import CloudApi
from hosts.xen.forms import one_of
from opsportal.operations import restorations
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.states import OperationState
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class ClusterParams:
    """`cluster` is CloudStack's id, `wants` Managed or Unmanaged."""

    cloud: int = 0
    cluster: str = ""
    wants: str = MANAGED


class ClusterForm(RowForm):
    cluster = one_of("Cluster", "As CloudStack calls it.")
    wants = forms.ChoiceField(
        label="From now on CloudStack", initial=MANAGED, widget=forms.RadioSelect,
        choices=[(MANAGED, "manages it: connects its hosts, and acts on them"), (UNMANAGED, "leaves it alone, until it is managed again")],
    )  # fmt: skip
    choices_from = ("cluster", "rows")


def chosen(params: ClusterParams, facts: FactSet) -> tuple[Api, CloudState, Cluster, str]:
    """With the resource that is locked meanwhile. Raises `FactError`."""
    if not params.cloud:
        raise FactError("Choose a cloud.")
    api, state = cloud_now(params.cloud, facts)
    cluster = state.cluster(params.cluster)
    if cluster is None:
        raise FactError("Choose a cluster." if not params.cluster else f"CloudStack has no cluster with the id {params.cluster} any more.")
    here = facts(PartnersOf("portal", params.cloud))
    return api, state, cluster, resource(params.cloud, [here.get(host.id) for host in state.members(cluster.id)])


def seen(params: ClusterParams, facts: FactSet) -> tuple[Api, CloudState, Cluster, str] | None:
    try:
        return chosen(params, facts)
    except FactError:
        return None


@guard(
    "cluster.settled",
    title="The cluster is in no state between",
    reason="CloudStack disconnects one host after the other before a cluster is unmanaged. Where one cannot be, that ends in an error.",
    source="CloudStack's source, ResourceManagerImpl.updateCluster: PrepareUnmanaged, PrepareUnmanagedError",
)
def settled(params: ClusterParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and found[2].managed == "PrepareUnmanaged":
        yield Finding(Level.BLOCK, f"{found[2].name} is on its way to Unmanaged. Wait for it.", "cluster")


@guard(
    "cluster.unwatched",
    title="Nobody watches an unmanaged cluster",
    reason="CloudStack sees no failure there, restarts nothing, places nothing, and its users can do nothing with what runs there.",
    source="CloudStack's source, Managed.java; the rolling reboot of the cloudstackOps tools",
)
def unwatched(params: ClusterParams, facts: FactSet) -> Iterator[Finding]:
    if params.wants != UNMANAGED or not (found := seen(params, facts)):
        return
    _, state, cluster, _ = found
    message = f"The {len(state.members(cluster.id))} hosts of {cluster.name} are disconnected until it is managed again."
    yield Finding(Level.WARN, f"{message} An open restoration reminds of it.", "wants")
    for host in state.members(cluster.id):
        if "Maintenance" in host.resource:
            yield Finding(Level.WARN, f"{host.name} is in {host.resource}: it stays so, and cannot be cancelled meanwhile.", "wants")


@guard(
    "cluster.others",
    title="Nothing else is left changed for a time",
    reason="What an operation changed for a while has to come back before CloudStack acts on the hosts again.",
    source="The portal's own record of restorations",
)
def others(params: ClusterParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := seen(params, facts)):
        return
    for one in facts(OpenRestorations("portal", found[3])):
        said = f"{one.title}: operation #{one.operation}"
        if not one.left:
            yield Finding(Level.NOTE, f"{said} is at work there. This one waits for it.", "cluster")
        elif one.key == CLUSTER:
            yield Finding(Level.NOTE, f"{said} left it so.", "cluster")
        else:
            yield Finding(Level.BLOCK, f"{said} left it so. Settle it under Restorations first.", "cluster", params.wants == MANAGED)


class ManageCluster(Runbook[ClusterParams]):
    name = "manage-cluster"
    title = "Manage or unmanage a cluster"
    summary = "Has CloudStack leave a cluster alone while somebody works on its hosts by hand, and manage it again afterwards."
    when = "Around work on a pool that the portal has no runbook for. Runbooks on pools do it themselves."
    goes_wrong = "A cluster that stays unmanaged is one that nobody watches: an open restoration shows on its pool until it is managed."
    afterwards = "Managed: every enabled host is Up. Unmanaged: CloudStack has let go of every host, and says so."
    risk = Risk.DISRUPTIVE
    approvals = 0
    settles = True
    params = ClusterParams
    pages = (cloud_page(), Page("cluster", "Cluster", ClusterForm, template="hosts/runbooks/cloud_cluster.html"))
    guards = (settled, unwatched, others)
    styles = ("css/pools.css", "css/pool-books.css")

    def subject(self, params: ClusterParams) -> str:
        api = CloudApi.objects.filter(cloud=params.cloud).first()
        name = next((one["name"] for one in (api.state if api else {}).get("clusters", ()) if one["id"] == params.cluster), "")
        return f"{name} {params.wants}" if name else ""

    def locks(self, params: ClusterParams) -> Iterable[str]:
        found = partners(params.cloud) if params.cloud and params.cluster else None
        if found is None:
            return
        api = CloudApi.objects.get(cloud=params.cloud)
        members = {one["id"] for one in api.state.get("hosts", ()) if one["cluster"] == params.cluster}
        yield resource(params.cloud, [row for id, row in found.pairs.items() if id in members])

    def look(self, page: str, params: ClusterParams, facts: FactSet) -> dict[str, Any]:
        if not params.cloud:
            return {}
        _, state = cloud_now(params.cloud, facts)
        rows = [
            {**asdict(one), "uuid": one.id, "hosts": len(members), "well": sum(host.well for host in members), "why_not": ""}
            for one in state.clusters
            for members in [state.members(one.id)]
        ]
        return {"rows": rows}

    def plan(self, params: ClusterParams, facts: FactSet) -> Iterable[Step]:
        api, state, cluster, locked = chosen(params, facts)
        if params.wants == cluster.managed:
            raise NothingToDo(f"The cluster {cluster.name} is {cluster.managed} already.")
        if params.wants == UNMANAGED:
            back = cluster_steps.managed_again(api, cluster, locked)
            why = "Whatever happens to its hosts from now on looks like no crash to CloudStack."
            yield cluster_steps.unmanage(api, cluster, back, why, cluster_steps.set_back(api, cluster, MANAGED))
            return
        why = "The work is done, so CloudStack may act on its hosts again."
        yield cluster_steps.manage(api, cluster, why, cluster_steps.set_back(api, cluster, UNMANAGED))
        if well := [host for host in state.members(cluster.id) if host.resource == ENABLED]:
            yield cluster_steps.all_up(api, cluster, well)

    def finished(self, operation_id: int, state: str) -> None:
        """It is managed by a plan that people saw: nobody has to bring that back any more."""
        operation = Operation.objects.get(pk=operation_id)
        if state != OperationState.SUCCEEDED or operation.parsed().wants != MANAGED:
            return
        for one in Restoration.objects.filter(state=Restoration.State.OPEN, resource__in=operation.locks, key=CLUSTER):
            restorations.settle(one.operation, CLUSTER, f"operation #{operation_id}, which had CloudStack manage the cluster")
