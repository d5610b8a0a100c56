"""What every answer carries, and what happens when a session ended while a page was open."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

Handler = Callable[[HttpRequest], HttpResponseBase]


def no_store(get_response: Handler) -> Handler:
    """Pages hold what only this person may see: no cache keeps them, and Back after signing out shows nothing."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response

    return handle


def session_ended(get_response: Handler) -> Handler:
    """A script that asks for a part of a page must not get the sign-in page put into it: htmx is told to go there, others get 401."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    return handle


__all__ = ["HttpResponse", "no_store", "session_ended"]
