"""Upgrade the management servers of a cloud: back up, stop all, install, start one alone, prove it, start the rest."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone

from hosts.models import Cloud, CloudApi, Host, Kind
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.models import Operation
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Step
from releases import servers, upgrade_guards, upgrade_judges, upgrade_steps, upgrade_survey
from releases.models import Build
from releases.upgrade_survey import Seen, Survey, UpgradeParams

PATH = RegexValidator(r"\A(/[A-Za-z0-9_.+-]+)+\Z", "Give an absolute path of letters, digits and . _ + -, without blanks.")
FILE = RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._+~-]*\Z", "Give the name of one of the build's files.")
HOW = [
    ("copy", "Send the build's packages to each server"),
    ("repository", "By each server's package manager, from a repository that has the build"),
    ("war", "Replace one file: the war or jar of a classic installation"),
]


class WhatForm(forms.Form):
    cloud = forms.ModelChoiceField(Cloud.objects.all(), empty_label="Choose a cloud", help_text="All its management servers are upgraded.")
    build = forms.ModelChoiceField(
        Build.objects.none(), empty_label="Choose a build", help_text="Builds that succeeded and whose artefacts are kept."
    )
    how = forms.ChoiceField(label="How the code gets there", choices=HOW, widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, **{name: self.initial.get(name) or None for name in ("cloud", "build")}}
        rows = Build.objects.select_related("source").filter(operation__state="succeeded", artefacts_gone_at=None)
        field = self.fields["build"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows


class DetailForm(forms.Form):
    first = forms.ModelChoiceField(
        Host.objects.filter(kind=Kind.MANAGEMENT).order_by("sort_name"), required=False, empty_label="The first by name",
        label="Starts first, alone", help_text="The database is backed up from there, too.",
    )  # fmt: skip
    folder = forms.CharField(
        label="Folder for backups", max_length=200, validators=[PATH], help_text="On the server that starts first. Room for two dumps."
    )
    trial = forms.BooleanField(required=False, label="Read the backup back into a scratch database before anything stops")
    file = forms.CharField(
        required=False,
        max_length=250,
        validators=[FILE],
        label="File to drop",
        help_text="Only for replacing one file: its name in the build.",
    )
    place = forms.CharField(
        required=False, max_length=250, validators=[PATH], label="In the place of", help_text=f"Such as {servers.WAR_PLACES[0]}."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "first": self.initial.get("first") or None}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        return {**data, "first": data.get("first") or 0}


class UpgradeManagementServers(Runbook[UpgradeParams]):
    name = "upgrade-management-servers"
    title = "Upgrade the management servers"
    summary = (
        "Backs up the database, stops all management servers of a cloud, installs a build, starts one alone, proves it, starts the rest."
    )
    when = "To bring a build to a cloud, after it was tried elsewhere. CloudStack cannot be used meanwhile; virtual machines go on."
    goes_wrong = (
        "What the code would refuse is worked out from its own source before anything stops. An exception in the log fails the start with "
        "that line; then take it up again, or undo it: packages and database of before come back."
    )
    afterwards = "The log, the version table and the API say which version runs on each server. Agents are upgraded next."
    risk = Risk.DANGEROUS
    approvals = 1
    params = UpgradeParams
    pages = (Page("what", "Cloud and build", WhatForm), Page("details", "Backup and order", DetailForm))
    guards = upgrade_guards.RULES
    plan_template = "releases/_upgrade_review.html"

    def initial(self) -> dict[str, Any]:
        return {"how": "copy", "folder": UpgradeParams.folder, "trial": True}

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: UpgradeParams) -> str:
        cloud, build = Cloud.objects.filter(pk=params.cloud).first(), Build.objects.filter(pk=params.build).first()
        return f"{cloud} to {build.version}" if cloud and build else ""

    def locks(self, params: UpgradeParams) -> Iterable[str]:
        return [f"host:{pk}" for pk in Host.objects.filter(cloud=params.cloud, kind=Kind.MANAGEMENT).values_list("pk", flat=True)]

    def look(self, page: str, params: UpgradeParams, facts: FactSet) -> dict[str, Any]:
        return _shown(upgrade_survey.survey(params, facts), params) if page == "review" else {}

    def plan(self, params: UpgradeParams, facts: FactSet) -> Iterator[Step]:
        found = upgrade_survey.survey(params, facts)
        if params.how == "war":
            yield from _with_war(found, params)
            return
        if not all(one.new for one in found.seen):
            raise FactError("The build has no packages for one of the servers.")
        if _same(found):
            raise NothingToDo(f"Every management server of {found.cloud.name} has the packages of {found.build.version} and runs.")
        yield from _with_packages(found, params, facts)

    def finished(self, operation_id: int, state: str) -> None:
        """What runs there is another thing now: the pages of the servers and of their CloudStack should say so soon."""
        cloud, now = Operation.objects.get(pk=operation_id).parsed().cloud, timezone.now()
        CloudApi.objects.filter(cloud=cloud).update(next_read_at=now)
        Host.objects.filter(cloud=cloud, kind=Kind.MANAGEMENT).update(next_read_at=now)


def _same(found: Survey) -> bool:
    running = all(one.moment.runs and not upgrade_judges.code_version_of(one.moment.said, found.build.version) for one in found.seen)
    return running and all(
        {(new.name, new.version) for new in one.new} == {(was.name, was.version) for was in one.was} for one in found.seen
    )


def _with_packages(found: Survey, params: UpgradeParams, facts: FactSet) -> Iterator[Step]:
    back = {one.row.pk: upgrade_steps.way_back(one, facts) for one in found.seen}
    for one in found.seen:
        yield from upgrade_steps.bring(one, params, facts)
    yield from _down(found, params, back=all(back.values()))
    for one in found.seen:
        yield upgrade_steps.install(one, params, back=back[one.row.pk])
    yield from _up(found)


def _with_war(found: Survey, params: UpgradeParams) -> Iterator[Step]:
    file = next((one for one in found.build.files if one.kind == "file" and one.file == params.file), None)
    if file is None or not params.place:
        raise FactError("Choose the file of the build that is dropped, and what it replaces.")
    for one in found.seen:
        yield upgrade_steps.room(one, params)
        yield upgrade_steps.send(one, file, f"{params.room}/new", 1, "new")
    yield from _down(found, params, back=True)
    for one in found.seen:
        yield upgrade_steps.drop(one, params, file)
    yield from _up(found)


def _down(found: Survey, params: UpgradeParams, *, back: bool) -> Iterator[Step]:
    yield upgrade_steps.backup(found, params, stopped=False)
    if params.trial:
        yield upgrade_steps.trial(found, params)
    for one in reversed(found.seen):
        yield upgrade_steps.stop(one)
    yield upgrade_steps.quiet(found)
    yield upgrade_steps.backup(found, params, stopped=True, back=back)


def _up(found: Survey) -> Iterator[Step]:
    for one in found.seen:
        yield upgrade_steps.start(one, found, first=one is found.first)


def _shown(found: Survey, params: UpgradeParams) -> dict[str, Any]:
    """Plain JSON for the review."""
    return {
        "cloud": found.cloud.name,
        "build": {"pk": found.build.pk, "version": found.build.version, "source": found.build.source_name},
        "version": found.version,
        "database": {**asdict(found.database), "size": found.peers.size},
        "way": {
            "kind": found.way.kind,
            "says": found.way.says,
            "stages": [stage.says for stage in found.way.stages],
            "ends": found.way.ends,
        },
        "servers": [_server(one) for one in found.seen],
        "backup": params.backup,
        "free_bytes": found.first.moment.free_kib * 1024,
    }


def _server(one: Seen) -> dict[str, Any]:
    now = {was.name: was.version for was in one.server.packages}
    rows = [{"name": new.name, "was": now.get(new.name, ""), "becomes": new.version} for new in one.new]
    return {
        "pk": one.row.pk, "name": one.row.name, "runs": one.moment.runs, "since": one.moment.since, "java": one.server.java,
        "log": one.server.log, "packages": rows, "version": one.server.version,
    }  # fmt: skip
