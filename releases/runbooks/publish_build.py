"""Publish a build: its packages go into a signed repository for apt and yum."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Step
from releases import publishing, publishing_guards
from releases.facts.delivery import TheBuild
from releases.facts.repositories import ChannelNow, StoredIn, TheRepository
from releases.models import Build, Repository
from releases.publishing import CHANNELS, KINDS, Published, Wanted


@dataclass(frozen=True)
class PublishParams:
    """`token` names this run's generation."""

    build: int = 0
    repository: int = 0
    channel: str = CHANNELS[0]
    token: str = ""


class RepositoryField(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    def __init__(self, **more: Any) -> None:
        help_text = "Where servers install from. Make one under Repositories."
        super().__init__(Repository.objects.all(), empty_label="Choose a repository", help_text=help_text, **more)


class BuildField(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    def __init__(self, **more: Any) -> None:
        rows = Build.objects.select_related("source").filter(operation__state="succeeded", artefacts_gone_at=None)
        super().__init__(rows, empty_label="Choose a build", help_text="Builds that succeeded and whose artefacts are kept.", **more)


class PublishForm(forms.Form):
    build = BuildField()
    repository = RepositoryField()
    channel = forms.ChoiceField(
        choices=[("testing", "testing: for servers that try new builds"), ("stable", "stable: for all others")],
        widget=forms.RadioSelect, help_text="Usually a build goes to testing first, and is promoted once it has proved itself.",
    )  # fmt: skip


class PublishBuild(Runbook[PublishParams]):
    name = "publish-build"
    title = "Publish a build"
    summary = "Puts a build's packages into a channel of a repository, indexes it for apt and yum, signs it, and shows it at once."
    when = "When servers shall install a build with their own package manager."
    goes_wrong = (
        "Everything is made beside what is served now, and shown by one rename at the end: whatever fails before that changes nothing."
    )
    afterwards = "Servers that follow the channel see the build at their next update. Nothing is installed by itself."
    risk = Risk.ROUTINE
    approvals = 0
    params = PublishParams
    pages = (Page("what", "Build and channel", PublishForm, template="releases/wizard_publish.html"),)
    guards = (*publishing_guards.COMMON, publishing_guards.same_name(""), publishing_guards.upwards(""))

    def initial(self) -> dict[str, Any]:
        only = list(Repository.objects.values_list("pk", flat=True)[:2])
        return {"channel": CHANNELS[0], **({"repository": only[0]} if len(only) == 1 else {})}

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: PublishParams) -> str:
        return named(params.build, params.repository, params.channel)

    def locks(self, params: PublishParams) -> Iterable[str]:
        return [f"repository:{params.repository}"] if params.repository else []

    def look(self, page: str, params: PublishParams, facts: FactSet) -> dict[str, Any]:
        if not params.repository:
            return {}
        now = facts(ChannelNow("portal", params.repository, params.channel))
        files = packages(params.build, facts) if params.build else ()
        there = [{"version": one.version, "source": one.source} for one in now.builds]
        return {"channel": params.channel, "files": shown(files), "there": there}

    def plan(self, params: PublishParams, facts: FactSet) -> Iterable[Step]:
        place = facts(TheRepository("portal", params.repository))
        now = facts(ChannelNow("portal", params.repository, params.channel))
        build = facts(TheBuild("portal", params.build))
        new = Published(build.pk, build.source_name, build.version, packages(params.build, facts))
        if new in now.builds:
            raise NothingToDo(f"{params.channel} of {place.name} has {build.version} already.")
        builds = (*(one for one in now.builds if one.build != build.pk), new)
        stored = facts(StoredIn("portal", params.build))
        return publishing.steps(wanted(params, facts, now, builds, dict.fromkeys((file.sha256 for file in new.files), stored)))


def packages(build: int, facts: FactSet) -> tuple[Any, ...]:
    """Those of the build that a package manager takes. Raises `FactError` when there are none."""
    found = facts(TheBuild("portal", build))
    files = tuple(file for file in found.files if file.kind in KINDS)
    if not files:
        raise FactError(f"{found.version} has no packages: it was built without RPM and Debian packaging.")
    return files


def shown(files: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"file": file.file, "kind": file.kind, "size": file.size, "version": file.version} for file in files]


def wanted(params: Any, facts: FactSet, now: publishing.Channel, builds: tuple[Published, ...], origins: dict[str, str]) -> Wanted:
    """What is in the channel already is taken from there: its build may have been cleaned up since."""
    place = facts(TheRepository("portal", params.repository))
    here = {file.sha256: f"{place.root}/generations/{now.generation}/{file.kind}" for one in now.builds for file in one.files}
    return Wanted(place, now, builds, params.token, {**here, **origins})


def named(build: int, repository: int, channel: str) -> str:
    one, where = Build.objects.filter(pk=build).first(), Repository.objects.filter(pk=repository).first()
    return f"{one} in {channel} of {where}" if one and where else str(one or where or "")
