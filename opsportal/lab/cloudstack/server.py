"""HTTP in front of a cloud, at the address that a load balancer would have. Each connection is served by a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from opsportal.lab.cloudstack.cloud import Reply

Ask = Callable[[dict[str, str]], tuple[Reply, float]]
"""From the parameters of a request to the reply, and how many real seconds it takes."""

PATH = "/client/api"
LARGEST = 1024**2
IDLE_SECONDS = 30.0
NOT_FOUND = "<html><head><title>Apache Tomcat - Error report</title></head><body><h1>HTTP Status 404 - {path}</h1></body></html>\n"


class Server:
    """`listen` and `close` are called by the lab's thread, as is `accept` when the listener is readable."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.listener: socket.socket | None = None

    def listen(self, address: str, port: int) -> socket.socket:
        """Raises OSError when another program has the port."""
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self.listener = listener
        return listener

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def accept(self) -> None:
        if self.listener is None:
            return
        with contextlib.suppress(OSError):
            made, peer = self.listener.accept()
            threading.Thread(target=_serve, args=(made, peer, self), daemon=True, name="lab-api").start()

    def reply(self, parameters: dict[str, str]) -> Reply | None:
        """None when the cloud stopped meanwhile."""
        try:
            reply, seconds = self._ask(parameters)
        except OSError:
            return None
        time.sleep(seconds)
        return reply


def _serve(made: socket.socket, peer: object, server: Server) -> None:
    with contextlib.suppress(OSError), made:
        made.settimeout(IDLE_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Handler(made, peer, server)  # type: ignore[arg-type] # it only keeps the server


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self._send(Reply(411, "text/html", NOT_FOUND.format(path="length required")))
            return
        self._answer(self.rfile.read(int(length)).decode("utf-8", "replace"))

    def _answer(self, body: str) -> None:
        parts = urlsplit(self.path)
        if parts.path != PATH:
            self._send(Reply(404, "text/html", NOT_FOUND.format(path="/client")))
            return
        given = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        reply = self.server.reply(given)
        if reply is None:
            self._hang_up()
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        data = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if reply.cut else data)
        if reply.cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def version_string(self) -> str:
        return "Apache-Coyote/1.1"

    def log_message(self, *_: object) -> None:
        """Requests carry passwords."""
