"""Programs inside a host that wait for an answer: what they send and get, as `inside/call.py` describes it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from opsportal.lab.machines.machine import Machine
from opsportal.lab.xen.world import Call

LARGEST = 4 * 1024**2
SEND_SECONDS = 2.0

PROMPTS = {"pool-eject", "host-forget", "host-declare-dead"}
FORCED = {"--force", "force=true"}


class Malformed(Exception):
    """What came is no message."""


def prompts(words: list[str]) -> bool:
    """It may read what is typed: nothing else takes away the standard input of a script around it."""
    program = words[0].rsplit("/", 1)[-1]
    return program == "xe-reset-networking" or (program == "xe" and bool(PROMPTS & set(words)) and not FORCED & set(words))


@dataclass
class Client:
    machine: Machine
    socket: socket.socket
    buffer: bytes = b""
    words: list[str] = field(default_factory=list)
    call: Call | None = None
    answered: bool = False

    @property
    def ready(self) -> bool:
        return self.call is not None and self.call.done and not self.answered

    def take(self, data: bytes) -> str | None:
        """Its standard input once it can be started, else None. Raises `Malformed`, and OSError when it is gone."""
        self.buffer += data
        while (message := self._next()) is not None:
            word, text = message
            if word == "stdin" and self.words:
                return text
            if word != "words" or self.words:
                raise Malformed(word)
            self.words = text.split("\0")
            if not prompts(self.words):
                return ""
            self._send(("read", ""))
        return None

    def answer(self) -> None:
        """The call's. Raises OSError when the client is gone."""
        assert self.call is not None
        self.answered = True
        self._send(("out", self.call.out), ("err", self.call.err), ("code", str(self.call.code)))
        self.socket.shutdown(socket.SHUT_WR)

    def _next(self) -> tuple[str, str] | None:
        head, line, rest = self.buffer.partition(b"\n")
        if not line and len(head) < 40:
            return None
        word, _, length = head.decode("ascii", "replace").partition(" ")
        if not length.isdecimal() or int(length) > LARGEST:
            raise Malformed(word[:40])
        if len(rest) < int(length):
            return None
        self.buffer = rest[int(length) :]
        return word, rest[: int(length)].decode("utf-8", "surrogateescape")

    def _send(self, *messages: tuple[str, str]) -> None:
        self.socket.settimeout(SEND_SECONDS)
        for word, text in messages:
            data = text.encode("utf-8", "surrogateescape")
            self.socket.sendall(f"{word} {len(data)}\n".encode() + data)
        self.socket.setblocking(False)
