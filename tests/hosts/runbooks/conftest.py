from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from opsportal.operations import registry
from tests.hosts.runbooks import scripted
from tests.hosts.runbooks.scripted import Clock, Scripted


@pytest.fixture
def people(person: Callable[..., User]) -> tuple[User, User, User]:
    return person("olga", "operator"), person("anna", "approver"), person("ben", "approver")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, db: None) -> Iterator[Scripted]:
    settings.STATE_DIR = tmp_path
    settings.TARGETS = {**settings.TARGETS, "host": "tests.hosts.runbooks.scripted.connect"}
    registry.runbooks.cache_clear()
    made = Scripted(Clock(monkeypatch))
    scripted.POOL.append(made)
    yield made
    scripted.POOL.remove(made)
