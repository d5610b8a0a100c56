"""Remove a host from CloudStack: emptied by maintenance and deleted, or by force where it is gone for good."""

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
from hosts.cloudstack.state import MAINTENANCE, UP
from hosts.models import Kind
from hosts.runbooks.prepare_maintenance import connected as reached
from hosts.runbooks.prepare_maintenance import one_at_a_time, room
from hosts.xen.survey import survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard, unless
from opsportal.operations.runbook import Risk
from opsportal.operations.steps import CannotUndo, Condition, Effect, RunCommand, Step
from opsportal.transport.command import Command


@dataclass(frozen=True)
class RemovalParams(HostParams):
    minutes: int = 240
    forced: bool = False


class RemovalForm(CloudHostForm):
    forced = forms.BooleanField(
        required=False, label="By force: the host is gone for good",
        help_text="CloudStack marks what ran there as stopped and may start it elsewhere. If it still runs there, its disks are lost.",
    )  # fmt: skip


def by_force(params: RemovalParams, facts: FactSet) -> bool:
    """Then nothing is moved."""
    return params.forced


@guard(
    "removal.forced",
    title="Force is for hosts that are gone",
    reason="CloudStack marks the virtual machines of the host as stopped without asking it. One that still runs there and is started "
    "elsewhere writes to the same disk twice.",
    source="CloudStack's source, ResourceManagerImpl.deleteHost (isForced)",
)
def force(params: RemovalParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if not found or not params.forced:
        return
    if found.host.state == UP:
        message = f"{found.host.name} is Up: CloudStack can empty it. Take it out without force."
        yield Finding(Level.BLOCK, message, "forced")
    else:
        message = f"{found.host.name} is {found.host.state}. Make sure that it is off, or that nothing runs there."
        yield Finding(Level.BLOCK, f"{message} Say in the reason how you know.", "forced", True)


@guard(
    "removal.pool",
    title="A host that stays in its pool comes back",
    reason="CloudStack takes in every member of a pool that it does not know as soon as another host is added there.",
    source="CloudStack's XenServer discoverer",
)
def in_pool(params: RemovalParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if not found or found.here is None or not found.here.pool:
        return
    try:
        pool = survey(found.here.pool, facts)
    except FactError as error:
        yield Finding(Level.WARN, f"Whether {found.host.name} is still in its pool is not known: {error}", "host")
        return
    if any(host.uuid == found.here.uuid for host in pool.hosts):
        message = f"{found.host.name} is a member of {pool.pool.name}. Run “Remove a host from a pool”: it takes it out of both books."
        yield Finding(Level.BLOCK, message, "host", True)


class RemoveHostFromCloud(HostRunbook[RemovalParams]):
    name = "remove-host-from-cloud"
    title = "Remove a host from CloudStack"
    summary = "Has CloudStack empty a host, deletes it there, and stops the agent of a KVM host, which would call again."
    when = "When a KVM host is taken out of service, or a host that left its pool or died is still in CloudStack's book."
    goes_wrong = "A virtual machine that cannot move stops it before anything is deleted. By force what ran there counts as stopped."
    afterwards = "CloudStack has forgotten the host. The inventory keeps it; remove it there if it is gone."
    risk = Risk.DANGEROUS
    approvals = 1
    params = RemovalParams
    pages = (cloud_page(), host_page(RemovalForm))
    guards = (known, managed, *(unless(by_force, rule) for rule in (reached, one_at_a_time, room)), force, in_pool, restorations)

    def plan(self, params: RemovalParams, facts: FactSet) -> Iterable[Step]:
        found = chosen(params, facts)
        if not params.forced and found.host.resource != MAINTENANCE:
            why = "CloudStack deletes only an empty host. It moves the virtual machines away itself."
            back = host_steps.in_service_again(found.api, found.host, found.resource)
            yield host_steps.maintain(found.api, found.host, why, back)
            yield host_steps.maintained(found.api, found.host, params.minutes * 60)
        if found.here and found.here.kind == Kind.KVM and not params.forced:
            yield _stop_agent(f"host:{found.here.pk}", found.host.name)
        yield host_steps.delete(found.api, found.host, forced=params.forced)


def _stop_agent(target: str, name: str) -> Step:
    stands = Condition("cloudstack-agent stands still", Command(script="! systemctl is-active --quiet cloudstack-agent"), within=30)
    return Step(
        key="agent",
        target=target,
        title=f"Stop cloudstack-agent on {name}, and leave it stopped",
        why="It would go on calling the management server, which does not know it any more.",
        action=RunCommand(Command(("systemctl", "disable", "--now", "cloudstack-agent"), sudo=True), timeout=180),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(stands,),
        undo=CannotUndo("“Add a KVM host to CloudStack” sets the agent up again."),
    )
