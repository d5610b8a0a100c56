"""Re-enable a host that a crash left disabled, and say what kept it so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hosts.xen import pool_guards
from hosts.xen.command import CHANGING, GONE, TIMED_OUT, xe_change
from hosts.xen.facts import PoolStorage, ProtectedVms
from hosts.xen.forms import DisabledHostForm
from hosts.xen.ha_steps import SAYS_WHY, At, at
from hosts.xen.master_steps import enabled, names
from hosts.xen.pool_guards import dead
from hosts.xen.pool_runbook import PoolRunbook, host_name, now, pool_page
from hosts.xen.state import XenHost
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo, Page, Risk
from opsportal.operations.steps import Effect, NothingToUndo, RunCommand, Step, WaitFor
from opsportal.transport.command import Command


@dataclass(frozen=True)
class HostParams:
    """`host` is the uuid of the member to enable."""

    pool: int = 0
    host: str = ""


def unplugged(found: Survey, facts: FactSet, host: str) -> list[str]:
    """Names of the SRs that are not plugged on this host."""
    storage = facts(PoolStorage(found.speaker.target))
    labels = {sr.uuid: sr.name or sr.uuid for sr in storage.srs}
    return sorted(labels.get(pbd.sr, pbd.sr) for pbd in storage.pbds if pbd.host == host and not pbd.attached)


def _chosen(params: HostParams, facts: FactSet) -> tuple[Survey, XenHost] | None:
    if not (params.pool and params.host):
        return None
    found = survey(params.pool, facts)
    host = next((host for host in found.hosts if host.uuid == params.host), None)
    return (found, host) if host else None


@guard(
    "xen.enable-answers",
    title="The host answers",
    reason="A host that is starting, or that has lost the master, refuses to be enabled.",
    source="xapi source, xapi_host.ml: HOST_OFFLINE, HOST_STILL_BOOTING",
)
def host_answers(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    if both := _chosen(params, facts):
        for other, why in dead(both[0]):
            if other.uuid == params.host:
                yield Finding(Level.BLOCK, f"{other.name}: {why.rstrip('.')}. Wait until it is up, then read the facts again.", "host")


@guard(
    "xen.enable-why",
    title="What kept the host disabled",
    reason="With HA on a host enables itself after a crash only when every one of its SRs is plugged: one dead ISO share is enough.",
    source="xapi source, xapi_host_helpers.ml (consider_enabling_host)",
)
def what_kept_it(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := _chosen(params, facts)) or both[1].enabled:
        return
    found, host = both
    missing = unplugged(found, facts, host.uuid)
    if missing and found.basics.ha_enabled:
        kept = f"Not plugged on {host.name}: {', '.join(missing)}. That keeps a host disabled after a crash while HA is on."
        yield Finding(Level.WARN, f"{kept} Enabling it works all the same; plug what is needed, or forget what is gone.", "host")
    elif missing:
        yield Finding(Level.NOTE, f"Not plugged on {host.name}: {', '.join(missing)}. That is no reason with HA off.", "host")
    else:
        message = f"Every SR of {host.name} is plugged, so it was disabled by hand, or its start-up is not done yet."
        yield Finding(Level.WARN, f"{message} Ask who disabled it and why before you go on.", "host")


@guard(
    "xen.enable-sharing",
    title="Protected virtual machines need their storage on the host",
    reason="With HA on xapi enables a host only when whatever a protected virtual machine uses is plugged there.",
    source="xapi source, xapi_ha_vm_failover.ml: HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED",
)
def sharing(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := _chosen(params, facts)) or not both[0].basics.ha_enabled:
        return
    vms = facts(ProtectedVms(both[0].speaker.target))
    if vms and unplugged(both[0], facts, params.host):
        message = "Virtual machines are protected by HA, and an SR is not plugged on this host: xapi may refuse."
        yield Finding(Level.WARN, f"{message} Run “Un-protect VMs”, or plug the SR.", "host")


PATIENTLY = f"""
change() ({CHANGING})
tries=$1
while :; do
  said=$(change 60 xe host-enable uuid="$2"); code=$?
  case $said in *"still initialising"*) ;; *) break ;; esac
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || break
  sleep 5
done
[ -z "$said" ] || printf '%s\\n' "$said"
exit "$code"
"""
"""Asks again while the host's toolstack starts, which is the only answer that goes away by itself."""

TRIES = 36
"""Three minutes."""


class ReEnableHost(PoolRunbook[HostParams]):
    name = "re-enable-host"
    title = "Re-enable a host after a crash"
    summary = "Takes a host out of the state disabled, in which no virtual machine starts on it and CloudStack keeps it in Alert."
    when = (
        "When a host came back after a crash or a reboot and CloudStack does not take it: CloudStack shows Alert, xe shows enabled: false."
    )
    goes_wrong = "If somebody disabled it for a reason, it gets virtual machines again: the findings say what they can about that."
    afterwards = "The pool says that the host is enabled. CloudStack takes it back by itself within some minutes."
    risk = Risk.DISRUPTIVE
    approvals = 0
    params = HostParams
    pages = (
        pool_page("Where the host is a member."),
        Page("host", "Host", DisabledHostForm, template="hosts/wizard_enable_host.html"),
    )
    guards = (
        pool_guards.master_answers,
        pool_guards.one_master,
        pool_guards.twins,
        pool_guards.restorations,
        host_answers,
        what_kept_it,
        sharing,
    )

    def subject(self, params: HostParams) -> str:
        return host_name(params.host) or super().subject(params)

    def look(self, page: str, params: HostParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        shown = now(found, facts)
        hosts = [_row(row, unplugged(found, facts, row["uuid"])) for row in shown["hosts"]]
        return {**shown, "hosts": hosts, "possible": any(not row["why_not"] for row in hosts)}

    def plan(self, params: HostParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        host, where = at(found, params.host), at(found, found.basics.master)
        if found.host(host.uuid).enabled:
            raise NothingToDo(f"{host.name} is enabled already: virtual machines can start on it.")
        yield ready(host, where)
        yield enable(host, where)


def _row(row: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    why = f"It does not answer: {row['dead']}." if row["dead"] else "It is enabled." if row["enabled"] else ""
    return {**row, "why_not": why, "unplugged": missing}


def ready(host: At, where: At) -> Step:
    return Step(
        key="ready",
        target=host.target,
        title=f"{host.name} is up and follows the master",
        why="While its start-up is not done, xapi refuses to enable it.",
        action=WaitFor((names(host, where, 300),)),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def enable(host: At, where: At) -> Step:
    patiently = Command(script=PATIENTLY, argv=(str(TRIES), host.uuid), gist=f"xe host-enable uuid={host.uuid}")
    return Step(
        key="enable",
        target=where.target,
        title=f"Enable {host.name}",
        why="xapi takes away the mark of maintenance and lets virtual machines start there again. One that still starts is asked again.",
        action=RunCommand(patiently, timeout=TRIES * 65 + 60, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(enabled(host, where, state=False, within=30),),
        probe=(enabled(host, where, within=60),),
        undo=RunCommand(xe_change("host-disable", f"uuid={host.uuid}", seconds=120), timeout=180),
        progress=SAYS_WHY,
    )
