"""Who may do what in the inventory: every URL with every role."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts import urls
from hosts.models import Cloud, Credential, Host, HostDraft, HostImport, Pool
from hosts.tails.models import Tail

pytestmark = pytest.mark.django_db

VIEWER = {"hosts", "hosts_export", "host", "host_state", "host_history", "clouds", "pool", "pool_history", "pool_card", "pool_card_text"}
VIEWER |= {"cloud_api"}
ADMINISTRATOR = {name for name in (pattern.name for pattern in urls.urlpatterns) if name and name.startswith("credential")}
ADMINISTRATOR |= {"cloud_api_edit", "cloud_api_pin", "cloud_api_remove"}
EITHER = {"host_scan", "host_pin"}
"""For operators and for administrators."""


@pytest.fixture
def things(person: Callable[..., User], credential: Credential) -> dict[str, object]:
    cloud = Cloud.objects.create(name="Amsterdam")
    return {
        "host": Host.objects.create(name="xen1", address="10.0.0.1").pk,
        "cloud": cloud.pk,
        "pool": Pool.objects.create(name="p", cloud=cloud).pk,
        "credential": credential.pk,
        "tail": Tail.objects.create(host=Host.objects.get(), place="/var/log/messages", person=person("tess")).pk,
    }


def address(name: str, things: dict[str, object]) -> str:
    pattern = next(pattern for pattern in urls.urlpatterns if pattern.name == name)
    if "<uuid:" in str(pattern.pattern):
        return reverse(name, args=[uuid.uuid4()])
    if "<int:" not in str(pattern.pattern):
        return reverse(name)
    return reverse(name, args=[things[name.split("_")[0]]])


def allowed(name: str, role: str) -> bool:
    if name in VIEWER:
        return role != "nobody"
    if name in EITHER:
        return role in ("operator", "administrator")
    return role == ("administrator" if name in ADMINISTRATOR else "operator")


@pytest.mark.parametrize("role", ["nobody", "viewer", "operator", "approver", "administrator"])
@pytest.mark.parametrize("name", [pattern.name for pattern in urls.urlpatterns])
def test_every_page_with_every_role(name: str, role: str, things: dict[str, object], logged_in: Callable[..., Client]) -> None:
    client = logged_in(*([] if role == "nobody" else [role]))
    url = address(name, things)
    answers = {client.get(url).status_code, client.post(url, {}).status_code}
    if allowed(name, role):
        assert 403 not in answers and 500 not in answers
    else:
        assert answers <= {403, 405} and 403 in answers


@pytest.mark.parametrize("name", [pattern.name for pattern in urls.urlpatterns])
def test_strangers_are_sent_to_the_login(name: str, things: dict[str, object], client: Client) -> None:
    for answer in (client.get(address(name, things)), client.post(address(name, things))):
        assert answer.status_code == 302 and answer.headers["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", [pattern.name for pattern in urls.urlpatterns])
def test_a_get_changes_nothing(name: str, things: dict[str, object], logged_in: Callable[..., Client]) -> None:
    def everything() -> list[object]:
        return [list(model.objects.order_by("pk").values()) for model in (Host, Cloud, Pool, Credential, HostDraft, HostImport)]

    before = everything()
    logged_in("viewer", "operator", "administrator").get(address(name, things))
    assert everything() == before


@pytest.mark.parametrize("name", ["host_draft", "host_draft_state", "host_draft_pin", "host_draft_save", "host_draft_discard"])
def test_a_draft_is_its_owners(name: str, credential: Credential, person: Callable[..., User], operator: Client) -> None:
    draft = HostDraft.objects.create(owner=person("bob", "operator"), address="10.0.0.1", credential=credential)
    url = reverse(name, args=[draft.pk])
    assert {operator.get(url).status_code, operator.post(url).status_code} <= {404, 405}
    assert HostDraft.objects.exists()
