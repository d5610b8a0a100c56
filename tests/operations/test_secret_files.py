"""A step that writes a secret: the file has it, and nothing else does."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.test import Client
from django.urls import reverse

from opsportal.operations import journal, models, registry
from opsportal.operations.facts import FactSet
from opsportal.operations.states import OperationState as S
from opsportal.operations.steps import Condition, Effect, NothingToUndo, PutSecret, Step
from opsportal.secrets.store import KeyringError
from opsportal.secrets.value import Secret
from opsportal.transport.command import Command
from tests.operations.books import Ledger, LedgerParams
from tests.operations.driving import run, submitted

pytestmark = pytest.mark.django_db(transaction=True)
WORD = "p4ss, with 'quotes' \\ and a word nobody else uses"


def secret(rest: str) -> Secret:
    if rest != "1":
        raise KeyringError(f"There is no {rest}.")
    return Secret(WORD)


class Confiding(Ledger):
    name = "tests.confiding"
    title = "Write a secret"
    pages = ()

    def plan(self, params: LedgerParams, facts: FactSet) -> Iterable[Step]:
        path = f"{params.folder}/rc"
        put = PutSecret(path, f"test:{params.word}", "the word of the test", "user=root\nword={secret}\n")
        there = Condition("it is there", Command(("test", "-s", path)))
        yield Step("secret", "local", "Write it", "The test wants it.", put, Effect.IDEMPOTENT, False, (), (there,), NothingToUndo())


@pytest.fixture
def confiding(books: None, settings: object) -> None:
    settings.RUNBOOKS = [f"{__name__}.Confiding"]  # type: ignore[attr-defined]
    settings.SECRETS = {"test": f"{__name__}.secret"}  # type: ignore[attr-defined]
    registry.runbooks.cache_clear()


@pytest.fixture
def olga(person: object) -> User:
    return person("olga", "operator")  # type: ignore[operator,no-any-return]


def test_only_the_file_has_it(confiding: None, folder: Path, olga: User, client: Client) -> None:
    operation = run(submitted("tests.confiding", olga, folder=str(folder), word="1"))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert (folder / "rc").read_text() == f"user=root\nword={WORD}\n"
    assert stat.S_IMODE((folder / "rc").stat().st_mode) == 0o600
    rows = [row for model in (models.Operation, models.Step, models.Attempt, models.AuditEntry) for row in model.objects.all()]
    assert "nobody else uses" not in serializers.serialize("json", rows)
    assert b"nobody else uses" not in b"".join(journal.raw(operation))
    client.force_login(olga)
    step = client.get(reverse("operation_step", args=[operation.pk, 0])).content.decode()
    page = step + client.get(reverse("operation", args=[operation.pk])).content.decode()
    assert "nobody else uses" not in page
    assert "word={secret}" in page and "the word of the test" in page


def test_what_cannot_be_opened_is_said_and_writes_nothing(confiding: None, folder: Path, olga: User) -> None:
    operation = run(submitted("tests.confiding", olga, folder=str(folder), word="2"))
    assert operation.state == S.FAILED
    assert "the word of the test could not be read" in operation.outcome and "There is no 2." in operation.outcome
    assert not (folder / "rc").exists()
