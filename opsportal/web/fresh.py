"""A dangerous act asks for the password again, unless it was entered a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from opsportal.web.access import PortalRequest

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def is_fresh(request: HttpRequest) -> bool:
    """The password was entered within `settings.FRESH_LOGIN_SECONDS`."""
    entered = request.session.get("fresh_at", 0)
    return 0 <= time.time() - entered < settings.FRESH_LOGIN_SECONDS


class FreshForm(forms.Form):
    """The password again, alone or inside another form. Valid means: it was right, and the session is fresh now.

    In HTML the field is called `fresh-password`, so that it never meets a field `password` of the form around it.
    """

    password = forms.CharField(
        label="Your password, again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text="This act is dangerous, so the portal makes sure that it is you.",
    )

    def __init__(self, request: HttpRequest, data: Any = None, *, prefix: str = "fresh") -> None:
        super().__init__(data, prefix=prefix)
        self.request = request

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if authenticate(self.request, username=self.request.user.get_username(), password=password) != self.request.user:
            raise ValidationError("This is not your password.")
        self.request.session["fresh_at"] = time.time()
        return ""


def required(view: View) -> View:
    """For views of dangerous acts. A GET goes to `fresh_login` and comes back; a POST is answered with the question for the password,
    which carries what was posted, so nothing typed is lost."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_fresh(request):
            return view(request, *args, **kwargs)
        if request.method != "POST":
            return redirect(f"{reverse('fresh_login')}?{urlencode({'next': request.get_full_path()})}")
        form = FreshForm(request, request.POST if "fresh-password" in request.POST else None)
        if form.is_bound and form.is_valid():
            return view(request, *args, **kwargs)
        return _ask(request, form)

    return guarded  # type: ignore[return-value]


def _ask(request: HttpRequest, form: FreshForm) -> HttpResponse:
    carried = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in ("csrfmiddlewaretoken", "fresh-password")
    ]
    return render(
        request, "registration/fresh.html", {"form": form, "carried": carried, "action": request.get_full_path()}, status=422
    )


def fresh_login(request: PortalRequest) -> HttpResponse:
    """Asks for the password and goes on to `next`."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    target = wanted if safe else reverse("home")
    form = FreshForm(request, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return redirect(target)
    return render(
        request, "registration/fresh.html", {"form": form, "carried": [("next", target)], "action": ""}, status=422 if form.errors else 200
    )
