"""What every answer carries, and what happens when a session ended while a page was open."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from opsportal.web.login import MUST_CHANGE

Handler = Callable[[HttpRequest], HttpResponseBase]

HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def no_store(get_response: Handler) -> Handler:
    """Pages hold what only this person may see: no cache keeps them, and Back after signing out shows nothing.

    A view that sets its own Cache-Control knows better. Pages and fragments share addresses, so caches must tell them apart.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        patch_vary_headers(response, ("HX-Request",))
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return handle


def session_ended(get_response: Handler) -> Handler:
    """Turns Django's redirect to the sign-in page into one that the asker can follow.

    htmx is told to leave the page, instead of putting the sign-in form into it; other scripts get 401; a form that was posted too late
    leads back to the page it was on, as its own address answers no GET.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        login = resolve_url(settings.LOGIN_URL)
        if response.status_code != 302 or urlsplit(response.headers["Location"]).path != login or request.path == reverse("logout"):
            return response
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": _sign_in(login, request.headers.get("HX-Current-URL", ""))})
        if request.headers.get("Sec-Fetch-Mode", "navigate") not in ("navigate", "nested-navigate"):
            return HttpResponse("Your session ended. Sign in again.", status=401, content_type="text/plain; charset=utf-8")
        if request.method == "POST":
            return redirect(_sign_in(login, request.headers.get("Referer", "")))
        return response

    return handle


def _sign_in(login: str, page: str) -> str:
    """The sign-in page that leads back to `page`; of a full address only the path is used, so it never leads elsewhere."""
    parts = urlsplit(page)
    back = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return f"{login}?{urlencode({'next': back})}" if back else login


def own_password_first(get_response: Handler) -> Handler:
    """Who came in with an initial password, which somebody else has seen, can do nothing but choose another."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        change, always = reverse("password_change"), {reverse("logout"), reverse("login")}
        if not request.session.get(MUST_CHANGE) or request.path == change or request.path in always:
            return get_response(request)
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": change})
        return redirect(change)

    return handle
