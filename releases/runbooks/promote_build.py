"""Promote a build: what is in testing goes to stable, the very same files."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Step
from releases import publishing, publishing_guards
from releases.facts.repositories import ChannelNow, TheRepository
from releases.publishing import CHANNELS
from releases.runbooks.publish_build import RepositoryField, named, shown, wanted

TESTING, STABLE = CHANNELS


@dataclass(frozen=True)
class PromoteParams:
    repository: int = 0
    build: int = 0
    token: str = ""


class RepositoryForm(forms.Form):
    repository = RepositoryField()


class PublishedForm(forms.Form):
    """A build among those of the channel, with what a worker read. One that is gone stays a choice, so that a guard can say so."""

    build = forms.TypedChoiceField(label="Build", coerce=int, choices=[], widget=forms.RadioSelect, help_text="What the channel holds now.")

    def look(self, found: dict[str, Any]) -> None:
        field = self.fields["build"]
        assert isinstance(field, forms.ChoiceField)
        rows = {str(one["build"]): f"{one['source']} {one['version']}" for one in found.get("builds") or ()}
        for value in (self.data.get("build"), self.initial.get("build")):
            if str(value or "").isdigit() and value:
                rows.setdefault(str(value), f"build {value} (not in the channel)")
        field.choices = list(rows.items())


@guard(
    "repository.in-testing",
    title="It was in testing first",
    reason="What servers tried and what all of them get shall be the same files.",
    source="The release manager's procedures",
)
def in_testing(params: PromoteParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.repository and params.build):
        return
    if facts(ChannelNow("portal", params.repository, TESTING)).build(params.build) is None:
        yield Finding(Level.BLOCK, f"{TESTING} does not have this build. Publish it there first.", "build")


class PromoteBuild(Runbook[PromoteParams]):
    name = "promote-build"
    title = "Promote a build"
    summary = "Puts the packages of a build that is in testing into stable as well: the very same files, signed anew."
    when = "When a build has proved itself on the servers that follow testing."
    goes_wrong = "As with publishing, nothing is shown to servers before the last step, which is one rename."
    afterwards = "Every server that follows stable sees the build at its next update. It stays in testing, too."
    risk = Risk.DISRUPTIVE
    approvals = 1
    params = PromoteParams
    pages = (Page("where", "Repository", RepositoryForm), Page("build", "Build", PublishedForm))
    guards = (*publishing_guards.COMMON, in_testing, publishing_guards.same_name(STABLE), publishing_guards.upwards(STABLE))

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: PromoteParams) -> str:
        return named(params.build, params.repository, STABLE)

    def locks(self, params: PromoteParams) -> Iterable[str]:
        return [f"repository:{params.repository}"] if params.repository else []

    def look(self, page: str, params: PromoteParams, facts: FactSet) -> dict[str, Any]:
        if not params.repository or page == "where":
            return {}
        there = facts(ChannelNow("portal", params.repository, TESTING))
        found = there.build(params.build)
        rows = [{"build": one.build, "source": one.source, "version": one.version} for one in reversed(there.builds)]
        return {"builds": rows, "packages": shown(found.files) if found else []}

    def plan(self, params: PromoteParams, facts: FactSet) -> Iterable[Step]:
        place = facts(TheRepository("portal", params.repository))
        testing = facts(ChannelNow("portal", params.repository, TESTING))
        now = facts(ChannelNow("portal", params.repository, STABLE))
        new = testing.build(params.build)
        if new is None:
            raise FactError(f"Choose a build that is in {TESTING}.")
        if new in now.builds:
            raise NothingToDo(f"{STABLE} of {place.name} has {new.version} already.")
        builds = (*(one for one in now.builds if one.build != new.build), new)
        origins = {file.sha256: f"{place.root}/generations/{testing.generation}/{file.kind}" for file in new.files}
        return publishing.steps(wanted(params, facts, now, builds, origins))
