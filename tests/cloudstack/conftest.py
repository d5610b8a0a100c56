from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.cloudstack.client import Api, Endpoint
from opsportal.secrets.value import Secret
from tests.cloudstack import stand_in
from tests.cloudstack.stand_in import KEY, SECRET, StandIn


@pytest.fixture
def cloud() -> Iterator[StandIn]:
    with stand_in.running() as running:
        yield running


@pytest.fixture
def api(cloud: StandIn) -> Api:
    return Api(Endpoint(cloud.url, KEY), Secret(SECRET), seconds=2)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate in one file."""
    return stand_in.self_signed(tmp_path, "management")


@pytest.fixture
def other_certificate(tmp_path: Path) -> Path:
    return stand_in.self_signed(tmp_path, "somebody-else")
