"""What every page knows besides its own subject."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from opsportal.web import roles


class Entry(NamedTuple):
    label: str
    url: str
    name: str
    icon: str
    here: bool


def page(request: HttpRequest) -> dict[str, Any]:
    """Context processor of every template."""
    user = getattr(request, "user", None)
    held = roles.held_by(user) if user is not None else frozenset()
    return {
        "csp_nonce": getattr(request, "csp_nonce", None),
        "roles": held,
        "may_write": not held.isdisjoint({"operator", "administrator"}),
        "navigation": _navigation(request.path, held),
        "waiting_for_me": 0,
    }


def _navigation(path: str, held: frozenset[str]) -> list[Entry]:
    """The entries whose page exists and whose role the reader holds; the one with the longest matching address is here."""
    found = [(label, _url(name), name, icon) for label, name, icon, role in settings.NAVIGATION if role in held]
    entries = [(label, url, name, icon) for label, url, name, icon in found if url]
    here = max((url for _, url, _, _ in entries if path.startswith(url)), key=len, default="")
    return [Entry(label, url, name, icon, url == here) for label, url, name, icon in entries]


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
