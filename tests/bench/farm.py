"""Many SSH hosts on loopback: real OpenSSH servers, each with up to 16 addresses, that answer every command from a file."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ADDRESSES_OF_ONE = 16
"""OpenSSH listens on so many at most."""

USER = getpass.getuser()


@dataclass
class Farm:
    """`folder` has the client's key as `client`, `known_hosts`, and `answer`, which every host gives to every command."""

    folder: Path
    port: int
    addresses: list[str]
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def host_key(self) -> tuple[str, str]:
        kind, blob = (self.folder / "host_key.pub").read_text().split()[:2]
        return kind, blob

    def quiet(self) -> None:
        """Returns when nobody is logged in any more: ending hundreds of connections takes its time, which is nobody's who comes next."""
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text() for server in self.servers):
            if time.monotonic() > deadline:
                raise RuntimeError("connections do not end")
            time.sleep(0.1)

    @property
    def ssh_options(self) -> list[str]:
        """For OpenSSH's own client: this key and no other, and the host's key is checked, as the portal does."""
        return [
            *("-F", "/dev/null", "-i", str(self.folder / "client"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"),
        ]


@contextmanager
def farm(folder: Path, number: int, answer: str) -> Iterator[Farm]:
    for name in ("client", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    addresses = [f"127.{20 + n // 250}.{n // 25 % 10}.{n % 25 + 1}" for n in range(number)]
    found = Farm(folder, _free_port(), addresses)
    (folder / "answer").write_text(answer)
    (folder / "known_hosts").write_text(f"* {' '.join(found.host_key)}\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    found.servers += [_server(found, place, addresses[place : place + ADDRESSES_OF_ONE]) for place in range(0, number, ADDRESSES_OF_ONE)]
    try:
        _wait(found)
        yield found
    finally:
        for server in found.servers:
            server.terminate()
        for server in found.servers:
            server.wait(10)


def _server(found: Farm, number: int, addresses: list[str]) -> subprocess.Popen[bytes]:
    config = found.folder / f"sshd_config_{number}"
    lines = [
        *(f"ListenAddress {address}" for address in addresses),
        f"Port {found.port}",
        f"HostKey {found.folder / 'host_key'}",
        f"AuthorizedKeysFile {found.folder / 'client.pub'}",
        f"ForceCommand {_forced(found.folder / 'answer')}",
        "SetEnv SHLVL=2",  # else a bash at the other end runs what stands in this login's .bashrc
        f"PidFile {found.folder / f'pid_{number}'}",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "LogLevel ERROR",
        "MaxStartups 200:100:200",
    ]
    config.write_text("\n".join(lines) + "\n")
    return subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(config), "-E", str(found.folder / "log")])


def _forced(answer: Path) -> str:
    """The answer to any command; to one that wants to be repeated (`channels.repeating`), once for each line."""
    again = f"while read -r turn; do cat {answer}; printf '\\0%s 0\\n' $turn; done"
    return f'case $SSH_ORIGINAL_COMMAND in "while read "*) {again};; *) exec cat {answer};; esac'


def _wait(found: Farm) -> None:
    """Until all of them listen."""
    deadline = time.monotonic() + 30
    for address in found.addresses[::ADDRESSES_OF_ONE] + found.addresses[-1:]:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((address, found.port)) == 0:
                    break
            if time.monotonic() > deadline:
                raise RuntimeError(f"no sshd at {address}: {(found.folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
