"""People, roles, initial passwords."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from opsportal.operations.models import AuditEntry
from opsportal.web import people
from opsportal.web.access import ROLES, has_role
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def roles_of(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_the_roles_exist_without_anybody_making_them() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)


def test_adding_a_person_who_chooses_their_own_password(administrator: Client) -> None:
    given = {"username": "anna", "full_name": "Anna de Vries", "roles": ["operator", "approver"]}
    page = administrator.post(reverse("person_new"), given).content.decode()
    found = re.search(r'id="initial-password">([a-z0-9-]+)<', page)
    assert found
    password = found[1]
    assert len(password) == 23
    anna = User.objects.get(username="anna")
    assert roles_of(anna) == {"operator", "approver"}
    assert password not in administrator.get(reverse("person", args=[anna.pk])).content.decode()
    assert password not in str(list(AuditEntry.objects.values()))

    browser = Client()
    assert browser.post("/login/", {"username": "anna", "password": password}).status_code == 302
    assert browser.get("/hosts/").headers["Location"] == reverse("password_change")


@pytest.mark.parametrize("name", ["", "Anna", "with blank", "a/b", "x" * 151])
def test_names_that_cannot_be(administrator: Client, person: Callable[..., User], name: str) -> None:
    person("anna")
    response = administrator.post(reverse("person_new"), {"username": name, "roles": ["viewer"]})
    assert response.status_code == 422
    assert User.objects.count() == 2


def test_an_unknown_role_is_refused(administrator: Client, person: Callable[..., User]) -> None:
    anna = person("anna", "viewer")
    assert administrator.post(reverse("person_roles", args=[anna.pk]), {"roles": ["root"]}).status_code == 422
    assert roles_of(anna) == {"viewer"}


def test_roles_count_from_the_next_click_and_are_audited(administrator: Client, person: Callable[..., User]) -> None:
    anna, browser = person("anna", "viewer"), Client()
    browser.force_login(anna)
    assert browser.get(reverse("host_new")).status_code == 403
    administrator.post(reverse("person_roles", args=[anna.pk]), {"roles": ["operator"]})
    assert browser.get(reverse("host_new")).status_code == 200
    entry = AuditEntry.objects.get(action="person.roles")
    assert (entry.subject, entry.detail, entry.alarming) == ("anna", {"before": ["viewer"], "after": ["operator"]}, False)
    administrator.post(reverse("person_roles", args=[anna.pk]), {"roles": ["administrator"]})
    assert AuditEntry.objects.filter(action="person.roles", alarming=True).count() == 1


def test_other_groups_stay(administrator: Client, person: Callable[..., User]) -> None:
    anna = person("anna", "viewer")
    anna.groups.add(Group.objects.create(name="night shift"))
    administrator.post(reverse("person_roles", args=[anna.pk]), {"roles": []})
    assert roles_of(anna) == {"night shift"}


def test_nobody_removes_the_last_administrator(administrator: Client) -> None:
    me = User.objects.get(username="administrator")
    page = administrator.post(reverse("person_roles", args=[me.pk]), {"roles": ["viewer"]}, follow=True).content.decode()
    assert "last administrator" in page
    assert roles_of(me) == {"administrator"}
    assert not AuditEntry.objects.filter(action="person.roles").exists()


def test_a_deactivated_administrator_does_not_count(administrator: Client, person: Callable[..., User]) -> None:
    bo, me = person("bo", "administrator"), User.objects.get(username="administrator")
    administrator.post(reverse("person_deactivate", args=[bo.pk]))
    administrator.post(reverse("person_roles", args=[me.pk]), {"roles": []})
    assert roles_of(me) == {"administrator"}


def test_an_administrator_may_step_down_when_another_remains(administrator: Client, person: Callable[..., User]) -> None:
    person("bo", "administrator")
    me = User.objects.get(username="administrator")
    administrator.post(reverse("person_roles", args=[me.pk]), {"roles": ["viewer"]})
    assert roles_of(me) == {"viewer"}
    assert administrator.get(reverse("people")).status_code == 403


def test_deactivating_signs_out_and_activating_lets_in_again(administrator: Client, person: Callable[..., User]) -> None:
    anna, browser = person("anna", "viewer"), Client()
    browser.post("/login/", {"username": "anna", "password": PASSWORD})
    administrator.post(reverse("person_deactivate", args=[anna.pk]))
    assert browser.get("/hosts/").status_code == 302
    assert Session.objects.count() == 1  # the administrator's own
    assert browser.post("/login/", {"username": "anna", "password": PASSWORD}).status_code == 422
    administrator.post(reverse("person_activate", args=[anna.pk]))
    assert browser.post("/login/", {"username": "anna", "password": PASSWORD}).status_code == 302
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"person.deactivate", "person.activate"}


def test_nobody_deactivates_or_resets_themselves(administrator: Client, person: Callable[..., User]) -> None:
    person("bo", "administrator")
    me = User.objects.get(username="administrator")
    assert "cannot deactivate yourself" in administrator.post(reverse("person_deactivate", args=[me.pk]), follow=True).content.decode()
    assert "your own password" in administrator.post(reverse("person_reset", args=[me.pk]), follow=True).content.decode()
    assert User.objects.get(pk=me.pk).is_active


def test_a_new_password_ends_sessions_and_the_old_password(administrator: Client, person: Callable[..., User]) -> None:
    anna, browser = person("anna", "viewer"), Client()
    browser.post("/login/", {"username": "anna", "password": PASSWORD})
    page = administrator.post(reverse("person_reset", args=[anna.pk])).content.decode()
    password = re.search(r'id="initial-password">([a-z0-9-]+)<', page)[1]  # type: ignore[index]
    assert browser.get("/hosts/").status_code == 302
    assert browser.post("/login/", {"username": "anna", "password": PASSWORD}).status_code == 422
    assert browser.post("/login/", {"username": "anna", "password": password}).status_code == 302
    assert browser.get("/hosts/").headers["Location"] == reverse("password_change")


def test_signing_somebody_out_everywhere(administrator: Client, person: Callable[..., User]) -> None:
    anna = person("anna", "viewer")
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(anna)
    assert "with 2 browsers" in administrator.get(reverse("person", args=[anna.pk])).content.decode()
    administrator.post(reverse("person_sign_out", args=[anna.pk]))
    assert [browser.get("/hosts/").status_code for browser in browsers] == [302, 302]
    assert administrator.get(reverse("people")).status_code == 200
    assert AuditEntry.objects.get(action="person.sign_out").detail == {"sessions": 2}


@pytest.mark.parametrize("name", ["person_roles", "person_deactivate", "person_activate", "person_reset"])
def test_changes_ask_for_the_password_when_it_is_not_fresh(administrator: Client, person: Callable[..., User], name: str) -> None:
    anna = person("anna", "viewer")
    session = administrator.session
    session["fresh_at"] = 0
    session.save()
    question = administrator.post(reverse(name, args=[anna.pk]), {"roles": ["operator"]})
    assert question.status_code == 422 and "Is it you?" in question.content.decode()
    assert not AuditEntry.objects.exists()
    administrator.post(reverse(name, args=[anna.pk]), {"roles": ["operator"], "fresh-password": PASSWORD})
    assert AuditEntry.objects.get().subject == "anna"


def test_the_list_finds_people_and_makes_the_same_queries_for_many(administrator: Client, person: Callable[..., User]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert administrator.get(reverse("people")).status_code == 200
        return len(caught)

    for number in range(3):
        person(f"anna-{number}", "viewer")
    few = queries()
    roles = list(Group.objects.all())
    for user in User.objects.bulk_create(User(username=f"bo-{number}", first_name="Bo") for number in range(200)):
        user.groups.set(roles[:2])
    assert queries() == few
    page = administrator.get(reverse("people"), {"q": "anna-1"}).content.decode()
    assert "anna-1" in page and "anna-2" not in page and "bo-" not in page
    assert administrator.get(reverse("people"), {"page": "5"}).context["page"].number == 5
    assert "Nobody has such a name" in administrator.get(reverse("people"), {"q": "zz"}).content.decode()


def test_initial_passwords_are_all_different_and_easy_to_read_out() -> None:
    made = {people.new_password() for _ in range(500)}
    assert len(made) == 500
    assert not set("".join(made)) & set("lo01")


def test_a_superuser_is_an_administrator_and_nobody_gives_that_away(administrator: Client, person: Callable[..., User]) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    me = User.objects.get(username="administrator")
    administrator.post(reverse("person_roles", args=[me.pk]), {"roles": []})
    assert roles_of(me) == set()
    root = User.objects.get(username="root")
    assert has_role(root, "administrator") and not has_role(root, "approver")
