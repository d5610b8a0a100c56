"""The lab's own socket: what the lab page, the exercises and a trainer ask for, as lines of JSON. See `opsportal.lab.control`."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from opsportal.lab.machines.seat import Seat

SOCKET = "control.sock"
LARGEST = 1024**2
SEND_SECONDS = 2.0

FAULTS: dict[str, tuple[str, ...]] = {
    "pull_plug": ("host",),
    "power_on": ("host",),
    "cut_storage": ("sr", "seconds", "hosts"),
    "cut_network": ("host", "seconds"),
    "hang_xe": ("host", "seconds"),
    "kill_xapi": ("host",),
    "fail_next": ("host", "command", "code"),
    "protect_vm": ("vm",),
    "unplug_pbd": ("host", "sr"),
    "disagree": ("host",),
}
"""Methods of the world that may be called from outside, with the names of what they take. `seconds` are those of the world."""

API_FAULTS: dict[str, tuple[str, ...]] = {
    "fail_change": ("code",),
    "fail_job": (),
    "stick": (),
    "slow_answer": ("seconds",),
    "spoil_answer": ("how",),
    "shift_clock": ("minutes",),
    "stop_api": ("seconds",),
}
"""The same of the cloud."""


class NotPossible(Exception):
    """What was asked for cannot be done; the message says why."""


class Lab(Protocol):
    seats: dict[str, Seat]
    speed: float
    problem: str

    def reset(self, name: str) -> None: ...

    def run_at(self, speed: float) -> None: ...


@contextlib.contextmanager
def within(folder: Path) -> Iterator[str]:
    """The socket's path, short enough for the kernel however deep the folder lies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


class Control:
    """Served by the lab's thread: what it asks of the lab is done at once."""

    def __init__(self, lab: Lab, folder: Path, selector: selectors.BaseSelector) -> None:
        self._lab, self._folder, self._selector = lab, folder, selector
        (folder / SOCKET).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        with within(folder) as path:
            self._listener.bind(path)
        (folder / SOCKET).chmod(0o600)
        self._listener.listen(16)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        self._listener.close()
        (self._folder / SOCKET).unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            made, _ = self._listener.accept()
            made.settimeout(SEND_SECONDS)
            self._selector.register(made, selectors.EVENT_READ, partial(self._read, made, bytearray()))

    def _read(self, client: socket.socket, buffer: bytearray) -> None:
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        buffer += data
        while b"\n" in buffer:
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            with contextlib.suppress(OSError):
                client.sendall(json.dumps(self.answer(line)).encode() + b"\n")
        if not data or len(buffer) > LARGEST:
            self._selector.unregister(client)
            client.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """{"ok": VALUE} or {"error": SENTENCE}."""
        try:
            asked = json.loads(line)
            return {"ok": self._verbs()[asked.pop("do")](**asked)}
        except NotPossible as error:
            return {"error": str(error)}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return {"error": f"This cannot be done in the practice cloud: {type(error).__name__} {error}."}

    def _verbs(self) -> dict[str, Callable[..., Any]]:
        verbs = (self.state, self.fault, self.reset, self.speed, self.seats, self.solved)
        return {verb.__name__: verb for verb in verbs}

    def seats(self) -> list[str]:
        return list(self._lab.seats)

    def _seat(self, name: str) -> Seat:
        if name not in self._lab.seats:
            raise NotPossible(f"There is no seat {name} in the practice cloud: it has {len(self._lab.seats)}.")
        return self._lab.seats[name]

    def state(self, seat: str) -> dict[str, Any]:
        return {"speed": self._lab.speed, "problem": self._lab.problem, **self._seat(seat).state()}

    def fault(self, seat: str, name: str, args: dict[str, Any]) -> None:
        known = FAULTS | API_FAULTS
        if name not in known or not set(args) <= set(known[name]):
            raise NotPossible(f"The practice cloud knows no fault {name} with {', '.join(args) or 'nothing'}.")
        found = self._seat(seat)
        if args.get("host", next(iter(found.machines))) not in found.machines:
            raise NotPossible(f"There is no host {args['host']} at this seat.")
        found.catch_up()
        getattr(found.cloud if name in API_FAULTS else found.world, name)(**args)
        found.dirty = True

    def solved(self, seat: str, keys: list[str]) -> None:
        found = self._seat(seat)
        found.done.extend(key for key in keys if key not in found.done)
        found.dirty = True

    def reset(self, seat: str) -> None:
        self._seat(seat)
        self._lab.reset(seat)

    def speed(self, speed: float) -> None:
        if not 0.1 <= speed <= 1000:
            raise NotPossible("The practice cloud's clock runs between 0.1 and 1000 times as fast as a real one.")
        self._lab.run_at(speed)
