"""A retry goes on from what the failed operation left changed, and brings it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from opsportal.operations import approval, followers, planning
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from tests.operations.driving import run, submitted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


@pytest.fixture
def olga(person: object) -> User:
    return person("olga", "operator")  # type: ignore[operator,no-any-return]


def retried(operation: Operation, user: User, token: str) -> Operation:
    again = followers.retry(operation, user=user, token=token)
    planning.work(again.pk)
    again.refresh_from_db()
    approval.submit(again, user=user)
    return run(again)


def test_the_second_retry_settles_what_the_first_operation_left_open(olga: User, folder: Path) -> None:
    (folder / "flag").write_text("on\n")
    first = run(submitted("tests.restoring", olga, folder=str(folder), scripts=["flaky", "ok"]))
    assert first.state == S.FAILED and Restoration.objects.get().state == Restoration.State.OPEN
    second = retried(first, olga, "t1")
    assert second.state == S.FAILED, second.outcome
    (folder / "mended").touch()
    third = retried(second, olga, "t2")
    assert third.state == S.SUCCEEDED, third.outcome
    assert Restoration.objects.get().state == Restoration.State.SETTLED
    assert (folder / "flag").read_text() == "on\n"
    assert (folder / "ledger").read_text().split() == ["flaky-0", "flaky-0", "flaky-0", "ok-1"]


def test_the_same_again_is_no_retry_and_waits_for_the_restoration(olga: User, folder: Path) -> None:
    (folder / "flag").write_text("on\n")
    first = run(submitted("tests.restoring", olga, folder=str(folder), scripts=["fail"]))
    other = run(submitted("tests.restoring", olga, folder=str(folder), scripts=["ok"]), slices=1)
    assert other.state == S.QUEUED and f"operation #{first.pk}" in other.waiting_for
