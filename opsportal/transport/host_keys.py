"""Host keys: reading which ones a host shows, and going on only with one that is pinned."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

import paramiko
from paramiko.packet import Packetizer

from opsportal.secrets.ssh_keys import fingerprint
from opsportal.transport import algorithms
from opsportal.transport.algorithms import KINDS, RSA, Algorithms
from opsportal.transport.errors import HostKeyChanged, TimedOut, Unreachable
from opsportal.transport.sockets import Forbidden, ReadAhead, dial


@dataclass(frozen=True)
class HostKey:
    """A public key; `kind` is one of `KINDS`."""

    kind: str
    base64: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.base64)


def read(address: str, port: int, *, legacy: bool, seconds: float, forbidden: Forbidden) -> list[HostKey]:
    """All keys that a host shows, the best kind first, one connection for each. No user name and no secret is sent.

    Raises `TransportError`.
    """
    deadline = time.monotonic() + seconds
    ours = algorithms.allowed(legacy=legacy)
    sock = dial(address, port, seconds=seconds, forbidden=forbidden)
    offered = algorithms.read_offer(sock, seconds=_left(deadline))
    algorithms.compare(address, offered, ours, legacy=legacy)
    keys = []
    for kind in _kinds(offered, ours):
        sock = dial(address, port, seconds=_left(deadline), forbidden=forbidden)
        transport = negotiate(sock, ours.for_kinds([kind]), legacy=legacy, seconds=_left(deadline))
        keys.append(shown(transport))
        transport.close()
    return keys


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.1)


def _kinds(offered: Algorithms, ours: Algorithms) -> list[str]:
    common = set(offered.keys) & set(ours.keys)
    return [kind for kind in KINDS if common & set(RSA if kind == "ssh-rsa" else (kind,))]


class _Packets(Packetizer):
    """Knows by the clock when a handshake takes too long. paramiko's own starts a thread for that, with each connection."""

    _until: float | None = None

    def start_handshake(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        return self._until is not None and time.monotonic() > self._until

    def complete_handshake(self) -> None:
        self._until = None


def negotiate(sock: socket.socket, ours: Algorithms, *, legacy: bool, seconds: float) -> paramiko.Transport:
    """An encrypted connection with nobody logged in. Raises `paramiko.IncompatiblePeer`, `Unreachable` or `TimedOut`."""
    transport = paramiko.Transport(
        ReadAhead(sock), disabled_algorithms={"pubkeys": [] if legacy else ["ssh-rsa"]}, packetizer_class=_Packets
    )
    options = transport.get_security_options()
    options.kex, options.key_types, options.ciphers, options.digests = ours.kex, ours.keys, ours.ciphers, ours.macs
    transport.banner_timeout = transport.handshake_timeout = seconds
    try:
        transport.start_client(timeout=seconds)
    except paramiko.ssh_exception.IncompatiblePeer:
        transport.close()
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise Unreachable(f"The connection broke during the SSH greeting: {str(error) or 'closed by the other side'}.") from error
    if not transport.initial_kex_done:
        transport.close()
        raise TimedOut(f"The connection was accepted, but SSH was not ready within {seconds:.0f} s. The host may be overloaded.")
    return transport


def shown(transport: paramiko.Transport) -> HostKey:
    """The key that this connection was made with."""
    key = transport.get_remote_server_key()
    return HostKey(key.get_name(), key.get_base64())


def check(host: str, found: HostKey, pinned: Iterable[HostKey]) -> None:
    """Raises `HostKeyChanged` unless the key is one of the pinned ones. Must come before anything is sent."""
    if found not in set(pinned):
        raise HostKeyChanged(
            f"{host} showed a {found.kind} key that is not pinned: {found.fingerprint}. Nothing was sent. "
            "Compare it with the key on the host's own console before anybody pins it."
        )
