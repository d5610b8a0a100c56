"""For load balancers and supervisors: is this process alive, and can it do its work?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from opsportal.operations import dispatch
from opsportal.web.access import has_role

_SECONDS = 1.0
"""How long Redis may take to answer."""


@login_not_required
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody else, so that a database that is away does not get the process restarted."""
    return HttpResponse("alive\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 or 503. What is wrong is told to administrators only."""
    found = {name: _trouble(check) for name, check in CHECKS.items()}
    status = 503 if any(found.values()) else 200
    if has_role(request.user, "administrator"):
        return JsonResponse({name: trouble or "ok" for name, trouble in found.items()}, status=status)
    return HttpResponse("ready\n" if status == 200 else "not ready\n", status=status, content_type="text/plain")


def _trouble(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _broker() -> str:
    if not settings.REDIS_URL:
        return "REDIS_URL is not set."
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
        client.ping()
    return ""


def _sweeper() -> str:
    """The sweeper sends again every few seconds what nobody drives. What was not sent for a minute shows that it stands still."""
    late = timezone.now() - timedelta(seconds=60)
    waiting = [operation.pk for operation in dispatch.due() if operation.woken_at and operation.woken_at < late]
    return f"Operations {waiting[:10]} wait, and nothing was sent to a worker for a minute. Is celery beat running?" if waiting else ""


CHECKS: dict[str, Callable[[], str]] = {"database": _database, "redis": _broker, "sweeper": _sweeper}
