"""The connection to a cloud as a file of the portal's own machine, for commands that run there.

The secret key in it is sealed: the file is of no use without the portal's key file, which the command reads at the same moment. So it
can stay, and a step that is tried again after a crash, or a way back a day later, signs with what counts then.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from opsportal.cloudstack.client import Endpoint
from opsportal.cloudstack.errors import Refused
from opsportal.secrets.store import KeyringError, read_keyring
from opsportal.secrets.value import Secret


@dataclass(frozen=True)
class Kept:
    """`sealed` is the secret key under `context`, as the keyring writes it."""

    url: str
    api_key: str
    pem: str
    sealed: str
    context: str

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.url, self.api_key, self.pem)


KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)


def write(path: Path, kept: Kept) -> None:
    """Old or new, whole, and for the portal alone. Leaves a file alone that says the same already."""
    text = json.dumps(asdict(kept))
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> Kept:
    try:
        return KEPT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise Refused(
            "The portal has no connection to this cloud any more. Somebody removed it, or the portal's state directory is another one. "
            "Save the connection on the page of the cloud once more; nothing was sent."
        ) from None


def secret_of(kept: Kept, keys: Path) -> Secret:
    try:
        return read_keyring(keys).open(kept.sealed, kept.context)
    except KeyringError as error:
        raise Refused(f"The secret key was not opened, and nothing was sent. {error}") from None
