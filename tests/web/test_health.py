"""For load balancers: alive, ready, and nothing more to strangers."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from opsportal.operations.models import Operation
from opsportal.web import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers."""
    monkeypatch.setitem(health.CHECKS, "redis", lambda: "")


def test_alive_asks_nobody(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECKS", None)
    response = client.get("/livez")
    assert (response.status_code, response.content, response.headers["Cache-Control"]) == (200, b"alive\n", "no-store")


def test_ready(client: Client, broker: None) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.content) == (200, b"ready\n")


def test_a_broker_that_is_away_is_told_to_administrators_only(client: Client, administrator: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://:a-password@127.0.0.1:1/0"
    stranger = client.get("/readyz")
    assert (stranger.status_code, stranger.content) == (503, b"not ready\n")
    told = administrator.get("/readyz")
    assert told.status_code == 503
    assert told.json()["database"] == "ok"
    assert "ConnectionError" in told.json()["redis"] and "a-password" not in told.content.decode()


def test_work_that_nobody_sends_shows_that_the_sweeper_stands_still(administrator: Client, broker: None) -> None:
    operation = Operation.objects.create(
        runbook="x", title="x", requester=User.objects.get(), token=secrets.token_hex(8), state="queued", woken_at=timezone.now()
    )
    assert administrator.get("/readyz").status_code == 200
    Operation.objects.filter(pk=operation.pk).update(woken_at=timezone.now() - timedelta(seconds=70))
    told = administrator.get("/readyz")
    assert told.status_code == 503 and "celery beat" in told.json()["sweeper"]


def test_they_answer_over_plain_http_behind_a_proxy(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
    assert client.get("/livez").status_code == 200
    assert client.get(reverse("login")).status_code == 301
