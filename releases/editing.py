"""Who may change what stands around builds: operators, and administrators who set things up."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase

from opsportal.web.access import PortalRequest, has_role, viewer

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def may_edit(request: PortalRequest) -> bool:
    return has_role(request.user, "operator", "administrator")


def editor(view: View) -> View:
    """For operators and administrators; with `viewer` below it, as every view."""

    @wraps(view)
    def guarded(request: PortalRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not may_edit(request):
            raise PermissionDenied("This needs the role of operator or administrator.")
        return view(request, *args, **kwargs)

    return viewer(guarded)  # type: ignore[return-value]
