"""Merge a pull request, end to end: real git, a real forge, the real engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from opsportal.lab.forge import Forge
from opsportal.operations import approval, conditions, planning
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from releases.facts.mirror import Resolved
from releases.models import Source
from tests.operations.driving import draft, run
from tests.releases import practice
from tests.releases.practice import git

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def olga(person: Callable[..., User]) -> User:
    return person("olga", "operator")


@pytest.fixture
def anna(person: Callable[..., User]) -> User:
    return person("anna", "approver")


def planned(olga: User, source: Source, number: str = "2", ref: str = "4.8") -> Operation:
    return draft("merge-pull-request", olga, source=source.pk, ref=ref, pull_request=number, workspace="merge-test")


def approved(operation: Operation, olga: User, anna: User) -> Operation:
    approval.submit(operation, user=olga)
    approval.approve(operation, user=anna, digest=operation.digest)
    operation.refresh_from_db()
    return operation


def sentences(operation: Operation) -> str:
    return " ".join(finding["message"] for finding in operation.findings if finding["level"] == "block")


def test_pushes_exactly_the_commits_that_were_shown(forge: Forge, source: Source, olga: User, anna: User) -> None:
    operation = planned(olga, source)
    shown = operation.looks["review"]["made"]
    assert sentences(operation) == ""
    old = git(forge.repository, "rev-parse", "4.8")
    operation = run(approved(operation, olga, anna))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert git(forge.repository, "rev-list", "--reverse", f"{old}..4.8").split() == [one["commit"] for one in shown["commits"]]
    message = git(forge.repository, "log", "-1", "--format=%B", "4.8")
    assert "Signed-off-by: opsportal <opsportal@localhost.invalid>" in message
    assert message.endswith("This closes #2")
    assert git(forge.repository, "log", "-3", "--format=%an", "4.8").splitlines() == ["Chiara Rossi", "Bram de Wit", "Bram de Wit"]


def test_leaves_no_workspace_and_the_mirror_knows_the_commits(forge: Forge, source: Source, olga: User, anna: User, settings: Any) -> None:
    operation = run(approved(planned(olga, source, "1"), olga, anna))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert not (settings.STATE_DIR / "workspaces" / "merge-test").exists()
    head = git(forge.repository, "rev-parse", "4.8")
    assert practice.read(Resolved("local", source.pk, source.url, "4.8", offline=True)).commit == head


def test_needs_somebody_else(source: Source, olga: User) -> None:
    operation = planned(olga, source)
    approval.submit(operation, user=olga)
    assert operation.state == S.AWAITING_APPROVAL
    assert approval.may_decide(operation, olga) == "You asked for this yourself: it needs somebody else."


def test_what_somebody_pushed_before_the_run_makes_the_plan_stale(forge: Forge, source: Source, olga: User, anna: User) -> None:
    operation = approved(planned(olga, source), olga, anna)
    theirs = practice.commit(forge.repository, "4.8", "NEWS", "something\n")
    operation = run(operation)
    assert operation.state == S.STALE
    assert f"4.8 is at {theirs[:12]} where it is pushed to" in operation.outcome
    assert "Nothing has run" in operation.outcome
    assert git(forge.repository, "rev-parse", "4.8") == theirs


def test_what_somebody_pushed_during_the_run_is_not_buried(
    forge: Forge, source: Source, olga: User, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look and the push: git's lease refuses, and the page says why."""
    monkeypatch.setattr("releases.merging.still_at", lambda result, wants: "")
    operation = approved(planned(olga, source), olga, anna)
    monkeypatch.setattr("opsportal.operations.planning.plan", _pushing_first(forge))
    operation = run(operation)
    assert operation.state == S.FAILED
    assert "Somebody pushed to the branch meanwhile. Make a new plan." in operation.outcome
    assert git(forge.repository, "log", "-1", "--format=%s", "4.8") == "Change a file"


def _pushing_first(forge: Forge) -> object:
    whole = planning.plan

    def plan(operation: Operation, readings: dict[str, object]) -> planning.Outcome:
        outcome = whole(operation, readings)  # type: ignore[arg-type]
        practice.commit(forge.repository, "4.8", "NEWS", "something\n")
        return outcome

    return plan


def test_a_step_that_finds_the_branch_moved_says_so_and_does_nothing(
    forge: Forge, source: Source, olga: User, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = approved(planned(olga, source), olga, anna)
    monkeypatch.setattr("opsportal.operations.planning.plan", _pushing_first(forge))
    operation = run(operation)
    assert operation.state == S.FAILED
    assert "somebody pushed to it. Make a new plan, which starts from there" in operation.outcome
    assert "Nothing was done" in operation.outcome


def test_a_conflict_names_the_file_and_leaves_no_plan(source: Source, olga: User) -> None:
    operation = planned(olga, source, "15")
    assert not operation.plan
    assert "PR 15 does not apply to 4.8: it conflicts in utils/src/main/java/practice/utils/CloudStackVersion.java" in sentences(operation)
    assert operation.looks["pull"]["conflict"]["number"] == "15"


def test_a_source_without_a_push_address_is_blocked(source: Source, olga: User) -> None:
    Source.objects.filter(pk=source.pk).update(push_url="")
    assert "Practice has no address to push merges to." in sentences(planned(olga, source))


def test_a_tag_is_no_branch(source: Source, olga: User) -> None:
    assert "4.8.0 is a tag. Choose the branch" in sentences(planned(olga, source, ref="4.8.0"))


def test_a_forge_that_takes_no_push_is_found_before_anybody_approves(source: Source, olga: User, pristine: Path, tmp_path: Path) -> None:
    with practice.forge(pristine, tmp_path / "closed", push=False) as closed:
        Source.objects.filter(pk=source.pk).update(push_url=f"{closed.url}/practice.git")
        said = sentences(planned(olga, source))
    assert "does not let the portal push" in said
    assert "deploy key with write access" in said


def test_a_push_address_that_is_another_repository_is_blocked(source: Source, olga: User, pristine: Path, tmp_path: Path) -> None:
    with practice.forge(pristine, tmp_path / "other", push=True) as other:
        practice.commit(other.repository, "4.8", "NEWS", "ahead\n")
        Source.objects.filter(pk=source.pk).update(push_url=f"{other.url}/practice.git")
        assert "fetched from a copy that lags behind" in sentences(planned(olga, source))


def test_gone_html_and_empty_pull_requests_are_said_at_once(source: Source, olga: User) -> None:
    assert "answered 404" in planned(olga, source, "6").plan_error
    assert "HTML page" in planned(olga, source, "5").plan_error
    assert "The mailbox is empty" in planned(olga, source, "4").plan_error


def test_the_address_of_another_repository_is_refused(source: Source, olga: User) -> None:
    operation = planned(olga, source, "https://github.com/apache/cloudstack/pull/12")
    assert "is not a pull request of Practice" in operation.plan_error


def test_latin_1_and_names_beyond_ascii_arrive_unharmed(forge: Forge, source: Source, olga: User, anna: User) -> None:
    operation = run(approved(planned(olga, source, "11"), olga, anna))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert (
        git(forge.repository, "log", "-1", "--format=%an: %s", "4.8") == "Zoë Müller-Łukasik: Étiquettes françaises, une allemande corrigée"
    )
    ours = git(forge.repository, "rev-parse", "4.8:client/webapp/labels_fr.properties")
    assert ours == git(forge.repository, "rev-parse", "refs/pull/11/head:client/webapp/labels_fr.properties")


def test_a_push_that_was_cut_off_is_told_by_the_repository(
    forge: Forge, source: Source, olga: User, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof says yes after it, still yes when somebody has pushed on top, and no without it. The workspace stays to ask from."""
    monkeypatch.setattr("releases.merging.tidy", lambda site: ())
    operation = approved(planned(olga, source, "1"), olga, anna)
    proof = next(step for step in operation.frozen().steps if step.key == "push").probe[0]
    operation = run(operation)
    assert operation.state == S.SUCCEEDED, operation.outcome
    new = git(forge.repository, "rev-parse", "4.8")
    assert conditions.ask(proof, "local") == ""
    practice.commit(forge.repository, "4.8", "NEWS", "on top\n")
    assert conditions.ask(proof, "local") == ""
    git(forge.repository, "update-ref", "refs/heads/4.8", f"{new}^")
    assert f"instead of '{new}'" in conditions.ask(proof, "local")


def test_undo_is_refused_with_the_way_that_there_is(source: Source, olga: User) -> None:
    push = next(step for step in planned(olga, source).frozen().steps if step.key == "push")
    assert push.undo.kind == "cannot"
    assert "git revert" in push.undo.reason
    assert (push.danger, push.interruptible, push.effect.value) == (True, False, "non-idempotent")
