"""Rules for every page: nothing inline that the Content-Security-Policy would refuse, and a frame that screen readers understand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from opsportal.operations import registry
from opsportal.web.access import ROLES
from tests.test_url_access import ALL, TABLE, Address, Row, Things

pytestmark = pytest.mark.django_db

PAGES = [address for address in ALL if TABLE.get(address.name, Row()).get and address.name not in ("events", "tail_events")]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SVG = {"path", "circle", "rect", "line", "polyline", "polygon", "ellipse", "use", "stop"}


class Page(HTMLParser):
    """Collects what is wrong with a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.ids: set[str] = set()
        self.fors: set[str] = set()
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]
        self.wrong += [f"a label for #{name}, which is not there" for name in self.fors - self.ids]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, dict(attrs))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()} closes nothing")

    def _look(self, tag: str, attrs: dict[str, str | None]) -> None:
        for name, value in attrs.items():
            if name == "style" or (name.startswith("on") and tag not in SVG) or name.startswith("hx-on"):
                self.wrong.append(f"<{tag} {name}={value!r}> at {self.getpos()} is refused by the policy")
        if tag == "style" or (tag == "script" and not attrs.get("src") and attrs.get("type") != "application/json"):
            self.wrong.append(f"<{tag}> at {self.getpos()} is inline")
        if (ident := attrs.get("id")) is not None:
            if ident in self.ids:
                self.wrong.append(f"id {ident} stands twice")
            self.ids.add(ident)
        if tag == "label" and attrs.get("for"):
            self.fors.add(attrs["for"] or "")
        if tag == "a" and "href" not in attrs:
            self.wrong.append(f"a link at {self.getpos()} leads nowhere")
        if tag in ("h1", "h2", "h3"):
            self.headings.append(tag)


@pytest.fixture(autouse=True)
def one_runbook(settings: Any) -> Iterator[None]:
    settings.RUNBOOKS = ["tests.operations.books.Ledger"]
    registry.runbooks.cache_clear()
    yield
    registry.runbooks.cache_clear()


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
def test_the_page_is_clean(address: Address, person: Callable[..., User]) -> None:
    user, client = person("anna", *ROLES), Client()
    if address.name != "login":
        client.force_login(user)
    response = client.get(address.url(Things(user)))
    if response.status_code != 200 or not response.headers.get("Content-Type", "").startswith("text/html"):
        return
    text = response.content.decode() if not response.streaming else ""
    page = Page(text)
    assert not page.wrong
    if "<!doctype html>" in text:
        assert page.headings.count("h1") == 1, page.headings
        assert "<title>" in text and "· opsportal</title>" in text
        assert {"main", "toasts"} <= page.ids
