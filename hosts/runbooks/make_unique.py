"""Make a cloned XenServer unique: its own UUIDs, database, certificate, network records and name."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from hosts import reading, rules
from hosts.facts.portal import InventoryHost
from hosts.models import Host, Kind, Pool
from hosts.xen import clone_guards, cloning
from hosts.xen.cloning import Clone
from hosts.xen.facts import MemberView
from hosts.xen.more_facts import Identity, Twins, WhoItWas
from hosts.xen.parsing import inventory as read_inventory
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.models import Operation
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.states import OperationState
from opsportal.operations.steps import Step

XEN_KINDS = (Kind.XENSERVER, Kind.XCP_NG)


@dataclass(frozen=True)
class UniqueParams:
    """`host_uuid` and `domain_uuid` are the new ones, made when the draft is; `run` names the run's folder on the host."""

    host: int = 0
    mode: str = "static"
    name_label: str = ""
    host_uuid: str = ""
    domain_uuid: str = ""
    run: str = ""


class CloneForm(forms.Form):
    MODES = (("static", "Keep the address it has now, as a static one"), ("dhcp", "Ask a DHCP server"))

    host = forms.ModelChoiceField(
        Host.objects.filter(kind__in=XEN_KINDS).order_by("sort_name"), label="The clone", empty_label="Choose a host",
        help_text="A XenServer or XCP-ng host of the inventory, reached at an address of its own.",
    )  # fmt: skip
    mode = forms.ChoiceField(
        choices=MODES, initial="static", widget=forms.RadioSelect, label="Address of the management interface",
        help_text="With DHCP it may come back at another address, where the portal does not look for it.",
    )  # fmt: skip
    name_label = forms.CharField(
        required=False, max_length=64, validators=[rules.label], label="Name",
        help_text="The name-label of the host. Empty: its hostname.", widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )  # fmt: skip


class MakeUnique(Runbook[UniqueParams]):
    name = "make-unique"
    title = "Make a cloned XenServer unique"
    summary = "Gives a copy of another XenServer its own UUIDs, database, certificate, network records and name, with two reboots."
    when = (
        "When a XenServer was made from a disk image or a template: it has its twin's UUIDs, and CloudStack silently skips it, "
        "or a pool takes it for the twin."
    )
    goes_wrong = (
        "It removes the host's database. On a member of a pool, or with virtual machines on it, that would be a disaster, so it is refused "
        "there. If the network does not come back, the console of the host is the only way in."
    )
    afterwards = f"The host is alone in a new pool and can join one, or be added to CloudStack. Not renewed: {cloning.NOT_RENEWED}"
    risk = Risk.DANGEROUS
    approvals = 1
    params = UniqueParams
    pages = (Page("host", "Host", CloneForm, template="hosts/runbooks/unique.html"),)
    guards = clone_guards.UNIQUE

    def fresh(self) -> dict[str, Any]:
        return {"host_uuid": str(uuid.uuid4()), "domain_uuid": str(uuid.uuid4()), "run": secrets.token_hex(4)}

    def subject(self, params: UniqueParams) -> str:
        host = Host.objects.filter(pk=params.host).first()
        return host.name if host else ""

    def locks(self, params: UniqueParams) -> Iterable[str]:
        if params.host:
            yield f"host:{params.host}"
            if pool := Host.objects.filter(pk=params.host).values_list("pool_id", flat=True).first():
                yield f"pool:{pool}"

    def look(self, page: str, params: UniqueParams, facts: FactSet) -> dict[str, Any]:
        if not params.host:
            return {}
        row = facts(InventoryHost("portal", params.host))
        view, was = facts.try_(MemberView(row.target)), facts.try_(WhoItWas(row.target))
        if isinstance(view, FactError) or isinstance(was, FactError):
            return {"host": row.name, "problem": str(view if isinstance(view, FactError) else was)}
        shown = {"host": row.name, "product": f"{view.brand} {view.version}", "hostname": was.hostname, "old": _ids(was), "pool": was.pool}
        now, twins = was.management, facts(Twins("portal", row.pk, view.uuid))
        return {
            **shown,
            "twins": list(twins),
            "new": {"host": params.host_uuid, "domain": params.domain_uuid},
            "management": {"device": now.device, "mode": now.mode, "address": now.address, "netmask": now.netmask, "gateway": now.gateway},
        }

    def plan(self, params: UniqueParams, facts: FactSet) -> Iterable[Step]:
        yield from cloning.steps(clone(params, facts))

    def finished(self, operation_id: int, state: str) -> None:
        """What the inventory knows of the host and of its pool is read anew: both have other UUIDs now."""
        if state == OperationState.SUCCEEDED:
            hosts = Host.objects.filter(pk=Operation.objects.get(pk=operation_id).parsed().host)
            Pool.objects.filter(hosts__in=hosts).update(uuid="")
            reading.ask(hosts)


def clone(params: UniqueParams, facts: FactSet) -> Clone:
    """Raises `FactError` with the reason why it cannot be planned."""
    row = facts(InventoryHost("portal", params.host))
    was = facts(WhoItWas(row.target))
    return Clone(
        target=row.target,
        resource=row.target,
        run=params.run,
        inventory=was.inventory,
        old_uuid=_ids(was)["host"],
        new_uuid=params.host_uuid,
        new_domain=params.domain_uuid,
        old_pool=was.pool,
        name=params.name_label or was.hostname,
        network=cloning.network(params.mode, was.management),
    )


def _ids(was: Identity) -> dict[str, str]:
    names = read_inventory(was.inventory)
    return {"host": names.get("INSTALLATION_UUID", "").lower(), "domain": names.get("CONTROL_DOMAIN_UUID", "").lower()}
