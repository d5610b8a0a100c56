"""Signing in, one's own password, and what happens after too many wrong ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from axes.signals import user_locked_out
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.generic import FormView

from opsportal.operations import audit
from opsportal.operations.models import AuditEntry
from opsportal.web import fresh
from opsportal.web.models import Account

MUST_CHANGE = "must_change_password"
"""In a session: everything but one's own password waits."""


def listen() -> None:
    user_logged_in.connect(_begin, dispatch_uid="opsportal.web.login")
    user_locked_out.connect(_note_lockout, dispatch_uid="opsportal.web.lockout")


def _begin(request: HttpRequest, user: User, **_signal: Any) -> None:
    """A password just entered is fresh; an initial one must be changed first."""
    fresh.mark(request)
    if Account.objects.filter(user=user, must_change_password=True).exists():
        request.session[MUST_CHANGE] = True


def _note_lockout(username: str | None = None, ip_address: str | None = None, **_signal: Any) -> None:
    """Once for each lock-out, though every further try is announced again; and for accounts that exist only: what was typed into the
    wrong field may be somebody's password."""
    told = AuditEntry.objects.filter(action="login.locked", subject=username, at__gt=timezone.now() - (get_cool_off() or timedelta()))
    if username and User.objects.filter(username=username).exists() and not told.exists():
        audit.record(username, "login.locked", subject=username, detail={"address": ip_address or ""}, alarming=True)


class LoginForm(AuthenticationForm):
    """Says the same whether the name, the password or the account is wrong."""

    error_messages = {
        "invalid_login": "This name and this password do not go together. Mind capital letters. After five tries the portal waits a while.",
        "inactive": "This name and this password do not go together.",
    }


class Answer422(FormView):  # type: ignore[type-arg] # generic only in the stubs
    """A form that is not accepted answers 422, here as everywhere."""

    def form_invalid(self, form: Form) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


class Login(Answer422, views.LoginView):
    """Django makes a new session key on the way in, so a planted one is worth nothing."""

    form_class = LoginForm
    redirect_authenticated_user = True


class PasswordChange(Answer422, views.PasswordChangeView):
    """Ends all other sessions of this person, as their key comes from the password."""

    form_class = PasswordChangeForm
    success_url = reverse_lazy("home")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        must = bool(self.request.session.get(MUST_CHANGE))
        return super().get_context_data(must=must, bare=must, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        user = form.user
        Account.objects.filter(user=user).update(must_change_password=False)
        self.request.session.pop(MUST_CHANGE, None)
        fresh.mark(self.request)
        audit.record(user, "password.change", subject=user.get_username())
        messages.success(self.request, "Your password is changed. You are signed out everywhere else.")
        return response


def locked_out(request: HttpRequest, _response: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """Answer of django-axes: until when, and the same words whether or not the account exists."""
    return render(request, "registration/locked_out.html", {"until": _until(request, credentials), "bare": True}, status=429)


def _until(request: HttpRequest, credentials: dict[str, Any] | None) -> datetime | None:
    tries = [attempt.attempt_time for found in _attempts(request, credentials) for attempt in found]
    cool_off = get_cool_off(request)
    return max(tries) + cool_off if tries and cool_off else None


def _attempts(request: HttpRequest, credentials: dict[str, Any] | None) -> list[Any]:
    found: list[Any] = AxesProxyHandler.get_implementation().get_user_attempts(request, credentials)
    return found
