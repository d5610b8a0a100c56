from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from hosts.models import Credential
from opsportal.secrets.store import make_keyring
from tests.hosts.machine import USER, Machine


@pytest.fixture
def credential(db: None) -> Credential:
    """One that opens nothing: for tests that never connect."""
    return Credential.objects.create(
        name="root key", kind=Credential.Kind.KEY, username="root", secret="sealed", public="ssh-ed25519 AAAA portal"
    )


@pytest.fixture
def keys(settings: object, tmp_path: Path) -> Path:
    """A keyring of its own."""
    path = tmp_path / "keys"
    settings.KEY_FILE = path  # type: ignore[attr-defined]
    make_keyring(path)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    started = Machine(tmp_path / "machine").start()
    yield started
    started.crash()


@pytest.fixture
def key(keys: Path, administrator: Client) -> Credential:
    """A key pair that the portal made, as an administrator clicks it."""
    administrator.post(reverse("credential_new"), {"name": "portal key", "username": USER, "way": "make"})
    return Credential.objects.get(name="portal key")
