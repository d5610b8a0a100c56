"""Approving, from the request to the run: two people, a stale page, a phone at night."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from opsportal.operations import approval
from opsportal.operations.models import Approval, AuditEntry, Operation
from opsportal.operations.states import OperationState as S
from tests.conftest import PASSWORD
from tests.operations.driving import draft, run, submitted
from tests.operations.pages import HTMX, submit, text, through, user_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]

Decide = Callable[..., str]


@pytest.fixture
def olga(operator: Client) -> User:
    return user_of(operator)


@pytest.fixture
def asked(olga: User, folder: Path) -> Operation:
    return submitted("tests.dangerous", olga, folder=str(folder), scripts=["ok"])


def hours_later(client: Client) -> None:
    """The password was entered long ago."""
    session = client.session
    session["fresh_at"] = 0
    session.save()


def decide(client: Client, operation: Operation, name: str = "approve", **data: str) -> str:
    """Presses a button of the page as it is, with the password, as the page asks for it."""
    page = client.get(operation.get_absolute_url()).content.decode()
    digest = re.search(r'name="digest" value="(\w+)"', page)
    sent = {"digest": digest[1] if digest else operation.digest, "fresh-password": PASSWORD, **data}
    answer = client.post(reverse(f"operation_{name}", args=[operation.pk]), sent, follow=True)
    operation.refresh_from_db()
    return text(answer)


def test_two_people_from_the_wizard_to_the_run(operator: Client, approver: Client, folder: Path) -> None:
    operation = through(operator, folder, ["ok"], book="tests.dangerous")
    review = text(operator.get(reverse("operation_review", args=[operation.pk])))
    assert "1 other person has to approve exactly this plan" in review
    submit(operator, operation, reason="The ledger is behind")
    assert operation.state == S.AWAITING_APPROVAL
    assert "Read and decide" in text(approver.get(reverse("approvals")))
    assert "Waiting for your approval 1" in text(approver.get(reverse("home")))
    hours_later(approver)
    page = text(approver.get(operation.get_absolute_url()))
    for part in ("Do ok-0", "The test wants it.", "exit 0", "The ledger is behind", "Your decision", "Your password, once more"):
        assert part in page, part
    assert "Your approval counts." in decide(approver, operation, comment="Read it")
    assert operation.state == S.QUEUED
    assert run(operation).state == S.SUCCEEDED
    assert "Used approver" in text(operator.get(operation.get_absolute_url()))


def test_a_dangerous_approval_asks_for_the_password_and_loses_nothing(approver: Client, asked: Operation) -> None:
    url = reverse("operation_approve", args=[asked.pk])
    data = {"digest": asked.digest, "comment": "Looks right"}
    hours_later(approver)
    answer = approver.post(url, data)
    assert answer.status_code == 422 and "password" in text(answer) and "Looks right" in answer.content.decode()
    assert approver.post(url, {**data, "fresh-password": "wrong"}).status_code == 422
    assert not Approval.objects.exists()
    approver.post(url, {**data, "fresh-password": PASSWORD})
    assert Approval.objects.get().comment == "Looks right"


def test_the_requester_has_no_button_and_no_way(operator: Client, olga: User, asked: Operation, logged_in: Callable[..., Client]) -> None:
    page = operator.get(asked.get_absolute_url())
    assert "it needs somebody else" in text(page) and "Your decision" not in text(page)
    assert operator.post(reverse("operation_approve", args=[asked.pk])).status_code == 403
    both = logged_in("approver", "operator")
    mine = submitted("tests.dangerous", user_of(both), folder=asked.params["folder"], scripts=["ok"])
    assert "it needs somebody else" in decide(both, mine)
    assert mine.state == S.AWAITING_APPROVAL


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
def test_only_approvers_decide(role: str, asked: Operation, logged_in: Callable[..., Client]) -> None:
    for name in ("approve", "reject", "revoke"):
        assert logged_in(role).post(reverse(f"operation_{name}", args=[asked.pk])).status_code == 403


def test_a_page_of_an_older_plan_cannot_approve_the_newer(approver: Client, asked: Operation) -> None:
    old = asked.digest
    Operation.objects.update(digest="f" * 64)
    data = {"digest": old, "fresh-password": PASSWORD}
    answer = approver.post(reverse("operation_approve", args=[asked.pk]), data)
    assert answer.status_code == 409 and "not the one you were shown" in text(answer)
    assert 'value="' + "f" * 64 in answer.content.decode(), "the page now carries the plan that is on it"
    assert not Approval.objects.exists()


def test_a_double_click_approves_once(approver: Client, asked: Operation) -> None:
    data = {"digest": asked.digest, "fresh-password": PASSWORD}
    codes = [approver.post(reverse("operation_approve", args=[asked.pk]), data).status_code for _ in range(2)]
    assert codes == [302, 409] and Approval.objects.count() == 1


def test_a_rejection_needs_its_reason_and_ends_it(approver: Client, asked: Operation) -> None:
    assert "Say why you reject it" in decide(approver, asked, "reject")
    assert "Rejected by approver: not tonight" in decide(approver, asked, "reject", comment="not tonight")
    assert asked.state == S.REJECTED
    assert "Rejected" in text(approver.get(reverse("approvals")))


def test_an_approval_can_be_revoked_until_it_runs(approver: Client, asked: Operation) -> None:
    decide(approver, asked)
    assert "Revoke my approval" in text(approver.get(asked.get_absolute_url()))
    assert "no longer counts" in decide(approver, asked, "revoke")
    assert asked.state == S.AWAITING_APPROVAL
    assert "Revoked approver" in text(approver.get(asked.get_absolute_url()))
    Approval.objects.all().delete()
    decide(approver, asked)
    run(asked)
    assert "too late to revoke" in decide(approver, asked, "revoke")


def test_what_others_did_since_the_plan_is_named(approver: Client, olga: User, asked: Operation) -> None:
    assert "has touched" in text(approver.get(asked.get_absolute_url()))
    other = run(submitted("tests.ledger", olga, folder=asked.params["folder"], scripts=["ok"]))
    page = text(approver.get(asked.get_absolute_url()))
    assert "others worked on the same things" in page and str(other) in page


def test_an_administrator_may_break_the_glass(logged_in: Callable[..., Client], operator: Client, folder: Path) -> None:
    assert "Break the glass" not in text(
        operator.get(reverse("operation_review", args=[through(operator, folder, ["ok"], book="tests.dangerous").pk]))
    )
    boss = logged_in("administrator", "operator")
    hours_later(boss)
    operation = through(boss, folder, ["ok"], book="tests.dangerous")
    assert submit(boss, operation, break_glass="on").status_code == 422, "it needs a reason"
    assert submit(boss, operation, break_glass="on", reason="the site burns").status_code == 422, "it needs the password"
    assert submit(boss, operation, break_glass="on", reason="the site burns", **{"fresh-password": PASSWORD}).status_code == 302
    assert (operation.state, operation.break_glass) == (S.QUEUED, True)
    assert "Glass broken" in text(operator.get(operation.get_absolute_url()))
    assert 'class="alarming"' in boss.get(reverse("audit"), {"action": "break-glass"}).content.decode()


def test_everybody_whom_it_concerns_is_told_that_the_glass_was_broken_until_they_say_so(
    logged_in: Callable[..., Client], approver: Client, administrator: Client, operator: Client, viewer: Client, folder: Path
) -> None:
    boss = user_of(logged_in("administrator", "operator"))
    operation = draft("tests.dangerous", boss, folder=str(folder), scripts=["ok"])
    approval.submit(operation, user=boss, break_glass=True, reason="the site burns")
    for concerned in (approver, administrator):
        for page in ("home", "approvals"):
            assert f"{boss} did with one approval less" in text(concerned.get(reverse(page)))
        assert "1 waiting for you" in text(concerned.get(reverse("approvals")))
    for other in (operator, viewer, logged_in("administrator", "operator")):
        assert "one approval less" not in text(other.get(reverse("home")))
    address = reverse("operation_acknowledge", args=[operation.pk])
    assert "nobody yet" in text(approver.get(operation.get_absolute_url()))
    assert viewer.post(address).status_code == 403
    for _ in range(2):
        assert "on record" in text(approver.post(address, follow=True))
    assert "one approval less" not in text(approver.get(reverse("home")))
    assert "one approval less" in text(administrator.get(reverse("home"))), "each has to say so"
    assert "Acknowledged by approver" in text(viewer.get(operation.get_absolute_url()))
    assert AuditEntry.objects.filter(action="acknowledge", operation=operation).count() == 1


def test_against_the_rulebook_a_dangerous_plan_needs_two_people(
    operator: Client, approver: Client, logged_in: Callable[..., Client], folder: Path
) -> None:
    operation = through(operator, folder, ["ok"], book="tests.dangerous", word="risky")
    page = text(operator.get(reverse("operation_review", args=[operation.pk])))
    assert "2 other people have to approve" in page and "one more than usual" in page
    assert submit(operator, operation, overrides="on").status_code == 422, "it needs a reason"
    assert submit(operator, operation, overrides="on", reason="we tried it in the lab").status_code == 302
    assert (operation.state, operation.approvals_needed) == (S.AWAITING_APPROVAL, 2)
    assert AuditEntry.objects.get(action="submit").detail["against"] == ["ledger.word"]
    assert "Against the rulebook" in text(approver.get(reverse("approvals")))
    decide(approver, operation)
    assert operation.state == S.AWAITING_APPROVAL
    second = logged_in("approver", "operator")
    hours_later(second)
    decide(second, operation)
    assert operation.state == S.QUEUED
    assert run(operation).state == S.SUCCEEDED


def test_against_the_rulebook_a_routine_plan_needs_only_its_reason(operator: Client, folder: Path) -> None:
    operation = through(operator, folder, ["ok"], word="risky")
    assert submit(operator, operation, overrides="on", reason="because").status_code == 302
    assert (operation.state, operation.approvals_needed) == (S.QUEUED, 0)


def test_the_inbox_puts_mine_first(approver: Client, operator: Client, asked: Operation, logged_in: Callable[..., Client]) -> None:
    other = submitted("tests.dangerous", user_of(logged_in("approver", "operator")), folder=asked.params["folder"], scripts=["ok"])
    Operation.objects.filter(pk=other.pk).update(subject="/elsewhere", submitted_at=timezone.now() - timedelta(hours=1))
    page = text(approver.get(reverse("approvals")))
    assert page.index("/elsewhere") < page.index(asked.params["folder"]), "who waited longest comes first"
    assert "You asked for 1" in text(operator.get(reverse("approvals")))
    assert "Waiting for others 1" in text(operator.get(reverse("approvals")))
    part = approver.get(reverse("approvals"), headers=HTMX).content.decode()
    assert "<html" not in part and 'id="inbox"' in part
