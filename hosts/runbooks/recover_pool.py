"""Recover a pool whose master is dead, and bring hosts back that follow the wrong master."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils import timezone

from hosts.facts.portal import HostRow
from hosts.models import Pool
from hosts.xen import recovery, recovery_guards
from hosts.xen.forms import XEN, HostField, UuidForm, one_of
from hosts.xen.ha_steps import At
from hosts.xen.more_facts import LastReading, LastWord, Stance
from hosts.xen.pool_runbook import PoolRunbook, host_name
from hosts.xen.recovery_guards import FOLLOW, PROMOTE, led
from hosts.xen.roster import VOICES
from hosts.xen.state import Role, Voice
from hosts.xen.survey import Seen, views
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.models import Operation
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class RecoverParams:
    """`host` is the uuid of the survivor that becomes the master (`PROMOTE`), or of the host that is brought back (`FOLLOW`)."""

    pool: int = 0
    what: str = PROMOTE
    host: str = ""
    master_off: bool = False
    disarm: bool = False


class WhatForm(forms.Form):
    WHAT = (
        (PROMOTE, "The master is dead: make a survivor the master"),
        (FOLLOW, "Bring a host back behind the master: an old master that returned, or a member that was away"),
    )
    pool = forms.ModelChoiceField(Pool.objects.filter(kind__in=XEN), label="Pool", empty_label="Choose a pool")
    what = forms.ChoiceField(choices=WHAT, initial=PROMOTE, widget=forms.RadioSelect, label="What happened")


class HostForm(UuidForm):
    host = one_of("Host", "The survivor that becomes the master, or the host that is brought back.", HostField)
    master_off = forms.BooleanField(
        required=False, label="The old master is switched off, and stays off",
        help_text="Needed when a survivor becomes the master. Use its management board, or go there.",
    )  # fmt: skip
    disarm = forms.BooleanField(
        required=False, label="Last resort: switch HA off by force on every survivor",
        help_text="Only if HA was on and has not elected a master by itself. Needs a reason, and a second person.",
    )  # fmt: skip
    choices_from = ("host", "rows")


class RecoverPool(PoolRunbook[RecoverParams]):
    name = "recover-pool"
    title = "Recover a pool whose master is dead"
    summary = "Makes a surviving member the pool master and has the others follow it, or brings a host back that follows the wrong master."
    when = "When the pool master is dead for good and HA is off: xe hangs on every member, and no virtual machine can be started."
    goes_wrong = (
        "The survivor goes on with its own copy of the database, which may be some minutes old. If the old master is not really off, "
        "there are two masters. With HA on this is HA's own work: wait for it."
    )
    afterwards = (
        "The pool has one master that every reachable member follows. Compare with CloudStack what runs where. Keep the old master off "
        "until you bring it back with this runbook. HA stays off: “Enable pool HA” turns it on when the pool is whole."
    )
    settles = True
    params = RecoverParams
    pages = (
        Page("pool", "Pool", WhatForm, template="hosts/runbooks/recover.html"),
        Page("host", "Host", HostForm, template="hosts/runbooks/recover.html"),
    )
    guards = recovery_guards.RULES

    def subject(self, params: RecoverParams) -> str:
        pool, host = super().subject(params), host_name(params.host)
        return f"{pool} with {host}" if host and params.what == PROMOTE else f"{host} in {pool}" if host else pool

    def look(self, page: str, params: RecoverParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        pool, seen = views(params.pool, facts)
        known = facts(LastReading("portal", params.pool))
        return {
            "pool": pool.name,
            "what": params.what,
            "rows": [row(one, known, params) for one in seen],
            "chosen": params.host,
            "last": {"at": known.at, "master": known.name(known.master), "ha": known.ha_enabled, "timeout": known.ha_timeout},
            "armed": [one.row.name for one in seen if one.view and one.view.ha_armed],
        }

    def plan(self, params: RecoverParams, facts: FactSet) -> Iterable[Step]:
        return rescue(params, facts) if params.what == PROMOTE else bring_back(params, facts)

    def finished(self, operation_id: int, state: str) -> None:
        """Whatever came of it, the pool is another one now."""
        Pool.objects.filter(pk=Operation.objects.get(pk=operation_id).parsed().pool).update(next_read_at=timezone.now(), claim="")


def row(one: Seen, known: LastWord, params: RecoverParams) -> dict[str, Any]:
    """A host as the page shows it; `why_not` says why it cannot be chosen."""
    view = one.view
    if view is None:
        return {"uuid": one.row.uuid, "name": one.row.name, "state": one.error, "why_not": "It cannot be reached.", "tone": "bad"}
    words = {Role.MASTER: "says it is the master", Role.SLAVE: f"follows {view.master_address}", Role.BROKEN: "pool.conf says broken"}
    talk = VOICES[view.voice][1] if view.voice in VOICES else "Gets answers from the pool master."
    return {
        "uuid": view.uuid,
        "name": one.row.name,
        "role": words.get(view.role, "pool.conf cannot be read"),
        "state": f"{talk} {view.said}".strip(),
        "armed": view.ha_armed,
        "emergency": view.emergency,
        "was_master": bool(known.master) and view.uuid == known.master,
        "why_not": why_not(one, params.what),
        "tone": "ok" if view.voice is Voice.ANSWERS else "bad",
    }


def why_not(one: Seen, what: str) -> str:
    assert one.view is not None
    if what == PROMOTE and one.view.role is not Role.SLAVE:
        return "Only a member that follows a master has a copy of the database to go on with."
    return ""


def _at(host: HostRow, stance: Stance) -> At:
    """The address is the inventory's: nobody can be asked for the one in the pool's database."""
    return At(stance.uuid, host.name, host.target, host.address)


def rescue(params: RecoverParams, facts: FactSet) -> Iterable[Step]:
    pool, stances = recovery_guards.stances(params.pool, facts)
    if any(stance.answers for stance in stances.values()):
        raise NothingToDo(f"{pool.name} has a master that answers: a needless second one would split the pool.")
    here = {stance.uuid: _at(host, stance) for host, stance in stances.items() if stance.role is Role.SLAVE}
    if params.host not in here:
        raise FactError(f"The chosen survivor is no member of {pool.name} that can be reached and follows a master. Choose another one.")
    others = tuple(one for uuid, one in here.items() if uuid != params.host)
    armed = tuple(here[stance.uuid] for stance in stances.values() if stance.uuid in here and stance.armed and params.disarm)
    return recovery.rescue(here[params.host], others, armed)


def bring_back(params: RecoverParams, facts: FactSet) -> Iterable[Step]:
    found = led(params, facts)
    master = At(found.master.uuid, found.master.name, found.target, found.master.address)
    host, stance = next(((host, one) for host, one in found.stances.items() if one.reachable and one.uuid == params.host), (None, None))
    if host is None or stance is None:
        raise FactError("The chosen host cannot be reached. Bring it into the network first: the command is typed on the host itself.")
    if stance.role is Role.SLAVE and stance.master_address == master.address and stance.answers:
        raise NothingToDo(f"{host.name} follows {master.name} already, and gets answers from it.")
    was = f"slave:{stance.master_address}" if stance.role is Role.SLAVE else str(stance.role)
    return recovery.bring_back(_at(host, stance), was, master)
