"""Where the embedded portal keeps what: one state directory, and a short one for sockets where its path is too long."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]

SOCKET_LIMIT = 107
"""Bytes of a Unix socket's path that the kernel takes."""


class CannotStart(Exception):
    """Something keeps the portal from starting; the message says what to do."""


@dataclass(frozen=True)
class Places:
    """`state` is an absolute path. Whoever can read it can read the portal's keys, so it is its owner's alone."""

    state: Path

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def control(self) -> Path:
        """Control directories of the commands that operations run on this machine."""
        return self.state / "control"

    def make(self) -> None:
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise CannotStart(f"{self.state} cannot be used: {error.strerror}. Name another with OPSPORTAL_STATE_DIR.") from error

    def socket(self, name: str) -> Path:
        """A path that fits, and that can stand in a URL as it is."""
        path = self.state / name
        if len(os.fsencode(path)) <= SOCKET_LIMIT and re.fullmatch(r"[A-Za-z0-9._/-]+", str(path)):
            return path
        return self._short() / name

    def leave(self) -> None:
        """Remove the short directory, if there is one, once nothing listens in it."""
        folder = self._short_path()
        with contextlib.suppress(OSError):
            for socket in folder.glob("*.sock"):
                socket.unlink()
            folder.rmdir()

    def _short_path(self) -> Path:
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - owner and mode are checked below
        if not os.access(base, os.W_OK) or len(os.fsencode(base)) > 40:
            base = Path("/tmp")  # noqa: S108
        return base / f"opsportal-{os.getuid()}-{hashlib.sha256(os.fsencode(self.state)).hexdigest()[:10]}"

    def _short(self) -> Path:
        """A private directory with a short name, the same at each start."""
        folder = self._short_path()
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise CannotStart(
                f"{folder} belongs to somebody else or is open to others. Remove it, or set OPSPORTAL_STATE_DIR to a shorter path."
            )
        return folder

    def lock(self, says: str) -> IO[str]:
        """Hold the returned file open for as long as the portal runs. Raises `CannotStart` when another one does."""
        file = (self.state / "running").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.read().strip()
            file.close()
            raise CannotStart(f"This portal is already running: {other}.") from None
        file.truncate(0)
        file.write(says)
        file.flush()
        return file


def from_environment() -> Places:
    return Places(Path(os.environ.get("OPSPORTAL_STATE_DIR") or ROOT / "var").resolve())
