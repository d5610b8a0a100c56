"""Have CloudStack connect a host anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hosts.cloudstack import host_steps
from hosts.cloudstack.cloud_runbook import HostParams, HostRunbook, chosen, cloud_page, host_page, known, managed, restorations, seen
from hosts.cloudstack.state import UP
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.steps import Step


@guard(
    "reconnect.alert",
    title="A host in Alert has a reason",
    reason="A XenServer that its pool keeps disabled is refused at every new connection, and so is a KVM host whose agent does not run.",
    source="CloudStack's source, XenServerConnectionPool: “Cannot connect this host … due to the host is not enabled”",
)
def alert(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and found.host.state in ("Alert", "Down"):
        message = f"{found.host.name} is {found.host.state}. “Bring back a host in Alert” looks for the reason on the host as well."
        yield Finding(Level.WARN, message, "host")


class ReconnectHost(HostRunbook[HostParams]):
    name = "reconnect-host"
    title = "Reconnect a host"
    summary = "Has CloudStack drop its connection to a host and make a new one, and waits until the host is Up."
    when = "When a host is Disconnected, or CloudStack shows old values for it. Virtual machines go on."
    goes_wrong = "When the host itself refuses, it ends in Alert, and the operation says so after 20 minutes."
    afterwards = "The host is Up."
    params = HostParams
    pages = (cloud_page(), host_page())
    guards = (known, managed, alert, restorations)

    def plan(self, params: HostParams, facts: FactSet) -> Iterable[Step]:
        found = chosen(params, facts)
        was = "It is Up: this only makes the connection new." if found.host.state == UP else f"It is {found.host.state} now."
        yield host_steps.reconnect(found.api, found.host, was)
        yield host_steps.up(found.api, found.host, "The job ends when the old connection is closed; the new one takes its time.")
