"""Commands that go on while connections, sessions and the SSH server itself are killed."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.transport.command import Command
from opsportal.transport.detached import Detached, Exists, Kind, Started, State
from opsportal.transport.errors import TransportError
from opsportal.transport.ssh import Pool, SshTarget
from tests.hosts.machine import Machine
from tests.transport.test_detached import ended, shell


@pytest.fixture
def remote(target: SshTarget, pool: Pool, tmp_path: Path) -> Detached:
    return Detached(pool.get(target), str(tmp_path / "control"))


def attached(remote: Detached, key: str, seconds: float = 60) -> Iterator[bytes]:
    """Follows like the engine does: whatever breaks, it comes back with its offset."""
    offset, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            over = remote.poll(key).state.kind is Kind.EXITED
            for piece in remote.follow(key, offset, 5):
                offset += len(piece)
                yield piece
            if over:
                return
        except TransportError:
            time.sleep(0.1)
    raise AssertionError("it did not end")


def test_a_relative_root_lies_in_the_home_of_the_login(target: SshTarget, pool: Pool) -> None:
    root = f".opsportal-test-{random.randrange(10**9)}"
    remote = Detached(pool.get(target), root)
    try:
        remote.start("k", 1, shell("pwd"))
        assert b"".join(attached(remote, "k")).decode().strip() == str(Path.home())
        assert (Path.home() / root / "k" / "exit").read_text().splitlines()[0] == "0"
    finally:
        pool.get(target).run(Command(("rm", "-rf", root)), timeout=10)


def test_killed_sessions_lose_and_repeat_no_byte(machine: Machine, remote: Detached) -> None:
    script = 'i=0; while [ $i -lt 3000 ]; do echo "line $i"; echo "err $i" >&2; i=$((i+1)); [ $((i % 30)) = 0 ] && sleep 0.03; done'
    remote.start("k", 1, shell(script))
    stop = threading.Event()

    def cutting() -> None:
        for number in itertools.count():  # ever later: on a busy machine a connection takes longer than the first of them leave it
            if stop.wait(random.uniform(0.1, 0.6) * (1 + number / 10)):
                return
            machine.cut()

    cutter = threading.Thread(target=cutting)
    cutter.start()
    try:
        data = b"".join(attached(remote, "k"))
    finally:
        stop.set()
        cutter.join()
    assert data == b"".join(b"line %d\nerr %d\n" % (n, n) for n in range(3000))
    assert machine.log().count("Accepted publickey") > 2


def test_a_start_whose_answer_was_lost_is_asked_again_and_happened_once(machine: Machine, remote: Detached, tmp_path: Path) -> None:
    """The connection is killed at a random instant around the start; the same key is then issued again."""
    for number in range(12):
        command = shell('echo "$1" >> "$2"; sleep 0.05', str(number), str(tmp_path / "ledger"))
        timer = threading.Timer(random.uniform(0.05, 0.5), machine.cut)
        timer.start()
        answers: list[object] = []
        for _ in range(5):
            try:
                answers.append(remote.start(f"k{number}", 1, command))
            except TransportError:
                continue
            if len(answers) == 2:
                break
        timer.join()
        assert isinstance(answers[-1], Exists)
        assert ended(remote, f"k{number}") == State(Kind.EXITED, 0)
    assert (tmp_path / "ledger").read_text().split() == [str(number) for number in range(12)]


def test_the_server_dies_and_comes_back(machine: Machine, remote: Detached, tmp_path: Path) -> None:
    assert remote.start("k", 1, shell('echo a; while [ ! -e "$1" ]; do sleep 0.05; done; echo b', str(tmp_path / "go"))) == Started()
    with pytest.raises(TransportError):
        for piece in remote.follow("k", 0, 20):
            if piece:
                machine.crash()
    with pytest.raises(TransportError):
        remote.poll("k")
    machine.start()
    assert remote.poll("k").state == State(Kind.RUNNING)
    (tmp_path / "go").touch()
    assert b"".join(attached(remote, "k")) == b"a\nb\n"


def test_ten_megabytes_on_both_streams_at_once(remote: Detached) -> None:
    script = 'head -c 10485760 /dev/zero | tr "\\0" o & head -c 10485760 /dev/zero | tr "\\0" e >&2; wait'
    remote.start("k", 1, shell(script))
    data = b"".join(attached(remote, "k"))
    assert (len(data), data.count(b"o"), data.count(b"e")) == (2 * 10485760, 10485760, 10485760)
    assert data == Path(remote.log_path("k")).read_bytes()
