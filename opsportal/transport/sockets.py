"""TCP connections that notice when the other side is gone, to addresses that are allowed."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from opsportal.transport.errors import AddressForbidden, TimedOut, Unreachable

AHEAD = 32 * 1024
"""Bytes; the largest packet of SSH is not much longer."""

DEAD_AFTER = 30
"""Seconds without an acknowledgement after which the kernel ends a connection; SSH itself never notices a silent peer."""

Forbidden = Callable[[str], str]
"""Why an IP address may not be used, or ""."""


def dial(address: str, port: int, *, seconds: float, forbidden: Forbidden) -> socket.socket:
    """Connects to the first address that answers. The address that was checked is the one that is connected to.

    Raises `Unreachable`, `TimedOut` or `AddressForbidden`.
    """
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    deadline, problem = time.monotonic() + seconds, ""
    for family, *_, where in _resolve(address, port):
        if why := forbidden(str(where[0]).split("%")[0]):
            raise AddressForbidden(f"{address} leads to an address that cannot be used: {why}")
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(max(deadline - time.monotonic(), 0.05))
            made.connect(where)
            return _tuned(made)
        except OSError as error:
            made.close()
            problem = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        if time.monotonic() > deadline:
            raise TimedOut(f"Nothing answers at {place} within {seconds:.0f} s. Is it up, and does a firewall let the portal through?")
    raise Unreachable(f"No connection to {place}: {problem}. Is it up, does sshd listen there, does a firewall let the portal through?")


class ReadAhead(socket.socket):
    """A connected socket for paramiko, which asks for each packet in two pieces and waits for each with a call of its own.

    It gets them from what has come already, and the kernel watches the timeout: fewer calls, each of which gives the interpreter away
    and has to win it back. With 300 hosts the threads change half as often.
    """

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(fileno=connected.detach())
        self._ahead, self._at = b"", 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._at == len(self._ahead):
            try:
                self._ahead, self._at = super().recv(AHEAD, flags), 0
            except BlockingIOError:
                raise TimeoutError from None
        piece = self._ahead[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def settimeout(self, seconds: float | None) -> None:
        super().settimeout(None)
        whole, rest = divmod(int((seconds or 0) * 1_000_000), 1_000_000)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", whole, rest))


def _resolve(address: str, port: int) -> list[tuple[Any, ...]]:
    try:
        return list(socket.getaddrinfo(address, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreachable(f"The name {address} cannot be resolved: {why}. Check the spelling and the portal's name servers.") from error


def _tuned(made: socket.socket) -> socket.socket:
    """Without NODELAY each command waits 40 ms for nothing; with keepalive and USER_TIMEOUT a pulled plug ends the connection."""
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER * 1000)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_AFTER // 2)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_AFTER // 3)
    return made
