"""Prepare a host for maintenance in CloudStack: its virtual machines move away, and no other is started there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django import forms

from hosts.cloudstack import host_steps
from hosts.cloudstack.cloud_runbook import (
    CloudHostForm,
    HostParams,
    HostRunbook,
    chosen,
    cloud_page,
    host_page,
    known,
    managed,
    restorations,
    seen,
)
from hosts.cloudstack.host_steps import PREPARING
from hosts.cloudstack.state import ENABLED, MAINTENANCE, STUCK, UP, CloudHost
from hosts.xen.survey import survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class MaintenanceParams(HostParams):
    """`minutes` is how long the virtual machines may take to leave."""

    minutes: int = 240


class EmptyForm(CloudHostForm):
    minutes = forms.IntegerField(
        label="Minutes that the moves may take", min_value=5, max_value=24 * 60, initial=240,
        help_text="CloudStack moves one virtual machine after the other. When time is up the operation ends; CloudStack goes on.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip


SOURCE = "CloudStack's source, ResourceManagerImpl.maintain and HighAvailabilityManagerImpl"


@guard(
    "maintenance.connected",
    title="CloudStack reaches the host",
    reason="It moves virtual machines by asking the host. One that it does not reach it takes for dead sooner or later.",
    source=SOURCE,
)
def connected(params: MaintenanceParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if not found or found.host.resource in (MAINTENANCE, PREPARING):
        return
    if found.host.resource in STUCK:
        message = f"{found.host.name} is in {found.host.resource}. Run “Cancel maintenance” first, and mend what kept it."
        yield Finding(Level.BLOCK, message, "host")
    elif found.host.state != UP:
        message = f"{found.host.name} is {found.host.state}, so CloudStack cannot empty it. Run “Bring back a host in Alert” first."
        yield Finding(Level.BLOCK, message, "host")


@guard(
    "maintenance.one-at-a-time",
    title="One host at a time",
    reason="CloudStack 4.8 refuses while another host of the cluster is on its way, and every host that is away is missing room.",
    source=SOURCE,
)
def one_at_a_time(params: MaintenanceParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := seen(params, facts)):
        return
    for other in found.others:
        if other.resource == PREPARING or other.resource in STUCK:
            message = f"{other.name} of the same cluster is in {other.resource}. Wait for it, or cancel its maintenance first."
            yield Finding(Level.BLOCK, message, "host", True)
        elif other.resource == MAINTENANCE:
            yield Finding(Level.WARN, f"{other.name} of the same cluster is in maintenance already.", "host")


@guard(
    "maintenance.room",
    title="Another host takes the virtual machines",
    reason="On the last enabled host of a cluster CloudStack stops virtual machines instead of moving them.",
    source=SOURCE,
)
def room(params: MaintenanceParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and found.host.resource != MAINTENANCE and not any(other.well for other in found.others):
        message = f"{found.host.name} is the last enabled host of its cluster: CloudStack stops what runs on it."
        yield Finding(Level.BLOCK, f"{message} Give a reason if that is wanted.", "host", True)


@guard(
    "maintenance.master",
    title="The pool master is no host like another",
    reason="Maintenance empties the host and leaves it the master. When it is rebooted or taken away then, the whole pool is without one.",
    source="The release manager's procedures: a new pool master first",
)
def master(params: MaintenanceParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if not found or found.here is None or not found.here.pool:
        return
    try:
        pool = survey(found.here.pool, facts)
    except FactError as error:
        yield Finding(Level.WARN, f"Whether {found.host.name} is the pool master is not known: {error}", "host")
        return
    if found.here.uuid == pool.basics.master:
        message = f"{found.host.name} is the master of {pool.pool.name}. Run “Change pool master” first."
        yield Finding(Level.BLOCK, f"{message} For a reboot of the whole pool use “Rolling maintenance”.", "host", True)


class PrepareMaintenance(HostRunbook[MaintenanceParams]):
    name = "prepare-maintenance"
    title = "Prepare a host for maintenance"
    summary = "Has CloudStack move every virtual machine off a host and start none there, and waits until the last one has left."
    when = "Before hardware is changed, software is installed or the host is rebooted, on any hypervisor."
    goes_wrong = (
        "CloudStack's job ends before the virtual machines have moved, so the portal waits for the resource state. One that cannot move "
        "leaves the host in an error state: the operation fails and says which, and “Cancel maintenance” brings the host back."
    )
    afterwards = "The host is in Maintenance and empty. “Cancel maintenance” takes it back into service."
    params = MaintenanceParams
    pages = (cloud_page(), host_page(EmptyForm))
    guards = (known, managed, connected, one_at_a_time, room, master, restorations)

    def why_not(self, host: CloudHost) -> str:
        return "It is in Maintenance." if host.resource == MAINTENANCE else ""

    def plan(self, params: MaintenanceParams, facts: FactSet) -> Iterable[Step]:
        found = chosen(params, facts)
        if found.host.resource == MAINTENANCE:
            raise NothingToDo(f"{found.host.name} is in Maintenance already: nothing of CloudStack's runs there.")
        if found.host.resource in (ENABLED, "Disabled"):
            why = "It plans where each virtual machine goes, moves them one after the other, and starts none on this host any more."
            yield host_steps.maintain(found.api, found.host, why)
        yield host_steps.maintained(found.api, found.host, params.minutes * 60)
