"""What tests of the pages share: filling in the wizard as a browser does."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse

from opsportal.operations import planning
from opsportal.operations.models import Operation

HTMX = {"HX-Request": "true"}


def user_of(client: Client) -> User:
    return User.objects.get(pk=client.session["_auth_user_id"])


def start(client: Client, book: str = "tests.ledger", query: str = "") -> Operation:
    """Presses the start button as the page has it."""
    url = reverse("runbook_start", args=[book]) + query
    token = re.search(r'name="token" value="(\w+)"', client.get(url).content.decode())
    assert token, "no form to start with"
    answer = client.post(url, {"token": token[1]})
    assert answer.status_code == 302, answer.content.decode()
    return Operation.objects.order_by("-id")[0]


def page_url(operation: Operation, slug: str) -> str:
    return reverse("operation_page", args=[operation.pk, slug])


def seen(answer: Any) -> str:
    """The hidden field that a window sends along."""
    found = re.search(r'name="portal-seen" value="([^"]*)"', answer.content.decode())
    assert found
    return html.unescape(found[1])


def fill(client: Client, operation: Operation, slug: str, **values: str) -> HttpResponseBase:
    """Opens a page, fills it in and goes on."""
    known = seen(client.get(page_url(operation, slug)))
    return client.post(page_url(operation, slug), {**values, "portal-seen": known})


def check(client: Client, operation: Operation, slug: str, known: str = "{}", **values: str) -> str:
    """What comes back while somebody types."""
    url = reverse("operation_page_check", args=[operation.pk, slug])
    return client.post(url, {**values, "portal-seen": known}, headers=HTMX).content.decode()


def planned(operation: Operation) -> Operation:
    """What a worker does meanwhile."""
    planning.work(operation.pk)
    operation.refresh_from_db()
    return operation


def through(client: Client, folder: Path, scripts: list[str], book: str = "tests.ledger", word: str = "a") -> Operation:
    """From the start button to a plan that can be submitted."""
    operation = start(client, book)
    fill(client, operation, "where", folder=str(folder), word=word)
    fill(client, operation, "what", scripts=json.dumps(scripts))
    return planned(operation)


def submit(client: Client, operation: Operation, **more: str) -> HttpResponseBase:
    """With the digest that is on the review page."""
    page = client.get(reverse("operation_review", args=[operation.pk])).content.decode()
    digest = re.search(r'name="digest" value="(\w+)"', page)
    answer = client.post(reverse("operation_submit", args=[operation.pk]), {"digest": digest[1] if digest else "", **more})
    operation.refresh_from_db()
    return answer


def text(answer: Any) -> str:
    """What a person reads: without tags, blanks as one."""
    body = re.sub(r"<(script|style).*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    running = re.sub(r"</?(strong|span|em|code|a|b|time)\b[^>]*>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", running)).split())
