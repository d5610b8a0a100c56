"""Merge a pull request: the committer's alias as a wizard. Fetch, sign off, close, look, push."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import Page, Queue, Risk, Runbook
from opsportal.operations.steps import Step
from releases import build_steps, building, merge_guards, merging, planning, rules
from releases.build_forms import SourceForm
from releases.build_steps import Site
from releases.facts.mirror import Refs
from releases.facts.patches import Pull
from releases.models import Source
from releases.workspace import Workspace


@dataclass(frozen=True)
class MergeParams:
    """`pull_request` is a number or an address. Satisfies `planning.OnASource`."""

    source: int = 0
    ref: str = ""
    pull_request: str = ""
    workspace: str = ""

    @property
    def offline(self) -> bool:
        """Never: what is pushed must rest on what the repository has now."""
        return False

    @property
    def patches(self) -> tuple[str, ...]:
        return (self.pull_request,) if self.pull_request else ()


class BranchForm(SourceForm):
    offline = None  # type: ignore[assignment] # Django's way to leave out an inherited field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].help_text = "It needs an address to push to, which is part of its registration."
        self.fields["ref"].label = "Target branch"
        self.fields["ref"].help_text = "Resolved to a commit. If somebody pushes to it before the merge, the merge does not run."


class PullRequestForm(forms.Form):
    pull_request = forms.CharField(
        label="Pull request", max_length=300, widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text="Its number, or its address. What it brings is pinned: what is pushed to it afterwards is not merged.",
    )  # fmt: skip

    def clean_pull_request(self) -> str:
        word = str(self.cleaned_data["pull_request"]).strip().removeprefix("#").rstrip("/")
        if not rules.NUMBER.fullmatch(word):
            try:
                rules.web_url(word)
            except ValidationError as error:
                raise ValidationError(["Give a number such as 12, or the address of the pull request.", *error.messages]) from None
        return word


class MergePullRequest(Runbook[MergeParams]):
    name = "merge-pull-request"
    title = "Merge a pull request"
    summary = "Fetches a pull request, signs its commits off, writes This closes #N into the last one, and pushes them to the branch."
    when = "For a committer, once a pull request is reviewed: the commits that will be pushed are shown, name by name, before they are."
    goes_wrong = (
        "A conflict is found before anything runs. If somebody pushes to the branch first, the push does not happen. "
        "A wrong merge cannot be taken out of the branch again, only reverted by another commit."
    )
    afterwards = "The branch has the commits, the forge closes the pull request by their message, and the portal's mirror has them too."
    risk = Risk.DISRUPTIVE
    approvals = 1
    queue = Queue.BUILD
    params = MergeParams
    pages = (
        Page("source", "Branch", BranchForm, template="releases/wizard_merge_branch.html"),
        Page("pull", "Pull request", PullRequestForm, help=merging.ACCESS, template="releases/wizard_merge_pull.html"),
    )
    guards = merge_guards.RULES
    plan_template = "releases/_merge_review.html"

    def fresh(self) -> dict[str, Any]:
        return {"workspace": f"merge-{secrets.token_hex(6)}"}

    def subject(self, params: MergeParams) -> str:
        source = Source.objects.filter(pk=params.source).first()
        number = params.pull_request.rpartition("/")[2]
        what = " into ".join(part for part in (f"PR {number}" if number else "", params.ref) if part)
        return " of ".join(part for part in (what, source.name if source else "") if part)

    def locks(self, params: MergeParams) -> Iterable[str]:
        yield f"workspace:{params.workspace}"
        if params.source and params.ref:
            yield f"branch:{params.source}/{params.ref}"

    def look(self, page: str, params: MergeParams, facts: FactSet) -> dict[str, Any]:
        shows = {"source": _branch, "pull": _pull, "review": _pull}
        return shows[page](params, facts) if params.source else {}

    def plan(self, params: MergeParams, facts: FactSet) -> Iterable[Step]:
        source, commit = planning.registered(params, facts), planning.commit(params, facts).commit
        found, pull = planning.tried(params, facts), planning.pulls(params, facts)[0]
        if found.conflict:
            raise FactError(f"Pull request {pull.number} does not apply: see the findings.")
        if len(found.applied[0].commits) != len(pull.patches):
            raise FactError(f"Git makes other commits of pull request {pull.number} than its mailbox shows. It is not merged here.")
        if source.push_url:
            merge_guards.push_head(params, facts)  # so that a push by somebody else makes this plan stale
        site = Site(Workspace("local", params.workspace, params.source), source, sandbox=False, jdk="", level=0)
        yield dataclasses.replace(build_steps.checkout(site, commit), expect=(merging.expect_at(site, params.ref, commit),))
        yield from build_steps.patch(site, 1, pull, found.applied[0], commit)
        yield merging.push(site, params.ref, commit, found.head, pull.number)
        yield from merging.tidy(site)


def _branch(params: MergeParams, facts: FactSet) -> dict[str, Any]:
    source = planning.registered(params, facts)
    names = facts(Refs("local", source.pk, source.url))
    shown = {
        "default_branch": source.default_branch,
        "names": list(names.branches[:500]),
        "fetched": names.fetched,
        "push_url": source.push_url,
    }
    return {**shown, "commit": asdict(planning.commit(params, facts))} if params.ref else shown


def _pull(params: MergeParams, facts: FactSet) -> dict[str, Any]:
    """What it brings and what it becomes: the commits of the trial are the very ones that are pushed."""
    if not params.pull_request or not params.ref:
        return {}
    pull, source = planning.pulls(params, facts)[0], planning.registered(params, facts)
    rows = building.trial_rows(planning.tried(params, facts))
    start = planning.commit(params, facts).commit
    shown = {"pull": building.pull_row(pull, source), "conflict": rows["conflict"], "ref": params.ref, "start": start}
    made = rows["applied"].get(pull.number)
    shown |= {"push_url": source.push_url}
    return {**shown, "made": {**made, "commits": _commits(pull, made["commits"])}} if made else shown


def _commits(pull: Pull, made: list[str]) -> list[dict[str, str]]:
    """The new commits in order, with the subjects and authors of the patches they are made of."""
    return [{"commit": one, "subject": patch.subject, "author": patch.author} for one, patch in zip(made, pull.patches, strict=False)]
