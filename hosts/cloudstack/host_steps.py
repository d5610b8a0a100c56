"""Steps that have CloudStack take a host in, empty it, connect it and forget it. Pure."""

from __future__ import annotations

from dataclasses import replace

from hosts.cloudstack.cluster_steps import CONNECTS, PROVED, wait
from hosts.cloudstack.judges import host_is as host_state_is
from hosts.cloudstack.state import ENABLED, MAINTENANCE, ON_THE_WAY, STUCK, UP, CloudHost, Cluster
from hosts.cloudstack.steps import ADDING, Api, api_step, asks, change, password_file, way_back
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, RunCommand, Step, WayBack
from opsportal.transport.base import Result

PREPARING = "PrepareForMaintenance"

JOB = 900
"""Seconds that a job is followed. That of a maintenance ends when the moves are planned, not when they are done."""


def host_is(api: Api, host: CloudHost, wants: str, within: int = 0) -> Condition:
    """`wants` as in `judges.host_is`: "Up/Enabled", "/Maintenance"."""
    state, _, resource = wants.partition("/")
    said = " and ".join(word.replace("|", " or ") for word in (state, resource) if word)
    return asks(api, f"CloudStack says that {host.name} is {said}", "listHosts", {"id": host.id}, "host_is", wants, within)


def no_error(api: Api, host: CloudHost) -> Condition:
    """Ends a wait for Maintenance at once: CloudStack does not try again by itself. An API that is away for a moment ends nothing."""
    says = f"The maintenance of {host.name} has not failed"
    asked = asks(api, says, "listHosts", {"id": host.id}, "host_is", "|".join(STUCK))
    return replace(asked, judge="hosts.cloudstack.host_steps.not_stuck")


def not_stuck(result: Result, wants: str) -> str:
    """Of listHosts for one host. Wants resource states, with "|" between, of which it has none. Nothing goes on by this alone."""
    states = wants.split("|")
    stuck = next((state for state in states if not host_state_is(result, f"/{state}")), "")
    return f"its resource state is {stuck}" if stuck else ""


def gone(api: Api, host: CloudHost, within: int = 0) -> Condition:
    return asks(api, f"CloudStack has no host {host.name}", "listHosts", {"id": host.id}, "no_host", "", within)


def maintenance_key(host: CloudHost) -> str:
    return f"cloudstack-maintenance-{host.id}"


def in_service_again(api: Api, host: CloudHost, resource: str) -> WayBack:
    proof = (host_is(api, host, f"/{ENABLED}", PROVED),)
    title = f"{host.name} is in maintenance in CloudStack"
    return way_back(maintenance_key(host), resource, title, api, "cancelHostMaintenance", {"id": host.id}, proof, job=JOB)


def maintain(api: Api, host: CloudHost, why: str, brings_back: WayBack | None = None) -> Step:
    """The job ends with the moves planned: `maintained` waits for the rest."""
    return api_step(
        "maintain",
        api,
        f"Have CloudStack prepare {host.name} for maintenance",
        why,
        "prepareHostForMaintenance",
        {"id": host.id},
        job=JOB,
        effect=Effect.NON_IDEMPOTENT,
        expect=(host_is(api, host, f"{UP}/{ENABLED}|Disabled", 30),),
        probe=(host_is(api, host, f"/{PREPARING}|{MAINTENANCE}", PROVED),),
        undo=change(api, "cancelHostMaintenance", {"id": host.id}, job=JOB),
        opens=brings_back,
        danger=True,
    )


def maintained(api: Api, host: CloudHost, seconds: int) -> Step:
    return wait(
        "maintained",
        f"{host.name} is in Maintenance: its virtual machines have moved",
        "The job before ends as soon as the moves are planned. Only the resource state says that the last one has left.",
        host_is(api, host, f"/{MAINTENANCE}", seconds),
        no_error(api, host),
    )


def cancel(api: Api, host: CloudHost) -> Step:
    return api_step(
        "cancel-maintenance",
        api,
        f"Cancel the maintenance of {host.name}",
        "CloudStack may start virtual machines on it again. Those that left it stay where they are.",
        "cancelHostMaintenance",
        {"id": host.id},
        job=JOB,
        expect=(host_is(api, host, f"/{MAINTENANCE}|{PREPARING}|{'|'.join(STUCK)}", 30),),
        probe=(host_is(api, host, f"/{ENABLED}", PROVED),),
        undo=CannotUndo("“Prepare a host for maintenance” empties it again."),
        settles=maintenance_key(host),
    )


def up(api: Api, host: CloudHost, why: str) -> Step:
    return wait("up", f"{host.name} is Up in CloudStack", why, host_is(api, host, UP, CONNECTS))


def reconnect(api: Api, host: CloudHost, why: str) -> Step:
    """A refusal is left to the proof: CloudStack may be at it by itself already. `up` waits for the rest."""
    step = api_step(
        "reconnect",
        api,
        f"Have CloudStack connect {host.name} anew",
        why,
        "reconnectHost",
        {"id": host.id},
        job=JOB,
        probe=(host_is(api, host, "|".join((UP, *ON_THE_WAY)), PROVED),),
        undo=NothingToUndo(),
    )
    assert isinstance(step.action, RunCommand)
    return replace(step, action=replace(step.action, ok=(0, 1)))


def delete(api: Api, host: CloudHost, *, forced: bool = False) -> Step:
    settled = host_is(api, host, f"/{MAINTENANCE}", 30)
    return api_step(
        "cloudstack-delete",
        api,
        f"Remove {host.name} from CloudStack{' by force' if forced else ''}",
        "CloudStack would go on looking for it, and keep it as a host in Alert.",
        "deleteHost",
        {"id": host.id, **({"forced": "true"} if forced else {})},
        seconds=300,
        effect=Effect.NON_IDEMPOTENT,
        expect=() if forced else (settled,),
        probe=(gone(api, host, PROVED),),
        undo=CannotUndo("CloudStack has forgotten it. Adding it makes it a new host, with a new id."),
        danger=True,
        settles=maintenance_key(host),
    )


def address_is(api: Api, cluster: Cluster, name: str, address: str, wants: str, within: int = 0) -> Condition:
    """For a host that had no id in CloudStack when this was planned."""
    says = f"CloudStack has {name} in the cluster {cluster.name}{f' and it is {UP}' if UP in wants else ''}"
    return asks(api, says, "listHosts", {"clusterid": cluster.id, "type": "Routing"}, "address_is", f"{address} {wants}", within)


def absent(api: Api, name: str, address: str) -> Condition:
    return asks(api, f"CloudStack has no host at {address}, where {name} is", "listHosts", {"type": "Routing"}, "without_address", address)


def add(api: Api, cluster: Cluster, name: str, address: str, username: str, token: str, why: str) -> Step:
    """Once, and never again by itself: the answer may take a quarter of an hour. The password comes from the file of this run."""
    params = {
        "zoneid": cluster.zone, "podid": cluster.pod, "clusterid": cluster.id, "hypervisor": cluster.hypervisor,
        "url": f"http://{address}", "username": username,
    }  # fmt: skip
    return api_step(
        "cloudstack-add",
        api,
        f"Add {name} to CloudStack, in the cluster {cluster.name}",
        why,
        "addHost",
        params,
        seconds=ADDING,
        files=password_file(token),
        effect=Effect.NON_IDEMPOTENT,
        expect=(absent(api, name, address),),
        probe=(address_is(api, cluster, name, address, "", PROVED),),
        undo=CannotUndo("“Remove a host from CloudStack” takes it out again, and moves what runs there first."),
        danger=True,
    )


def added(api: Api, cluster: Cluster, name: str, address: str) -> Step:
    return wait(
        "cloudstack-up",
        f"{name} is Up in CloudStack",
        "A host whose uuid CloudStack knows already is skipped without a word, so the answer to addHost is no proof.",
        address_is(api, cluster, name, address, UP, CONNECTS),
    )
