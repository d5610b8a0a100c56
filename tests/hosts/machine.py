"""A throw-away OpenSSH server on loopback that tests may break."""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

USER = getpass.getuser()
LEGACY = (
    "HostKeyAlgorithms ssh-rsa",
    "KexAlgorithms diffie-hellman-group14-sha1",
    "PubkeyAcceptedAlgorithms ssh-rsa",
    "Ciphers aes128-ctr",
    "MACs hmac-sha1",
)
"""What the sshd of XenServer 6.5 speaks, as far as today's OpenSSH still can."""


def free_port() -> int:
    """Below the ports that the kernel gives to connections: one of those could take it while the server is away."""
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _sshds() -> list[tuple[int, int]]:
    """(pid, parent) of all sshd processes."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = entry.read_text().partition(" ")
            name, _, fields = rest.rpartition(") ")
            if name.startswith("(sshd"):
                found.append((int(pid), int(fields.split()[1])))
    return found


@dataclass
class Machine:
    """`folder` holds keys, authorized_keys and the log; `options` are lines of sshd_config."""

    folder: Path
    options: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("ed25519",)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Machine:
        self.folder.mkdir(exist_ok=True)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd locks itself up; the init system makes it elsewhere
        for kind in self.kinds:
            if not self.key(kind).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(self.key(kind))], check=True)
        self.authorized.touch()
        config = self.folder / "sshd_config"
        lines = [
            *self.options,  # first, as the first of two values counts
            "ListenAddress 127.0.0.1",
            "ListenAddress 127.0.0.2",
            f"Port {self.port}",
            *(f"HostKey {self.key(kind)}" for kind in self.kinds),
            f"AuthorizedKeysFile {self.authorized}",
            f"PidFile {self.folder / 'pid'}",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PasswordAuthentication yes",
            "LogLevel DEBUG1",
            "MaxStartups 100:100:100",
        ]
        config.write_text("\n".join(lines) + "\n")
        said = self._listening()
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(config), "-E", str(self.folder / "log")])
        self._wait(said)
        return self

    def _listening(self) -> int:
        return self.log().count(f"Server listening on 127.0.0.1 port {self.port}")

    def _wait(self, said: int) -> None:
        """Until it says again that it listens, or has died. Asking by a connection could meet itself on a port nobody has."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process is not None and self.process.poll() is None:
            if self._listening() > said:
                return
            time.sleep(0.02)
        raise RuntimeError(f"sshd did not start: {self.log()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def sessions(self) -> list[int]:
        """Its sshd processes that serve somebody now."""
        assert self.process is not None
        found, parents = [], [self.process.pid]
        while parents:
            parents = [pid for pid, parent in _sshds() if parent in parents]
            found += parents
        return found

    def cut(self) -> None:
        """Kills the sessions, as a network cut would end them. What they started goes on, if it can."""
        self.signal_sessions(signal.SIGKILL)

    def signal_sessions(self, number: int) -> None:
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def crash(self) -> None:
        """The daemon and all its sessions at once."""
        if self.process is not None:
            self.cut()
        self.stop()

    def install_again(self) -> None:
        """The same address, other host keys: as after a new installation."""
        self.crash()
        for kind in self.kinds:
            self.key(kind).unlink()
            self.key(kind).with_suffix(".pub").unlink()
        self.start()

    def key(self, kind: str) -> Path:
        return self.folder / f"host_{kind}"

    @property
    def authorized(self) -> Path:
        return self.folder / "authorized_keys"

    def public(self, kind: str = "ed25519") -> str:
        return self.key(kind).with_suffix(".pub").read_text()

    def fingerprint(self, kind: str = "ed25519") -> str:
        """As the host's own console prints it."""
        done = subprocess.run(["ssh-keygen", "-lf", str(self.key(kind))], check=True, capture_output=True, text=True)
        return done.stdout.split()[1]

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""
