"""Steps that take CloudStack's hand off a cluster for the time of other work, and give it back. Pure.

A call's own answer is never the proof: each step is proved by reading the API again.
"""

from __future__ import annotations

from collections.abc import Iterable

from hosts.cloudstack.state import MANAGED, UP, CloudHost, Cluster
from hosts.cloudstack.steps import Api, api_step, asks, change, hosts_are, way_back
from hosts.facts.restorations import CLUSTER
from opsportal.operations.steps import Condition, Effect, NothingToUndo, Step, Undo, WaitFor, WayBack
from opsportal.transport.command import Command

UNMANAGED = "Unmanaged"

SETTLES = 600
"""Seconds for a cluster: CloudStack disconnects one host after the other before it calls it unmanaged."""

CONNECTS = 1200
"""Seconds that CloudStack has to connect every host again: it tries the lost ones once a minute."""

AGAIN = 5
"""Seconds between two questions of a step that waits: each is a call to the API."""

PROVED = 60
"""Seconds for the proof of a call that ended, so that an API that is away for a moment makes no failure of it."""


def patiently(*conditions: Condition) -> WaitFor:
    longest = max(one.within for one in conditions)
    pause = Condition(f"{AGAIN} seconds have passed", Command(("sleep", str(AGAIN))), within=longest, timeout=AGAIN + 20, target="local")
    return WaitFor((*conditions, pause))


def wait(key: str, title: str, why: str, *conditions: Condition, settles: str = "") -> Step:
    action = patiently(*conditions)
    return Step(key, "local", title, why, action, Effect.NONE, True, (), (), NothingToUndo(), settles=settles)


def cluster_is(api: Api, cluster: Cluster, state: str, within: int = 0) -> Condition:
    says = f"CloudStack says that the cluster {cluster.name} is {state}"
    return asks(api, says, "listClusters", {"id": cluster.id}, "managed_is", state, within)


def _set(cluster: Cluster, state: str) -> dict[str, str]:
    return {"id": cluster.id, "managedstate": state}


def managed_again(api: Api, cluster: Cluster, resource: str) -> WayBack:
    """As a restoration: also for an operation that ends half-way, and a day later."""
    proof = (cluster_is(api, cluster, MANAGED, PROVED),)
    return way_back(
        CLUSTER, resource, f"The cluster {cluster.name} is unmanaged in CloudStack", api, "updateCluster", _set(cluster, MANAGED), proof
    )


def unmanage(api: Api, cluster: Cluster, brings_back: WayBack | None, why: str, undo: Undo | None = None) -> Step:
    return api_step(
        "cloudstack-unmanage",
        api,
        f"Have CloudStack leave the cluster {cluster.name} alone",
        why,
        "updateCluster",
        _set(cluster, UNMANAGED),
        seconds=SETTLES,
        expect=(cluster_is(api, cluster, MANAGED, 30),),
        probe=(cluster_is(api, cluster, UNMANAGED, PROVED),),
        undo=undo or NothingToUndo(),
        opens=brings_back,
        danger=True,
    )


def still_unmanaged(api: Api, cluster: Cluster) -> Step:
    """Only the proof: for a plan that goes on from where another one left the cluster unmanaged."""
    return wait(
        "cloudstack-unmanaged",
        f"CloudStack leaves the cluster {cluster.name} alone",
        "An operation left it so. This plan goes on from there, and has it managed again at its end.",
        cluster_is(api, cluster, UNMANAGED, PROVED),
    )


def manage(api: Api, cluster: Cluster, why: str, undo: Undo | None = None) -> Step:
    return api_step(
        "cloudstack-manage",
        api,
        f"Have CloudStack manage the cluster {cluster.name} again",
        why,
        "updateCluster",
        _set(cluster, MANAGED),
        probe=(cluster_is(api, cluster, MANAGED, PROVED),),
        undo=undo or NothingToUndo(),
        settles=CLUSTER,
    )


def set_back(api: Api, cluster: Cluster, state: str) -> Undo:
    return change(api, "updateCluster", _set(cluster, state), seconds=SETTLES)


def all_up(api: Api, cluster: Cluster, hosts: Iterable[CloudHost], key: str = "cloudstack-up") -> Step:
    ids = {host.id: host.name for host in hosts}
    names = ", ".join(ids.values())
    says = f"CloudStack says that {names} {'are' if len(ids) > 1 else 'is'} Up"
    return wait(
        key,
        f"Every host of {cluster.name} is Up in CloudStack",
        "A cluster is of use only when CloudStack reaches its hosts: it connects them one after the other.",
        hosts_are(api, says, ids, UP, CONNECTS, clusterid=cluster.id),
    )
