from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from hosts.models import Credential

PASSWORD = "a-password-for-tests"


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Makes somebody with roles."""

    def make(name: str, *roles: str) -> User:
        user = User.objects.create_user(name, password=PASSWORD)
        user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
        return user

    return make


@pytest.fixture
def logged_in(person: Callable[..., User]) -> Callable[..., Client]:
    """A browser of somebody with roles."""

    def make(*roles: str) -> Client:
        name = "-".join(roles) or "nobody"
        client = Client()
        client.force_login(User.objects.filter(username=name).first() or person(name, *roles))
        return client

    return make


@pytest.fixture
def operator(logged_in: Callable[..., Client]) -> Client:
    return logged_in("operator")


@pytest.fixture
def administrator(logged_in: Callable[..., Client]) -> Client:
    return logged_in("administrator")


@pytest.fixture
def credential(db: None) -> Credential:
    """One that opens nothing: for tests that never connect."""
    return Credential.objects.create(
        name="root key", kind=Credential.Kind.KEY, username="root", secret="sealed", public="ssh-ed25519 AAAA portal"
    )
