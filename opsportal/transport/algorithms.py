"""Which SSH algorithms the portal uses, and what a host offers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import BinaryIO

from opsportal.transport.errors import NoCommonAlgorithm, TimedOut, Unreachable

RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Kinds of host keys, the best first. A key of the kind ssh-rsa can sign with each algorithm of `RSA`."""

_KEXINIT = 20
_LARGEST_PACKET = 35_000
_HELLO = b"SSH-2.0-opsportal\r\n"


@dataclass(frozen=True)
class Algorithms:
    """Names in order of preference; `keys` are the signature algorithms of host keys."""

    kex: tuple[str, ...]
    keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]

    def for_kinds(self, kinds: Iterable[str]) -> Algorithms:
        """Only those that a host key of one of these kinds can sign with."""
        wanted = {name for kind in kinds for name in (RSA if kind == "ssh-rsa" else (kind,))}
        return replace(self, keys=tuple(name for name in self.keys if name in wanted))


MODERN = Algorithms(
    kex=(
        "ecdh-sha2-nistp256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256",
    ),
    keys=("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"),
    ciphers=("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"),
    macs=("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"),
)  # fmt: skip
"""No SHA-1, no MD5, no CBC. Where a host has both, GCM comes before CTR: it is the fastest here. P-256 comes before Curve25519, as strong
as each other, because OpenSSH computes the latter in portable C: 3.5 ms of the host's processor for each connection against next to none.
"""

LEGACY = Algorithms(
    kex=(*MODERN.kex, "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"),
    keys=(*MODERN.keys, "ssh-rsa"),
    ciphers=(*MODERN.ciphers, "aes128-cbc", "aes192-cbc", "aes256-cbc"),
    macs=("hmac-sha2-256", "hmac-sha2-512", "hmac-sha1"),
)
"""For hosts that a person marked. No encrypt-then-MAC: with CBC it is what the Terrapin attack (CVE-2023-48795) needs."""


def allowed(*, legacy: bool) -> Algorithms:
    return LEGACY if legacy else MODERN


_NAMES = {"kex": "key exchange", "keys": "host keys", "ciphers": "encryption", "macs": "integrity"}


def compare(host: str, offered: Algorithms, ours: Algorithms, *, legacy: bool) -> None:
    """Raises `NoCommonAlgorithm`, which names what the host offers, unless each list has a name in common."""
    for field in fields(Algorithms):
        theirs, wanted = getattr(offered, field.name), getattr(ours, field.name)
        if set(theirs) & set(wanted):
            continue
        helps = not legacy and set(theirs) & set(getattr(LEGACY, field.name))
        advice = (
            "The portal uses these only with a host that is marked as legacy."
            if helps
            else "The portal uses none of these with any host: a newer sshd is needed there."
        )
        raise NoCommonAlgorithm(f"{host} offers for {_NAMES[field.name]} only {', '.join(theirs)[:150] or 'nothing'}. {advice}")


def read_offer(sock: socket.socket, *, seconds: float) -> Algorithms:
    """What the host offers, from the first packet it sends. It closes the socket; nobody is logged in.

    Raises `Unreachable` or `TimedOut`.
    """
    deadline = time.monotonic() + seconds
    try:
        with sock, sock.makefile("rb") as stream:
            sock.settimeout(seconds)
            sock.sendall(_HELLO)
            _skip_greeting(stream, deadline)
            return _parse(_packet(stream))
    except TimeoutError:
        raise TimedOut(f"The connection was accepted, but no SSH greeting came within {seconds:.0f} s.") from None
    except OSError as error:
        raise Unreachable(f"The connection broke during the SSH greeting: {error.strerror or error}.") from error


def _skip_greeting(stream: BinaryIO, deadline: float) -> None:
    """RFC 4253, 4.2: lines may come before the one that begins with SSH-."""
    for _ in range(50):
        line = stream.readline(8192)
        if line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            return
        if not line or time.monotonic() > deadline:
            break
    raise Unreachable("What answers there is no SSH server of version 2. Check the port.")


def _packet(stream: BinaryIO) -> bytes:
    """The payload of one packet before encryption: length, length of padding, payload, padding (RFC 4253, 6)."""
    head = stream.read(5)
    length = int.from_bytes(head[:4], "big")
    if len(head) < 5 or not 2 <= length <= _LARGEST_PACKET:
        raise Unreachable("The SSH server broke the connection off, or sent something that is not SSH. Look into its log.")
    payload = stream.read(length - 1)[: length - 1 - head[4]]
    if payload[:1] != bytes([_KEXINIT]):
        raise Unreachable("The SSH server did not begin with a list of its algorithms. Look into its log.")
    return payload


def _parse(payload: bytes) -> Algorithms:
    """SSH_MSG_KEXINIT (RFC 4253, 7.1): a cookie of 16 bytes, then lists of names separated by commas."""
    lists, at = [], 17
    for _ in range(6):
        length = int.from_bytes(payload[at : at + 4], "big")
        lists.append(tuple(payload[at + 4 : at + 4 + length].decode("ascii", "replace").split(",")))
        at += 4 + length
    kex, keys, ciphers, _, macs, _ = lists
    return Algorithms(kex, keys, ciphers, macs)
