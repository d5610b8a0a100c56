"""Change the pool master: HA remembered and off, everybody there, the new master, everybody behind it, HA on as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hosts.cloudstack.along import Along, along
from hosts.cloudstack.along_guards import TAKEN_ALONG
from hosts.xen import ha_steps, pool_guards
from hosts.xen.forms import MasterForm
from hosts.xen.ha_steps import At, Before, at, before, everybody, undone_by
from hosts.xen.master_steps import disable_again, leads, members_answer, members_follow, members_live
from hosts.xen.pool_guards import dead, mixed
from hosts.xen.pool_runbook import HaRunbook, host_name, named, now, pool_page
from hosts.xen.state import XenHost
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class MasterParams:
    """`host` is the uuid of the member that becomes the master."""

    pool: int = 0
    host: str = ""


def unfit(found: Survey, host: XenHost) -> str:
    """Why a member cannot become the master now; "" when it can."""
    for other, why in dead(found):
        if other.uuid == host.uuid:
            return f"It does not answer: {why.rstrip('.')}."
    if not host.enabled:
        return "It is disabled. Re-enable it first: a disabled master makes CloudStack give up the whole pool."
    if (host.brand, host.version, host.build) != (found.master.brand, found.master.version, found.master.build):
        mine, its = f"{found.master.version} build {found.master.build}", f"{host.version} build {host.build}"
        return f"It runs {its} and the master {mine}: a pool's database does not go back to an older version."
    return ""


@guard(
    "xen.new-master",
    title="The new master is fit for it",
    reason="It takes the database over from the old one. xapi asks only whether it is live; during an upgrade it lets an older one lead.",
    source="xapi source, xapi_pool.ml; CloudStack's XenServer plug-in: no connection through a master that is not enabled",
)
def new_master(params: MasterParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.pool and params.host):
        return
    found = survey(params.pool, facts)
    host = next((host for host in found.hosts if host.uuid == params.host), None)
    if host is None:
        yield Finding(Level.BLOCK, f"{found.pool.name} has no host {params.host} any more. Choose another.", "host")
    elif host.uuid != found.basics.master and (why := unfit(found, host)):
        yield Finding(Level.BLOCK, f"{host.name}: {why}", "host")


@guard(
    "xen.versions-for-ha",
    title="HA comes back only when all members run the same version",
    reason="During a rolling upgrade xapi refuses to turn HA on, so HA that is turned off now stays off.",
    source="xapi source, xapi_ha.ml: NOT_SUPPORTED_DURING_UPGRADE",
)
def versions_for_ha(params: MasterParams, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    if differs := mixed(found):
        level = Level.BLOCK if found.basics.ha_enabled else Level.WARN
        yield Finding(level, f"The members do not run the same version: {differs}.", "pool")


@guard(
    "xen.disabled-by-hand",
    title="Hosts that are disabled",
    reason="Every xapi restarts with a new master, and forgets that somebody disabled its host.",
    source="xapi source, xapi_host_helpers.ml (consider_enabling_host)",
)
def disabled_hosts(params: MasterParams, facts: FactSet) -> Iterator[Finding]:
    if not params.pool:
        return
    found = survey(params.pool, facts)
    if names := [host.name for host in found.hosts if not host.enabled]:
        message = f"{', '.join(names)} would come back enabled. The plan disables {'them' if len(names) > 1 else 'it'} again."
        yield Finding(Level.NOTE, message, "pool")


class ChangePoolMaster(HaRunbook[MasterParams]):
    name = "change-pool-master"
    title = "Change pool master"
    summary = "Makes another member the master of its pool, and turns HA off and on again around it where it is on."
    when = "Before the master is patched, repaired or taken out of the pool."
    goes_wrong = (
        "Every xapi restarts: for about a minute the pool takes no command, and what was changed in the ten seconds before is lost. "
        "If it stops half-way, HA stays off and an open restoration says how it was. Running virtual machines are not touched."
    )
    afterwards = (
        "Every member names the new master, and HA is as it was. Where the portal has a connection to CloudStack, that left the cluster "
        "alone meanwhile, manages it again, and has every host Up; elsewhere CloudStack finds the new master by itself."
    )
    params = MasterParams
    pages = (
        pool_page("The portal looks whether HA is on, and does the right thing in either case."),
        Page("host", "New master", MasterForm, template="hosts/wizard_master.html"),
    )
    guards = (*TAKEN_ALONG, new_master, versions_for_ha, disabled_hosts, *pool_guards.COMES_BACK)
    plan_template = "hosts/wizard_master_review.html"

    def subject(self, params: MasterParams) -> str:
        host = host_name(params.host)
        return f"{super().subject(params)} to {host}" if host else super().subject(params)

    def look(self, page: str, params: MasterParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        shown = now(found, facts)
        hosts = [{**row, "why_not": _why_not(found, host)} for row, host in zip(shown["hosts"], found.hosts, strict=True)]
        possible = any(not row["why_not"] for row in hosts)
        return {**shown, "hosts": hosts, "possible": possible, "chosen": params.host, "chosen_name": named(found, params.host)}

    def plan(self, params: MasterParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        target, old, members = at(found, params.host), at(found, found.basics.master), everybody(found)
        enabled = tuple(one for one in members if found.host(one.uuid).enabled)
        back = undone_by(self.title, f"Going back to {old.name} needs HA off and on around it, too.")
        was, cloud = before(found, facts), along(found, facts)
        leads_already = old == target
        if leads_already and not ((was and not was.on) or (cloud and cloud.was_left)):
            raise NothingToDo(f"{old.name} is the master of {found.pool.name} already. xe would do nothing about it, and say nothing.")
        if leads_already:
            yield from brought_back(target, members, was if was and not was.on else None, cloud if cloud and cloud.was_left else None)
            return
        if cloud:
            yield from cloud.begins()
        if was and was.on:
            yield from ha_steps.off(
                target,
                members,
                brings_back=ha_steps.way_back(found.pool.resource, members, was.beat),
                why="xapi refuses a new master while HA is on. The SR and the timeout of now are written down first.",
                undo=back,
            )
        elif was:
            yield from ha_steps.still_off(target, members)
        yield members_answer(target, old, members)
        yield leads(target, old, members, back)
        yield members_follow(target, members)
        yield members_live(target, members, enabled)
        yield from (disable_again(target, one) for one in members if one not in enabled)
        if was:
            why = f"As it was: the heartbeat SR {was.beat.called}, and {was.beat.timeout} s."
            yield from ha_steps.on(target, members, was.beat, why=why, undo=back, settles=True)
        if cloud:
            yield from cloud.ends()


def brought_back(target: At, members: tuple[At, ...], was: Before | None, cloud: Along | None) -> Iterator[Step]:
    """What is left to do where an earlier run got as far as the new master: HA and the cluster, as it found them."""
    if cloud:
        yield from cloud.begins()
    if was:
        yield from ha_steps.still_off(target, members)
        why = f"An operation left it off after the switch. As it was: the heartbeat SR {was.beat.called}, and {was.beat.timeout} s."
        back = undone_by("Enable pool HA", "HA belongs to the pool with its new master now.")
        yield from ha_steps.on(target, members, was.beat, why=why, undo=back, settles=True)
    if cloud:
        yield from cloud.ends()


def _why_not(found: Survey, host: XenHost) -> str:
    return "It is the master now." if host.uuid == found.basics.master else unfit(found, host)
