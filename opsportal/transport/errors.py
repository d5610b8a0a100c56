"""Why a target could not be used. Each says what happened, why, and what to do."""

from __future__ import annotations


class TransportError(Exception):
    """Base of everything a transport raises. `ident` is stable and safe to search for."""

    ident = "transport"


class Unreachable(TransportError):
    """No connection: refused, no route, name unknown, or cut in the middle."""

    ident = "transport:unreachable"


class TimedOut(TransportError):
    """The target took longer than the deadline. Whether the command had an effect is not known."""

    ident = "transport:timeout"


class AddressForbidden(TransportError):
    """The name leads to an address that no host may have. Nothing was sent."""

    ident = "transport:address"


class AuthenticationFailed(TransportError):
    """The target refused our credential."""

    ident = "transport:authentication"


class HostKeyUnknown(TransportError):
    """No key is pinned for this host: a person must compare and accept its fingerprint first."""

    ident = "transport:host-key-unknown"


class HostKeyChanged(TransportError):
    """The host showed another key than the pinned one. Nothing was sent."""

    ident = "transport:host-key-changed"


class NoCommonAlgorithm(TransportError):
    """Host and portal share no allowed algorithm; the message names what the host offers."""

    ident = "transport:algorithms"


class NoExitStatus(TransportError):
    """The channel closed without an exit status: whether the command had its effect is not known."""

    ident = "transport:no-exit-status"
