"""Signing in, and what happens after too many wrong passwords."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def listen() -> None:
    user_logged_in.connect(_remember_when, dispatch_uid="opsportal.web.login")


def _remember_when(request: HttpRequest, user: User, **_signal: Any) -> None:
    """A password just entered is fresh."""
    request.session["fresh_at"] = time.time()


def locked_out(request: HttpRequest, _response: HttpResponse | None, credentials: dict[str, Any]) -> HttpResponse:
    """Answer of django-axes; the same whether or not the account exists."""
    return render(request, "registration/locked_out.html", status=429)
