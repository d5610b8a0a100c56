"""A CloudStack on loopback that verifies signatures and answers what a test tells it to."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from opsportal.cloudstack.signing import signature

KEY, SECRET = "key-of-the-portal", "secret-key ~ of the portal"

Answer = Callable[[dict[str, str]], Any]


class StandIn:
    """`answers` gives for each command what follows "COMMANDresponse", a `Said`, or a function of the parameters that gives one."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"listCapabilities": {"capability": {"cloudstackversion": "4.8.0"}}}
        self.calls: list[dict[str, str]] = []
        self.date = ""
        self.secret = SECRET
        self.url = ""

    def commands(self) -> list[str]:
        return [call["command"] for call in self.calls]


class Said(Exception):
    """Any answer at all. `delay` in seconds; with `cut` the connection ends without an answer."""

    def __init__(self, status: int = 200, body: bytes = b"", kind: str = "text/html", headers: dict[str, str] | None = None,
                 delay: float = 0, cut: bool = False) -> None:  # fmt: skip
        super().__init__(status)
        self.status, self.body, self.kind, self.headers, self.delay, self.cut = status, body, kind, headers or {}, delay, cut


def failure(code: int, text: str) -> Said:
    body = {"errorresponse": {"uuidList": [], "errorcode": code, "cserrorcode": 9999, "errortext": text}}
    return Said(code, json.dumps(body).encode(), "application/json; charset=UTF-8")


def paged(key: str, rows: list[Any]) -> Answer:
    """As CloudStack does: only `count` or nothing at all when there is no row."""

    def answer(call: dict[str, str]) -> Any:
        size, page = int(call["pagesize"]), int(call["page"])
        part = rows[(page - 1) * size : page * size]
        return {"count": len(rows), key: part} if part else {}

    return answer


def _handler(cloud: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            call = dict(parse_qsl(body, keep_blank_values=True))
            cloud.calls.append(call)
            said = self._said(call)
            time.sleep(said.delay)
            if said.cut:
                self.close_connection = True
                return
            self.send_response_only(said.status, "said")
            self.send_header("Date", cloud.date or self.date_time_string())
            for name, value in {"Content-Type": said.kind, "Content-Length": str(len(said.body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client may have given up
                self.wfile.write(said.body)

        def _said(self, call: dict[str, str]) -> Said:
            signed = call.get("apikey") == KEY and call.get("signature") == signature(call, cloud.secret)
            if not signed or call.get("signatureversion") != "3" or "expires" not in call:
                return failure(401, "unable to verify user credentials and/or request signature")
            answer = cloud.answers.get(call["command"], failure(432, "The given command does not exist or it is not available for user"))
            answer = answer(call) if callable(answer) else answer
            if isinstance(answer, Said):
                return answer
            body = {f"{call['command'].lower()}response": answer}
            return Said(200, json.dumps(body).encode(), "text/javascript; charset=UTF-8")

        def log_message(self, *_: Any) -> None:
            return

    return Handler


@contextmanager
def running(certificate: Path | None = None) -> Iterator[StandIn]:
    cloud = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cloud))
    server.daemon_threads = True
    scheme = "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    cloud.url = f"{scheme}://127.0.0.1:{server.server_port}/client/api"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj"]
    subprocess.run([*words, f"/CN={name}", "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    path.write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return path
