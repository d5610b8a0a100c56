"""A whole portal for tests in a browser: web, worker, beat and Redis as processes, and people who are logged in.

`live` is the portal: `.url`, `.stack`, `.person(name, *roles)`, `.log_in(page, user)`. In a test that uses it this process's Django has
the portal's database, keys and broker, so that a test makes what it needs with the same functions as the portal.
`page_as(*roles)` is a page of a person of its own. Every such page fails its test on a script error, a violation of the
CSP, or a script or style sheet that did not come.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request
from pytest_django.fixtures import Settings
from pytest_django.plugin import DjangoDbBlocker

from tests.chaos.stack import Stack

# Playwright's own event loop runs in this thread while a test asks the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

CHROMIUM = "/usr/bin/chromium-headless-shell"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
PASSWORD = "correct horse battery"
PageAs = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium these tests are skipped by name; in CI they fail, each of them."""
    if Path(CHROMIUM).exists() or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=f"NO BROWSER: {CHROMIUM} is missing, so {item.name} proved nothing. Install chromium."))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing: install chromium.")
    return {"executable_path": CHROMIUM, "args": [*FLAGS, *QUIET]}


@pytest.fixture(scope="session")
def portal_environment() -> dict[str, str]:
    """Settings of the portal's processes. A module that needs others overrides this and `portal_stack`."""
    return {"OPSPORTAL_RUNBOOKS": "tests.operations.books.Ledger,tests.operations.books.Dangerous"}


@pytest.fixture(scope="session")
def portal_stack(portal_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The processes, started once."""
    stack = Stack(tmp_path_factory.mktemp("portal") / "state", **portal_environment)
    try:
        stack.start()
        stack.start_web()
        yield stack
    finally:
        stack.stop()


@dataclass
class Live:
    """The running portal, from a test's side."""

    stack: Stack

    @property
    def url(self) -> str:
        return self.stack.url()

    def person(self, name: str = "", *roles: str, password: str = "") -> Any:
        """A user in the groups of these roles; a password is only needed by who types one (`PASSWORD` will do)."""
        from django.contrib.auth.models import Group, User

        user = User.objects.create_user(name or f"person-{secrets.token_hex(4)}", password=password or None)
        user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
        return user

    def session(self, user: Any) -> str:
        """The key of a session as after the login form."""
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.sessions.backends.db import SessionStore

        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        return str(session.session_key)

    def log_in(self, context: BrowserContext | Page, user: Any) -> str:
        """The same for a browser; returns the key."""
        from django.conf import settings

        key = self.session(user)
        cookies = context.context if isinstance(context, Page) else context
        cookies.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": self.url}])
        return key


@pytest.fixture
def live(portal_stack: Stack, settings: Settings, django_db_blocker: DjangoDbBlocker) -> Iterator[Live]:
    with joined(portal_stack, settings, django_db_blocker):
        yield Live(portal_stack)


@contextmanager
def joined(stack: Stack, settings: Settings, blocker: DjangoDbBlocker) -> Iterator[None]:
    """This process's Django uses the stack's database, keys and broker, and its own again afterwards."""
    from django.db import connections

    from opsportal.operations import registry

    settings.STATE_DIR, settings.KEY_FILE = stack.state, stack.state / "keys"
    settings.SECRET_KEY, settings.REDIS_URL = stack.env["SECRET_KEY"], stack.env["REDIS_URL"]
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # the portal's processes have to understand what is stored here
    settings.RUNBOOKS = [*settings.RUNBOOKS, *filter(None, stack.env.get("OPSPORTAL_RUNBOOKS", "").split(","))]
    registry.runbooks.cache_clear()
    before = connections["default"]
    ours = deepcopy(before.settings_dict) | {"NAME": str(stack.state / "portal.sqlite3")}
    with blocker.unblock(), sending_to(f"redis+socket://{stack.state}/redis.sock"):
        connections["default"] = type(before)(ours, "default")
        try:
            yield
        finally:
            connections["default"].close()
            connections["default"] = before
            registry.runbooks.cache_clear()


@contextmanager
def sending_to(broker: str) -> Iterator[None]:
    """Tasks of this process go to another broker."""
    from opsportal.celery import app

    before = app.conf.broker_url
    app.conf.broker_url = broker
    app.close()
    try:
        yield
    finally:
        app.conf.broker_url = before
        app.close()


WRONG = ("CSP VIOLATION", "Content Security Policy", "htmx:oobErrorNoTarget", "htmx:targetError", "htmx:evalDisallowedError")
"""What no page may say on the console."""

VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP VIOLATION ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@pytest.fixture
def page_as(live: Live, new_context: Callable[..., BrowserContext]) -> Iterator[PageAs]:
    """`page_as("operator", viewport={"width": 390, "height": 844}, color_scheme="dark")`: a page of a new person with these roles."""
    wrong: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if any(word in message.text for word in WRONG):
            wrong.append(message.text)

    def lost(request: Request) -> None:
        if "/static/" in request.url and request.failure != "net::ERR_ABORTED":  # who leaves a page asks for nothing more
            wrong.append(f"{request.url} did not come: {request.failure}")

    def opened(*roles: str, user: Any = None, **options: Any) -> Page:
        context = new_context(base_url=live.url, **options)
        context.add_init_script(VIOLATIONS)
        live.log_in(context, user or live.person("", *(roles or ("viewer",))))
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        page.on("console", said)
        page.on("requestfailed", lost)
        return page

    yield opened
    assert not wrong, wrong
