"""People, for every room's tests."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest
from django.conf import settings as portal
from django.contrib.auth.models import Group, User
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

PASSWORD = "a-password-for-tests"


def pytest_configure(config: pytest.Config) -> None:
    """Asked to end, a run ends as after Ctrl-C: its fixtures stop the servers and commands that they started."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> None:
    """The real hash takes a third of a second for each person that a test makes."""
    portal.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


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
    """A browser of somebody with roles. Somebody who signed in a moment ago, so the password is fresh."""

    def make(*roles: str) -> Client:
        name = "-".join(roles) or "nobody"
        client = Client()
        client.force_login(User.objects.filter(username=name).first() or person(name, *roles))
        return client

    return make


@pytest.fixture
def viewer(logged_in: Callable[..., Client]) -> Client:
    return logged_in("viewer")


@pytest.fixture
def operator(logged_in: Callable[..., Client]) -> Client:
    return logged_in("operator")


@pytest.fixture
def approver(logged_in: Callable[..., Client]) -> Client:
    return logged_in("approver")


@pytest.fixture
def administrator(logged_in: Callable[..., Client]) -> Client:
    return logged_in("administrator")


@pytest.fixture(autouse=True)
def the_tests_own_transaction_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that streams gives its connection back first. In a test that connection holds all that the test made."""
    close = BaseDatabaseWrapper.close

    def unless_in_use(connection: BaseDatabaseWrapper) -> None:
        if not connection.in_atomic_block:
            close(connection)

    monkeypatch.setattr(BaseDatabaseWrapper, "close", unless_in_use)
