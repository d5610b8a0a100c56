"""Cancel a host's maintenance in CloudStack, also one that is stuck on its way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hosts.cloudstack import host_steps
from hosts.cloudstack.cloud_runbook import HostParams, HostRunbook, chosen, cloud_page, host_page, known, managed, restorations, seen
from hosts.cloudstack.state import ENABLED, CloudHost
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import Step


@guard(
    "maintenance.kvm-restart",
    title="On KVM the agent is restarted",
    reason="CloudStack logs in with the password that it kept when the host was added, and restarts the agent. Where that password was "
    "changed since, the host stays Disconnected.",
    source="CloudStack's source, ResourceManagerImpl.doCancelMaintenance (kvm.ssh.to.agent)",
)
def kvm_restart(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and found.host.hypervisor == "KVM":
        yield Finding(Level.NOTE, f"CloudStack restarts the agent on {found.host.name} over SSH.", "host")


class CancelMaintenance(HostRunbook[HostParams]):
    name = "cancel-maintenance"
    title = "Cancel maintenance"
    summary = "Takes a host back into service in CloudStack, and waits until it is Up."
    when = "When the work on the host is done, or when CloudStack is stuck on the way into maintenance."
    goes_wrong = "A host that its pool keeps disabled stays in Alert: “Bring back a host in Alert” mends that."
    afterwards = "CloudStack starts virtual machines on the host again. Those that left it stay where they are."
    params = HostParams
    pages = (cloud_page(), host_page())
    guards = (known, managed, kvm_restart, restorations)

    def why_not(self, host: CloudHost) -> str:
        return "" if "Maintenance" in host.resource or host.resource not in (ENABLED, "Disabled") else f"It is {host.resource}."

    def plan(self, params: HostParams, facts: FactSet) -> Iterable[Step]:
        found = chosen(params, facts)
        if found.host.resource in (ENABLED, "Disabled"):
            raise NothingToDo(f"{found.host.name} is {found.host.resource} in CloudStack: there is no maintenance to cancel.")
        yield host_steps.cancel(found.api, found.host)
        yield host_steps.up(found.api, found.host, "A host in service is one that CloudStack reaches.")
