"""Signing in and out, one's own password, and sessions that end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from opsportal.operations.models import AuditEntry
from opsportal.web.models import Account
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

LOGIN = "/login/"
NEW = "a-new-password-of-mine"


def sign_in(client: Client, name: str, password: str = PASSWORD, **more: str) -> int:
    return client.post(LOGIN, {"username": name, "password": password, **more}).status_code


def test_the_way_in_and_out(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    assert client.get("/").headers["Location"] == f"{LOGIN}?next=/"
    response = client.post(f"{LOGIN}?next=/hosts/", {"username": "anna", "password": PASSWORD, "next": "/hosts/"})
    assert response.headers["Location"] == "/hosts/"
    assert client.get("/hosts/").status_code == 200
    assert client.post(reverse("logout")).headers["Location"] == LOGIN
    assert client.get("/hosts/").status_code == 302


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_next_never_leads_elsewhere(client: Client, person: Callable[..., User], target: str) -> None:
    person("anna", "viewer")
    response = client.post(LOGIN, {"username": "anna", "password": PASSWORD, "next": target})
    assert response.headers["Location"] == "/"


def test_a_session_key_from_before_the_sign_in_is_worth_nothing(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    planted = session.session_key
    sign_in(client, "anna")
    assert client.session.session_key != planted
    thief = Client()
    thief.cookies["sessionid"] = planted or ""
    assert thief.get("/hosts/").status_code == 302


def test_a_wrong_name_a_wrong_password_and_a_deactivated_account_look_the_same(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    User.objects.filter(pk=person("gone", "viewer").pk).update(is_active=False)

    def said(name: str, password: str) -> tuple[int, str]:
        response = client.post(LOGIN, {"username": name, "password": password})
        page = response.content.decode().replace(name, "")
        return response.status_code, page[page.index("<form") : page.index("</form>")].split('value="', 1)[0]

    answers = {said("anna", "wrong"), said("nobody-here", "wrong"), said("gone", PASSWORD)}
    assert len(answers) == 1
    assert answers.pop()[0] == 422


def test_five_wrong_passwords_lock_out_and_say_until_when(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    with time_machine.travel("2026-03-01 10:00:00 +00:00", tick=False) as clock:
        assert [sign_in(client, "anna", "wrong") for _ in range(5)] == [422, 422, 422, 422, 429]
        clock.shift(600)
        locked = client.post(LOGIN, {"username": "anna", "password": PASSWORD})
        page = locked.content.decode()
        assert locked.status_code == 429
        assert "2026-03-01 10:15:00 UTC" in page and "in 5 min" in page
        clock.shift(301)
        assert sign_in(client, "anna") == 302  # the try during the lock-out did not make it longer


def test_a_lockout_tells_nothing_about_the_account(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")

    def locked(name: str) -> str:
        with time_machine.travel("2026-03-01 10:00:00 +00:00", tick=False):
            for _ in range(5):
                response = client.post(LOGIN, {"username": name, "password": "wrong"})
        return re.sub(r'nonce="[^"]+"|"X-CSRFToken": "[^"]+"', "", response.content.decode())

    assert locked("anna") == locked("nobody-here")


def test_only_lockouts_of_real_accounts_are_audited_and_only_once(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    for name in ("anna", "my-password-in-the-wrong-field"):
        for _ in range(8):
            sign_in(client, name, "wrong")
    entry = AuditEntry.objects.get(action="login.locked")
    assert (entry.subject, entry.alarming) == ("anna", True)


def test_no_password_is_kept_with_a_failed_attempt(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    sign_in(client, "anna", "nearly-my-password")
    assert "nearly-my-password" not in str(list(AccessAttempt.objects.values()))


def test_changing_the_password_ends_the_other_sessions(client: Client, person: Callable[..., User]) -> None:
    anna = person("anna", "viewer")
    other = Client()
    for browser in (client, other):
        sign_in(browser, "anna")
    change = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post(reverse("password_change"), change | {"old_password": "wrong"}).status_code == 422
    assert client.post(reverse("password_change"), change).headers["Location"] == "/"
    assert client.get("/hosts/").status_code == 200
    assert other.get("/hosts/").status_code == 302
    assert AuditEntry.objects.get(action="password.change").actor == anna.username
    assert sign_in(Client(), "anna") == 422
    assert sign_in(Client(), "anna", NEW) == 302


@pytest.mark.parametrize("password", ["short", "password1234", "anna-lindqvist"])
def test_weak_passwords_are_refused(client: Client, person: Callable[..., User], password: str) -> None:
    client.force_login(person("anna-lindqvist", "viewer"))
    change = {"old_password": PASSWORD, "new_password1": password, "new_password2": password}
    assert client.post(reverse("password_change"), change).status_code == 422


def test_with_an_initial_password_everything_else_waits(client: Client, person: Callable[..., User]) -> None:
    Account.objects.create(user=person("anna", "viewer", "operator"), must_change_password=True)
    sign_in(client, "anna")
    change = reverse("password_change")
    for url in ("/", "/hosts/", "/hosts/new/"):
        assert client.get(url).headers["Location"] == change
    assert client.post(reverse("hosts_read")).headers["Location"] == change
    assert client.get("/hosts/", headers={"HX-Request": "true"}).headers["HX-Redirect"] == change
    assert "Choose your own password" in client.get(change).content.decode()
    client.post(change, {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert client.get("/hosts/").status_code == 200
    sign_in(client, "anna", NEW)
    assert client.get("/hosts/").status_code == 200


def test_a_deactivated_person_is_out_with_the_next_click(client: Client, person: Callable[..., User]) -> None:
    anna = person("anna", "viewer")
    client.force_login(anna)
    User.objects.filter(pk=anna.pk).update(is_active=False)
    assert client.get("/hosts/").headers["Location"].startswith(LOGIN)


def test_htmx_leaves_the_page_when_the_session_ended(client: Client, db: None) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "https://portal.example/hosts/?q=xen"}
    response = client.get(reverse("hosts"), headers=headers)
    assert response.status_code == 204
    assert response.headers["HX-Redirect"] == "/login/?next=%2Fhosts%2F%3Fq%3Dxen"


def test_a_script_gets_401_when_the_session_ended(client: Client, db: None) -> None:
    response = client.get(reverse("hosts"), headers={"Sec-Fetch-Mode": "cors"})
    assert response.status_code == 401
    assert client.get(reverse("hosts"), headers={"Sec-Fetch-Mode": "navigate"}).status_code == 302


def test_a_form_posted_too_late_leads_back_to_its_page(client: Client, db: None) -> None:
    response = client.post(reverse("hosts_read"), headers={"Referer": "http://testserver/hosts/?kind=kvm"})
    assert response.headers["Location"] == "/login/?next=%2Fhosts%2F%3Fkind%3Dkvm"
    assert client.post(reverse("hosts_read")).headers["Location"] == "/login/"


def test_sessions_end_by_themselves(client: Client, person: Callable[..., User]) -> None:
    person("anna", "viewer")
    sign_in(client, "anna")
    with time_machine.travel(timezone.now() + timedelta(hours=12, seconds=1)):
        assert client.get("/hosts/").status_code == 302
