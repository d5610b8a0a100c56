"""A small NSX-MH API over TLS, which misbehaves on request."""

from __future__ import annotations

import json
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ZONE = "1b2c3d4e-0000-4000-8000-00000000000a"


@dataclass
class World:
    """What it knows and what it saw. `fault`: "" or "500", "slow", "cut", "cut-done", "401", "echo", "html", "drip"."""

    user: str = "admin"
    password: str = "s3cret-of-nsx"
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    cookies: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    fault: str = ""
    on: str = "POST"
    forgets: int = 0
    silent_after: bool = False
    """Says nothing any more once a registration came."""
    trusts: Path | None = None
    """Where a manager reads whom it trusts: gets the certificate of each switch that is registered."""


class Handler(BaseHTTPRequestHandler):
    world: World
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def answer(self, status: int, body: Any = None, cookie: str = "") -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", f"{cookie}; Path=/; Secure")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_one(self) -> None:
        world, path = self.world, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        world.seen.append(f"{self.command} {path.path}")
        if world.silent_after and world.nodes:
            self.close_connection = True
        elif path.path == "/ws.v1/login":
            self.login(body)
        elif world.fault == "401" or self.headers.get("Cookie") not in world.cookies:
            self.answer(401)
        elif world.forgets:
            world.forgets -= 1
            self.answer(401)
        elif not (world.fault and self.command == world.on and self.misbehave(body)):
            self.serve(path.path, parse_qs(path.query), body)

    do_GET = do_POST = do_DELETE = handle_one

    def login(self, body: bytes) -> None:
        given = parse_qs(body.decode())
        if self.world.fault == "echo":
            self.answer(500, {"you said": given})
        elif given == {"username": [self.world.user], "password": [self.world.password]}:
            cookie = f"nvp_sessionid={uuid.uuid4().hex}"
            self.world.cookies.add(cookie)
            self.answer(200, cookie=cookie)
        else:
            self.answer(401)

    def misbehave(self, body: bytes) -> bool:
        fault = self.world.fault
        if fault == "500":
            self.answer(500, {"message": "the database is away"})
        elif fault == "slow":
            time.sleep(4)
        elif fault == "drip":
            for letter in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40:
                self.wfile.write(bytes([letter]))
                time.sleep(0.2)
        elif fault == "html":
            self.answer(200, "<html>")
        elif fault == "cut-done":
            self.add(json.loads(body))
        self.close_connection = True
        return True

    def add(self, node: dict[str, Any]) -> dict[str, Any]:
        made = {**node, "uuid": str(uuid.uuid4())}
        self.world.nodes[made["uuid"]] = made
        if self.world.trusts and "client_certificate" in made["credential"]:
            self.world.trusts.write_text(made["credential"]["client_certificate"]["pem_encoded"])
        return made

    def serve(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        nodes = self.world.nodes
        if path == "/ws.v1/transport-zone":
            self.answer(200, {"result_count": 1, "results": [{"uuid": ZONE, "display_name": "all hypervisors"}]})
        elif self.command == "POST" and path == "/ws.v1/transport-node":
            self.answer(201, self.add(json.loads(body)))
        elif self.command == "DELETE":
            self.answer(204 if nodes.pop(path.rpartition("/")[2], None) else 404)
        else:
            found = [one for one in nodes.values() if one["display_name"] in query.get("display_name", [])]
            self.answer(200, {"result_count": len(found), "results": found})


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is what the tests are about."""


def certificate(folder: Path, name: str = "nsx") -> tuple[Path, str]:
    """A file with key and self-signed certificate, and the certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(9))
    signed = built.sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    path = folder / f"{name}.pem"
    path.write_text(private + pem)
    return path, pem


class StandIn:
    """Listens on 127.0.0.1; `port` and `pem` tell where and what it shows."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        path, self.pem = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        handler = type("Bound", (Handler,), {"world": self.world})
        self.server = Quiet(("127.0.0.1", 0), handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self.server.server_address[1]

    def __enter__(self) -> StandIn:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
