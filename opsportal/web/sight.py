"""Who sees only a part of the portal: a participant of a workshop, with one practice cloud and nothing else.

The limits hold for all that a web request asks the database, whatever view or form asks. Workers see everything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

Handler = Callable[[HttpRequest], HttpResponseBase]
M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Limits:
    """Names of the clouds, and of the people whose operations may be seen."""

    clouds: tuple[str, ...]
    people: tuple[str, ...]


_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)


def limits_of(user: AbstractBaseUser | AnonymousUser) -> Limits | None:
    """None for everybody who sees all."""
    found: Limits | None = import_string(settings.SIGHT)(user)
    return found


def own_part_only(get_response: Handler) -> Handler:
    """Middleware: the limits of who asks, as long as the request lasts."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        token = _limits.set(limits_of(request.user))
        try:
            return get_response(request)
        finally:
            _limits.reset(token)

    return handle


class LimitedRows(models.QuerySet[M]):
    """A form's field has rows that were asked for when the portal started, and takes `all` of them for each request."""

    def all(self) -> LimitedRows[M]:
        return _within(super().all())


class Limited(models.Manager[M]):
    """Leaves out what lies outside of the asker's limits, for a model that says `SEEN_BY`: where its cloud's name is, or its person's
    username. (Django makes managers of relations without arguments, so the model has to say it.)
    """

    _queryset_class = LimitedRows

    def get_queryset(self) -> LimitedRows[M]:
        return _within(super().get_queryset())


def _within(rows: models.QuerySet[M]) -> LimitedRows[M]:
    limits, path = _limits.get(), rows.model.SEEN_BY  # type: ignore[attr-defined] # what the manager asks of its model
    if limits is not None:
        rows = rows.filter(**{f"{path}__in": limits.people if path.endswith("username") else limits.clouds})
    return rows  # type: ignore[return-value] # made by `_queryset_class`
