"""A practice cloud for tests: real SSH, real shells, real detached commands, and the simulator behind `xe`.

    @pytest.fixture
    def stage(tmp_path, settings) -> Iterator[Stage]:
        with running(tmp_path, settings) as made:
            yield made

    def test_x(stage, ...):
        pool = stage.pool("practice-a")            # hosts.models.Pool, use pool.pk as a runbook's parameter
        host = stage.host("xen-a1")                # hosts.models.Host, in the inventory with its key pinned
        stage.xe("xen-a1", "pool-list", "--minimal")   # what somebody who logs in there would see
        with stage.world() as world:               # the simulator, for faults: world.pull_plug("xen-a2")
            world.pull_plug("xen-a2")

The test needs the database (`pytest.mark.django_db`, with transaction=True when the engine drives operations). One seat, named "1".
`speed` is simulated seconds for each real one. Skipped, by name, where bubblewrap cannot make a sandbox.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from hosts import connections
from hosts.models import Host, Pool
from opsportal.lab import control
from opsportal.lab.inventory_seed import Seeded, seed
from opsportal.lab.machines import sandbox
from opsportal.lab.machines.lab import Lab
from opsportal.lab.machines.machine import Machine
from opsportal.lab.xen.world import World
from opsportal.operations import stepping
from opsportal.secrets import ssh_keys
from opsportal.secrets.ssh_keys import KeyPair
from opsportal.secrets.store import make_keyring
from opsportal.transport.base import Result, Transport
from opsportal.transport.command import Command

SPEED = 100.0


@dataclass
class Stage:
    lab: Lab
    seeded: Seeded

    def pool(self, name: str) -> Pool:
        return Pool.objects.get(pk=self.seeded.pools[name].pk)

    def host(self, ident: str) -> Host:
        return Host.objects.get(pk=self._row(ident).pk)

    def _row(self, ident: str) -> Host:
        return (self.seeded.hosts | self.seeded.servers)[ident]

    def machine(self, ident: str) -> Machine:
        return self.lab.machines("1")[ident]

    def transport(self, ident: str) -> Transport:
        """As an operation reaches the host."""
        return connections.connect(str(self._row(ident).pk))

    def run(self, ident: str, *words: str, script: str = "", stdin: str = "", timeout: float = 60) -> Result:
        return self.transport(ident).run(Command(words, script=script, stdin=stdin), timeout=timeout)

    def xe(self, ident: str, *words: str, timeout: float = 60) -> str:
        """What `xe` prints, without the last line end. Fails the test when `xe` does."""
        result = self.run(ident, "xe", *words, timeout=timeout)
        assert result.exit == 0, result
        return result.out.removesuffix("\n")

    @contextmanager
    def world(self) -> Iterator[World]:
        """The lab stands still meanwhile; what was done takes effect at the end."""
        with self.lab.standing_still():
            self.lab.seats["1"].catch_up()
            yield self.lab.seats["1"].world


@contextmanager
def running(folder: Path, settings: Any, make: Callable[[], World] = World.practice, speed: float = SPEED) -> Iterator[Stage]:
    """`settings` is pytest-django's fixture: the portal's state directory is `folder` from now on, with a key file of its own."""
    try:
        sandbox.check()
    except sandbox.NoSandbox as error:
        pytest.skip(f"no simulated hosts: {error}")
    settings.STATE_DIR, settings.KEY_FILE = folder, folder / "keys"
    if not settings.KEY_FILE.exists():
        make_keyring(settings.KEY_FILE)
    with _keys_made_once():
        lab = Lab(control.folder(), {"1": make}, speed)
        seeded = seed(lab)["1"]
    try:
        with lab, mock.patch.object(stepping, "PAUSE", 1 / 4):
            yield Stage(lab, seeded)
    finally:
        connections.forget_all()


_made: list[KeyPair] = []


@contextmanager
def _keys_made_once() -> Iterator[None]:
    """RSA keys take a second each: the first one of every stage is the same key, and so on."""
    generate, number = ssh_keys.generate, itertools.count()

    def kept(algorithm: str) -> KeyPair:
        if algorithm != "rsa":
            return generate(algorithm)
        at = next(number)
        if at == len(_made):
            _made.append(generate("rsa"))
        return _made[at]

    with mock.patch.object(ssh_keys, "generate", kept):
        yield
