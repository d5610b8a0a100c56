"""Putting secrets away and taking them out again: the only module that sees both a credential and the keyring."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from hosts.models import CloudApi, Credential
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.secrets import ssh_keys, store
from opsportal.secrets.store import Keyring, KeyringError
from opsportal.secrets.value import Secret


@transaction.atomic
def put(
    credential: Credential, *, user: User, action: str, way: str, algorithm: str, private_key: str, passphrase: str, password: str
) -> None:
    """Gives a credential, new or old, a secret: made here, pasted, or a password. `action` is what the audit trail calls it.

    Raises `ssh_keys.BadKey` for a pasted text that is no usable key, and `Refused` when the portal's own keys are not in order.
    """
    ring = _ring()
    secret = _take(credential, way, algorithm, private_key, Secret(passphrase), Secret(password))
    credential.rotated_at, credential.rotated_by = timezone.now(), user
    if credential.pk is None:
        credential.secret = ""
        credential.save()  # the number is part of what is sealed
    credential.secret = ring.seal(secret, _context(credential))
    credential.save(update_fields=["kind", "public", "fingerprint", "secret", "rotated_at", "rotated_by"])
    detail: dict[str, Any] = {"kind": credential.kind, "user": credential.username, "fingerprint": credential.fingerprint}
    audit.record(user, action, subject=credential.name, detail=detail)


def _take(credential: Credential, way: str, algorithm: str, private_key: str, passphrase: Secret, password: Secret) -> Secret:
    """The secret; what everybody may see of it goes into the credential's own fields."""
    if way == "password":
        credential.kind, credential.public, credential.fingerprint = Credential.Kind.PASSWORD, "", ""
        return password
    pair = ssh_keys.read(private_key, passphrase) if way == "paste" else ssh_keys.generate(algorithm or ssh_keys.ALGORITHMS[0])
    credential.kind, credential.public, credential.fingerprint = Credential.Kind.KEY, pair.public, pair.fingerprint
    return pair.private


def secret_of(credential: Credential) -> Secret:
    """Raises `KeyringError`."""
    path = Path(settings.KEY_FILE)
    written = path.stat().st_mtime_ns if path.exists() else 0
    return _opened(path, written, credential.secret, _context(credential))


@lru_cache(maxsize=256)
def _opened(path: Path, _written: int, sealed: str, context: str) -> Secret:
    """Once for many hosts with the same credential, until the key file changes."""
    return store.read_keyring(path).open(sealed, context)


def named(rest: str) -> Secret:
    """Opens "credential:ID" (given without "credential:") for a step that writes it to a host. Raises `KeyringError`."""
    credential = Credential.objects.filter(pk=int(rest)).first() if rest.isascii() and rest.isdigit() else None
    if credential is None:
        raise KeyringError("The credential was removed: choose another one in a new plan.")
    return secret_of(credential)


def seal_api(api: CloudApi, secret: Secret) -> None:
    """Gives the connection to a CloudStack, which is stored already, its secret key; saves that. Raises `Refused`."""
    api.secret = _ring().seal(secret, api_context(api))
    api.save(update_fields=["secret"])


def api_secret(api: CloudApi) -> Secret:
    """Raises `KeyringError`."""
    return store.read_keyring(settings.KEY_FILE).open(api.secret, api_context(api))


def api_context(api: CloudApi) -> str:
    return f"cloudapi:{api.pk}"


@transaction.atomic
def seal_all_again() -> int:
    """Seals every secret with the first key of the key file, and says how many. Raises `KeyringError`, and then changes nothing."""
    ring = store.read_keyring(settings.KEY_FILE)
    credentials, apis = list(Credential.objects.select_for_update()), list(CloudApi.objects.select_for_update(of=("self",)))
    for credential in credentials:
        sealed = _again(ring, credential.secret, _context(credential), credential.name)
        Credential.objects.filter(pk=credential.pk).update(secret=sealed)
    for api in apis:
        CloudApi.objects.filter(pk=api.pk).update(secret=_again(ring, api.secret, api_context(api), str(api)))
    return len(credentials) + len(apis)


def _again(ring: Keyring, sealed: str, context: str, called: str) -> str:
    try:
        return ring.seal(ring.open(sealed, context), context)
    except KeyringError as error:
        raise KeyringError(f"{called}: {error}") from None


def _ring() -> Keyring:
    try:
        return store.read_keyring(settings.KEY_FILE)
    except KeyringError as error:
        raise Refused(f"The secret was not stored. {error}") from None


def _context(credential: Credential) -> str:
    return f"credential:{credential.pk}"
