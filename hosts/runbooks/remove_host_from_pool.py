"""Remove a host from a pool and from CloudStack, also the pool master.

HA off, a new master where one is needed, out of the pool, out of CloudStack, HA on as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django import forms
from django.utils import timezone

from hosts import reading
from hosts.cloudstack import host_steps
from hosts.cloudstack.along import Along, along
from hosts.cloudstack.along_guards import ALONG
from hosts.cloudstack.cluster_steps import all_up
from hosts.cloudstack.membership_guards import REMOVING, restorations_but_its_own
from hosts.cloudstack.state import MAINTENANCE
from hosts.models import Host, Pool
from hosts.runbooks.change_pool_master import unfit, versions_for_ha
from hosts.xen import ha_steps, membership, membership_guards, pool_guards
from hosts.xen.forms import HostField, UuidForm, one_of
from hosts.xen.ha_steps import At, at, before, everybody, undone_by
from hosts.xen.master_steps import disable_again, leads, members_answer, members_follow, members_live
from hosts.xen.membership_guards import disks
from hosts.xen.pool_runbook import HaRunbook, host_name, named, now, pool_page
from hosts.xen.survey import Survey, survey
from opsportal.operations import restorations
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.runbook import Page
from opsportal.operations.states import StepState
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class RemoveParams:
    """Uuids. `new_master` is needed only when `host` is the master."""

    pool: int = 0
    host: str = ""
    new_master: str = ""


class LeaverForm(UuidForm):
    host = one_of("Host that leaves", "Always by its uuid: names can be ambiguous.", HostField)
    choices_from = ("host", "hosts")


class SuccessorForm(UuidForm):
    new_master = forms.ChoiceField(
        label="New pool master", required=False, widget=forms.RadioSelect, choices=[],
        help_text="Only needed when the host that leaves is the master.",
    )  # fmt: skip
    choices_from = ("new_master", "successors")


@guard(
    "remove.successor",
    title="The pool has a master afterwards",
    reason="xapi does not eject a master: it answers with an internal error. Another member has to lead first.",
    source="xapi source, xapi_pool.ml (Cannot_eject_master)",
)
def successor(params: RemoveParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.pool and params.host):
        return
    found = survey(params.pool, facts)
    if params.host != found.basics.master:
        return
    host = next((host for host in found.hosts if host.uuid == params.new_master), None)
    if host is None or host.uuid == params.host:
        yield Finding(Level.BLOCK, f"{found.master.name} is the master. Choose the member that leads the pool afterwards.", "new_master")
    elif why := unfit(found, host):
        yield Finding(Level.BLOCK, f"{host.name}: {why}", "new_master")


class RemoveHost(HaRunbook[RemoveParams]):
    name = "remove-host-from-pool"
    title = "Remove a host from a pool"
    summary = (
        "Ejects a member, also the pool master, with HA off and on again around it, and deletes it in CloudStack. "
        "Its local storage is erased."
    )
    when = "When a host is taken out of service, or moves to another pool."
    goes_wrong = (
        "What is on the host's local storage is lost for good, so it is named before. "
        "A host with virtual machines that CloudStack cannot move stays. "
        "If it stops half-way, HA stays off and an open restoration says how it was."
    )
    afterwards = (
        "The pool no longer knows the host. It reboots as the master of a new, empty pool of its own, with the same uuid and address. "
        "CloudStack has forgotten it, where the portal has a connection; elsewhere delete it there, or it stays in Alert."
    )
    params = RemoveParams
    pages = (
        pool_page("HA has to be off while a host leaves. The portal turns it off and on again where it is on."),
        Page("host", "Host", LeaverForm, template="hosts/runbooks/leave.html"),
        Page("master", "New master", SuccessorForm, template="hosts/runbooks/successor.html"),
    )
    guards = (
        *pool_guards.healthy(restorations_but_its_own),
        *membership_guards.REMOVING,
        successor,
        versions_for_ha,
        *ALONG,
        *REMOVING,
        *pool_guards.COMES_BACK,
    )

    def subject(self, params: RemoveParams) -> str:
        host = host_name(params.host)
        return f"{host} from {super().subject(params)}" if host else super().subject(params)

    def locks(self, params: RemoveParams) -> Iterable[str]:
        yield from super().locks(params)
        if params.host and (host := Host.objects.filter(facts__host_uuid__iexact=params.host, pool=params.pool).first()):
            yield f"host:{host.pk}"

    def look(self, page: str, params: RemoveParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        shown = now(found, facts)
        only = "It is the only host of the pool." if len(found.hosts) == 1 else ""
        hosts = [{**row, "why_not": only} for row in shown["hosts"]]
        others = [{**row, "why_not": unfit(found, found.host(row["uuid"]))} for row in shown["hosts"] if row["uuid"] != params.host]
        more = {"chosen": params.host, "chosen_name": named(found, params.host), "leads": params.host == found.basics.master}
        return {**shown, "hosts": hosts, "successors": others, **more, "local": local(found, params.host, facts)}

    def plan(self, params: RemoveParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        host = at(found, params.host)
        leading = found.basics.master == host.uuid
        if leading and params.new_master in ("", host.uuid):
            raise FactError(f"{host.name} is the master of {found.pool.name}. Choose the member that leads it afterwards.")
        master = at(found, params.new_master if leading else found.basics.master)
        members = everybody(found)
        staying = (master, *(one for one in members if one not in (host, master)))
        was, cloud = before(found, facts), along(found, facts)
        cloud = cloud if cloud and host.uuid in cloud.hosts else None
        back = undone_by("Add a host to a pool", "The host has left.")
        if was and was.on:
            yield from ha_steps.off(
                master,
                members,
                brings_back=ha_steps.way_back(found.pool.resource, staying, was.beat),
                why="xapi ejects nobody while HA is on. The SR and the timeout of now are written down first.",
                undo=back,
            )
        elif was:
            yield from ha_steps.still_off(master, members)
        if leading:
            yield from hand_over(found, host, master, members)
        if cloud:
            yield from emptied(cloud, host.uuid, leading=leading)
        why = "So that no virtual machine is started on it in the meantime."
        yield membership.disable(host, master, found.pool.resource, found.host(host.uuid).enabled, why, ())
        yield membership.eject(host, master)
        yield membership.left(host, staying)
        if cloud:
            yield host_steps.delete(cloud.api, cloud.host(host.uuid))
        if was:
            said = f"As it was, without {host.name}: the heartbeat SR {was.beat.called}, and {was.beat.timeout} s."
            yield from ha_steps.on(master, staying, was.beat, why=said, undo=back, settles=True)
        yield membership.came_back(host, found.basics.uuid)

    def finished(self, operation_id: int, state: str) -> None:
        """Once it was ejected, the inventory has it in no pool, whatever came after."""
        super().finished(operation_id, state)
        operation = Operation.objects.get(pk=operation_id)
        params = operation.parsed()
        hosts = Host.objects.filter(facts__host_uuid__iexact=params.host, pool=params.pool)
        if operation.steps.filter(key="eject", state=StepState.SUCCEEDED).exists():
            numbers = list(hosts.values_list("pk", flat=True))
            hosts.update(pool=None)
            reading.ask(Host.objects.filter(pk__in=numbers))
            self._settle(operation)
        Pool.objects.filter(pk=params.pool).update(next_read_at=timezone.now(), claim="")

    def _settle(self, operation: Operation) -> None:
        """What earlier tries did to the host, disabled it or had it emptied, needs nobody any more: by the steps that ended it."""
        ended = set(operation.steps.filter(key__in=("eject", "cloudstack-delete"), state=StepState.SUCCEEDED).values_list("key", flat=True))
        keys = [step.settles for step in operation.frozen().steps if step.key in ended]
        for one in Restoration.objects.filter(state=Restoration.State.OPEN, resource__in=operation.locks, key__in=keys):
            restorations.settle(one.operation, one.key, f"operation #{operation.pk}, which removed the host")


def hand_over(found: Survey, host: At, master: At, members: tuple[At, ...]) -> Iterator[Step]:
    """The role of master to its successor."""
    enabled = tuple(one for one in members if found.host(one.uuid).enabled)
    yield members_answer(master, host, members)
    yield leads(master, host, members, undone_by("Change pool master", f"Going back to {host.name} needs the same care."))
    yield members_follow(master, members)
    yield members_live(master, members, enabled)
    yield from (disable_again(master, one) for one in members if one not in enabled and one != host)


MOVES = 4 * 3600
"""Seconds for CloudStack to move what runs on a host: one virtual machine after the other, large ones for many minutes."""


def emptied(cloud: Along, uuid: str, *, leading: bool) -> Iterator[Step]:
    """By CloudStack, which moves its virtual machines itself. Not before it is well with the new master."""
    host = cloud.host(uuid)
    if leading:
        yield all_up(cloud.api, cloud.cluster, [one for one in cloud.hosts.values() if one.well], "cloudstack-reconnected")
    if host.resource != MAINTENANCE:
        why = "CloudStack moves the virtual machines away, starts none on it any more, and deletes only a host in Maintenance."
        yield host_steps.maintain(cloud.api, host, why, host_steps.in_service_again(cloud.api, host, cloud.resource))
        yield host_steps.maintained(cloud.api, host, MOVES)


def local(found: Survey, host: str, facts: FactSet) -> list[dict[str, Any]]:
    """The local storage of the chosen host, with what is on it."""
    if host not in {one.uuid for one in found.hosts}:
        return []
    return [{**asdict(sr), "disks": [asdict(disk) for disk in there]} for sr, there in disks(found, host, facts).items()]
