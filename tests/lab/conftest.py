from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsportal.lab.forge import Forge
from opsportal.lab.practice_source import create
from tests.lab.git import run


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The practice source, only to be read."""
    return create(tmp_path_factory.mktemp("practice"))


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a work tree of a branch or tag."""

    def make(ref: str) -> Path:
        place = tmp_path / f"src-{ref}"
        run(tmp_path, "clone", "-q", "--no-checkout", str(repository), place.name)
        run(place, "checkout", "-q", "-B", "work", f"origin/{ref}")
        return place

    return make


@pytest.fixture
def forge(repository: Path) -> Iterator[Forge]:
    with Forge(repository).running() as server:
        yield server


@pytest.fixture
def writable_forge(repository: Path, tmp_path: Path) -> Iterator[Forge]:
    copy = tmp_path / "forge" / repository.name
    shutil.copytree(repository, copy)
    with Forge(copy, push=True).running() as server:
        yield server
