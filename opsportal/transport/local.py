"""This machine as a target: commands with a clean environment, files read as they grow."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from opsportal.transport.base import OUTPUT_LIMIT, Result
from opsportal.transport.command import Command
from opsportal.transport.errors import TimedOut, Unreachable

TICK = 0.012
PIECE = 256 * 1024


def clean_environment() -> dict[str, str]:
    """What a login would have, and nothing of the portal's own settings and secrets."""
    person = pwd.getpwuid(os.getuid())
    path = os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {"PATH": path, "HOME": person.pw_dir, "USER": person.pw_name, "LOGNAME": person.pw_name, "LANG": "C.UTF-8"}


class LocalTransport:
    """The worker's own machine."""

    name = "local"

    def run(self, command: Command, *, timeout: float, limit: int = OUTPUT_LIMIT) -> Result:
        try:
            process = subprocess.Popen(
                ["sh", "-c", command.shell()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=clean_environment(),
                cwd=clean_environment()["HOME"],
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"No process could be started on this machine: {error}") from error
        try:
            out, err = process.communicate(command.stdin.encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill_group(process)
            raise TimedOut(f"No answer within {timeout:.0f} s: {command.display()[:120]}") from None
        cut = len(out) > limit or len(err) > limit
        return Result(process.returncode, _text(out[:limit]), _text(err[:limit]), cut)

    def follow(self, path: str, end: str, offset: int, *, seconds: float, command: Command) -> Iterator[bytes]:
        """Reads the file itself; `command`, which does the same elsewhere, is not needed here."""
        deadline = time.monotonic() + seconds
        quiet_since = time.monotonic()
        with Path(path).open("rb") as file:
            file.seek(offset)
            while True:
                ended = _has_verdict(end)  # asked before reading, so that nothing written before the end is missed
                if data := file.read(PIECE):
                    quiet_since = time.monotonic()
                    yield data
                    continue
                if ended or time.monotonic() > deadline:
                    return
                if time.monotonic() - quiet_since > 0.5:
                    quiet_since = time.monotonic()
                    yield b""
                time.sleep(TICK)

    def put(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(mode)
            partial.rename(target)
        except OSError as error:
            raise Unreachable(f"{path} cannot be written: {error}") from error

    def get(self, path: str) -> Iterator[bytes]:
        try:
            with Path(path).open("rb") as file:
                while data := file.read(PIECE):
                    yield data
        except OSError as error:
            raise Unreachable(f"{path} cannot be read: {error}") from error

    def ask(self, command: Command, *, timeout: float) -> Result:
        return self.run(command, timeout=timeout)

    def renew(self) -> None:
        """There is no connection."""

    def close(self) -> None:
        """Nothing is kept open."""
        return


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _has_verdict(path: str) -> bool:
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        return file.read(1).isdigit()
    return False


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
