"""Add a host to a pool and to CloudStack: HA off, join, everybody agrees, added to CloudStack and Up there, HA on as it was."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django import forms
from django.utils import timezone

from hosts import reading
from hosts.cloudstack import host_steps
from hosts.cloudstack.along import Along, along
from hosts.cloudstack.along_guards import ALONG
from hosts.cloudstack.membership_guards import ADDING, member_already
from hosts.cloudstack.steps import bring_password, forget_password
from hosts.facts.portal import InventoryHost
from hosts.forms import CredentialChoice
from hosts.models import Credential, Host, Kind, Pool
from hosts.runbooks.change_pool_master import versions_for_ha
from hosts.xen import ha_steps, membership, membership_guards, pool_guards
from hosts.xen.facts import MemberView, PoolStorage
from hosts.xen.ha_steps import At, at, before, everybody, undone_by
from hosts.xen.membership_guards import joiner_host
from hosts.xen.more_facts import InventoryCredential
from hosts.xen.pool_runbook import HEALTHY, HaRunbook, now, pool_page
from hosts.xen.state import Sr
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import unless
from opsportal.operations.models import Operation
from opsportal.operations.runbook import Page
from opsportal.operations.states import StepState
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class AddParams:
    """`joiner` is the inventory's number of the host that joins, `credential` that of the password of root on the pool master.

    `run` names this run's file with the password; a retry shares it.
    """

    pool: int = 0
    joiner: int = 0
    credential: int = 0
    run: str = ""


class JoinerForm(forms.Form):
    joiner = forms.ModelChoiceField(
        Host.objects.filter(kind__in=(Kind.XENSERVER, Kind.XCP_NG)).order_by("sort_name"), label="Host that joins",
        empty_label="Choose a host", help_text="Alone in its own pool, with the same version, patches and processors, and nothing running.",
    )  # fmt: skip
    credential = CredentialChoice(
        Credential.objects.filter(kind=Credential.Kind.PASSWORD).defer("secret"), label="Password of root on the pool master",
        empty_label="Choose a credential",
        help_text="pool-join logs in with it. It goes into a file for root alone and is removed after use; no plan, log or command has it.",
    )  # fmt: skip


class AddHost(HaRunbook[AddParams]):
    name = "add-host-to-pool"
    title = "Add a host to a pool"
    summary = (
        "Has a host join a pool, with HA off and on again around it where it is on, proves that it is a full member, "
        "and adds it to CloudStack."
    )
    when = "When a cluster gets another XenServer. CloudStack wants it in the pool first; one that is in it already is only added there."
    goes_wrong = (
        "pool-join says that all is well when the master cannot be reached, and silently takes over the record of a member with the same "
        "uuid: both are looked for before. If it stops half-way, HA stays off and an open restoration says how it was."
    )
    afterwards = (
        "The host is a live, enabled member with the pool's storage and the pool's root password, and Up in CloudStack, where the "
        "portal has a connection; elsewhere add it there now: adding one host discovers the others."
    )
    params = AddParams
    pages = (
        pool_page("HA has to be off while a host joins. The portal turns it off and on again where it is on."),
        Page("host", "Host", JoinerForm, template="hosts/runbooks/join.html"),
    )
    guards = (
        *HEALTHY,
        *(unless(member_already, rule) for rule in membership_guards.JOINING),
        versions_for_ha,
        *ALONG,
        *ADDING,
        *pool_guards.COMES_BACK,
    )

    def fresh(self) -> dict[str, Any]:
        return {"run": secrets.token_hex(8)}

    def subject(self, params: AddParams) -> str:
        host = Host.objects.filter(pk=params.joiner).first()
        return f"{host} to {super().subject(params)}" if host else super().subject(params)

    def locks(self, params: AddParams) -> Iterable[str]:
        yield from super().locks(params)
        if params.joiner:
            yield f"host:{params.joiner}"

    def look(self, page: str, params: AddParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        shown = now(found, facts)
        if not params.joiner:
            return shown
        row = facts(InventoryHost("portal", params.joiner))
        view = facts.try_(MemberView(row.target))
        if isinstance(view, FactError):
            return {**shown, "joiner": {"name": row.name, "problem": str(view)}}
        return {**shown, "joiner": {**asdict(view), "name": row.name}, "compare": compare(found, row.target, view.uuid, facts)}

    def plan(self, params: AddParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        master, members, new = at(found, found.basics.master), everybody(found), newcomer(params, facts)
        given = facts(InventoryCredential("portal", params.credential))
        was, cloud = before(found, facts), along(found, facts)
        joins = new.uuid not in {host.uuid for host in found.hosts}
        back = undone_by(self.title, "HA belongs to the pool with its new member now.")
        if joins:
            yield membership.password(new, master, given.pk, f"the password in the credential {given.name}")
            yield membership.try_password(new, master)
        if was and was.on:
            yield from ha_steps.off(
                master,
                members,
                brings_back=ha_steps.way_back(found.pool.resource, members, was.beat),
                why="xapi lets nobody join while HA is on. The SR and the timeout of now are written down first.",
                undo=back,
            )
        elif was:
            yield from ha_steps.still_off(master, members)
        if joins:
            yield from membership.steps_to_join(new, master, shared(found, facts))
        if cloud:
            yield from told(cloud, new, params, given.name)
        if was:
            why = f"As it was, and with {new.name}: the heartbeat SR {was.beat.called}, and {was.beat.timeout} s."
            yield from ha_steps.on(master, (*members, new) if joins else members, was.beat, why=why, undo=back, settles=True)

    def finished(self, operation_id: int, state: str) -> None:
        """Once it joined, the inventory has it in the pool, whatever came after."""
        super().finished(operation_id, state)
        operation = Operation.objects.get(pk=operation_id)
        params = operation.parsed()
        pool, host = Pool.objects.filter(pk=params.pool), Host.objects.filter(pk=params.joiner)
        if operation.steps.filter(key="joined", state=StepState.SUCCEEDED).exists():
            host.update(pool=params.pool, cloud=pool.values_list("cloud", flat=True)[:1])
        pool.update(next_read_at=timezone.now(), claim="")
        reading.ask(host)


def newcomer(params: AddParams, facts: FactSet) -> At:
    row = facts(InventoryHost("portal", params.joiner))
    view = facts(MemberView(row.target))
    host = joiner_host(row.target, view.uuid, facts)
    return At(view.uuid, row.name, row.target, host.address)


def told(cloud: Along, new: At, params: AddParams, called: str) -> Iterator[Step]:
    """CloudStack logs in with the password of the pool's root, which the new member has now."""
    yield bring_password(params.run, params.credential, called, f"host:{params.joiner}")
    why = "It asks the pool for its members, and takes in those that it does not know."
    yield host_steps.add(cloud.api, cloud.cluster, new.name, new.address, "root", params.run, why)
    yield host_steps.added(cloud.api, cloud.cluster, new.name, new.address)
    yield forget_password(params.run)


def shared(found: Survey, facts: FactSet) -> tuple[Sr, ...]:
    """What the master has plugged and shares: the new member should have it as well."""
    storage = facts(PoolStorage(found.speaker.target))
    return tuple(sr for sr in storage.srs if sr.shared and sr.type != "iso" and found.basics.master in storage.plugged(sr.uuid))


def compare(found: Survey, target: str, uuid: str, facts: FactSet) -> list[dict[str, Any]]:
    """Master and joiner side by side; [] when the joiner's xapi does not answer."""
    try:
        mine = joiner_host(target, uuid, facts)
    except FactError:
        return []
    rows = (
        ("Version", f"{found.master.brand} {found.master.version}", f"{mine.brand} {mine.version}"),
        ("Build", found.master.build, mine.build),
        ("Patches", str(len(found.master.patches)), str(len(mine.patches))),
        ("Processors", found.master.cpu, mine.cpu),
    )
    return [{"what": what, "master": first, "joiner": second, "same": first == second} for what, first, second in rows]
