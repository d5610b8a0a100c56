"""Un-protect VMs: empty their restart priority, so that CloudStack alone restarts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hosts.xen import pool_guards
from hosts.xen.command import GONE, TIMED_OUT, xe, xe_change
from hosts.xen.facts import PoolVms, ProtectedVms
from hosts.xen.forms import VmsForm
from hosts.xen.ha_steps import READ, SAYS_WHY, At, at, short
from hosts.xen.pool_runbook import PoolRunbook, now, pool_page
from hosts.xen.state import Vm
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo, Page, Risk
from opsportal.operations.steps import Condition, Effect, NothingToUndo, RunCommand, Step, WaitFor

MOST = 100
"""In one operation."""


@dataclass(frozen=True)
class VmsParams:
    """`vms` are uuids."""

    pool: int = 0
    vms: tuple[str, ...] = ()


@guard(
    "xen.unprotect-gone",
    title="What was chosen is protected",
    reason="Virtual machines come and go in a cloud; a plan names those that it changes.",
    source="xe vm-list",
)
def still_protected(params: VmsParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.pool and params.vms):
        return
    there = {vm.uuid for vm in facts(ProtectedVms(survey(params.pool, facts).speaker.target))}
    if lost := [uuid for uuid in params.vms if uuid not in there]:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield Finding(Level.WARN, f"{lost[0]}{more}: not protected any more, or gone. Left out of the plan.", "vms")
    if len(params.vms) > MOST:
        yield Finding(Level.BLOCK, f"{len(params.vms)} are too many for one operation. Choose {MOST} at most, then the rest.", "vms")


@guard(
    "xen.unprotect-means",
    title="Who restarts them afterwards",
    reason="Without a priority HA does not restart a virtual machine after a crash. For one that CloudStack runs, CloudStack does.",
    source="CloudStack's XenServer documentation; xapi source, xapi_ha_vm_failover.ml",
)
def not_cloudstack(params: VmsParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.pool and params.vms):
        return
    vms = facts(ProtectedVms(survey(params.pool, facts).speaker.target))
    if others := [vm.name or vm.uuid for vm in vms if vm.uuid in params.vms and not _of_cloudstack(vm.name)]:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        yield Finding(
            Level.WARN, f"Not named like virtual machines of CloudStack: {shown}. Nobody restarts them after a crash then.", "vms"
        )


def _of_cloudstack(name: str) -> bool:
    """i-2-34-VM, r-12-VM, s-1-VM, v-2-VM."""
    first, *_, last = name.split("-") if "-" in name else (name, "")
    return first in ("i", "r", "s", "v") and last == "VM"


class UnprotectVms(PoolRunbook[VmsParams]):
    name = "unprotect-vms"
    title = "Un-protect VMs"
    summary = "Empties the restart priority of virtual machines, so that HA and CloudStack do not both restart them."
    when = "Before pool HA is enabled under CloudStack, and whenever a finding says that virtual machines are protected."
    goes_wrong = "A virtual machine that CloudStack does not know is restarted by nobody afterwards: the findings name those."
    afterwards = "None of them has a priority. Undo gives each its own back."
    risk = Risk.DISRUPTIVE
    approvals = 1
    params = VmsParams
    pages = (
        pool_page("Where the virtual machines run."),
        Page("vms", "Virtual machines", VmsForm, "Those with a restart priority.", "hosts/wizard_protected.html"),
    )
    guards = (
        pool_guards.master_answers,
        pool_guards.one_master,
        pool_guards.restorations,
        still_protected,
        not_cloudstack,
    )

    def subject(self, params: VmsParams) -> str:
        count = f"{len(params.vms)} on " if params.vms else ""
        return f"{count}{super().subject(params)}"

    def look(self, page: str, params: VmsParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        return {"vms": _rows(found, facts)} if page == "vms" else now(found, facts)

    def plan(self, params: VmsParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        protected = facts(ProtectedVms(found.speaker.target))
        chosen = [vm for vm in protected if vm.uuid in params.vms]
        if not protected:
            raise NothingToDo(f"No virtual machine of {found.pool.name} has a restart priority.")
        if not chosen:
            raise NothingToDo("None of those that were chosen has a restart priority any more.")
        master = at(found, found.basics.master)
        yield from (_unprotect(vm, master) for vm in chosen)
        yield _proof(chosen, master)


def _rows(found: Survey, facts: FactSet) -> list[dict[str, Any]]:
    where = found.speaker.target
    facts.need(ProtectedVms(where), PoolVms(where))
    more = {vm.uuid: vm for vm in facts(PoolVms(where))}
    hosts = {host.uuid: host.name for host in found.hosts}
    return [_row(vm, more.get(vm.uuid), hosts) for vm in facts(ProtectedVms(where))]


def _row(vm: Vm, live: Vm | None, hosts: dict[str, str]) -> dict[str, Any]:
    host = hosts.get(live.host, "") if live else ""
    return {"uuid": vm.uuid, "name": vm.name or vm.uuid, "priority": vm.priority, "power": live.power if live else "", "host": host}


def _priority(vm: Vm, where: At, wants: str) -> Condition:
    command = xe("vm-param-get", f"uuid={vm.uuid}", "param-name=ha-restart-priority", seconds=READ)
    says = f"{vm.name or vm.uuid} has the priority {wants}" if wants else f"{vm.name or vm.uuid} has no priority"
    return Condition(says, command, "equals", wants, timeout=READ + 15, target=where.target)


def _unprotect(vm: Vm, where: At) -> Step:
    setting = ("vm-param-set", f"uuid={vm.uuid}", "ha-restart-priority=")
    back = (*setting[:2], f"ha-restart-priority={vm.priority}")
    return Step(
        key=f"vm-{vm.uuid}",
        target=where.target,
        title=f"Un-protect {short(vm.name) or vm.uuid}",
        why=f"Its priority is {vm.priority}, so HA restarts it after a crash, as CloudStack does.",
        action=RunCommand(xe_change(*setting, seconds=60), timeout=120, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(_priority(vm, where, vm.priority),),
        probe=(_priority(vm, where, ""),),
        undo=RunCommand(xe_change(*back, seconds=60), timeout=120),
        progress=SAYS_WHY,
    )


def _proof(vms: list[Vm], where: At) -> Step:
    return Step(
        key="none-protected",
        target=where.target,
        title="None of them has a priority",
        why="Read again once all are done.",
        action=WaitFor(tuple(_priority(vm, where, "") for vm in vms)),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )
