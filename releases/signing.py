"""Keys that repositories are signed with: made here or pasted, sealed, and handed to a step that signs."""

from __future__ import annotations

import base64
import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.secrets import store
from opsportal.secrets.store import KeyringError
from opsportal.secrets.value import Secret
from releases.models import Repository

ALGORITHM = "rsa4096"
"""What the rpm and apt of every release that CloudStack ran on can verify; those of CentOS 7 know no Ed25519."""

YEARS = 10
SECONDS = 60
LARGEST = 64 * 1024


@dataclass(frozen=True)
class Pair:
    public: str
    private: Secret
    fingerprint: str
    expires_at: datetime | None


class BadKey(Exception):
    """The text is no key that repositories can be signed with. The message says why."""


class _Gpg:
    """GnuPG with a home of its own, which is gone afterwards, and so is its agent."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *argv: str, given: str = "") -> str:
        words = ["gpg", "--homedir", str(self.home), "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", *argv]
        try:
            done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BadKey(f"gpg could not be run: {error}. Install gnupg on the portal's machine.") from None
        if done.returncode:
            raise BadKey(f"gpg refused it: {(done.stderr.strip().splitlines() or ['no reason given'])[-1][:300]}")
        return done.stdout


@contextmanager
def _gpg() -> Iterator[_Gpg]:
    """The folder has a short name: a socket's path has at most 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="gpg") as folder:
        try:
            yield _Gpg(Path(folder))
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], capture_output=True, check=False, timeout=SECONDS)


def make(called: str) -> Pair:
    """A new pair. `called` becomes the name in it."""
    with _gpg() as gpg:
        gpg.run("--quick-generate-key", called, ALGORITHM, "sign", f"{YEARS}y")
        return _pair(gpg)


def read(armoured: str) -> Pair:
    """A pasted private key, without a passphrase: the portal's keyring protects it. Raises `BadKey`."""
    if len(armoured) > LARGEST or "BEGIN PGP PRIVATE KEY BLOCK" not in armoured:
        raise BadKey("Paste the private key as gpg --export-secret-keys --armor KEY prints it, whole.")
    with _gpg() as gpg:
        gpg.run("--import", given=armoured)
        pair = _pair(gpg)
        try:
            gpg.run("--detach-sign", "--output", "-", "--armor", given="tried")
        except BadKey as error:
            raise BadKey(f"Nothing can be signed with this key: {error} Remove its passphrase first, and export the whole key.") from None
        return pair


def _pair(gpg: _Gpg) -> Pair:
    """Raises `BadKey` unless there is exactly one."""
    lines = [line.split(":") for line in gpg.run("--list-secret-keys", "--with-colons").splitlines()]
    keys = [line for line in lines if line[0] == "sec"]
    if len(keys) != 1:
        raise BadKey(f"The text has {len(keys) or 'no'} private keys. Give exactly one.")
    fingerprint = next(line[9] for line in lines if line[0] == "fpr")
    until = datetime.fromtimestamp(int(keys[0][6]), UTC) if keys[0][6].isdigit() else None
    if until and until <= datetime.now(UTC):
        raise BadKey(f"This key expired on {until:%Y-%m-%d}. Extend it, or give another one.")
    public = gpg.run("--armor", "--export", fingerprint)
    return Pair(public, Secret(gpg.run("--armor", "--export-secret-keys", fingerprint)), fingerprint, until)


@transaction.atomic
def give(repository: Repository, pair: Pair, user: User) -> None:
    """What is published next is signed with it. Raises `Refused` when the portal's own keys are not in order."""
    try:
        sealed = store.read_keyring(settings.KEY_FILE).seal(pair.private, _context(repository))
    except KeyringError as error:
        raise Refused(f"The key was not stored. {error}") from None
    repository.public, repository.fingerprint, repository.expires_at = pair.public, pair.fingerprint, pair.expires_at
    repository.secret = sealed
    repository.save(update_fields=["public", "fingerprint", "expires_at", "secret"])
    audit.record(user, "repository.key", subject=repository.name, detail={"fingerprint": pair.fingerprint}, alarming=True)


def named(rest: str) -> Secret:
    """Opens "repository:ID" (given without "repository:") for the step that signs: in Base64, as a step's secret has one line.

    Raises `KeyringError`.
    """
    repository = Repository.objects.filter(pk=int(rest)).first() if rest.isascii() and rest.isdigit() else None
    if repository is None or not repository.secret:
        raise KeyringError("The repository or its key was removed: make a new plan.")
    armoured = store.read_keyring(settings.KEY_FILE).open(repository.secret, _context(repository)).reveal()
    return Secret(base64.b64encode(armoured.encode()).decode())


@transaction.atomic
def seal_all_again() -> int:
    """Seals every key with the first key of the key file. Raises `KeyringError`, and then changes nothing."""
    ring, rows = store.read_keyring(settings.KEY_FILE), list(Repository.objects.select_for_update().exclude(secret=""))
    for row in rows:
        Repository.objects.filter(pk=row.pk).update(secret=ring.seal(ring.open(row.secret, _context(row)), _context(row)))
    return len(rows)


def _context(repository: Repository) -> str:
    return f"repository:{repository.pk}"


def new_password() -> str:
    """For servers: typed into a file once, so letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", secrets.token_urlsafe(36))[:32]
