"""The practice forge: the practice source over HTTP on loopback, as a forge on the Internet would offer it.

    /                    what there is
    /practice.git        for git clone and git fetch, refs/pull/N/head included; for git push to refs/heads/* where that is allowed
    /pull/N              the pull request, for people
    /pull/N.patch        its commits as a mailbox, or what `pulls.Answer` says instead

It can be told to answer late, wrongly or in part: `Forge.misbehave`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from opsportal.lab import forge_pages
from opsportal.lab.git_backend import Answer as GitAnswer
from opsportal.lab.git_backend import Backend, BadRequest, body
from opsportal.lab.practice_source import NAME, git, mailbox
from opsportal.lab.pulls import BY_NUMBER, Answer, Pull

HOST = "127.0.0.1"
logger = logging.getLogger(__name__)


class Kind(Enum):
    DELAY = "delay"
    STATUS = "status"
    CUT = "cut"


@dataclass(frozen=True)
class Fault:
    """`amount`: seconds of delay, the status to answer with, or the bytes of the body after which the connection is cut.

    It happens to the next `times` requests, or always.
    """

    kind: Kind
    amount: float
    times: int | None = None


def parse_fault(text: str) -> tuple[str, Fault]:
    """From `/pull/1.patch=delay:5`, `…=status:500` or `…=cut:100`, with `:2` behind it for the next two requests only."""
    match = re.fullmatch(r"(/[^=]*)=(delay|status|cut):(\d+(?:\.\d+)?)(?::(\d+))?", text)
    if not match:
        raise ValueError(f"{text!r} is no fault: write it as /pull/1.patch=delay:5, =status:500 or =cut:100")
    return match[1], Fault(Kind(match[2]), float(match[3]), int(match[4]) if match[4] else None)


class Forge(ThreadingHTTPServer):
    """Serves one repository from threads of its own. Port 0 takes a free one; `url` tells which."""

    daemon_threads = True

    def __init__(self, repository: Path, *, port: int = 0, push: bool = False) -> None:
        super().__init__((HOST, port), Handler)
        self.repository = repository
        self.backend = Backend(repository.parent, push=push)
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def misbehave(self, path: str, fault: Fault) -> None:
        """Until its times are over, or `behave`. A path that ends in / counts for everything below it."""
        with self._lock:
            self._faults[path] = fault

    def behave(self) -> None:
        with self._lock:
            self._faults.clear()

    def fault(self, path: str) -> Fault | None:
        """The fault that this request meets, if any."""
        with self._lock:
            for key, fault in self._faults.items():
                if key == path or (key.endswith("/") and path.startswith(key)):
                    self._use(key, fault)
                    return fault
        return None

    def _use(self, key: str, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times <= 1:
            del self._faults[key]
        else:
            self._faults[key] = Fault(fault.kind, fault.amount, fault.times - 1)

    @contextlib.contextmanager
    def running(self) -> Iterator[Forge]:
        """Serves in a thread until the block ends."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="practice-forge", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Forge
    timeout = 60
    """Seconds that a silent client keeps its thread."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        logger.info("%s %s", self.address_string(), format % args)

    def _answer(self) -> None:
        # One request a connection: no client can be left waiting for the rest of an answer that was cut.
        self.close_connection = True
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self._left: int | None = None
        fault = self.server.fault(path)
        try:
            if fault and self._suffers(fault):
                return
            if path.startswith(f"/{NAME}/"):
                self._git(path, parts.query)
            elif self.command == "GET":
                self._page(path)
            else:
                self._send(405, "text/plain; charset=utf-8", b"This is only to be read.\n")
        except (BrokenPipeError, ConnectionResetError):
            logger.info("%s went away during %s", self.address_string(), path)

    def _suffers(self, fault: Fault) -> bool:
        """True when the fault was the whole answer."""
        if fault.kind is Kind.DELAY:
            time.sleep(fault.amount)
        elif fault.kind is Kind.CUT:
            self._left = int(fault.amount)
        else:
            self._send(int(fault.amount), "text/html; charset=utf-8", forge_pages.error(int(fault.amount)))
            return True
        return False

    def _page(self, path: str) -> None:
        if path == "/":
            refs = git(self.server.repository, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags").decode()
            self._send(200, "text/html; charset=utf-8", forge_pages.index(self.server.url, refs.split()))
            return
        match = re.fullmatch(r"/pull/([1-9][0-9]{0,8})(\.patch)?", path)
        pull = BY_NUMBER.get(int(match[1])) if match else None
        if not match or pull is None or pull.answer is Answer.GONE:
            self._send(404, "text/html; charset=utf-8", forge_pages.error(404))
        elif match[2]:
            self._patch(pull)
        else:
            log = git(self.server.repository, "log", "--format=%h %an: %s", *self._range(pull)).decode()
            self._send(200, "text/html; charset=utf-8", forge_pages.pull_request(pull, log.splitlines()))

    def _range(self, pull: Pull) -> tuple[str, str]:
        return f"refs/pull/{pull.number}/head", f"^refs/heads/{pull.base}"

    def _patch(self, pull: Pull) -> None:
        if pull.answer is Answer.HTML:
            self._send(200, "text/html; charset=utf-8", forge_pages.error(500))
        else:
            self._send(200, "text/plain; charset=utf-8", mailbox(self.server.repository, pull.number, pull.base))

    def _git(self, path: str, query: str) -> None:
        run = self.server.backend.run
        try:
            with body(self.headers, self.rfile) as sent, run(self.command, path, query, self.headers, sent) as answer:
                self._relay(answer)
        except BadRequest as error:
            self._send(400, "text/plain; charset=utf-8", f"{error}\n".encode())

    def _relay(self, answer: GitAnswer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while data := answer.stream.read(65536):
            self._write(data)

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Writes it, or as much of it as the fault lets through; then the connection is as good as dead."""
        if self._left is None:
            self.wfile.write(data)
            return
        self.wfile.write(data[: self._left])
        self._left -= min(self._left, len(data))
        if not self._left:
            raise ConnectionResetError("cut as told")
