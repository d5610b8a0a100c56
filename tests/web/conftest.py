"""Pages in a browser, served from this process: for what needs no worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from opsportal.operations import registry
from tests.browser.conftest import CHROMIUM, FLAGS, QUIET, VIOLATIONS

Opened = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    if not Path(CHROMIUM).exists() and os.environ.get("CI") != "true":
        pytest.skip(f"NO BROWSER: {CHROMIUM} is missing. Install chromium.")
    return {"executable_path": CHROMIUM, "args": [*FLAGS, *QUIET]}


@pytest.fixture
def one_runbook(settings: Any) -> Iterator[None]:
    settings.RUNBOOKS = ["tests.operations.books.Ledger"]
    registry.runbooks.cache_clear()
    yield
    registry.runbooks.cache_clear()


@pytest.fixture
def opened(
    live_server: LiveServer, new_context: Callable[..., BrowserContext], person: Callable[..., User], one_runbook: None
) -> Iterator[Opened]:
    """`opened("/hosts/", "operator", color_scheme="dark")`: that page as somebody with these roles; as a stranger without roles.

    A script error or a violation of the Content-Security-Policy fails the test.
    """
    wrong: list[str] = []

    def opened_page(url: str, *roles: str, **options: Any) -> Page:
        context = new_context(base_url=live_server.url, **options)
        context.add_init_script(VIOLATIONS)
        if roles:
            sign_in(context, live_server.url, User.objects.filter(username="-".join(roles)).first() or person("-".join(roles), *roles))
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text or "CSP" in said.text else None)
        page.goto(url)
        return page

    yield opened_page
    assert not wrong, wrong


def sign_in(context: BrowserContext, url: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    name = portal.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])
