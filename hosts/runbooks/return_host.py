"""Bring back a host that CloudStack shows in Alert: mend what keeps it out on the host itself, then have CloudStack connect it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hosts.cloudstack import host_steps
from hosts.cloudstack.cloud_runbook import (
    Chosen,
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
from hosts.cloudstack.state import UP, CloudHost
from hosts.facts.kvm_host import KvmReadiness
from hosts.models import Kind
from hosts.runbooks.re_enable_host import enable, ready
from hosts.xen.ha_steps import at
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import Condition, Effect, NothingToUndo, RunCommand, Step
from opsportal.transport.command import Command


@dataclass(frozen=True)
class Cause:
    """What the host's own side says. `pool` for a member of a XenServer pool; `agent` False for a KVM host whose agent does not run."""

    pool: Survey | None = None
    agent: bool = True
    problem: str = ""


def cause(found: Chosen, facts: FactSet) -> Cause:
    """A host of which nothing can be read is left to CloudStack, and a finding says so."""
    if found.here is None:
        return Cause()
    try:
        if found.here.kind == Kind.KVM:
            return Cause(agent=facts(KvmReadiness(f"host:{found.here.pk}")).agent_runs)
        return Cause(pool=survey(found.here.pool, facts)) if found.here.pool else Cause()
    except FactError as error:
        return Cause(problem=str(error))


@guard(
    "return.cause",
    title="What keeps the host out",
    reason="CloudStack refuses a XenServer that its pool has disabled, as after a crash, and waits for a KVM host's agent to call.",
    source="CloudStack's source, XenServerConnectionPool; xapi disables a host that comes back after a crash",
)
def what_keeps_it(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := seen(params, facts)) or found.host.state == UP:
        return
    why = cause(found, facts)
    if why.problem:
        yield Finding(Level.WARN, f"The host itself could not be looked at: {why.problem} CloudStack is only asked to connect it.", "host")
    elif why.pool and found.here and _disabled(why.pool, found.here.uuid):
        yield Finding(Level.NOTE, f"Its pool keeps {found.host.name} disabled. It is enabled there first.", "host")
    elif not why.agent:
        yield Finding(Level.NOTE, f"cloudstack-agent does not run on {found.host.name}. It is started first.", "host")
    elif found.here:
        message = f"Nothing on {found.host.name} itself keeps it out. Look into management-server.log if it does not come up."
        yield Finding(Level.NOTE, message, "host")


@guard(
    "return.maintenance",
    title="A host in maintenance comes back by cancelling that",
    reason="CloudStack uses no host that is in maintenance, whether it is connected or not.",
    source="CloudStack's source, ResourceState.java",
)
def in_maintenance(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and "Maintenance" in found.host.resource:
        yield Finding(Level.WARN, f"{found.host.name} is in {found.host.resource}, and stays so. “Cancel maintenance” ends it.", "host")


def _disabled(pool: Survey, uuid: str) -> bool:
    return any(host.uuid == uuid and not host.enabled for host in pool.hosts)


class ReturnHost(HostRunbook[HostParams]):
    name = "return-host"
    title = "Bring back a host in Alert"
    summary = "Looks for what keeps a host out, mends it on the host's side, and has CloudStack connect it until it is Up."
    when = "When CloudStack shows a host in Alert, Down or Disconnected though it runs again, as after a crash."
    goes_wrong = "A host that is really broken stays in Alert: the operation ends by saying what CloudStack says of it."
    afterwards = "The host is enabled in its pool and Up in CloudStack."
    params = HostParams
    pages = (cloud_page(), host_page())
    guards = (known, managed, what_keeps_it, in_maintenance, restorations)

    def why_not(self, host: CloudHost) -> str:
        return "It is Up." if host.state == UP else ""

    def plan(self, params: HostParams, facts: FactSet) -> Iterable[Step]:
        found = chosen(params, facts)
        why = cause(found, facts)
        kept = bool(why.pool and found.here and _disabled(why.pool, found.here.uuid))
        if found.host.state == UP and not kept and why.agent:
            raise NothingToDo(f"{found.host.name} is Up in CloudStack.")
        if kept and why.pool and found.here:
            host, where = at(why.pool, found.here.uuid), at(why.pool, why.pool.basics.master)
            yield ready(host, where)
            yield enable(host, where)
        if not why.agent and found.here:
            yield _start_agent(f"host:{found.here.pk}", found.host.name)
        yield host_steps.reconnect(found.api, found.host, "CloudStack tries by itself about once a minute; this makes it try now.")
        yield host_steps.up(found.api, found.host, "Only then does CloudStack place anything on it.")


def _start_agent(target: str, name: str) -> Step:
    runs = Condition("cloudstack-agent runs", Command(("systemctl", "is-active", "--quiet", "cloudstack-agent")), within=60)
    return Step(
        key="agent",
        target=target,
        title=f"Start cloudstack-agent on {name}",
        why="A KVM host is connected by its agent, which calls the management server.",
        action=RunCommand(Command(("systemctl", "restart", "cloudstack-agent"), sudo=True), timeout=180),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(runs,),
        undo=NothingToUndo(),
    )
