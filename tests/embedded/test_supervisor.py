"""`make run`'s own process: what it starts, says and ends. Each test has a whole portal in a directory of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsportal.embedded.leftovers import find
from opsportal.embedded.places import Places
from opsportal.transport.command import Command
from opsportal.transport.detached import Detached, Kind
from opsportal.transport.local import LocalTransport

ROOT = Path(__file__).resolve().parents[2]


class Portal:
    """One `python -m opsportal.embedded`, with a blank in its path and a path too long for a socket."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / f"a state {'x' * 60}"
        self.output = folder / "output"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self, **changes: str) -> dict[str, str]:
        base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "OPSPORTAL_STATE_DIR": str(self.state), "PORT": str(self.port)}
        return {**base, **changes}

    def start(self) -> float:
        """Seconds until it says that it is ready."""
        began = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(ARGV, cwd=ROOT, env=self.environment(), stdout=output, stderr=output, start_new_session=True)
        until(lambda: "is ready" in self.said() or (self.process and self.process.poll() is not None), 90)
        assert "is ready" in self.said(), f"{self.process.poll()}: {self.said()}"
        return time.monotonic() - began

    def said(self) -> str:
        return self.output.read_text()

    def children(self) -> dict[int, str]:
        """Process id to command line, of the supervisor's children and theirs."""
        assert self.process
        parents = {int(path.parent.name): _parent(path) for path in Path("/proc").glob("[0-9]*/stat")}
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return {pid: _command(pid) for pid in found - {self.process.pid}}

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status

    def stop(self, signum: signal.Signals = signal.SIGINT) -> int:
        assert self.process
        self.process.send_signal(signum)
        return self.process.wait(30)


ARGV = [sys.executable, "-m", "opsportal.embedded"]


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def alive(pids: dict[int, str]) -> dict[int, str]:
    """Those that still run the same command; a zombie has none."""
    return {pid: command for pid, command in pids.items() if command and _command(pid) == command}


def until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    portal = Portal(tmp_path)
    portal.start()
    yield portal
    if portal.process and portal.process.poll() is None:
        portal.stop(signal.SIGTERM)


def test_comes_up_says_the_password_once_and_leaves_nothing_behind(portal: Portal) -> None:
    assert portal.get("/login/") == 200
    children = portal.children()
    assert {"web", "celery", "redis"} <= {word for command in children.values() for word in ("web", "celery", "redis") if word in command}
    assert "user admin, password " in portal.said()

    short = Places(portal.state).socket("redis.sock")
    assert short.is_socket() and not short.is_relative_to(portal.state)
    assert portal.stop() == 0
    until(lambda: not alive(children), 5)
    assert not alive(children)
    assert not short.parent.exists(), "nothing is left in /tmp"

    assert portal.start() < 30
    assert "password" not in portal.said()
    assert "up to date" in portal.said()
    assert (portal.state.stat().st_mode & 0o777) == 0o700


def test_a_second_one_says_who_is_there(portal: Portal) -> None:
    second = subprocess.run(ARGV, cwd=ROOT, env=portal.environment(), capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"already running: http://127.0.0.1:{portal.port}/" in second.stderr
    elsewhere = portal.environment(OPSPORTAL_STATE_DIR=str(portal.state / "other"))
    third = subprocess.run(ARGV, cwd=ROOT, env=elsewhere, capture_output=True, text=True, check=False)
    assert third.returncode == 1
    assert f"make run PORT={portal.port + 1}" in third.stderr
    assert portal.get("/login/") == 200


def test_what_dies_is_started_again_and_said(portal: Portal) -> None:
    for name, word in (("web", "embedded.web"), ("redis", "redis-server"), ("builder", "builder@")):
        pid = min(pid for pid, command in portal.children().items() if word in command)
        os.kill(pid, signal.SIGKILL)
        until(lambda name=name: f"{name:<12} was ended by SIGKILL; starting it again in 1 s" in portal.said(), 10)  # type: ignore[misc]
        assert f"{name:<12} was ended by SIGKILL" in portal.said()
        until(lambda word=word: any(word in command for command in portal.children().values()), 10)  # type: ignore[misc]
        assert any(word in command for command in portal.children().values())
    assert portal.get("/login/") == 200


def test_a_killed_supervisor_takes_all_with_it(portal: Portal) -> None:
    children = portal.children()
    portal.stop(signal.SIGKILL)
    until(lambda: not alive(children), 5)
    assert not alive(children)
    assert portal.start() < 30


def test_commands_of_operations_end_with_it_and_keep_their_exit_code(portal: Portal) -> None:
    control = portal.state.resolve() / "control"
    detached = Detached(LocalTransport(), str(control / "op-1"))
    detached.start("000-sleep.1", 1, Command(script="sleep 300"))
    detached.start("000-stubborn.1", 1, Command(script="trap '' TERM; while :; do sleep 1; done"))
    assert len(set(find(control).values())) == 2

    assert portal.stop(signal.SIGTERM) == 0
    assert not find(control)
    assert "2 that operations were running here ended too" in portal.said()
    assert detached.poll("000-sleep.1").state.code == 143
    assert detached.poll("000-stubborn.1").state.kind == Kind.EXITED
