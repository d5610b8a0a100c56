"""Add a KVM host to CloudStack: what its agent needs is looked at first, it is added once, and it is Up there."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django import forms
from django.utils import timezone

from hosts import reading
from hosts.cloudstack import host_steps
from hosts.cloudstack.cloud_runbook import RowForm, cloud_now, cloud_page
from hosts.cloudstack.state import CloudState, Cluster
from hosts.cloudstack.steps import Api, bring_password, forget_password
from hosts.facts.kvm_host import PROPERTIES, KvmHost, KvmReadiness
from hosts.facts.portal import HostRow, InventoryHost
from hosts.forms import CredentialChoice
from hosts.models import CloudApi, Credential, Host, Kind
from hosts.xen.forms import one_of
from hosts.xen.more_facts import CalledCredential, InventoryCredential
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.models import Operation
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.states import OperationState
from opsportal.operations.steps import Step

KVM = "KVM"
DISCOVERER = "CloudStack's source, LibvirtServerDiscoverer and cloudstack-setup-agent"


@dataclass(frozen=True)
class KvmParams:
    """`host` and `credential` are the inventory's numbers, `cluster` is CloudStack's id.

    `run` names this run's file with the password; a retry shares it.
    """

    cloud: int = 0
    host: int = 0
    cluster: str = ""
    credential: int = 0
    run: str = ""


class WhereForm(RowForm):
    host = forms.ModelChoiceField(
        Host.objects.none(), label="KVM host", empty_label="Choose a host", help_text="Those of the kind KVM in the inventory."
    )
    cluster = one_of("Cluster", "CloudStack wants hosts of one cluster to be alike.")
    credential = CredentialChoice(
        Credential.objects.filter(kind=Credential.Kind.PASSWORD).defer("secret"), label="Login of CloudStack on the host",
        empty_label="Choose a credential",
        help_text="CloudStack logs in over SSH with this user and password, and keeps them. No plan, log or command has the password.",
    )  # fmt: skip
    choices_from = ("cluster", "rows")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, **{name: self.initial.get(name) or None for name in ("host", "credential")}}
        field = self.fields["host"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Host.objects.filter(kind=Kind.KVM).order_by("sort_name")


@dataclass(frozen=True)
class Chosen:
    api: Api
    state: CloudState
    row: HostRow
    cluster: Cluster


def chosen(params: KvmParams, facts: FactSet) -> Chosen:
    """Raises `FactError`."""
    if not params.cloud:
        raise FactError("Choose a cloud.")
    api, state = cloud_now(params.cloud, facts)
    if not params.host:
        raise FactError("Choose a host.")
    cluster = state.cluster(params.cluster)
    if cluster is None:
        raise FactError("Choose a cluster." if not params.cluster else f"CloudStack has no cluster with the id {params.cluster} any more.")
    return Chosen(api, state, facts(InventoryHost("portal", params.host)), cluster)


def seen(params: KvmParams, facts: FactSet) -> Chosen | None:
    try:
        return chosen(params, facts)
    except FactError:
        return None


def readiness(params: KvmParams, facts: FactSet) -> tuple[Chosen, KvmHost] | None:
    """None where it cannot be read: `readable` says so."""
    if not (found := seen(params, facts)):
        return None
    ready = facts.try_(KvmReadiness(found.row.target))
    return (found, ready) if isinstance(ready, KvmHost) else None


@guard(
    "kvm-add.cluster",
    title="The cluster is one of KVM, and managed",
    reason="CloudStack refuses a host of another hypervisor with “Unable to add the host”, and connects none in an unmanaged cluster.",
    source=DISCOVERER,
)
def cluster(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := seen(params, facts)):
        return
    if found.cluster.hypervisor.upper() != KVM:
        yield Finding(Level.BLOCK, f"The cluster {found.cluster.name} is one of {found.cluster.hypervisor}.", "cluster")
    if not found.cluster.is_managed:
        message = f"The cluster {found.cluster.name} is {found.cluster.managed}. Run “Manage or unmanage a cluster” first."
        yield Finding(Level.BLOCK, message, "cluster")


@guard(
    "kvm-add.unknown-yet",
    title="CloudStack does not know the host yet",
    reason="A KVM host is known by its address: CloudStack skips one that is in its database already, and answers with an error.",
    source=DISCOVERER,
)
def unknown_yet(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    host = found.state.at(found.row.address) if found else None
    if host is not None:
        message = f"CloudStack has {host.name} at {host.address} already ({host.state}, {host.resource})."
        yield Finding(Level.BLOCK, f"{message} Take it out with “Remove a host from CloudStack” first, if that is an earlier life.", "host")


@guard(
    "kvm-add.readable",
    title="The host says what it has",
    reason="CloudStack's own answer to a host that lacks something is one sentence for all causes.",
    source=DISCOVERER,
)
def readable(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := seen(params, facts)):
        return
    ready = facts.try_(KvmReadiness(found.row.target))
    if isinstance(ready, FactError):
        yield Finding(Level.BLOCK, f"{ready}", "host")


@guard(
    "kvm-add.virtualization",
    title="The kernel has KVM",
    reason="CloudStack looks for the module kvm and refuses a host without it.",
    source=DISCOVERER,
)
def virtualization(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if (both := readiness(params, facts)) and not both[1].kvm:
        message = f"{both[0].row.name} has no /dev/kvm: switch virtualization on in its firmware, or load kvm_intel or kvm_amd."
        yield Finding(Level.BLOCK, message, "host")


@guard(
    "kvm-add.agent",
    title="The agent is installed, in the cloud's version",
    reason="Setting up a host starts the agent that is installed there. It installs none.",
    source=DISCOVERER,
)
def agent(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := readiness(params, facts)):
        return
    found, ready = both
    if not ready.agent:
        message = f"{found.row.name} has no agent. Install the package of your build there; “Prepare a KVM host” does what else it needs."
        yield Finding(Level.BLOCK, message, "host")
    elif found.state.version and not ready.agent.startswith(found.state.version):
        message = f"The agent is {ready.agent} and CloudStack is {found.state.version}: build and install them together."
        yield Finding(Level.WARN, message, "host")


@guard(
    "kvm-add.libvirt",
    title="libvirt runs",
    reason="The agent ends when it cannot reach libvirt, and CloudStack waits five minutes for it in vain.",
    source=DISCOVERER,
)
def libvirt(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if (both := readiness(params, facts)) and not both[1].libvirt:
        message = f"libvirtd does not run on {both[0].row.name}. “Prepare a KVM host” sets it up."
        yield Finding(Level.BLOCK, message, "host", True)


@guard(
    "kvm-add.bridges",
    title="The bridges of the agent are there",
    reason="An agent whose bridge is missing ends at once. Open vSwitch has to be chosen before the host is added: setting up looks first.",
    source=f"{DISCOVERER}; LibvirtComputingResource (network.bridge.type, …network.device)",
)
def bridges(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := readiness(params, facts)):
        return
    found, ready = both
    kind = ready.properties.get("network.bridge.type", "native")
    if kind.lower() not in ("native", "openvswitch"):
        message = f"network.bridge.type is {kind!r} in {PROPERTIES}: the agent takes “native” and “openvswitch”, and stops at another word."
        yield Finding(Level.BLOCK, message, "host")
        return
    there, what = (ready.switches, "bridge of Open vSwitch") if ready.open_vswitch else (ready.bridges, "bridge")
    if not there:
        yield Finding(Level.BLOCK, f"{found.row.name} has no {what}. Make one under Networks first.", "host", True)
        return
    missing = {device: name for name, device in ready.devices.items() if device not in there}
    for device, name in missing.items():
        message = f"{found.row.name} has no {what} {device}, which is its {name}. It has {', '.join(there)}."
        yield Finding(
            Level.WARN, f"{message} CloudStack writes the traffic labels of the zone there: they have to name one of these.", "host"
        )


@guard(
    "kvm-add.empty",
    title="Nobody else's virtual machines run there",
    reason="CloudStack stops virtual machines that it does not know.",
    source="CloudStack's installation guide, KVM",
)
def empty(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := readiness(params, facts)):
        return
    found, ready = both
    if ready.machines is None:
        message = f"Which virtual machines run on {found.row.name} is not known: libvirt did not say."
        yield Finding(Level.WARN, message, "host")
    elif ready.machines:
        names = ", ".join(ready.machines[:5]) + (f" and {len(ready.machines) - 5} more" if len(ready.machines) > 5 else "")
        yield Finding(
            Level.BLOCK, f"{names} run{'s' if len(ready.machines) == 1 else ''} on {found.row.name}. Move them first.", "host", True
        )


@guard(
    "kvm-add.password",
    title="CloudStack can log in with a password",
    reason="addHost sends a user and a password, and CloudStack keeps them: it logs in again when a maintenance is cancelled.",
    source="CloudStack's API, addHost and cancelHostMaintenance",
)
def password(params: KvmParams, facts: FactSet) -> Iterator[Finding]:
    given = facts.try_(InventoryCredential("portal", params.credential))
    if not isinstance(given, CalledCredential):
        yield Finding(Level.BLOCK, "Choose the credential that has the password of the host's root, or of a user with sudo.", "credential")
    elif not given.by_password:
        yield Finding(Level.BLOCK, f"{given.name} is no password.", "credential")
    elif given.user != "root":
        yield Finding(Level.NOTE, f"CloudStack logs in as {given.user} and needs sudo without a password there.", "credential")


class AddHostToCloud(Runbook[KvmParams]):
    name = "add-host-to-cloud"
    title = "Add a KVM host to CloudStack"
    summary = "Looks whether the host has what CloudStack's agent needs, has CloudStack set it up and take it in, and waits until it is Up."
    when = "After “Prepare a KVM host” and the host's networking. A XenServer comes in with “Add a host to a pool”."
    goes_wrong = (
        "addHost answers after minutes and says one sentence for every cause, so each cause is looked for before. It is called once: when "
        "its answer is lost, whether CloudStack has the host is read again."
    )
    afterwards = (
        "CloudStack has the host and its agent is connected: virtual machines are placed there. Its agent.properties say where it belongs."
    )
    risk = Risk.DISRUPTIVE
    approvals = 0
    params = KvmParams
    pages = (cloud_page(), Page("host", "Host and cluster", WhereForm, template="hosts/runbooks/cloud_cluster.html"))
    guards = (cluster, unknown_yet, readable, virtualization, agent, libvirt, bridges, empty, password)
    styles = ("css/pools.css", "css/pool-books.css")

    def fresh(self) -> dict[str, Any]:
        return {"run": secrets.token_hex(8)}

    def subject(self, params: KvmParams) -> str:
        host = Host.objects.filter(pk=params.host).first()
        return host.name if host else ""

    def locks(self, params: KvmParams) -> Iterable[str]:
        if params.host:
            yield f"host:{params.host}"

    def look(self, page: str, params: KvmParams, facts: FactSet) -> dict[str, Any]:
        if not params.cloud:
            return {}
        _, state = cloud_now(params.cloud, facts)
        rows = [
            {**asdict(one), "uuid": one.id, "hosts": len(members), "well": sum(host.well for host in members), "why_not": ""}
            for one in state.clusters
            for members in [state.members(one.id)]
            if one.hypervisor.upper() == KVM
        ]
        return {"rows": rows, "kvm": True}

    def plan(self, params: KvmParams, facts: FactSet) -> Iterable[Step]:
        found = chosen(params, facts)
        given = facts(InventoryCredential("portal", params.credential))
        why = "It logs in there, writes agent.properties, starts the agent and waits for its call."
        row = found.row
        yield bring_password(params.run, given.pk, given.name, f"host:{row.pk}")
        yield host_steps.add(found.api, found.cluster, row.name, row.address, given.user, params.run, why)
        yield host_steps.added(found.api, found.cluster, row.name, row.address)
        yield forget_password(params.run)

    def finished(self, operation_id: int, state: str) -> None:
        """CloudStack and the host are read anew, and the inventory has the host in that cloud."""
        params = Operation.objects.get(pk=operation_id).parsed()
        host = Host.objects.filter(pk=params.host)
        if state == OperationState.SUCCEEDED:
            host.update(cloud=params.cloud)
        CloudApi.objects.filter(cloud=params.cloud).update(next_read_at=timezone.now())
        reading.ask(host)
