"""Asking the practice cloud for its state, and for faults: used by pages, exercises and tests. It runs in a process of its own."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from django.conf import settings

from opsportal.lab.machines.control import within

SECONDS = 20.0
"""Making a seat anew takes a moment; everything else answers at once."""


class NotRunning(Exception):
    """The practice cloud cannot be asked; the message says what to do."""


class Impossible(Exception):
    """It refused; the message says why."""


def folder() -> Path:
    """Where the practice cloud keeps its hosts."""
    return Path(settings.STATE_DIR) / "lab" / "hosts"


def seats() -> list[str]:
    """Their names, "1" first."""
    answer = _ask(do="seats")
    return [str(name) for name in answer]


def state(seat: str) -> dict[str, Any]:
    """speed, problem (a sentence, or "" when its hosts can run), now, hosts and events, as in `machines.seat.Seat.state`."""
    answer: dict[str, Any] = _ask(do="state", seat=seat)
    return answer


def fault(seat: str, name: str, args: dict[str, Any]) -> None:
    """One of `machines.control.FAULTS`."""
    _ask(do="fault", seat=seat, name=name, args=args)


def reset(seat: str) -> None:
    """Everything at this seat is as on the first day. The inventory, with its keys and logins, still fits."""
    _ask(do="reset", seat=seat)


def solved(seat: str, keys: list[str]) -> None:
    """Notes exercises as done."""
    _ask(do="solved", seat=seat, keys=keys)


def speed(times: float) -> None:
    """How much faster than a real clock, for all seats."""
    _ask(do="speed", speed=times)


def _ask(**asked: Any) -> Any:
    """Raises `NotRunning` or `Impossible`."""
    try:
        with within(folder()) as path, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(path)
            client.sendall(json.dumps(asked).encode() + b"\n")
            line = client.makefile("rb").readline()
    except OSError as error:
        raise NotRunning(
            f"The practice cloud does not answer ({error.strerror or error}). `make run` starts it; its log is pools.log."
        ) from None
    if not line:
        raise NotRunning("The practice cloud ended while it was asked. Its log, pools.log, says why; it is started again by itself.")
    answer = json.loads(line)
    if "error" in answer:
        raise Impossible(answer["error"])
    return answer["ok"]
