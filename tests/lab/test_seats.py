"""A participant of a workshop meets the own practice cloud, and nothing of the others."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts.models import Cloud, Host, Pool
from opsportal.operations.models import Operation
from opsportal.web import sight

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


@pytest.fixture
def seats(person: Person) -> dict[str, Client]:
    """Two seats with a cloud each, an operation of each, and the real inventory beside them."""
    clients = {}
    for cloud, names in (
        ("Practice cloud 2", ("seat2", "seat2-approver")),
        ("Practice cloud 3", ("seat3", "seat3-approver")),
        ("Real", ("olga",)),
    ):
        made = Cloud.objects.create(name=cloud)
        pool = Pool.objects.create(name=f"pool of {cloud}", cloud=made)
        Host.objects.create(name=f"host of {cloud}".replace(" ", "-"), address=f"{secrets.token_hex(4)}.example.net", cloud=made, pool=pool)
        for name in names:
            user = person(name, "approver" if name.endswith("approver") else "operator")
            clients[name] = Client()
            clients[name].force_login(user)
            Operation.objects.create(runbook="x", title=f"work of {name}", requester=user, token=name, state="awaiting_approval")
    return clients


@pytest.mark.parametrize("page", ["hosts", "clouds", "operations", "home", "restorations", "networks"])
def test_no_list_names_what_is_not_the_own_seats(seats: dict[str, Client], page: str) -> None:
    text = seats["seat2"].get(reverse(page)).content.decode()
    assert "cloud 3" not in text and "cloud-3" not in text and "seat3" not in text and "Real" not in text and "olga" not in text


def test_the_own_seat_is_there(seats: dict[str, Client]) -> None:
    assert "host-of-Practice-cloud-2" in seats["seat2"].get(reverse("hosts")).content.decode()
    assert "work of seat2" in seats["seat2-approver"].get(reverse("approvals")).content.decode()
    assert "work of seat3" not in seats["seat2-approver"].get(reverse("approvals")).content.decode()


def test_an_address_of_another_seat_leads_nowhere(seats: dict[str, Client]) -> None:
    other, operation = Host.objects.get(name="host-of-Practice-cloud-3"), Operation.objects.get(title="work of seat3")
    for name, pk in (("host", other.pk), ("pool", other.pool_id), ("network", other.pk), ("operation", operation.pk)):
        assert seats["seat2"].get(reverse(name, args=[pk])).status_code == 404, name
        assert seats["olga"].get(reverse(name, args=[pk])).status_code == 200, name


def test_everybody_else_sees_all(seats: dict[str, Client]) -> None:
    text = seats["olga"].get(reverse("hosts")).content.decode()
    assert "Practice cloud 2" in text and "Practice cloud 3" in text


def test_workers_see_all_after_a_participants_request(seats: dict[str, Client]) -> None:
    seats["seat2"].get(reverse("hosts"))
    assert Host.objects.count() == 3 and sight._limits.get() is None


def test_a_form_offers_what_is_seen_and_takes_nothing_else(seats: dict[str, Client]) -> None:
    draft = seats["seat2"].post(reverse("runbook_start", args=["add-bridge"]), {"token": secrets.token_hex(8)}, follow=True)
    text = draft.content.decode()
    assert "host-of-Practice-cloud-2" in text and "cloud-3" not in text and "host-of-Real" not in text
    other = Host.objects.get(name="host-of-Real")
    answer = seats["seat2"].post(draft.redirect_chain[-1][0], {"host": other.pk, "name": "br7", "timer": 60})
    assert answer.status_code == 422
