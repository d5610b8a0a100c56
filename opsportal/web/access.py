"""Who may do what. Roles are Django groups; every view goes through one of these decorators."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import prefetch_related_objects
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
    return not held_by(user).isdisjoint(roles)


def held_by(user: AbstractBaseUser | AnonymousUser | User | None) -> frozenset[str]:
    """All roles that `has_role` says yes to. Reads the groups anew unless they were fetched with this very object."""
    if not isinstance(user, User) or not user.is_active:
        return frozenset()
    held = {group.name for group in user.groups.all()} & set(ROLES)
    if user.is_superuser:
        held |= {"administrator", "operator"}
    return frozenset(held | {"viewer"}) if held else frozenset()


def _fetch_groups(user: User | AnonymousUser) -> None:
    """Once for the whole request: the view and the page ask again. Django forgets them when the object is read anew."""
    if isinstance(user, User):
        prefetch_related_objects([user], "groups")


def _requires(role: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            _fetch_groups(request.user)
            if not has_role(request.user, role):
                raise PermissionDenied(f"This needs the role of {role}.")
            return view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]

    return decorate


viewer = _requires("viewer")
operator = _requires("operator")
approver = _requires("approver")
administrator = _requires("administrator")
