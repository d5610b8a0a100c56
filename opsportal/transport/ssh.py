"""A host over SSH: kept connections, commands whose end is known or said to be unknown."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

import paramiko

from opsportal.transport import channels
from opsportal.transport.base import OUTPUT_LIMIT, Result
from opsportal.transport.channels import Late, Stream
from opsportal.transport.command import Command
from opsportal.transport.errors import NoExitStatus, TimedOut, TransportError, Unreachable
from opsportal.transport.login import SshTarget
from opsportal.transport.pool import Connections

__all__ = ["Pool", "SshTarget", "SshTransport"]

FOLLOW_GRACE = 3.0
QUIET_FILE_SECONDS = 60.0

_PUT = """
path=$1 mode=$2 size=$3
mkdir -p "$(dirname "$path")" && part=$(mktemp "$(dirname "$path")/.$(basename "$path").XXXXXXXX") || exit 1
trap 'rm -f "$part"' EXIT; trap 'exit 1' HUP INT TERM; trap '' PIPE
cat >"$part" && [ "$(wc -c <"$part")" -eq "$size" ] || { echo "it did not arrive whole" >&2; exit 1; }
chmod "$mode" "$part" && { sync "$part" 2>/dev/null || sync; } && mv -f "$part" "$path"
"""
"""A connection cut in the middle ends `cat` like the end of the file does: only the size tells."""


class SshTransport:
    """One target; any number of threads. Connections come from the pool when they are needed."""

    def __init__(self, pool: Connections, target: SshTarget) -> None:
        self._pool, self._target = pool, target
        self.name = target.name

    def run(self, command: Command, *, timeout: float, limit: int = OUTPUT_LIMIT) -> Result:
        said = (command.gist or command.display())[:120]
        code, out, err = self._run(command.shell(), command.stdin.encode(), timeout=timeout, limit=limit, said=said)
        cut = len(out) > limit or len(err) > limit
        return Result(code, out[:limit].decode("utf-8", "replace"), err[:limit].decode("utf-8", "replace"), cut)

    def ask(self, command: Command, *, timeout: float) -> Result:
        """What was answered well before on this connection is asked of a shell that waits there: no session is opened for it."""
        deadline, line = time.monotonic() + timeout, command.shell()
        if (said := self._again(line, deadline, command.gist or command.display()[:120])) is not None:
            return Result(0, said.decode("utf-8", "replace"))
        result = self.run(command, timeout=max(deadline - time.monotonic(), 1))
        if result.exit == 0 and not command.stdin:
            self._pool.answered(self._target, line)
        return result

    def follow(self, path: str, end: str, offset: int, *, seconds: float, command: Command) -> Iterator[bytes]:
        deadline = time.monotonic() + seconds + FOLLOW_GRACE
        with self._started(command.shell(), deadline, f"reading {path}") as channel, contextlib.suppress(Late):
            errors = b""
            for stream, data in channels.pump(channel, b"", deadline):
                if stream is not Stream.ERR:
                    yield data
                else:
                    errors = (errors + data)[-500:]
            if channel.recv_exit_status() > 0:
                raise Unreachable(f"{path} on {self.name} cannot be read: {_text(errors)}")

    def put(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        command = Command(script=_PUT, argv=(path, f"{mode:o}", str(len(data))))
        patience = 60 + len(data) / 100_000
        code, _, err = self._run(command.shell(), data, timeout=patience, limit=1000, said=f"writing {path}")
        if code:
            raise Unreachable(f"{path} on {self.name} cannot be written: {_text(err)}")

    def get(self, path: str) -> Iterator[bytes]:
        line = Command(("cat", "--", path)).shell()
        with self._started(line, math.inf, f"reading {path}") as channel:
            errors = b""
            for stream, data in channels.pump(channel, b"", math.inf, QUIET_FILE_SECONDS):
                if stream is Stream.SILENCE:
                    raise TimedOut(f"Nothing more of {path} came from {self.name} for {QUIET_FILE_SECONDS:.0f} s.")
                if stream is Stream.OUT:
                    yield data
                else:
                    errors = (errors + data)[-500:]
            if channel.recv_exit_status() > 0:
                raise Unreachable(f"{path} on {self.name} cannot be read: {_text(errors)}")

    def renew(self) -> None:
        self._pool.renew(self._target)

    def close(self) -> None:
        """The connection stays with the pool, for whoever comes next."""

    def _run(self, line: str, stdin: bytes, *, timeout: float, limit: int, said: str) -> tuple[int, bytes, bytes]:
        """To the end. A little more than `limit` bytes of each stream are kept, the rest is read and dropped."""
        deadline = time.monotonic() + timeout
        kept = {Stream.OUT: bytearray(), Stream.ERR: bytearray(), Stream.SILENCE: bytearray()}
        with self._started(line, deadline, said) as channel:
            try:
                for stream, data in channels.pump(channel, stdin, deadline):
                    kept[stream] += data[: max(0, limit + 1 - len(kept[stream]))]
            except Late:
                # Slow or dead, nobody knows: the next command gets a new connection.
                self._pool.retire(channel)
                raise TimedOut(f"No answer from {self.name} within {timeout:.0f} s: {said}") from None
            return channel.recv_exit_status(), bytes(kept[Stream.OUT]), bytes(kept[Stream.ERR])

    def _again(self, line: str, deadline: float, said: str) -> bytes | None:
        """None when it has to be asked the plain way, which then also gets the words of an error."""
        with self._pool.repeating(self._target, line, deadline) as channel:
            if channel is None:
                return None
            try:
                told = channels.turn(channel, deadline, OUTPUT_LIMIT)
            except Late:
                self._pool.retire(channel)
                raise TimedOut(f"No answer from {self.name} in time: {said}") from None
            except (paramiko.SSHException, EOFError, OSError):
                told = None
            if told is None:
                channels.shut(channel)
            return told[1] if told and told[0] == 0 else None

    @contextlib.contextmanager
    def _started(self, line: str, deadline: float, said: str) -> Iterator[paramiko.Channel]:
        """The command is sent once. What breaks after that leaves open whether it had its effect."""
        with self._pool.channel(self._target, deadline) as channel:
            try:
                channel.exec_command(line)
                yield channel
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise self._broken(channel, deadline, said) from error
            if channel.exit_status == -1 and channel.exit_status_ready():
                raise self._broken(channel, deadline, said)

    def _broken(self, channel: paramiko.Channel, deadline: float, said: str) -> TransportError:
        if time.monotonic() >= deadline:
            return TimedOut(f"No answer from {self.name}: {said}")
        transport = channel.get_transport()
        if transport is None or not transport.is_active():
            return NoExitStatus(f"The connection to {self.name} broke in the middle of: {said}. Whether it had its effect is not known.")
        return NoExitStatus(f"{self.name} ended without an exit code (killed, or refused to run it): {said}. Its effect is not known.")


def _text(errors: bytes) -> str:
    return errors.decode("utf-8", "replace").strip()[-300:] or "no reason given"


class Pool(Connections):
    """Gives out transports. Connecting is left to their first use."""

    def get(self, target: SshTarget) -> SshTransport:
        return SshTransport(self, target)
