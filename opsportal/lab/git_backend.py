"""`git http-backend` for a server written in Python: the request's body, the environment it wants, its answer's head."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from opsportal.lab.practice_source import clean_git_environment

IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a request that are kept in memory; more go to a temporary file."""
LARGEST = 256 * 1024 * 1024


class BadRequest(Exception):
    """The request's body cannot be understood, or is larger than any practice needs."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    stream: IO[bytes]


@contextlib.contextmanager
def body(headers: Message, stream: BufferedIOBase) -> Iterator[IO[bytes]]:
    """The request's body as a file. Git sends large ones in chunks."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as kept:
        pieces = _chunks(stream) if headers.get("Transfer-Encoding", "").lower() == "chunked" else _plain(headers, stream)
        for piece in pieces:
            kept.write(piece)
            if kept.tell() > LARGEST:
                raise BadRequest(f"The request is larger than {LARGEST} bytes.")
        kept.rollover()
        kept.seek(0)
        yield kept


def _plain(headers: Message, stream: BufferedIOBase) -> Iterator[bytes]:
    length = headers.get("Content-Length", "0")
    if not length.isdigit():
        raise BadRequest("Content-Length is no number.")
    left = int(length)
    while left and (piece := stream.read(min(left, 65536))):
        left -= len(piece)
        yield piece


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while True:
        line = stream.readline(100).split(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise BadRequest("A chunk has no length.") from None
        if size > LARGEST:
            raise BadRequest(f"A chunk is larger than {LARGEST} bytes.")
        if not size:
            stream.readline(100)
            return
        yield stream.read(size)
        stream.readline(100)


class Backend:
    """All repositories of a folder. Without `push` nothing can be written; with it, only branches."""

    def __init__(self, folder: Path, *, push: bool) -> None:
        settings = {"http.receivepack": str(push).lower(), "uploadpack.allowReachableSHA1InWant": "true", "receive.hideRefs": "refs/"}
        pairs = [*settings.items(), ("receive.hideRefs", "!refs/heads/"), ("safe.directory", "*")]
        self._environment = {
            **clean_git_environment(),
            "GIT_PROJECT_ROOT": str(folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": str(len(pairs)),
            **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in enumerate(pairs)},
            **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(pairs)},
        }

    @contextlib.contextmanager
    def run(self, method: str, path: str, query: str, headers: Message, request: IO[bytes]) -> Iterator[Answer]:
        """Git's answer while it is made. Leaving the block ends git."""
        environment = {
            **self._environment,
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        process = subprocess.Popen(
            ["git", "http-backend"], stdin=request, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        try:
            assert process.stdout is not None
            yield _answer(process.stdout)
        finally:
            process.kill()
            process.communicate()


def _answer(stream: IO[bytes]) -> Answer:
    status, headers = 200, []
    while line := stream.readline(65536).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    return Answer(status, headers, stream)
