"""A portal with its processes and a browser, for figures that are taken from the outside."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.chaos.stack import Stack, portal, wait_for

CHROMIUM = "/usr/bin/chromium-headless-shell"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@dataclass
class Stage:
    """`browser` is a headless Chromium; each page is a person of its own."""

    stack: Stack
    browser: Browser

    def person(self, *roles: str) -> Any:
        from django.contrib.auth.models import Group, User

        user = User.objects.create_user(f"person-{secrets.token_hex(4)}")
        user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
        return user

    def session(self, user: Any) -> str:
        """The key of a session as after the login form."""
        from django.contrib.sessions.backends.db import SessionStore

        session = SessionStore()
        session["_auth_user_id"], session["_auth_user_hash"] = str(user.pk), user.get_session_auth_hash()
        session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
        session.create()
        return str(session.session_key)

    def page(self, user: Any) -> Page:
        context = self.browser.new_context(base_url=self.stack.url(), viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": self.session(user), "url": self.stack.url()}])
        return context.new_page()

    def draft(self, user: Any, program: str, *arguments: str) -> Any:
        """An operation that will print, planned by the worker."""
        from opsportal.operations import planning

        def planned() -> bool:
            operation.refresh_from_db()
            return not operation.planning

        params = {"program": program, "arguments": arguments}
        operation = planning.create("bench.printing", user=user, token=secrets.token_hex(8), params=params)
        wait_for(planned, f"the plan of operation {operation.pk}")
        return operation

    def submitted(self, user: Any, program: str, *arguments: str) -> Any:
        from opsportal.operations import approval

        operation = self.draft(user, program, *arguments)
        approval.submit(operation, user=user)
        return operation

    def running(self, operation: Any) -> None:
        """Its first step has begun: from here on its page stays as it is."""
        wait_for(lambda: operation.steps.filter(state="running").exists(), f"the start of operation {operation.pk}")

    def ended(self, operation: Any, seconds: float = 120) -> None:
        def over() -> bool:
            operation.refresh_from_db()
            return bool(operation.final)

        wait_for(over, f"the end of operation {operation.pk}", seconds)
        assert operation.state == "succeeded", operation.outcome


@contextmanager
def stage(**environment: str) -> Iterator[Stage]:
    # Playwright's event loop runs in this thread while the database is asked.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with (
        tempfile.TemporaryDirectory(prefix="bench", ignore_cleanup_errors=True) as folder,
        portal(Path(folder) / "state", **{"OPSPORTAL_RUNBOOKS": "tests.bench.printing.Printing", **environment}) as stack,
        sync_playwright() as playwright,
    ):
        stack.start_web()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield Stage(stack, browser)
        finally:
            browser.close()
