"""Commands that outlive the connection, the worker and the portal, each started at most once per key."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from opsportal.transport.base import Result, Transport
from opsportal.transport.command import Command
from opsportal.transport.errors import TransportError

WRAPPER = files("opsportal.transport").joinpath("opsrun.sh").read_text()
"""Sent with every call, so that nothing has to be installed on a target."""

CALL_TIMEOUT = 30.0


class Kind(StrEnum):
    """What the wrapper knows about a key."""

    ABSENT = "absent"
    NOT_STARTED = "not-started"
    RUNNING = "running"
    EXITED = "exited"
    KILLED = "unknown-killed"
    REBOOTED = "unknown-reboot"


@dataclass(frozen=True)
class State:
    """`code` is the exit code when `kind` is EXITED, else None."""

    kind: Kind
    code: int | None = None


@dataclass(frozen=True)
class Poll:
    """`size` is the length of the log in bytes; `boot_id` that of the target now."""

    state: State
    size: int
    boot_id: str


@dataclass(frozen=True)
class Started:
    """The command was started by this call."""


@dataclass(frozen=True)
class Exists:
    """It was started before; nothing was done now."""

    state: State


@dataclass(frozen=True)
class Fenced:
    """Refused: somebody with a higher fence was here."""

    seen: int


class WrapperFailed(TransportError):
    """The wrapper itself could not work on the target: no space, no permission, or a tool it needs is missing."""

    ident = "transport:wrapper"


def parse_state(text: str) -> State:
    """From "exited 3" or "running"."""
    word, _, code = text.strip().partition(" ")
    return State(Kind(word), int(code) if code else None)


class Detached:
    """Control directories under `root` on one target: one for each key, and one fence for all of them.

    A relative root lies in the login's home. The directory must survive a reboot.
    """

    def __init__(self, transport: Transport, root: str) -> None:
        self.transport = transport
        self.root = root

    def start(self, key: str, fence: int, command: Command) -> Started | Exists | Fenced:
        """Start it, unless it was started before or a higher fence was seen. Raises `TransportError`."""
        script = _script(command)
        digest = hashlib.sha256(script.encode()).hexdigest()
        answer = self._call("start", key, str(fence), digest, stdin=script)
        verb, _, rest = answer.removeprefix("S ").strip().partition(" ")
        match verb:
            case "started":
                return Started()
            case "exists":
                return Exists(parse_state(rest))
            case "fenced":
                return Fenced(int(rest))
        raise WrapperFailed(f"The command did not arrive on the target as it was sent ({answer.strip()!r}). Nothing was started.")

    def poll(self, key: str) -> Poll:
        """What became of it."""
        _, boot_id, size, state = self._call("poll", key).strip().split(" ", 3)
        return Poll(parse_state(state), int(size), boot_id)

    def boot_id(self) -> str:
        """Changes with every boot of the target."""
        return self.poll("none").boot_id

    def renew(self) -> None:
        """As `Transport.renew`."""
        self.transport.renew()

    def follow(self, key: str, offset: int, seconds: float) -> Iterator[bytes]:
        """The output from `offset` on as it appears; ends soon after the command did, or after `seconds`."""
        command = Command(script=WRAPPER, argv=("follow", self.root, key, str(offset), str(max(1, int(seconds * 10)))))
        yield from self.transport.follow(self.log_path(key), self._path(key, "exit"), offset, seconds=seconds, command=command)

    def cancel(self, key: str) -> None:
        """TERM to all its processes, wherever they hid; KILL ten seconds later. The exit code is still recorded."""
        self._call("cancel", key)

    def forget(self, key: str) -> None:
        """Remove the control directory of a key that has ended."""
        self._call("forget", key)

    def clear(self) -> bool:
        """Remove the root with all that is in it, its fence too; False, and nothing is removed, when a command of it still runs."""
        return self._call("clear", "all").strip() == "C cleared"

    def keys(self) -> dict[str, State]:
        """All keys under this root."""
        lines = (line.split(" ", 1) for line in self._call("list", "all").splitlines())
        return {key: parse_state(state) for key, state in lines}

    def log_path(self, key: str) -> str:
        return self._path(key, "log")

    def _path(self, key: str, name: str) -> str:
        return f"{self.root}/{key}/{name}"

    def _call(self, verb: str, key: str, *rest: str, stdin: str = "") -> str:
        result = self.transport.run(_command(verb, self.root, key, *rest, stdin=stdin), timeout=CALL_TIMEOUT)
        if result.exit:
            raise WrapperFailed(f"The control directory {self.root} cannot be used: {_said(result)}")
        return result.out


def _script(command: Command) -> str:
    """The wrapper gives no input, so what the command reads becomes part of the script."""
    line = command.shell() + "\n"
    return f"printf %s {shlex.quote(command.stdin)} | {{\n{line}}}\n" if command.stdin else line


def _command(verb: str, root: str, key: str, *rest: str, stdin: str) -> Command:
    return Command(script=WRAPPER, argv=(verb, root, key, *rest), stdin=stdin)


def _said(result: Result) -> str:
    return (result.err or result.out).strip()[-300:] or f"exit code {result.exit}"
