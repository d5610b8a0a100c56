"""The keyring: encrypts secrets at rest with the keys of one file."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from opsportal.secrets.value import Secret


class KeyringError(Exception):
    """The key file or something sealed with it cannot be used. The message says what to do."""


class Keyring:
    """Seals with its first key, opens with any. What is sealed is bound to a context, and opens under no other."""

    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secret: Secret, context: str) -> str:
        """`context` names the place of the value ("credential:7"), so that moving it to another row is noticed."""
        text = json.dumps([context, secret.reveal()])
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str, context: str) -> Secret:
        """Raises `KeyringError`."""
        try:
            bound, value = json.loads(self._fernet.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            raise KeyringError(
                "The stored secret cannot be decrypted: its key is not in the key file, or the row was damaged. "
                "Bring the key file of this database back, or store the secret again."
            ) from None
        if bound != context:
            raise KeyringError("The stored secret belongs to another record: somebody swapped rows. Store the secret again.")
        return Secret(value)


def read_keyring(path: Path) -> Keyring:
    """Read anew at each use, so that a rotation counts in every process at once. Raises `KeyringError`."""
    return Keyring(_read_keys(path))


def _read_keys(path: Path) -> list[str]:
    try:
        with path.open() as file:
            mode = os.fstat(file.fileno()).st_mode
            keys = file.read().split()
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be read: {error.strerror}. `manage.py make_key` makes one.") from None
    if mode & 0o077:
        raise KeyringError(f"The key file {path} can be read by others. Its owner alone may: chmod 600 {path}")
    try:
        Keyring(keys)
    except ValueError:
        raise KeyringError(f"The key file {path} is damaged: it must have one key of 44 letters on each line.") from None
    return keys


def make_keyring(path: Path) -> None:
    """A new key file with one key. Raises `FileExistsError`: what is there is never overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, [Fernet.generate_key().decode()], os.O_EXCL)


def add_key(path: Path) -> None:
    """Puts a new key before the others. Raises `KeyringError`."""
    _replace(path, [Fernet.generate_key().decode(), *_read_keys(path)])


def keep_first_key(path: Path) -> int:
    """Forgets all keys but the first, and says how many. What they sealed can never be opened again."""
    first, *others = _read_keys(path)
    _replace(path, [first])
    return len(others)


def _replace(path: Path, keys: list[str]) -> None:
    """Old or new, whole: a crash in between leaves the file as it was."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(partial, keys, os.O_EXCL)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _write(path: Path, keys: list[str], flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
