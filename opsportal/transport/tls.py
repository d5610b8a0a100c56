"""Certificates that a person compared: reading the one that is served, and what people compare of it."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import socket
import ssl
from collections.abc import Iterator


def fingerprint(der: bytes) -> str:
    """SHA-256 as people compare it: "AB:CD:..."."""
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def fingerprint_of(pem: str) -> str:
    """Raises ValueError for what is no certificate."""
    return fingerprint(ssl.PEM_cert_to_DER_cert(pem.strip()))


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Ends by `TimeoutError` after that time, also where every single byte comes in time. In the main thread only."""

    def over(*_: object) -> None:
        raise TimeoutError(f"no whole answer within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def served(address: str, port: int, seconds: float) -> str:
    """The certificate that is shown, as PEM. Nothing but the handshake is sent, and nothing is believed. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), seconds) as plain, context.wrap_socket(plain, server_hostname=address) as wrapped:
        der = wrapped.getpeercert(binary_form=True)
    if not der:
        raise OSError("no certificate was shown")
    return ssl.DER_cert_to_PEM_cert(der)
