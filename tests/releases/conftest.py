"""A practice forge for tests of sources, patches, builds and merges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsportal.lab import practice_source
from opsportal.lab.forge import Forge
from releases.models import Source
from tests.releases import practice


@pytest.fixture
def state(settings: Any, tmp_path: Path) -> Path:
    """A state directory of its own."""
    settings.STATE_DIR = tmp_path / "state"
    settings.STATE_DIR.mkdir()
    return Path(settings.STATE_DIR)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The practice source as a bare repository, only to be read."""
    return practice_source.create(tmp_path_factory.mktemp("practice"))


@pytest.fixture
def forge(settings: Any, pristine: Path, tmp_path: Path, state: Path) -> Iterator[Forge]:
    settings.GIT_HOSTS = list(settings.GIT_HOSTS)
    with practice.forge(pristine, tmp_path / "forge", push=True) as running:
        yield running


@pytest.fixture
def source(forge: Forge, transactional_db: None) -> Source:
    return practice.register(forge)
