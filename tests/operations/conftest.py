from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.operations import registry

BOOKS = [f"tests.operations.books.{name}" for name in ("Ledger", "Dangerous", "Restoring", "Filing")]
ENGINE = ["opsportal.operations.runbooks.undo.Undo", "opsportal.operations.runbooks.restore.Restore"]


@pytest.fixture
def books(settings: object, tmp_path: Path) -> Iterator[None]:
    """The engine with the test runbooks, and a state directory of its own."""
    settings.RUNBOOKS = [*BOOKS, *ENGINE]  # type: ignore[attr-defined]
    settings.STATE_DIR = tmp_path / "state"  # type: ignore[attr-defined]
    registry.runbooks.cache_clear()
    yield
    registry.runbooks.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    (place / "state").write_text("begun\n")
    (place / "ledger").write_text("")
    return place
