"""Withdraw a build from a channel: servers are not offered it any more."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.steps import Step
from releases import publishing, publishing_guards
from releases.facts.repositories import ChannelNow
from releases.publishing import CHANNELS
from releases.runbooks.promote_build import PublishedForm
from releases.runbooks.publish_build import RepositoryField, named, shown, wanted


@dataclass(frozen=True)
class WithdrawParams:
    repository: int = 0
    channel: str = CHANNELS[0]
    build: int = 0
    token: str = ""


class WhereForm(forms.Form):
    repository = RepositoryField()
    channel = forms.ChoiceField(choices=[(one, one) for one in CHANNELS], widget=forms.RadioSelect)


@guard(
    "repository.installed-stays",
    title="What is installed stays installed",
    reason="A package manager removes nothing because a repository does not have it any more, and it downgrades nothing by itself.",
    source="apt-get(8), yum(8)",
)
def stays(params: WithdrawParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.repository and params.build):
        return
    now = facts(ChannelNow("portal", params.repository, params.channel))
    found = now.build(params.build)
    if found is None:
        yield Finding(Level.BLOCK, f"{params.channel} does not have this build.", "build")
        return
    message = f"Servers that installed {found.version} keep it."
    if len(now.builds) == 1:
        message += f" {params.channel} is empty afterwards: a new server finds nothing to install."
    yield Finding(Level.WARN, message, "build")


class WithdrawBuild(Runbook[WithdrawParams]):
    name = "withdraw-build"
    title = "Withdraw a build"
    summary = "Takes a build out of a channel, so that no server is offered it any more."
    when = "When a build turned out to be bad, or is not needed any more."
    goes_wrong = "Servers that have it keep it: go on with a newer build, or install an older one on each by hand."
    afterwards = "Servers do not see it at their next update. The build and its artefacts stay on record; it can be published again."
    risk = Risk.DISRUPTIVE
    approvals = 0
    params = WithdrawParams
    pages = (Page("where", "Repository", WhereForm), Page("build", "Build", PublishedForm))
    guards = (*publishing_guards.COMMON, stays)

    def initial(self) -> dict[str, Any]:
        return {"channel": CHANNELS[0]}

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: WithdrawParams) -> str:
        return named(params.build, params.repository, params.channel).replace(" in ", " from ", 1)

    def locks(self, params: WithdrawParams) -> Iterable[str]:
        return [f"repository:{params.repository}"] if params.repository else []

    def look(self, page: str, params: WithdrawParams, facts: FactSet) -> dict[str, Any]:
        if not params.repository or page == "where":
            return {}
        there = facts(ChannelNow("portal", params.repository, params.channel))
        found = there.build(params.build)
        rows = [{"build": one.build, "source": one.source, "version": one.version} for one in reversed(there.builds)]
        return {"builds": rows, "packages": shown(found.files) if found else []}

    def plan(self, params: WithdrawParams, facts: FactSet) -> Iterable[Step]:
        now = facts(ChannelNow("portal", params.repository, params.channel))
        if now.build(params.build) is None:
            raise FactError(f"Choose a build that is in {params.channel}.")
        builds = tuple(one for one in now.builds if one.build != params.build)
        return publishing.steps(wanted(params, facts, now, builds, {}))
