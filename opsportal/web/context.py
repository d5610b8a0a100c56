"""What every page knows besides its own subject. Each value is worked out only when a template asks for it."""

from __future__ import annotations

import tomllib
from collections.abc import Container
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from opsportal.operations import queries
from opsportal.web import fresh
from opsportal.web.access import ROLES, held_by

KEYS = {"home": "h", "hosts": "s", "builds": "b", "runbooks": "r", "operations": "o", "approvals": "a", "rulebook": "u", "people": "p"}
"""The letter after "g" that goes to a page of the menu."""

LODGERS = {"clouds": ("hosts", "pools/")}
"""Pages of one entry (pools, which are found through their cloud) whose addresses lie below those of another."""


class Entry(NamedTuple):
    label: str
    name: str
    url: str
    icon: str
    here: bool
    key: str


class Section(NamedTuple):
    """A part of the menu. A part of one entry has no heading."""

    heading: str
    entries: list[Entry]


def page(request: HttpRequest) -> dict[str, Any]:
    """Context processor of every template. A request that never reached the session (an early error) has nobody."""
    user = getattr(request, "user", None)
    held = SimpleLazyObject(lambda: tuple(sorted(held_by(user), key=ROLES.index)))
    return {
        "csp_nonce": getattr(request, "csp_nonce", None),
        "roles": held,
        "may_write": SimpleLazyObject(lambda: "operator" in held or "administrator" in held),
        "navigation": SimpleLazyObject(lambda: _navigation(request.path, held)),
        "waiting_for_me": SimpleLazyObject(lambda: _waiting(user) if "approver" in held or "administrator" in held else 0),
        "version": _version(),
        "fresh_form": SimpleLazyObject(lambda: fresh.asked(request) or ""),
    }


def _navigation(path: str, held: Container[str]) -> list[Section]:
    """The entries whose page exists and whose role the reader holds. Here is the one with the longest address that the path begins with."""
    sections: list[tuple[str, list[tuple[str, str, str, str]]]] = [("", [])]
    for label, name, icon, role in settings.NAVIGATION:
        if not name:
            sections.append((label, []))
        elif role in held and (url := _url(name)):
            sections[-1][1].append((label, name, url, icon))
    urls = [entry[2] for _, entries in sections for entry in entries]
    places = {url: url for url in urls} | {_url(landlord) + below: _url(name) for name, (landlord, below) in LODGERS.items()}
    here = places.get(max((place for place in places if path == place or (place != "/" and path.startswith(place))), key=len, default=""))
    return [
        Section(heading, [Entry(*entry, here=entry[2] == here, key=KEYS.get(entry[1], "")) for entry in entries])
        for heading, entries in sections
        if entries
    ]


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _waiting(user: Any) -> int:
    return queries.for_me(user)


@cache
def _version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(project["project"]["version"])
