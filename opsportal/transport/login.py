"""Logging in to a host over SSH: its key is judged before anything is sent."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
import time
from dataclasses import dataclass, field
from functools import lru_cache

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from opsportal.secrets.value import Secret
from opsportal.transport import algorithms, host_keys
from opsportal.transport.algorithms import RSA
from opsportal.transport.errors import AuthenticationFailed, HostKeyChanged, HostKeyUnknown, TimedOut, TransportError, Unreachable
from opsportal.transport.host_keys import HostKey
from opsportal.transport.sockets import Forbidden, dial

# Whatever paramiko would log, with tracebacks, is raised here with a sentence that helps.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

DIAL_SECONDS = 10.0
GREETING_SECONDS = 15.0
LOGIN_SECONDS = 20.0
KEEPALIVE_SECONDS = 15
LOOK_SECONDS = 5.0
"""Each connection's thread wakes so often to see whether it was closed or has to say that it is alive. paramiko's own tenth of a second
is for logging in: with 300 kept connections the interpreter would be taken 3,000 times a second for nothing."""

_ONLY_SHA1 = {"pubkeys": ["rsa-sha2-512", "rsa-sha2-256"]}
_OLD_OPENSSH = re.compile(r"OpenSSH_([1-6]\.|7\.[01])")
"""Before 7.2 an RSA key can only sign with SHA-1, and the server does not say so."""


@dataclass(frozen=True)
class SshTarget:
    """Where and as whom. Equal targets share a connection; a new secret or other pinned keys make another target.

    `secret` is a password, or with `is_key` a private key in OpenSSH's format without a passphrase. `name` is for messages.
    """

    name: str = field(compare=False)
    address: str
    port: int
    user: str
    secret: Secret
    is_key: bool
    pinned: tuple[HostKey, ...]
    legacy: bool = False


def log_in(target: SshTarget, forbidden: Forbidden, deadline: float) -> paramiko.Transport:
    """A new connection, logged in by `deadline` (of `time.monotonic`). The host's key is judged before anything is sent.

    Raises `TransportError`.
    """
    if not target.pinned:
        raise HostKeyUnknown(f"No key is pinned for {target.name}, so nothing was sent to it. Read its keys and compare them first.")
    ours = algorithms.allowed(legacy=target.legacy).for_kinds(key.kind for key in target.pinned)
    sock = dial(target.address, target.port, seconds=_left(deadline, DIAL_SECONDS), forbidden=forbidden)
    try:
        transport = host_keys.negotiate(sock, ours, legacy=target.legacy, seconds=_left(deadline, GREETING_SECONDS))
    except paramiko.ssh_exception.IncompatiblePeer:
        raise _disagreement(target, forbidden) from None
    try:
        host_keys.check(target.name, host_keys.shown(transport), target.pinned)
        _authenticate(transport, target, _left(deadline, LOGIN_SECONDS))
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEPALIVE_SECONDS)
    transport.sock.settimeout(LOOK_SECONDS)
    return transport


def end(transport: paramiko.Transport) -> None:
    """Closes a connection. Its thread waits for the socket, and only a shutdown wakes it."""
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()


def _disagreement(target: SshTarget, forbidden: Forbidden) -> TransportError:
    """Asks once more, only for the lists, and says what is missing: an algorithm, or every kind of key that is pinned."""
    ours = algorithms.allowed(legacy=target.legacy)
    offered = algorithms.read_offer(dial(target.address, target.port, seconds=DIAL_SECONDS, forbidden=forbidden), seconds=GREETING_SECONDS)
    kinds = {key.kind for key in target.pinned}
    names = kinds | (set(RSA) if "ssh-rsa" in kinds else set())
    if not names & set(offered.keys) and set(offered.keys) & set(ours.keys):
        shows = ", ".join(offered.keys)[:120]
        pinned = " or ".join(sorted(kinds))
        return HostKeyChanged(f"{target.name} has no {pinned} key any more, which is pinned, only {shows}. Nothing was sent.")
    try:
        algorithms.compare(target.name, offered, ours.for_kinds(kinds), legacy=target.legacy)
    except TransportError as error:
        return error
    return Unreachable(f"{target.name} first offered other algorithms than a moment later. Several machines may share its address.")


def _left(deadline: float, most: float) -> float:
    return max(min(deadline - time.monotonic(), most), 0.1)


def _authenticate(transport: paramiko.Transport, target: SshTarget, seconds: float) -> None:
    """With this one credential: no agent, no key of the portal's own account."""
    transport.auth_timeout = seconds
    try:
        more = _by_key(transport, target) if target.is_key else transport.auth_password(target.user, target.secret.reveal())
    except paramiko.SSHException as error:
        raise _refusal(transport, target, error) from None
    except (EOFError, OSError) as error:
        raise Unreachable(f"The connection to {target.name} broke during the login.") from error
    if more:
        raise AuthenticationFailed(f"{target.name} wants a second proof from {target.user}: {', '.join(more)}. The portal has only one.")


def _by_key(transport: paramiko.Transport, target: SshTarget) -> list[str]:
    """With a legacy host an RSA key signs with SHA-1 where it must: at once if the version says so, else after a refusal."""
    key = private_key(target.secret)
    sha1 = target.legacy and key.get_name() == "ssh-rsa"
    if sha1 and _OLD_OPENSSH.search(transport.remote_version):
        transport.disabled_algorithms = _ONLY_SHA1
    try:
        return transport.auth_publickey(target.user, key)
    except paramiko.AuthenticationException:
        if not sha1 or transport.disabled_algorithms == _ONLY_SHA1 or not transport.is_active():
            raise
        transport.disabled_algorithms = _ONLY_SHA1
        return transport.auth_publickey(target.user, key)


def _refusal(transport: paramiko.Transport, target: SshTarget, error: paramiko.SSHException) -> TransportError:
    what = "the key" if target.is_key else "the password"
    if isinstance(error, paramiko.BadAuthenticationType):
        return AuthenticationFailed(f"{target.name} does not let {target.user} in by {what}; it accepts {', '.join(error.allowed_types)}.")
    if "timeout" in str(error).lower():
        return TimedOut(
            f"{target.name} did not answer the login within {transport.auth_timeout:.0f} s. Its directory service or DNS may hang."
        )
    if not transport.is_active():
        return Unreachable(
            f"{target.name} closed the connection during the login: the account may be locked, or sshd was restarted. Its log says which."
        )
    return AuthenticationFailed(f"{target.name} refused {what} of {target.user}. Is it in place there? The host's own log says why.")


_KEY_CLASSES: tuple[tuple[type, type[paramiko.PKey]], ...] = (
    (Ed25519PrivateKey, paramiko.Ed25519Key),
    (RSAPrivateKey, paramiko.RSAKey),
    (EllipticCurvePrivateKey, paramiko.ECDSAKey),
)


@lru_cache(maxsize=256)
def private_key(secret: Secret) -> paramiko.PKey:
    """From OpenSSH's format, as `opsportal.secrets.ssh_keys` writes it. paramiko has to be told which kind it is.

    Kept, because checking an RSA key takes a tenth of a second and more, and hundreds of hosts have the same one.
    """
    try:
        kind = type(load_ssh_private_key(secret.reveal().encode(), None))
        found = next(ours for theirs, ours in _KEY_CLASSES if issubclass(kind, theirs))
        return found.from_private_key(io.StringIO(secret.reveal()))
    except (ValueError, TypeError, UnsupportedAlgorithm, StopIteration, paramiko.SSHException):
        raise AuthenticationFailed("The stored private key cannot be used. Store it again under Credentials.") from None
