"""One simulated host between its world, its sandbox and its SSH server. Everything here happens in the lab's own thread.

The exceptions are what threads of the SSH server call: `authorized_keys`, `accepts`, `run`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from opsportal.lab.machines import furniture, sshd
from opsportal.lab.machines.disk import Disk
from opsportal.lab.machines.sandbox import LARGEST, Sandbox, lay_out
from opsportal.secrets import ssh_keys

log = logging.getLogger("opsportal.lab")

INVENTORY = "/etc/xensource-inventory"
POOL_CONF = "/etc/xensource/pool.conf"
AUTHORIZED = "/root/.ssh/authorized_keys"
JOURNAL = "/var/log/xensource.log"
STATUS_SECONDS = 30.0


@dataclass
class Run:
    """Waits for the end of one command. See `sshd.Run`."""

    ended: Future[int | None]

    def status(self) -> int | None:
        return self.ended.result()


@dataclass(frozen=True)
class Place:
    """Where a host answers SSH."""

    address: str
    port: int


class Machine:
    """`ask` runs a function in the lab's thread and gives its result; `watch` and `ignore` are its selector."""

    own_usr = False
    """Its /usr is its own, so that packages can be installed there, and not this machine's."""
    tools = "dom0"
    """Which programs the lab gives it, see `Lab.start`."""
    devices: ClassVar[tuple[str, ...]] = ()
    """What is in /dev besides the devices that every sandbox has. Nobody reads them: they are there."""

    def __init__(self, ident: str, hostname: str, folder: Path, password: str) -> None:
        self.ident, self.hostname, self.folder, self.password = ident, hostname, folder, password
        self.disk = Disk(folder / "disk")
        self.place = Place("", 0)
        self.sandbox: Sandbox | None = None
        self.calls: socket.socket | None = None
        """Where programs inside connect to."""
        self.listener: socket.socket | None = None
        self.connections: set[sshd.Connection] = set()
        self.on = self.reachable = False
        self.number = 0
        self.running: dict[int, Future[int | None]] = {}
        self.ask: Callable[[Callable[[], Any]], Any] = lambda do: do()
        self.boot: Callable[[Machine], Sandbox] = self._nobody

    # On its disk

    def make(self, files: dict[str, str], key: str) -> None:
        """A new disk with the world's files and a host key, an OpenSSH text. Who was let in still is."""
        let_in = self.authorized_keys()
        shutil.rmtree(self.folder, ignore_errors=True)
        lay_out(self.disk.root)
        self.furnish()
        for path, text in files.items():
            self.disk.write(path, text)
        self.disk.write(AUTHORIZED, let_in, 0o600)
        self._keep("host_key", key)
        self.new_boot()

    def furnish(self) -> None:
        """What such a system has besides the world's files."""
        furniture.put(self.disk, self.hostname)

    def wire(self, nics: list[str], address: str) -> None:
        """At each boot: its interfaces. Raises OSError."""
        furniture.put_interfaces(self.disk, nics, address)

    @property
    def made(self) -> bool:
        return (self.folder / "boot_id").exists()

    @property
    def key(self) -> str:
        return (self.folder / "host_key").read_text()

    @property
    def public_key(self) -> str:
        """Kind and base64."""
        made = sshd.read_key(self.key)
        return f"{made.get_name()} {made.get_base64()}"

    @property
    def legacy(self) -> bool:
        """It has an RSA key alone, and its sshd knows no algorithm newer than SHA-1."""
        return "ssh-rsa" in self.public_key

    @property
    def boot_id(self) -> str:
        return (self.folder / "boot_id").read_text().strip()

    def new_boot(self) -> None:
        self._keep("boot_id", f"{uuid.uuid4()}\n")
        shutil.rmtree(self.disk.root / "tmp", ignore_errors=True)
        (self.disk.root / "tmp").mkdir(mode=0o777, exist_ok=True)

    def apply(self, writes: dict[str, str | None]) -> None:
        for path, text in writes.items():
            if text is None:
                self.disk.remove(path)
                continue
            try:
                self.disk.write(path, text)
            except OSError as error:
                log.warning("%s: %s cannot be written: %s", self.ident, path, error)

    def authorize(self, line: str) -> None:
        """Lets the owner of a public key in, once."""
        known = self.authorized_keys()
        if line not in known:
            self.disk.write(AUTHORIZED, f"{known}{line}\n", 0o600)

    def note(self, text: str) -> None:
        """A line in xensource.log."""
        with contextlib.suppress(OSError):
            self.disk.append(JOURNAL, f"{datetime.now(UTC):%Y%m%dT%H:%M:%S.%fZ}|info|{self.hostname}|{text}\n")

    def _keep(self, name: str, text: str) -> None:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)

    # As the SSH server sees it, from any thread

    def authorized_keys(self) -> str:
        return self.disk.read(AUTHORIZED) or ""

    def accepts(self, password: str) -> bool:
        return bool(self.password) and password == self.password

    def run(self, command: str, descriptors: tuple[int, int, int]) -> Run:
        if len(command.encode("utf-8", "surrogateescape")) > LARGEST:
            command = "echo 'bash: Argument list too long' >&2; exit 126"
        ended: Future[int | None] = self.ask(lambda: self._start(command, descriptors))
        return Run(ended)

    # In the lab's thread

    def _start(self, command: str, descriptors: tuple[int, int, int]) -> Future[int | None]:
        if not self.on:
            raise OSError(f"{self.ident} is off")
        sandbox = self.sandbox or self.boot(self)
        self.number += 1
        ended = self.running[self.number] = Future[int | None]()
        try:
            sandbox.run(self.number, command, descriptors)
        except OSError:
            self.running.pop(self.number).set_result(None)
        return ended

    def start_services(self) -> None:
        """After a boot; what they print goes to a log."""
        if not furniture.starts_something(self.disk):
            return
        with contextlib.suppress(OSError), Path(os.devnull).open("r+b") as nothing:
            command = f"exec >>/var/log/boot.log 2>&1\n{furniture.AT_BOOT}"
            self._start(command, (nothing.fileno(), nothing.fileno(), nothing.fileno()))

    def ended(self, number: int, status: int) -> None:
        if future := self.running.pop(number, None):
            future.set_result(status)

    def stop(self) -> None:
        """All its processes end at once; nobody gets an exit status."""
        sandbox, self.sandbox = self.sandbox, None
        if sandbox is not None:
            sandbox.kill()
        if self.calls is not None:
            self.calls.close()
            self.calls = None
        for future in self.running.values():
            future.set_result(None)
        self.running.clear()

    def listen(self) -> socket.socket:
        """Raises OSError when another program has the port."""
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.place.address, self.place.port))
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self.listener = listener
        return listener

    def deafen(self) -> None:
        """Connections are refused from now on, and those there are end."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        for connection in list(self.connections):
            connection.wire.cut()

    def accept(self, key: Any, ended: Callable[[sshd.Connection], None]) -> None:
        if self.listener is None:
            return
        with contextlib.suppress(OSError):
            made, _ = self.listener.accept()
            self.connections.add(sshd.Connection(self, key, made, ended))

    def freeze(self, frozen: bool) -> None:
        for connection in list(self.connections):
            connection.wire.frozen = frozen

    @staticmethod
    def _nobody(machine: Machine) -> Sandbox:
        raise OSError(f"{machine.ident} belongs to no lab that runs")


def host_key(*, old: bool) -> str:
    """A new one, as an OpenSSH text."""
    return ssh_keys.generate("rsa" if old else "ed25519").private.reveal()
