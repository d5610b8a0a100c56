"""Rolling maintenance of a pool: HA off, one host after the other emptied, patched, rebooted and put back, HA on as it was."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.utils import timezone

from hosts import rules
from hosts.cloudstack.along import along
from hosts.cloudstack.along_guards import ALONG
from hosts.models import Pool
from hosts.xen import ha_steps, maintenance, maintenance_guards, pool_guards
from hosts.xen.forms import UuidForm, offered
from hosts.xen.ha_steps import at, before, everybody, undone_by
from hosts.xen.maintenance import Turn, Work
from hosts.xen.maintenance_guards import order
from hosts.xen.more_facts import Attached, AttachedBefore, DoneBefore
from hosts.xen.pool_runbook import HEALTHY, HaRunbook, now, pool_page, restorations_but_ha
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactSet
from opsportal.operations.models import Operation
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class MaintenanceParams:
    """`skip` are uuids. Scripts are shell text, "" for none. `run` names this run's notes on the hosts; a retry shares it."""

    pool: int = 0
    skip: tuple[str, ...] = ()
    pre_script: str = ""
    post_script: str = ""
    patches: str = ""
    reboot: bool = True
    evacuate_minutes: int = 120
    run: str = ""


class SkipForm(UuidForm):
    skip = forms.MultipleChoiceField(
        label="Leave out", required=False, choices=[], widget=forms.CheckboxSelectMultiple,
        help_text="Hosts that are done already, or shall not be touched. The master goes first, then the others by name.",
    )  # fmt: skip
    choices_from = ("skip", "hosts")

    def look(self, found: Mapping[str, Any]) -> None:
        """Every host may be left out."""
        rows = [{**row, "why_not": ""} for row in found.get("hosts") or ()]
        cast(forms.MultipleChoiceField, self.fields["skip"]).choices = offered(rows, self._chosen("skip"))


def script_field(label: str, help_text: str) -> forms.CharField:
    area = forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "class": "mono"})
    return forms.CharField(label=label, required=False, max_length=20_000, widget=area, help_text=help_text, validators=[rules.free_text])


class WorkForm(forms.Form):
    pre_script = script_field("Script before a host is emptied", "Runs as root with sh on each host, once it is disabled.")
    post_script = script_field("Script once a host is empty", "Runs as root with sh on each host, before patches and reboot.")
    patches = script_field("Commands that install patches", "Such as: yum -y update. Empty: none. A failure stops the run at this host.")
    reboot = forms.BooleanField(required=False, initial=True, label="Reboot each host", help_text="Once it is empty.")
    evacuate_minutes = forms.IntegerField(
        label="Minutes for emptying a host", min_value=5, max_value=1440, initial=120,
        help_text="After that the portal stops waiting and says so; xapi may go on.", widget=forms.NumberInput(attrs={"size": 5}),
    )  # fmt: skip

    def _script(self, name: str) -> str:
        """With the line ends of a shell, which a browser does not send."""
        text = str(self.cleaned_data.get(name) or "").replace("\r\n", "\n").strip()
        return f"{text}\n" if text else ""

    def clean_pre_script(self) -> str:
        return self._script("pre_script")

    def clean_post_script(self) -> str:
        return self._script("post_script")

    def clean_patches(self) -> str:
        return self._script("patches")


class RollingMaintenance(HaRunbook[MaintenanceParams]):
    name = "rolling-maintenance"
    title = "Rolling maintenance of a pool"
    summary = "Empties, patches and reboots one host after the other, the master first, with HA off meanwhile and on again as it was."
    when = "For patches, firmware and reboots of a whole pool without stopping its virtual machines."
    goes_wrong = (
        "It stops at the first thing that fails. Then one host may be out of service and HA is off: both are written down. "
        "Retry goes on with that host; hosts that are done are not done again. A second host is never taken down."
    )
    afterwards = (
        "Every host has booted anew and has what it had before. HA is as it was. CloudStack left the cluster alone and manages it again, "
        "where the portal has a connection to it."
    )
    params = MaintenanceParams
    pages = (
        pool_page("HA is off for the whole run: with it on, no host can be emptied under CloudStack, and a reboot may fence others."),
        Page("hosts", "Hosts", SkipForm, template="hosts/runbooks/turns.html"),
        Page(
            "work",
            "Work",
            WorkForm,
            "Scripts are part of the plan: the approver reads every line.",
            "hosts/runbooks/turns.html",
        ),
    )
    guards = (
        *(one for one in HEALTHY if one is not restorations_but_ha),
        *maintenance_guards.RULES,
        *ALONG,
        *pool_guards.COMES_BACK,
    )

    def initial(self) -> dict[str, Any]:
        return {"reboot": True, "evacuate_minutes": 120}

    def fresh(self) -> dict[str, Any]:
        return {"run": secrets.token_hex(4)}

    def look(self, page: str, params: MaintenanceParams, facts: FactSet) -> dict[str, Any]:
        if not params.pool:
            return {}
        found = survey(params.pool, facts)
        done = facts(DoneBefore("portal", params.pool))
        turns = [found.host(uuid).name for uuid in order(found, params.skip)]
        return {**now(found, facts), "turns": turns, "done": list(done.hosts), "operation": done.operation, "skipped": list(params.skip)}

    def plan(self, params: MaintenanceParams, facts: FactSet) -> Iterable[Step]:
        found = survey(params.pool, facts)
        uuids = order(found, params.skip)
        if not uuids:
            raise NothingToDo("Every host of the pool is left out.")
        master, members = at(found, found.basics.master), everybody(found)
        was, cloud = before(found, facts), along(found, facts)
        back = undone_by("Enable pool HA", "HA belongs to the pool as it is then.")
        if cloud:
            yield from cloud.begins()
        if was and was.on:
            yield from ha_steps.off(
                master,
                members,
                brings_back=ha_steps.way_back(found.pool.resource, members, was.beat),
                why="With HA on no host with CloudStack's virtual machines can be emptied, and a reboot may make others fence themselves.",
                undo=back,
            )
        elif was:
            yield from ha_steps.still_off(master, members)
        work = work_of(params, found.pool.resource)
        yield from maintenance.rounds(work, master, members, turns(found, uuids, params, facts))
        if was:
            why = f"Every host is back. As it was: the heartbeat SR {was.beat.called}, and {was.beat.timeout} s."
            yield from ha_steps.on(master, members, was.beat, why=why, undo=back, settles=True)
        if cloud:
            yield from cloud.ends()

    def finished(self, operation_id: int, state: str) -> None:
        super().finished(operation_id, state)
        pool = Operation.objects.get(pk=operation_id).parsed().pool
        Pool.objects.filter(pk=pool).update(next_read_at=timezone.now(), claim="")


def work_of(params: MaintenanceParams, resource: str) -> Work:
    return Work(
        run=params.run,
        resource=resource,
        pre_script=params.pre_script,
        post_script=params.post_script,
        patches=params.patches,
        reboot=params.reboot,
        evacuate_seconds=params.evacuate_minutes * 60,
    )


def turns(found: Survey, uuids: list[str], params: MaintenanceParams, facts: FactSet) -> tuple[Turn, ...]:
    """Hosts count as enabled before: where one is not, an operation left it so, or nobody would want it back in service."""
    was = {one.host: one for one in facts(AttachedBefore(found.speaker.target, params.run))}
    nothing = Attached("", (), (), ())
    mine = [(uuid, was.get(uuid, nothing)) for uuid in uuids]
    return tuple(Turn(at(found, uuid), True, one.pbds, one.pifs, one.carriers) for uuid, one in mine)
