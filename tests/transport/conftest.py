from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.secrets import ssh_keys
from opsportal.transport.base import Transport
from opsportal.transport.host_keys import HostKey
from opsportal.transport.local import LocalTransport
from opsportal.transport.ssh import Pool, SshTarget
from tests.hosts.machine import USER, Machine

PAIR = ssh_keys.generate("ed25519")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    started = Machine(tmp_path / "machine").start()
    started.authorized.write_text(PAIR.public + "\n")
    yield started
    started.crash()


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close()


@pytest.fixture
def target(machine: Machine) -> SshTarget:
    return target_of(machine)


@pytest.fixture(params=["local", "ssh"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """What every transport must do is tested on both."""
    if request.param == "local":
        return LocalTransport()
    pool: Pool = request.getfixturevalue("pool")
    return pool.get(request.getfixturevalue("target"))


def pinned(machine: Machine) -> tuple[HostKey, ...]:
    return tuple(HostKey(*machine.public(kind).split()[:2]) for kind in machine.kinds)


def target_of(machine: Machine, **changes: object) -> SshTarget:
    fields: dict[str, object] = {
        "name": "h1", "address": "127.0.0.1", "port": machine.port, "user": USER, "secret": PAIR.private, "is_key": True,
        "pinned": pinned(machine),
    }  # fmt: skip
    return SshTarget(**{**fields, **changes})  # type: ignore[arg-type]
