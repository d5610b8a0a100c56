"""The practice cloud as a process of its own, until it is told to end. Its hosts end with it, however it ends."""

from __future__ import annotations

import fcntl
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from opsportal.lab.machines.lab import Lab
from opsportal.lab.xen.world import World


class AlreadyRunning(Exception):
    """Another process has this folder."""


def worlds(folder: Path, seats: int) -> dict[str, Callable[[], World]]:
    """For so many seats; 0 takes as many as there were last time, or one."""
    there = len(list(folder.glob("seat-*"))) if folder.exists() else 0
    return {str(number): partial(World.practice, number) for number in range(1, (seats or there or 1) + 1)}


def make(folder: Path, seats: int, speed: float, port: int, listen: str = "") -> Lab:
    """With every disk and host key in place; nothing runs yet."""
    return Lab(folder, worlds(folder, seats), speed, port=port, listen=listen)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Raises `AlreadyRunning`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "running").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"Another process runs the practice cloud in {folder}.") from None
        yield


def serve(lab: Lab, ready: Callable[[], None]) -> None:
    """Until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    asked = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: asked.set())
    with lab:
        ready()
        asked.wait()
