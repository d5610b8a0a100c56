"""The password again, before dangerous acts."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path, reverse

from opsportal.web import fresh
from opsportal.web.access import viewer
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@viewer
@fresh.required
def dangerous(request: HttpRequest) -> HttpResponse:
    """Says what reached it."""
    return HttpResponse(repr(sorted((name, values) for name, values in request.POST.lists())))


urlpatterns = [path("dangerous/", dangerous), path("", include("opsportal.urls"))]


@pytest.fixture
def stale(person: Callable[..., User], client: Client) -> Client:
    """Somebody whose password was entered ten minutes ago."""
    client.force_login(person("anna", "viewer"))
    session = client.session
    session["fresh_at"] -= 600
    session.save()
    return client


def test_a_password_just_entered_counts(person: Callable[..., User], client: Client) -> None:
    person("anna", "viewer")
    client.post("/login/", {"username": "anna", "password": PASSWORD})
    assert client.post("/dangerous/", {"digest": "abc"}).status_code == 200


def test_it_counts_for_five_minutes(stale: Client) -> None:
    session = stale.session
    for seconds, status in ((295, 200), (305, 422), (-10, 422)):
        session["fresh_at"] = time.time() - seconds
        session.save()
        assert stale.post("/dangerous/").status_code == status, seconds


def test_a_get_goes_to_the_question_and_comes_back(stale: Client) -> None:
    asked = stale.get("/dangerous/?step=2")
    assert asked.headers["Location"] == "/login/again/?next=%2Fdangerous%2F%3Fstep%3D2"
    page = stale.get(asked.headers["Location"]).content.decode()
    assert 'name="next" value="/dangerous/?step=2"' in page
    answer = stale.post("/login/again/", {"next": "/dangerous/?step=2", fresh.FIELD: PASSWORD})
    assert answer.headers["Location"] == "/dangerous/?step=2"
    assert stale.get("/dangerous/").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_the_question_never_leads_elsewhere(stale: Client, target: str) -> None:
    assert stale.post("/login/again/", {"next": target, fresh.FIELD: PASSWORD}).headers["Location"] == "/"


def test_what_was_posted_is_carried_through_the_question(stale: Client) -> None:
    posted = {"digest": "abc", "tick": ["1", "2"], "comment": 'two\nlines and "quotes" <b>', "password": "of a host"}
    question = stale.post("/dangerous/", posted)
    assert question.status_code == 422
    page = question.content.decode()
    assert 'action="/dangerous/"' in page and page.count('name="tick"') == 2
    assert "&lt;b&gt;" in page and "csrfmiddlewaretoken" in page
    answer = stale.post("/dangerous/", {**carried(page), fresh.FIELD: PASSWORD})
    assert answer.status_code == 200
    expected = [("comment", ['two\nlines and "quotes" <b>']), ("digest", ["abc"]), ("password", ["of a host"]), ("tick", ["1", "2"])]
    for pair in expected:
        assert repr(pair) in answer.content.decode()


def carried(page: str) -> dict[str, list[str]]:
    """The hidden fields of the question, as a browser sends them."""
    found: dict[str, list[str]] = {}

    class Fields(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            said = dict(attrs)
            if tag == "input" and said.get("type") == "hidden" and said.get("name") != "csrfmiddlewaretoken":
                found.setdefault(said["name"] or "", []).append(said.get("value") or "")

    Fields().feed(page)
    return found


def test_a_wrong_password_changes_nothing_and_keeps_what_was_posted(stale: Client) -> None:
    question = stale.post("/dangerous/", {"digest": "abc", fresh.FIELD: "wrong"})
    assert question.status_code == 422
    assert "This is not your password" in question.content.decode()
    assert 'name="digest" value="abc"' in question.content.decode()
    assert stale.post("/dangerous/").status_code == 422


def test_wrong_passwords_lock_out_and_nothing_posted_is_recorded(stale: Client) -> None:
    answers = [stale.post("/dangerous/", {"secret": "of-a-host", fresh.FIELD: f"wrong-{n}"}).status_code for n in range(5)]
    assert answers == [422, 422, 422, 422, 429]
    assert stale.post("/dangerous/", {fresh.FIELD: PASSWORD}).status_code == 429
    recorded = str(list(AccessAttempt.objects.values()))
    assert "wrong-" not in recorded and "of-a-host" not in recorded
    assert "anna" in recorded


def test_the_password_of_somebody_else_is_wrong(stale: Client, person: Callable[..., User]) -> None:
    bo = person("bo", "administrator")
    bo.set_password("another-password-for-tests")
    bo.save()
    assert stale.post("/dangerous/", {fresh.FIELD: "another-password-for-tests"}).status_code == 422


def test_a_form_with_a_file_is_sent_again_afterwards(stale: Client) -> None:
    file = SimpleUploadedFile("keys.txt", b"secret")
    answer = stale.post("/dangerous/", {"file": file}, headers={"Referer": "http://testserver/hosts/import/"})
    assert answer.headers["Location"] == "/login/again/?next=%2Fhosts%2Fimport%2F"


def test_htmx_puts_the_question_in_place_of_the_page(stale: Client) -> None:
    question = stale.post("/dangerous/", {"digest": "abc"}, headers={"HX-Request": "true", "HX-Target": "row-3"})
    assert question.status_code == 422
    assert question.headers["HX-Retarget"] == "#main"


def test_the_question_can_stand_in_another_form(stale: Client, settings: Any) -> None:
    anna = User.objects.get(username="anna")
    anna.groups.add(*anna.groups.model.objects.filter(name="administrator"))
    page = stale.get(reverse("password_change")).content.decode()
    assert fresh.FIELD not in page
    session = stale.session
    session["fresh_at"] = time.time()
    session.save()
    assert fresh.FIELD not in stale.get(reverse("person_new")).content.decode()
