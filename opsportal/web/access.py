"""Who may do what. Roles are Django groups; every view goes through one of these decorators."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

ROLES = ("viewer", "operator", "approver", "administrator")


class PortalRequest(HttpRequest):
    """A request of somebody who is logged in."""

    user: User
    htmx: HtmxDetails


View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def has_role(user: AbstractBaseUser | AnonymousUser | User, *roles: str) -> bool:
    """True when the user holds one of the roles. Everybody with a role may view; a superuser counts as administrator."""
    if not isinstance(user, User) or not user.is_active:
        return False
    held = set(user.groups.values_list("name", flat=True)) & set(ROLES)
    if user.is_superuser:
        held |= {"administrator", "operator"}
    if held:
        held.add("viewer")
    return not held.isdisjoint(roles)


def _requires(role: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not has_role(request.user, role):
                raise PermissionDenied(f"This needs the role of {role}.")
            return view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]

    return decorate


viewer = _requires("viewer")
operator = _requires("operator")
approver = _requires("approver")
administrator = _requires("administrator")
