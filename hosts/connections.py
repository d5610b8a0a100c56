"""From a host's row to an SSH connection: the only place where that happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Prefetch, QuerySet

from hosts import rules, sealing
from hosts.models import Credential, Host, HostDraft, HostKey
from hosts.pinning import Offer
from opsportal.secrets.store import KeyringError
from opsportal.transport import host_keys
from opsportal.transport.base import Transport
from opsportal.transport.errors import AuthenticationFailed, HostKeyUnknown, Unreachable
from opsportal.transport.ssh import Pool, SshTarget

SCAN_SECONDS = 10
_pool = Pool(forbidden=rules.forbidden)


def target_name(host: Host) -> str:
    """What plans and locks call this host."""
    return f"host:{host.pk}"


def connect(rest: str) -> Transport:
    """Opens "host:ID" (given without "host:"). Raises `TransportError`; the message names the host and says what to do."""
    host = with_keys(Host.objects.filter(pk=int(rest))).first() if rest.isascii() and rest.isdigit() else None
    if host is None:
        raise Unreachable(f"There is no host {rest!r} in the inventory any more. Somebody removed it: the audit trail says who.")
    return _pool.get(ssh_target(host))


@contextmanager
def opened(target: SshTarget, *, insist: bool = False) -> Iterator[Transport]:
    """A pooled connection, given back at the end. `insist` when a person asked: the login is tried even if it was refused before."""
    if insist:
        _pool.insist(target)
    transport = _pool.get(target)
    try:
        yield transport
    finally:
        transport.close()


def forget_all() -> None:
    """Ends every connection of this process, also those in use."""
    _pool.close()


def with_keys(hosts: QuerySet[Host]) -> QuerySet[Host]:
    """With what opening needs, in three queries for any number of hosts: most of them share few credentials."""
    pinned = Prefetch("keys", HostKey.objects.filter(retired_at=None), to_attr="pinned_keys")
    return hosts.prefetch_related("credential", pinned)


def ssh_target(host: Host) -> SshTarget:
    """Of a host from `with_keys`. Raises when there is no credential or no pinned key: nothing is tried then."""
    keys: list[HostKey] = host.pinned_keys  # type: ignore[attr-defined] # made by `with_keys`
    if host.credential is None:
        raise AuthenticationFailed(f"{host} has no credential. Choose one on the host's page, under Edit.")
    if not keys:
        raise HostKeyUnknown(f"No key is pinned for {host}, so nothing was sent to it. Read and compare its keys on the host's page.")
    pinned = [(key.kind, key.base64) for key in keys]
    return _target(host.name, host.address, host.port, host.login, host.credential, pinned, legacy=host.legacy)


def draft_target(draft: HostDraft) -> SshTarget:
    """Of a host that is being added, with the keys pinned in its draft."""
    keys = [(key["kind"], key["base64"]) for key in draft.keys] if draft.pinned else []
    if not keys:
        raise HostKeyUnknown("No key is pinned yet, so nothing was sent.")
    return _target(draft.address, draft.address, draft.port, draft.login, draft.credential, keys, legacy=draft.legacy)


def _target(
    name: str, address: str, port: int, user: str, credential: Credential, keys: list[tuple[str, str]], *, legacy: bool
) -> SshTarget:
    try:
        secret = sealing.secret_of(credential)
    except KeyringError as error:
        raise AuthenticationFailed(f"{name} was not tried with {credential}. {error}") from None
    pinned = tuple(host_keys.HostKey(kind, blob) for kind, blob in keys)
    return SshTarget(name, address, port, user, secret, credential.kind == Credential.Kind.KEY, pinned, legacy)


def offers(address: str, port: int, *, legacy: bool) -> list[Offer]:
    """The keys that a machine shows now; nobody logs in. Raises `TransportError`."""
    found = host_keys.read(address, port, legacy=legacy, seconds=SCAN_SECONDS, forbidden=rules.forbidden)
    return [Offer(kind=key.kind, base64=key.base64, fingerprint=key.fingerprint) for key in found]
