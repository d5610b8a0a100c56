"""Backing up, and what has to be looked at after going back to a backup."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from opsportal.operations import planning
from opsportal.transport.command import Command
from opsportal.transport.detached import Detached
from opsportal.transport.local import LocalTransport
from tests.operations.driving import run, submitted


def said(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def no_inventory(settings: object) -> None:
    settings.TARGET_LISTS = []  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_a_backup_is_whole_and_without_keys(books: None, folder: Path, tmp_path: Path) -> None:
    user = User.objects.create_superuser("olga")
    run(submitted("tests.ledger", user, folder=str(folder), scripts=["ok"]))
    if connection.vendor == "postgresql":
        assert "    pg_dump --format=custom --file=" in said("backup", str(tmp_path / "kept"))
        return
    path = Path(said("backup", str(tmp_path / "kept")).split(" (")[0])
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as copy:
        assert copy.execute("SELECT state FROM operations_operation").fetchall() == [("succeeded",)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.django_db(transaction=True)
def test_reconcile_is_content_with_what_is_recorded(books: None, folder: Path) -> None:
    user = User.objects.create_superuser("olga")
    operation = run(submitted("tests.ledger", user, folder=str(folder), scripts=["ok", "ok"]))
    assert operation.state == "succeeded"
    assert "Every command on every target is in the records." in said("reconcile")


@pytest.mark.django_db(transaction=True)
def test_reconcile_finds_what_came_after_the_backup_and_never_reuses_its_number(books: None, folder: Path, settings: object) -> None:
    """As if operation 4711 had run after the backup that this database is."""
    user = User.objects.create_superuser("olga")
    lost = Detached(LocalTransport(), str(settings.STATE_DIR / "control" / "op-4711"))  # type: ignore[attr-defined]
    lost.start("000-master.1", 1, Command(script="true"))
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 commands in no record"):
        call_command("reconcile", stdout=out)
    assert "local: operation #4711, 000-master.1: " in out.getvalue()
    params = {"folder": str(folder), "scripts": ["ok"]}
    assert planning.create("tests.ledger", user=user, token="after", params=params).pk > 4711
