"""One operation on its page: the plan as a letter, the steps as they go, and every act, allowed or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from opsportal.operations import approval, cancellation
from opsportal.operations.models import Operation, Restoration, Step
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from tests.operations.driving import draft, ledger, run, submitted
from tests.operations.pages import HTMX, fill, planned, submit, text, through, user_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


@pytest.fixture
def olga(operator: Client) -> User:
    return user_of(operator)


def act(client: Client, name: str, *args: object, **data: str) -> str:
    return text(client.post(reverse(f"operation_{name}", args=args), {"token": "t" * 32, **data}, follow=True))


class TestReview:
    def test_is_a_letter_with_reasons_commands_proofs_and_ways_back(self, operator: Client, folder: Path) -> None:
        operation = through(operator, folder, ["ok", "fail"])
        page = text(operator.get(reverse("operation_review", args=[operation.pk])))
        for part in (
            "The test wants it.",
            "exit 0",
            "the folder is there",
            "it is in the ledger",
            "There is no way back. A ledger is not rewritten.",
        ):
            assert part in page, part
        assert "Is not stopped once it runs" in page and "Done once only" in page
        assert operation.digest[:12] in page and "What a file says" in page

    def test_a_file_is_shown_as_a_diff(self, operator: Client, olga: User, folder: Path) -> None:
        operation = draft("tests.filing", olga, folder=str(folder), word="<b>done</b>")
        page = operator.get(reverse("operation_review", args=[operation.pk])).content.decode()
        assert '<span class="del">-begun\n</span>' in page
        assert '<span class="add">+&lt;b&gt;done&lt;/b&gt;\n</span>' in page
        assert f"<code>{folder}/state</code>" in page

    def test_says_plainly_when_there_is_nothing_to_do(self, operator: Client, folder: Path) -> None:
        (folder / "state").write_text("done\n")
        operation = through(operator, folder, ["ok"])
        page = operator.get(reverse("operation_review", args=[operation.pk]))
        assert "There is nothing to do The state is already done." in text(page)
        assert reverse("operation_submit", args=[operation.pk]) not in page.content.decode()

    def test_a_fact_that_cannot_be_read_is_named(self, operator: Client, folder: Path) -> None:
        (folder / "state").unlink()
        operation = through(operator, folder, ["ok"])
        assert "state cannot be read" in text(operator.get(reverse("operation_review", args=[operation.pk])))
        (folder / "state").write_text("begun\n")
        operator.post(reverse("operation_replan", args=[operation.pk]))
        assert planned(operation).plan

    def test_a_block_disables_submitting_and_says_why(self, operator: Client, folder: Path) -> None:
        operation = through(operator, folder, ["ok"], word="bad")
        page = operator.get(reverse("operation_review", args=[operation.pk]))
        assert "This cannot be submitted while the rulebook blocks it: The word is bad." in text(page)
        assert 'class="button primary" disabled' in page.content.decode()
        assert submit(operator, operation).status_code == 409
        assert operation.state == S.DRAFT

    def test_an_override_needs_the_tick_and_a_reason(self, operator: Client, folder: Path) -> None:
        operation = through(operator, folder, ["ok"], word="risky")
        assert submit(operator, operation).status_code == 409
        answer = submit(operator, operation, overrides="on")
        assert answer.status_code == 422 and "Give a reason" in text(answer)
        assert submit(operator, operation, overrides="on", reason="I know it").status_code == 302
        assert (operation.state, operation.reason) == (S.QUEUED, "I know it")

    def test_a_digest_that_is_no_longer_the_plans_is_refused(self, operator: Client, folder: Path) -> None:
        operation = through(operator, folder, ["ok"])
        answer = operator.post(reverse("operation_submit", args=[operation.pk]), {"digest": "0" * 64})
        assert answer.status_code == 409 and "not the one that was on your page" in text(answer)
        assert Operation.objects.get().state == S.DRAFT

    def test_submitting_twice_makes_one(self, operator: Client, folder: Path) -> None:
        operation = through(operator, folder, ["ok"])
        submit(operator, operation)
        assert "submitted already" in text(
            operator.post(reverse("operation_submit", args=[operation.pk]), {"digest": operation.digest}, follow=True)
        )
        assert operation.audit.filter(action="submit").count() == 1

    def test_earlier_runs_tell_how_long_it_takes(self, operator: Client, olga: User, folder: Path) -> None:
        run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        Step.objects.update(ended_at=Step.objects.get().started_at)
        operation = through(operator, folder, ["ok", "ok"])
        page = text(operator.get(reverse("operation_review", args=[operation.pk])))
        assert "usually 0 s" in page and "at least 0 s" in page and "1 step never ran before" in page

    def test_hidden_characters_of_a_command_are_named(self, operator: Client, folder: Path) -> None:
        odd = folder / "a\u202eb"
        odd.mkdir()
        (odd / "state").write_text("begun\n")
        operation = through(operator, odd, ["ok"])
        page = operator.get(reverse("operation_review", args=[operation.pk])).content.decode()
        assert "&lt;U+202E&gt;" in page


class TestRunning:
    def test_the_timeline_shows_how_each_step_went(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "fail", "ok"]))
        page = text(operator.get(operation.get_absolute_url()))
        assert "exit code 3" in page and "1 of 3 steps done" in page
        for state in ("Succeeded", "Failed", "Skipped"):
            assert state in page

    def test_a_step_opens_to_its_command_checks_and_attempts(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["fail"]))
        url = reverse("operation_step", args=[operation.pk, 0])
        part = operator.get(url, headers=HTMX).content.decode()
        assert "<html" not in part and "exit 3" in part and "the folder is there" in part
        assert "<h1>Do fail-0</h1>" in operator.get(url).content.decode()
        assert operator.get(reverse("operation_step", args=[operation.pk, 7])).status_code == 404

    def test_a_script_gets_only_what_moved(self, operator: Client, olga: User, folder: Path) -> None:
        operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
        page = operator.get(operation.get_absolute_url()).content.decode()
        was = page.split('name="was" value="')[1].split('"')[0]
        url = operation.get_absolute_url()
        assert 'id="acts"' not in operator.get(url, {"was": was}, headers=HTMX).content.decode()
        assert 'id="acts"' in operator.get(url, {"was": "0-older"}, headers=HTMX).content.decode()
        run(operation)
        assert operator.get(url, {"was": was}, headers=HTMX).headers["HX-Refresh"] == "true"

    def test_an_ended_one_asks_for_nothing(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        assert "portal:step" not in operator.get(operation.get_absolute_url()).content.decode()

    def test_progress_is_shown(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        Step.objects.update(state="running", ended_at=None, progress={"label": "Compiling", "done": 37, "total": 124, "detail": "<i>x</i>"})
        Operation.objects.update(state="running", ended_at=None)
        page = operator.get(operation.get_absolute_url()).content.decode()
        assert '<progress max="124" value="37"' in page and "37 of 124" in page and "&lt;i&gt;x&lt;/i&gt;" in page

    def test_a_step_that_takes_longer_than_usual_says_so(self, operator: Client, olga: User, folder: Path) -> None:
        run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        slow = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        Step.objects.filter(operation=slow).update(state="running", ended_at=None, started_at="2026-01-01T00:00:00Z")
        Operation.objects.filter(pk=slow.pk).update(state="running", ended_at=None)
        assert "Longer than usual" in text(operator.get(slow.get_absolute_url()))

    def test_a_runbook_that_is_gone_leaves_its_records_readable(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        Operation.objects.update(runbook="gone", plan='{"other": 1}')
        page = text(operator.get(operation.get_absolute_url()))
        assert "Do ok-0" in page and "Write a ledger" in page
        assert "not part of this portal any more" in act(operator, "again", operation.pk)
        assert operator.get(reverse("operation_review", args=[operation.pk])).status_code == 404


class TestActs:
    def test_cancel_before_it_began(self, operator: Client, olga: User, folder: Path) -> None:
        operation = submitted("tests.dangerous", olga, folder=str(folder), scripts=["ok"])
        assert "Cancelled by operator before anything ran." in act(operator, "cancel", operation.pk)
        assert "It has ended already." in act(operator, "cancel", operation.pk)

    def test_cancel_says_when_it_stops(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        Step.objects.update(state="running", ended_at=None)
        Operation.objects.update(state="running", ended_at=None)
        operation.refresh_from_db()
        cancellation.request(operation, user=olga)
        page = text(operator.get(operation.get_absolute_url()))
        assert "operator asked to cancel" in page and "Step 1 is not stopped half way" in page

    def test_retry_undo_again_make_drafts_of_their_own(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "fail"]))
        assert "Retry from the failed step" in text(operator.get(operation.get_absolute_url()))
        for name, kind in (("retry", "retry"), ("undo", "undo"), ("again", "rebuild")):
            operator.post(reverse(f"operation_{name}", args=[operation.pk]), {"token": f"{name:t<32}"})
            assert Operation.objects.get(kind=kind).after == operation
        assert "It was taken up again already." in act(operator, "retry", operation.pk)
        page = text(operator.get(operation.get_absolute_url()))
        assert "What cannot be done, and why" in page and "It was undone already." in page

    def test_a_double_click_on_undo_makes_one(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"]))
        for _ in range(2):
            assert operator.post(reverse("operation_undo", args=[operation.pk]), {"token": "t" * 32}).status_code == 302
        assert Operation.objects.filter(kind="undo").count() == 1

    def test_a_repetition_shows_how_its_plan_differs(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "fail"]))
        operator.post(reverse("operation_again", args=[operation.pk]), {"token": "a" * 32})
        again = Operation.objects.get(kind="rebuild")
        fill(operator, again, "what", scripts='["fail", "fail", "ok"]')
        page = text(operator.get(reverse("operation_review", args=[planned(again).pk])))
        assert f"What differs from operation {operation.pk} 3" in page
        assert "No longer there: Do ok-0" in page and "New step: Do ok-2" in page

    def test_a_retry_of_the_same_plan_differs_in_nothing(self, operator: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "fail"]))
        operator.post(reverse("operation_retry", args=[operation.pk]), {"token": "t" * 32})
        again = planned(Operation.objects.get(kind="retry"))
        page = text(operator.get(reverse("operation_review", args=[again.pk])))
        assert "Do fail-1" in page and "What differs" not in page

    @pytest.mark.parametrize("name", ["cancel", "retry", "undo", "again"])
    def test_who_only_looks_may_not(self, name: str, viewer: Client, approver: Client, olga: User, folder: Path) -> None:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["fail"]))
        for client in (viewer, approver):
            assert client.post(reverse(f"operation_{name}", args=[operation.pk])).status_code == 403
            assert f"/{name}/" not in client.get(operation.get_absolute_url()).content.decode()

    def test_acts_are_posts(self, operator: Client, olga: User, folder: Path) -> None:
        operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
        for name in ("cancel", "retry", "undo", "again", "submit", "discard", "replan"):
            assert operator.get(reverse(f"operation_{name}", args=[operation.pk])).status_code == 405


class TestUnknown:
    @pytest.fixture
    def lost(self, olga: User, folder: Path) -> Operation:
        operation = run(submitted("tests.ledger", olga, folder=str(folder), scripts=["ok", "ok"]))
        Step.objects.filter(index=1).update(state=StepState.UNKNOWN, ended_at=None)
        Operation.objects.update(state=S.UNKNOWN, ended_at=None, outcome="It was cut off.")
        operation.refresh_from_db()
        return operation

    def test_a_person_says_what_happened_and_how_they_know(self, operator: Client, lost: Operation) -> None:
        page = text(operator.get(lost.get_absolute_url()))
        assert "Did step 2, “Do ok-1”, happen?" in page
        url = reverse("operation_resolve", args=[lost.pk, 1])
        answer = operator.post(url, {"step1-happened": "yes"})
        assert answer.status_code == 422
        operator.post(url, {"step1-happened": "yes", "step1-reason": "grep shows the line"})
        assert Step.objects.get(index=1).state == StepState.SUCCEEDED
        assert run(lost).state == S.SUCCEEDED and ledger(lost) == ["ok-0", "ok-1"]

    def test_a_viewer_may_not(self, viewer: Client, lost: Operation) -> None:
        assert "Deciding needs the role" in text(viewer.get(lost.get_absolute_url()))
        assert viewer.post(reverse("operation_resolve", args=[lost.pk, 1])).status_code == 403

    def test_after_a_dangerous_step_somebody_else_decides(
        self, operator: Client, logged_in: Callable[..., Client], lost: Operation
    ) -> None:
        Operation.objects.update(risk="dangerous")
        data = {"step1-happened": "no", "step1-reason": "not there"}
        url = reverse("operation_resolve", args=[lost.pk, 1])
        assert "somebody else with the role of approver" in text(operator.post(url, data, follow=True))
        assert logged_in("approver").post(url, data).status_code == 302
        assert Step.objects.get(index=1).state == StepState.FAILED


class TestStale:
    def test_the_page_shows_what_was_read_differently(self, operator: Client, olga: User, folder: Path) -> None:
        operation = submitted("tests.ledger", olga, folder=str(folder), scripts=["ok"])
        (folder / "state").write_text("changed by somebody\n")
        run(operation)
        assert operation.state == S.STALE
        page = text(operator.get(operation.get_absolute_url()))
        assert "What was read differently" in page and "begun" in page and "changed by somebody" in page


class TestRestorations:
    def test_one_that_was_left_open_can_be_brought_back(self, operator: Client, viewer: Client, olga: User, folder: Path) -> None:
        (folder / "flag").write_text("on\n")
        run(submitted("tests.restoring", olga, folder=str(folder), scripts=["fail"]))
        page = viewer.get(reverse("restorations"))
        assert "The flag is off" in text(page) and "needs the role of operator" in text(page)
        assert "At risk" in text(viewer.get(reverse("home")))
        url = reverse("restoration_settle", args=[Restoration.objects.get().pk])
        assert viewer.post(url).status_code == 403
        for _ in range(2):
            operator.post(url, {"token": "t" * 32})
        back = planned(Operation.objects.get(runbook="restore"))
        approval.submit(back, user=olga)
        assert run(back).state == S.SUCCEEDED
        assert "Nothing is changed for a time" in text(viewer.get(reverse("restorations")))

    def test_the_review_of_another_says_that_it_has_to_wait(self, operator: Client, olga: User, folder: Path) -> None:
        (folder / "flag").write_text("on\n")
        run(submitted("tests.restoring", olga, folder=str(folder), scripts=["fail"]))
        operation = through(operator, folder, ["ok"])
        assert "This cannot run before it is settled" in text(operator.get(reverse("operation_review", args=[operation.pk])))


def test_a_group_removed_while_the_page_is_open(operator: Client, olga: User, folder: Path) -> None:
    operation = through(operator, folder, ["ok"])
    olga.groups.set([Group.objects.get_or_create(name="viewer")[0]])
    assert operator.post(reverse("operation_submit", args=[operation.pk]), {"digest": operation.digest}).status_code == 403
