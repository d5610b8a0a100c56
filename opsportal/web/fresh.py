"""A dangerous act asks for the password again, unless it was entered a moment ago.

Three ways in, one check. `required` guards a view and needs nothing else: a POST that comes without the password is answered with the
question, which carries everything posted. A form that wants to ask by itself shows `{{ fresh_form }}` (in every template's context, nothing
when fresh); `required` then finds the password in the same POST. And `is_fresh` answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.debug import sensitive_post_parameters

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

FIELD = "fresh-password"
"""Name of the field in HTML: no form around it has one of the same name."""
_SESSION_KEY = "fresh_at"


def is_fresh(request: HttpRequest) -> bool:
    """The password was entered within `settings.FRESH_LOGIN_SECONDS`."""
    return 0 <= time.time() - float(request.session.get(_SESSION_KEY, 0)) < settings.FRESH_LOGIN_SECONDS


def mark(request: HttpRequest) -> None:
    """The password was entered just now."""
    request.session[_SESSION_KEY] = time.time()


class FreshForm(forms.Form):
    """The password again, alone or inside another form. Valid means: it was right, and the session is fresh from now on."""

    password = forms.CharField(
        label="Your password, once more",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text="So that nobody else does this at your open screen.",
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data, prefix="fresh")
        self.request = request

    def clean_password(self) -> str:
        if not _right(self.request, self.cleaned_data["password"]):
            raise ValidationError("This is not your password. Too many wrong ones lock you out for a while.")
        mark(self.request)
        return ""


def _right(request: HttpRequest, password: str) -> bool:
    """Wrong tries count towards the lock-out. What was posted is recorded with them, so they are made with a request that has nothing."""
    bare = HttpRequest()
    bare.META, bare.path, bare.path_info, bare.session = request.META, request.path, request.path_info, request.session
    found = authenticate(bare, username=request.user.get_username(), password=password)
    # django-axes tells its middleware by attributes of the request that the person is locked out.
    vars(request).update({name: value for name, value in vars(bare).items() if name.startswith("axes_")})
    return found is not None and found.pk == request.user.pk


def asked(request: HttpRequest) -> FreshForm | None:
    """The question to put into another form, or None when the session is fresh."""
    if not request.user.is_authenticated or is_fresh(request):
        return None
    return FreshForm(request)


def required(view: View) -> View:
    """For views of dangerous acts. A GET goes to `fresh_login` and comes back."""

    @wraps(view)
    @sensitive_post_parameters(FIELD)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_fresh(request):
            return view(request, *args, **kwargs)
        if request.method != "POST":
            return _elsewhere(request.get_full_path())
        if request.FILES:
            return _elsewhere(urlsplit(request.headers.get("Referer", "")).path or request.get_full_path())
        form = FreshForm(request, request.POST if FIELD in request.POST else None)
        if form.is_bound and form.is_valid():
            return view(request, *args, **kwargs)
        return _question(request, form, _posted(request), request.get_full_path())

    return guarded  # type: ignore[return-value]


def _elsewhere(back: str) -> HttpResponse:
    """A file cannot be carried along: its form is filled in again afterwards."""
    return redirect(f"{reverse('fresh_login')}?{urlencode({'next': back})}")


def _posted(request: HttpRequest) -> list[tuple[str, str]]:
    """Everything posted, in order, except what belongs to this very request."""
    return [(name, value) for name, values in request.POST.lists() if name not in ("csrfmiddlewaretoken", FIELD) for value in values]


def _question(request: HttpRequest, form: FreshForm, carried: list[tuple[str, str]], action: str) -> HttpResponse:
    response = render(request, "registration/fresh.html", {"form": form, "carried": carried, "action": action}, status=422)
    if getattr(request, "htmx", False):
        # The question takes the place of the page, wherever the answer was meant to go.
        response["HX-Retarget"] = response["HX-Reselect"] = "#main"
        response["HX-Reswap"] = "outerHTML"
    return response


@sensitive_post_parameters(FIELD)
def fresh_login(request: HttpRequest) -> HttpResponse:
    """Asks for the password and goes on to `next`, if that lies within the portal."""
    target = _inside(request, request.POST.get("next") or request.GET.get("next") or "")
    form = FreshForm(request, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return redirect(target)
    answer = _question(request, form, [("next", target)], reverse("fresh_login"))
    answer.status_code = 422 if form.errors else 200
    return answer


def _inside(request: HttpRequest, address: str) -> str:
    safe = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return address if safe else reverse("home")
