"""The chain of facts that every runbook on a source starts with: source, commit, tree, pull requests, trial."""

from __future__ import annotations

from typing import Protocol

from opsportal.operations.facts import FactError, FactSet
from releases.facts.checkout import Checkout, Tree
from releases.facts.mirror import Commit, Resolved
from releases.facts.patches import Mailbox, Pull, Trial, Tried
from releases.facts.portal import Registered, SourceData


class OnASource(Protocol):
    """Parameters of such a runbook."""

    @property
    def source(self) -> int: ...
    @property
    def ref(self) -> str: ...
    @property
    def offline(self) -> bool: ...
    @property
    def patches(self) -> tuple[str, ...]: ...


def registered(params: OnASource, facts: FactSet) -> SourceData:
    return facts(Registered("portal", params.source))


def commit(params: OnASource, facts: FactSet) -> Commit:
    """The commit that the branch or tag stood for when the plan was made."""
    source = registered(params, facts)
    if not params.ref:
        raise FactError("Choose a branch or tag.")
    return facts(Resolved("local", source.pk, source.url, params.ref, params.offline))


def checkout(params: OnASource, facts: FactSet) -> Tree:
    return facts(Checkout("local", params.source, commit(params, facts).commit))


def mailboxes(params: OnASource, facts: FactSet) -> list[Mailbox]:
    """What to read for each pull request, in order."""
    source = registered(params, facts)
    base = commit(params, facts).commit if source.pulls == "ref" else ""
    address = source.url if source.pulls == "ref" else source.pulls_url
    return [Mailbox("local", source.pk, source.pulls, address, source.number(text), base) for text in params.patches]


def pulls(params: OnASource, facts: FactSet) -> list[Pull]:
    wanted = mailboxes(params, facts)
    facts.need(*wanted)
    return [facts(one) for one in wanted]


def tried(params: OnASource, facts: FactSet) -> Tried:
    """How the pull requests apply to the commit, one after the other."""
    found = tuple((pull.number, pull.sha256) for pull in pulls(params, facts))
    return facts(Trial("local", params.source, commit(params, facts).commit, found))
