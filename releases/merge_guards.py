"""The rulebook on merging a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from releases.facts.heads import Head, PushHead
from releases.merging import ACCESS
from releases.planning import commit, registered, tried

if TYPE_CHECKING:
    from releases.runbooks.merge_pull_request import MergeParams


def push_head(params: MergeParams, facts: FactSet) -> Head:
    source = registered(params, facts)
    return facts(PushHead("local", source.pk, source.push_url, params.ref, commit(params, facts).commit))


def _pushable(params: MergeParams, facts: FactSet) -> bool:
    """Far enough filled in to ask the repository."""
    return bool(params.source and params.ref and registered(params, facts).push_url and commit(params, facts).kind == "branch")


@guard(
    "merge.push-url",
    title="The source says where merges go",
    reason="Where a source is fetched from is often a copy that nobody pushes to. So the address is never guessed.",
    source="The source's registration",
)
def push_url(params: MergeParams, facts: FactSet) -> Iterator[Finding]:
    if params.source and not registered(params, facts).push_url:
        name = registered(params, facts).name
        yield Finding(Level.BLOCK, f"{name} has no address to push merges to. Enter it under Releases, Sources, {name}.", "source")


@guard(
    "merge.branch",
    title="Pull requests go into branches",
    reason="A tag says what a release was. What moves a tag changes a release that people have already.",
    source="git",
)
def branch(params: MergeParams, facts: FactSet) -> Iterator[Finding]:
    if params.source and params.ref and commit(params, facts).kind != "branch":
        yield Finding(Level.BLOCK, f"{params.ref} is a tag. Choose the branch that the pull request was made for.", "ref")


@guard(
    "merge.moved",
    title="Both addresses agree on the branch",
    reason="The commits were tried on the branch as it was fetched. Pushed elsewhere, or later, they could bury somebody's work.",
    source="git ls-remote at the address that is pushed to",
)
def moved(params: MergeParams, facts: FactSet) -> Iterator[Finding]:
    if not _pushable(params, facts):
        return
    planned, there = commit(params, facts).commit, push_head(params, facts).commit
    if not there:
        yield Finding(Level.BLOCK, f"There is no branch {params.ref} at {registered(params, facts).push_url}.", "ref")
    elif there != planned:
        message = (
            f"{params.ref} is at {there[:12]} where it is pushed to, and this was planned on {planned[:12]}: somebody pushed to it, or"
        )
        yield Finding(Level.BLOCK, f"{message} the source is fetched from a copy that lags behind. Read the facts again.", "ref")


@guard(
    "merge.access",
    title="The portal may push",
    reason="Tried now, so that nobody approves what cannot be done. Trying logs in for writing and writes nothing.",
    source="git push --dry-run",
)
def access(params: MergeParams, facts: FactSet) -> Iterator[Finding]:
    if _pushable(params, facts) and (refused := push_head(params, facts).refused):
        yield Finding(Level.BLOCK, f"{registered(params, facts).push_url} does not let the portal push: {refused} {ACCESS}", "source")


@guard(
    "merge.conflict",
    title="The pull request applies",
    reason="It was applied to the pinned commit in a scratch checkout, as the merge will.",
    source="git am in the portal's mirror",
)
def conflict(params: MergeParams, facts: FactSet) -> Iterator[Finding]:
    if params.source and params.ref and params.pull_request and (found := tried(params, facts).conflict):
        where = ", ".join(found.files) or "a file that git does not name"
        message = f"PR {found.number} does not apply to {params.ref}: it conflicts in {where}. It was merged already, or its author has to"
        yield Finding(Level.BLOCK, f"{message} rebase it.", "pull_request")


@guard(
    "merge.empty",
    title="The pull request changes something",
    reason="What changes no file leaves a commit that nobody understands later.",
    source="git am in the portal's mirror",
)
def empty(params: MergeParams, facts: FactSet) -> Iterator[Finding]:
    if params.source and params.ref and params.pull_request:
        for one in tried(params, facts).applied:
            if not one.files:
                yield Finding(Level.WARN, f"PR {one.number} changes no file of {params.ref}.", "pull_request")


RULES = (push_url, branch, moved, access, conflict, empty)
