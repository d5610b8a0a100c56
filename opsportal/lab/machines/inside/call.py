"""`xe` and its kin on a simulated host: `call.py PROGRAM ARGUMENT...` asks the lab, prints what it answers, ends with its code.

A message is a line "WORD LENGTH" and so many bytes. It sends "words" (NUL between them) and, when the lab answers "read", all of
its standard input as "stdin": most programs leave that alone. The lab sends "out", "err" and at last "code". Little is imported,
because it is started thousands of times.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SOCK_STREAM
from _socket import socket as Socket

CALLS = "/run/lab/calls"
LOST = b"Lost connection to the server.\n"


class Lost(Exception):
    """The lab ended, or the host is going down."""


class Lab:
    def __init__(self) -> None:
        self.socket = Socket(AF_UNIX, SOCK_STREAM)
        self.socket.connect(CALLS)
        self.left = b""

    def send(self, word: bytes, data: bytes) -> None:
        self.socket.sendall(b"%s %d\n%s" % (word, len(data), data))

    def receive(self) -> tuple[bytes, bytes]:
        while b"\n" not in self.left:
            self._more()
        head, self.left = self.left.split(b"\n", 1)
        word, length = head.split()
        while len(self.left) < int(length):
            self._more()
        data, self.left = self.left[: int(length)], self.left[int(length) :]
        return word, data

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise Lost
        self.left += data


def given(words: list[str]) -> list[str]:
    """With what the real `xe` reads by itself: further arguments from ~/.xe, user and password from the file after -pwf."""
    found = list(words)
    if "-pwf" in found[:-1]:
        at = found.index("-pwf")
        user, password = (*_lines(found[at + 1]), "", "")[:2]
        found[at : at + 2] = ["-u", user, "-pw", password]
    return found + [line for line in _lines(os.environ.get("HOME", "/") + "/.xe") if "=" in line]


def _lines(path: str) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return []
    try:
        return [line for line in os.fsdecode(_everything(descriptor)).split("\n") if line]
    finally:
        os.close(descriptor)


def main(words: list[str]) -> int:
    if words[0] == "xe":
        words = given(words)
    try:
        lab = Lab()
        lab.send(b"words", b"\0".join(map(os.fsencode, words)))
        while True:
            word, data = lab.receive()
            if word == b"code":
                return int(data)
            if word == b"read":
                lab.send(b"stdin", _everything(0))
            else:
                _write(1 if word == b"out" else 2, data)
    except BrokenPipeError:
        return 141
    except (OSError, Lost):
        _write(2, LOST)
        return 1


def _everything(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
