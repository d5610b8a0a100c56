"""The files of one simulated host, read and written from outside. Links made by those who log in there lead nowhere else."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

LARGEST = 4 * 1024**2
"""Bytes of a file that are read. What the lab reads is configuration."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Disk:
    """Everything below `root`. Paths are those of the host, such as /etc/xensource/pool.conf."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> str | None:
        """None when there is no such plain file."""
        try:
            with self._folder(path) as (folder, name):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                with os.fdopen(descriptor, "rb") as file:
                    return file.read(LARGEST).decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """In one piece: whoever reads it sees the old or the new text. Raises OSError."""
        with self._folder(path, make=True) as (folder, name):
            new = f".{name}.{secrets.token_hex(4)}"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
                os.fchmod(file.fileno(), mode)
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)

    def link(self, path: str, to: str) -> None:
        """A link on the host; it stays as it is where there is something already. Raises OSError."""
        with contextlib.suppress(FileExistsError), self._folder(path, make=True) as (folder, name):
            os.symlink(to, name, dir_fd=folder)

    def append(self, path: str, text: str) -> None:
        """A line of a log; the file begins anew when it is too long. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._folder(path, make=True) as (folder, name):
            descriptor = os.open(name, flags, 0o644, dir_fd=folder)
            with os.fdopen(descriptor, "ab") as file:
                if os.fstat(descriptor).st_size > LARGEST:
                    file.truncate(0)
                file.write(text.encode("utf-8", "surrogateescape"))

    def remove(self, path: str) -> None:
        with contextlib.suppress(OSError), self._folder(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _folder(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that holds `path`, reached step by step, and the last name. Raises OSError at a link."""
        *folders, name = path.strip("/").split("/")
        at = os.open(self.root, _FOLDER)
        try:
            for one in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(one, 0o755, dir_fd=at)
                below = os.open(one, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            yield at, name
        finally:
            os.close(at)
