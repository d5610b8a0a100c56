from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines.stage import Stage, running


@pytest.fixture
def stage(tmp_path: Path, settings: object, db: None) -> Iterator[Stage]:
    with running(tmp_path, settings) as made:
        yield made
