"""Control directories go some time after the end, and never while anything may still look at them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from opsportal.operations import clearing, journal, targets, tasks
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from opsportal.transport.errors import Unreachable
from tests.operations.driving import run, submitted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


@pytest.fixture
def ran(person: Callable[..., User], folder: Path) -> Operation:
    operation = run(submitted("tests.ledger", person("olga", "operator"), folder=str(folder), scripts=["ok", "loud:5"]))
    assert operation.state == S.SUCCEEDED
    return operation


def root(operation: Operation) -> Path:
    return Path(targets.control_root("local", operation))


def long_ago(operation: Operation, days: int = 15, **fields: Any) -> None:
    Operation.objects.filter(pk=operation.pk).update(ended_at=timezone.now() - timedelta(days=days), **fields)


def test_it_stays_for_two_weeks_and_its_log_for_ever(ran: Operation) -> None:
    long_ago(ran, days=13)
    tasks.clear("ssh")
    assert root(ran).is_dir()
    long_ago(ran)
    tasks.clear("build")
    assert root(ran).is_dir(), "other workers have it on their disk"
    assert clearing.clear("ssh") == 1
    assert not root(ran).exists()
    assert b"5\n" in b"".join(journal.raw(ran))
    assert clearing.clear("ssh") == 0
    assert not root(ran).exists(), "nobody asks there again"


def test_what_has_no_final_state_keeps_its_own(ran: Operation) -> None:
    long_ago(ran, state=S.UNKNOWN)
    assert clearing.clear("ssh") == 0
    assert root(ran).is_dir()


def test_a_target_that_does_not_answer_is_asked_later_and_given_up_at_last(ran: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(target: str, operation: Operation) -> Any:
        raise Unreachable("No route.")

    long_ago(ran)
    with monkeypatch.context() as patched:
        patched.setattr(targets, "detached", away)
        assert clearing.clear("ssh") == 0
        long_ago(ran, days=91)
        assert clearing.clear("ssh") == 1, "it is not asked for ever"


def test_sessions_that_ran_out_go() -> None:
    for key, hours in (("old", -1), ("new", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + timedelta(hours=hours))
    tasks.forget_sessions()
    assert [session.session_key for session in Session.objects.all()] == ["new"]
