"""The frame around every page: menu, headers, messages, errors, forms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path, reverse

from hosts.models import Cloud, Pool
from opsportal.operations.models import Operation

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def fails(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("of the test")


def refuses(_request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("This needs the role of <operator>.")


urlpatterns = [path("fails/", fails), path("refuses/", refuses), path("", include("opsportal.urls"))]


def menu(client: Client) -> list[str]:
    page = client.get(reverse("hosts")).content.decode()
    nav = page[page.index("<nav") : page.index("</nav>")]
    return re.findall(r'<a href="([^"]+)"', nav)


def test_the_menu_shows_what_the_reader_may_open(viewer: Client, administrator: Client) -> None:
    assert reverse("hosts") in menu(viewer) and reverse("people") not in menu(viewer)
    assert reverse("people") in menu(administrator)
    for client in (viewer, administrator):
        for url in menu(client):
            assert client.get(url).status_code != 403, url


def test_the_menu_leaves_out_what_does_not_exist_and_marks_where_one_is(viewer: Client, settings: Any) -> None:
    settings.NAVIGATION = [
        ("Inventory", "", "", ""), ("Hosts", "hosts", "server", "viewer"), ("Clouds", "clouds", "cloud", "viewer"),
        ("Ghosts", "", "", ""), ("Ghost", "no_such_page", "ghost", "viewer"),
        ("Alone", "", "", ""), ("Rulebook", "rulebook", "scale", "viewer"),
    ]  # fmt: skip
    page = viewer.get(reverse("clouds")).content.decode()
    assert "Ghost" not in page and "Alone" in page and "Inventory" in page and "Rulebook" in page
    assert _marked(page) == [reverse("clouds")]
    assert _marked(viewer.get(reverse("hosts")).content.decode()) == [reverse("hosts")]
    pool = Pool.objects.create(name="a", cloud=Cloud.objects.create(name="b"))
    assert _marked(viewer.get(reverse("pool", args=[pool.pk])).content.decode()) == [reverse("clouds")]


def _marked(page: str) -> list[str]:
    return re.findall(r'<a href="([^"]+)" aria-current="page"', page)


def test_approvals_that_wait_are_counted_for_who_may_decide(person: Callable[..., User], settings: Any) -> None:
    anna, bo = person("anna", "operator", "approver"), person("bo", "approver")
    for number in range(3):
        Operation.objects.create(runbook="x", title="x", requester=anna, token=str(number), state="awaiting_approval")

    def waiting(user: User) -> list[str]:
        client = Client()
        client.force_login(user)
        return re.findall(r'class="waiting">(\d+)', client.get(reverse("hosts")).content.decode())

    assert waiting(bo) == ["3"]
    assert waiting(anna) == []
    assert waiting(person("carl", "operator")) == []


def test_headers_of_every_answer(viewer: Client, client: Client) -> None:
    for response in (viewer.get(reverse("hosts")), client.get(reverse("login")), viewer.get("/nothing/"), client.get(reverse("hosts"))):
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy and "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "no-store" in response.headers["Cache-Control"]
        assert "HX-Request" in response.headers["Vary"]
        assert "camera=()" in response.headers["Permissions-Policy"]


def test_the_nonce_is_another_one_each_time(viewer: Client) -> None:
    def nonce() -> str:
        response = viewer.get(reverse("hosts"))
        found = re.search(r'nonce="([^"]+)"', response.content.decode())
        assert found and f"'nonce-{found[1]}'" in response.headers["Content-Security-Policy"]
        return found[1]

    assert nonce() != nonce()


def test_htmx_is_told_to_be_careful(viewer: Client) -> None:
    page = viewer.get(reverse("hosts")).content.decode()
    config = json.loads(re.search(r"name=\"htmx-config\" content='([^']+)'", page)[1])  # type: ignore[index]
    assert not config["includeIndicatorStyles"] and not config["allowEval"] and not config["allowScriptTags"]
    assert config["selfRequestsOnly"] and config["historyCacheSize"] == 0
    assert {"code": "422", "swap": True} in config["responseHandling"]


@pytest.mark.parametrize(
    ("url", "status", "words"), [("/nothing/", 404, "Nothing is here"), ("/refuses/", 403, "This needs the role of &lt;operator&gt;.")]
)
def test_error_pages_are_pages_of_the_portal(viewer: Client, url: str, status: int, words: str) -> None:
    response = viewer.get(url)
    assert response.status_code == status
    page = response.content.decode()
    assert words in page and 'href="/hosts/"' in page


def test_the_portals_own_failure_needs_no_context(viewer: Client) -> None:
    viewer.raise_request_exception = False
    response = viewer.get("/fails/")
    assert response.status_code == 500
    assert "The portal failed" in response.content.decode() and "of the test" not in response.content.decode()


def test_somebody_without_a_role_is_told_who_can_help(person: Callable[..., User], client: Client) -> None:
    client.force_login(person("anna"))
    page = client.get(reverse("hosts")).content.decode()
    assert "has no role yet" in page and "administrator" in page


def test_a_stale_form_is_explained(person: Callable[..., User]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("anna", "operator"))
    response = client.post(reverse("hosts_read"))
    assert response.status_code == 403 and "This form was too old" in response.content.decode()


def test_messages_become_notices(operator: Client) -> None:
    page = operator.post(reverse("hosts_read"), follow=True).content.decode()
    notice = re.search(r'<div class="notice message ok" role="status">.*?</div>', page, re.S)
    assert notice and "0 hosts will be read" in notice[0] and "Dismiss" in notice[0]


class Sample(forms.Form):
    name = forms.CharField(help_text="As on the label.")
    note = forms.CharField(required=False)
    sure = forms.BooleanField(label="I am sure", help_text="Really.")
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)
    token = forms.CharField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        raise forms.ValidationError("These <do> not fit together.")


def test_fields_are_tied_to_their_label_help_and_errors() -> None:
    html = str(Sample())
    assert '<label for="id_name">Name</label>' in html
    assert 'aria-describedby="id_name_helptext"' in html and 'id="id_name_helptext"' in html
    assert re.search(r'<label for="id_note">Note <span class="optional">optional</span>', html)
    assert "<legend>Kind</legend>" in html
    assert html.index('id="id_sure"') < html.index('for="id_sure"')
    assert 'role="alert"' not in html


def test_errors_are_announced_and_linked() -> None:
    html = str(Sample({"name": "", "token": "x"}))
    assert 'aria-invalid="true"' in html and 'aria-describedby="id_name_helptext id_name_error"' in html
    assert '<ul class="errorlist" role="alert" id="id_name_error">' in html
    assert '<a href="#id_name">Name</a>: This field is required.' in html
    assert "These &lt;do&gt; not fit together." in html
    assert html.count('id="id_kind_error"') == 1
