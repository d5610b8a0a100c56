"""What every transport can do. Nothing here knows Django, a database or a runbook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from opsportal.transport.command import Command

OUTPUT_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Result:
    """What a finished command said. `out` and `err` are text decoded as UTF-8 with replacement."""

    exit: int
    out: str
    err: str = ""
    truncated: bool = False


class Transport(Protocol):
    """A way to one machine. Methods raise `opsportal.transport.errors.TransportError`, nothing else."""

    def run(self, command: Command, *, timeout: float, limit: int = OUTPUT_LIMIT) -> Result:
        """Run to its end, or raise `TimedOut` after `timeout` seconds. Output over `limit` bytes is cut and marked."""

    def ask(self, command: Command, *, timeout: float) -> Result:
        """Like `run`, for a command that only reads, however often it runs: asking the same again soon may be much cheaper."""

    def follow(self, path: str, end: str, offset: int, *, seconds: float, command: Command) -> Iterator[bytes]:
        """Yield the bytes of the growing file `path` from `offset` as they appear.

        Ends after about `seconds`, or once the file `end` begins with a digit and all bytes were yielded. Yields b"" at least
        each second when nothing came, so that the caller can look around. `command` prints the same bytes on the target.
        """

    def put(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Write a file whole: to a temporary name beside it, synced, then renamed."""

    def get(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces."""

    def renew(self) -> None:
        """What comes next goes over a connection made for it: so it proves that the target still lets us in."""

    def close(self) -> None:
        """Give the connection back or end it."""
