"""Talking through one SSH channel: both streams and the input in one loop, under one deadline.

paramiko's own file objects must not be used for this: reading one stream while the other fills its window hangs for ever,
and so does asking for the exit status before reading.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from enum import IntEnum

import paramiko

PIECE = 256 * 1024
SENT_AT_ONCE = 32 * 1024
WINDOW_LOOK = 0.02
"""Seconds between two looks at a send window that is full; nothing wakes us when it opens."""


class Stream(IntEnum):
    SILENCE = 0
    OUT = 1
    ERR = 2


class Late(Exception):
    """The deadline came before the end."""


def pump(channel: paramiko.Channel, stdin: bytes, deadline: float, silence: float = 1.0) -> Iterator[tuple[Stream, bytes]]:
    """Pieces of both streams as they come, until the command has ended and all was read.

    Yields SILENCE after each `silence` seconds without a piece. Raises `Late` at `deadline` (of `time.monotonic`).
    """
    moved = threading.Event()
    channel.in_buffer.set_event(moved)
    channel.in_stderr_buffer.set_event(moved)
    left, quiet_since = _feed(channel, memoryview(stdin)), time.monotonic()
    while True:
        over = bool(channel.closed or channel.eof_received)  # asked before reading, so that nothing sent before the end is missed
        pieces = list(_ready(channel))
        yield from pieces
        left = _feed(channel, left)
        if pieces:
            quiet_since = time.monotonic()
            continue
        if over and channel.exit_status_ready():
            return
        now = time.monotonic()
        if now >= deadline:
            raise Late
        if now - quiet_since >= silence:
            quiet_since = now
            yield Stream.SILENCE, b""
        wait = min(deadline - now, silence - (now - quiet_since))
        _wait(channel, moved, min(wait, WINDOW_LOOK) if left else wait, over=over)


def repeating(line: str) -> str:
    """A command that runs `line` once for each line it is sent, and ends with its input.

    After the output comes that line again, with the exit code: what `turn` waits for. The error stream is dropped.
    """
    return f'while read -r turn; do {line} </dev/null 2>/dev/null; printf \'\\0%s %s\\n\' "$turn" "$?"; done'


def turn(channel: paramiko.Channel, deadline: float, limit: int) -> tuple[int, bytes] | None:
    """Exit code and output of one more turn of a `repeating` command.

    None when it has ended or says more than `limit` bytes: it is then of no use any more. Raises `Late`.
    """
    moved, mark, said = threading.Event(), secrets.token_hex(16).encode(), bytearray()
    channel.in_buffer.set_event(moved)
    channel.sendall(mark + b"\n")
    while len(said) <= limit:
        over = bool(channel.closed or channel.eof_received)
        if channel.recv_ready():
            said += channel.recv(PIECE)
            if said.endswith(b"\n") and (end := said.rfind(b"\0" + mark + b" ")) >= 0:
                return int(said[end + len(mark) + 2 :]), bytes(said[:end])
        elif over:
            return None
        elif time.monotonic() >= deadline:
            raise Late
        else:
            moved.wait(min(max(deadline - time.monotonic(), 0.001), 60))
    return None


def shut(channel: paramiko.Channel) -> None:
    """Closes it, also when its connection is gone."""
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        channel.close()


def _ready(channel: paramiko.Channel) -> Iterator[tuple[Stream, bytes]]:
    if channel.recv_ready():
        yield Stream.OUT, channel.recv(PIECE)
    if channel.recv_stderr_ready():
        yield Stream.ERR, channel.recv_stderr(PIECE)


def _wait(channel: paramiko.Channel, moved: threading.Event, seconds: float, *, over: bool) -> None:
    """After the end of both streams only the exit status can still come."""
    (channel.status_event if over else moved).wait(min(max(seconds, 0.001), 60))


def _feed(channel: paramiko.Channel, left: memoryview) -> memoryview:
    """Sends what the window takes now, and returns the rest. A command that stopped reading gets no more."""
    if not left:
        if not channel.eof_sent and not channel.closed:
            channel.shutdown_write()
        return left
    try:
        while left and channel.send_ready():
            left = left[channel.send(bytes(left[:SENT_AT_ONCE])) :]
    except OSError:
        return left[:0]
    return left if left else _feed(channel, left)
