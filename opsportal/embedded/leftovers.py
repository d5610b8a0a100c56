"""Commands which operations started on this machine and which outlive their worker: found by their mark, ended on request."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = b"OPSRUN_KEY="
GENTLE_SECONDS = 5.0


def find(control: Path) -> dict[int, str]:
    """Process id to control directory, of every process that runs for a key under `control`."""
    prefix = MARK + os.fsencode(control) + b"/"
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for variable in (entry / "environ").read_bytes().split(b"\0"):
                if variable.startswith(prefix):
                    found[int(entry.name)] = os.fsdecode(variable[len(MARK) :])
    return found


def end(control: Path) -> int:
    """TERM, and KILL for what stays. The runners go last, so that each command's exit code is still recorded.

    Returns the number of commands that were running.
    """
    running = find(control)
    _until_gone(control, signal.SIGTERM, GENTLE_SECONDS)
    _until_gone(control, signal.SIGKILL, 2.0)
    for pid in find(control):
        _send(pid, signal.SIGKILL)
    return len(set(running.values()))


def _until_gone(control: Path, signum: signal.Signals, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    told: set[int] = set()
    while time.monotonic() < deadline:
        found = find(control)
        if not found:
            return
        for pid in found.keys() - _runners(found) - told:
            _send(pid, signum)
            told.add(pid)
        time.sleep(0.05)


def _runners(found: dict[int, str]) -> set[int]:
    """The shells that wait for a command and write down its exit code."""
    runners = set()
    for folder in set(found.values()):
        with contextlib.suppress(OSError, ValueError):
            runners.add(int((Path(folder) / "runner").read_text()))
    return runners


def _send(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)
