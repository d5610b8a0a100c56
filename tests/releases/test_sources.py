"""Sources: registering, looking at a real repository by a worker, changing, removing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from opsportal.lab import practice_source
from opsportal.operations.models import AuditEntry
from releases import looking, tasks
from releases.models import Look, Schedule, Source
from tests.releases import made

pytestmark = pytest.mark.django_db

TYPED = {
    "name": "CloudStack", "url": "https://github.com/apache/cloudstack", "default_branch": "main", "pulls": "patch",
    "pulls_url": "https://github.com/apache/cloudstack/pull",
}  # fmt: skip


@pytest.fixture
def repository(settings: Any, tmp_path: Path) -> Path:
    settings.STATE_DIR = tmp_path / "state"
    settings.GIT_HOSTS = ["github.com", "file://"]
    practice_source.create(tmp_path)
    return tmp_path / practice_source.NAME


def answered(look: Look) -> Look:
    looking.answer(look.pk)
    look.refresh_from_db()
    return look


@pytest.mark.parametrize("role", ["operator", "administrator"])
def test_who_sets_things_up_registers_one(role: str, logged_in: Callable[..., Client]) -> None:
    client = logged_in(role)
    page = client.post(reverse("source_new"), TYPED, follow=True).content.decode()
    source = Source.objects.get()
    assert source.created_by is not None and source.created_by.username == role
    assert "A worker fetches the mirror" in page
    assert Look.objects.get(kind="source").about == str(source.pk)
    assert AuditEntry.objects.get(action="source.new").subject == "CloudStack"


@pytest.mark.parametrize("role", ["viewer", "approver"])
def test_nobody_else_does(role: str, logged_in: Callable[..., Client]) -> None:
    client = logged_in(role)
    assert client.get(reverse("source_new")).status_code == client.post(reverse("source_new"), TYPED).status_code == 403
    assert "Somebody with the role of operator" in client.get(reverse("sources")).content.decode()
    assert not Source.objects.exists()


WRONG = [
    ("url", "ext::sh -c touch% /tmp/x", "they run commands"),
    ("url", "--upload-pack=evil", "they run commands"),
    ("url", "/etc/passwd", "https://HOST/PATH"),
    ("url", "https://user:pw@github.com/a/b", "not on the list of allowed hosts"),
    ("url", "https://evil.example/a/b", "evil.example is not on the list of allowed hosts"),
    ("url", "https://github.com/a/b?x=1", "without user, password"),
    ("default_branch", "-f", "not the name of a branch"),
    ("default_branch", "a..b", "not the name of a branch"),
    ("pulls_url", "http://github.com/x/pull", "https://HOST/PATH"),
    ("push_url", "https://github.com/apache/cloudstack", "needs a password"),
    ("brand", "acme-1", "one word of letters and digits"),
    ("name", "CLOUDSTACK 4.8", "There is a source of this name"),
    ("notes", "a\u202eb", "no control characters"),
]


@pytest.mark.parametrize(("field", "value", "said"), WRONG)
def test_what_is_wrong_is_said_at_the_field_while_it_is_typed(field: str, value: str, said: str, operator: Client) -> None:
    made.source("CloudStack 4.8")
    page = operator.post(reverse("source_check"), {**TYPED, field: value}, headers={"HX-Request": "true"}).content.decode()
    beside = page[page.index(f'id="said-{field}"') :].split("</div>")[0]
    assert said in beside.replace("&#x27;", "'")
    answer = operator.post(reverse("source_new"), {**TYPED, field: value})
    assert answer.status_code == 422 and said in answer.content.decode()
    assert Source.objects.count() == 1


def test_an_empty_form_is_not_scolded(operator: Client) -> None:
    page = operator.post(reverse("source_check"), {"name": "x"}, headers={"HX-Request": "true"}).content.decode()
    assert "errorlist" not in page


def test_ones_own_name_is_not_taken_while_editing(operator: Client) -> None:
    source = made.source("CloudStack")
    page = operator.post(reverse("source_check"), {**TYPED, "of": source.pk}, headers={"HX-Request": "true"}).content.decode()
    assert "There is a source of this name" not in page


@pytest.mark.django_db(transaction=True)
def test_look_at_it_asks_the_repository(repository: Path, operator: Client) -> None:
    look = looking.ask("address", looking.about_address(f"file://{repository}", "4.8"))
    waiting = operator.get(reverse("source_answer", args=[look.pk])).content.decode()
    assert "A worker asks the repository" in waiting and "hx-get" in waiting
    assert answered(look).answer["found"] is True
    page = operator.get(reverse("source_answer", args=[look.pk])).content.decode()
    assert "It answers, and has" in page and "cosmic" in page and "hx-get" not in page


@pytest.mark.django_db(transaction=True)
def test_a_branch_that_is_not_there_is_said_with_those_that_are(repository: Path, operator: Client) -> None:
    look = answered(looking.ask("address", looking.about_address(f"file://{repository}", "master")))
    page = operator.get(reverse("source_answer", args=[look.pk])).content.decode()
    assert "no branch or tag" in page and "<details open>" in page and "4.8" in page


@pytest.mark.django_db(transaction=True)
def test_an_address_without_a_repository_is_said(repository: Path, operator: Client) -> None:
    look = answered(looking.ask("address", looking.about_address(f"file://{repository.parent}/nothing.git", "main")))
    assert "did not answer as a Git repository" in look.error
    assert look.error in operator.get(reverse("source_answer", args=[look.pk])).content.decode().replace("&#x27;", "'")


def test_the_button_asks_for_what_is_typed(operator: Client) -> None:
    page = operator.post(reverse("source_address"), TYPED, headers={"HX-Request": "true"}).content.decode()
    look = Look.objects.get()
    assert json.loads(look.about) == {"url": TYPED["url"], "branch": "main"} and reverse("source_answer", args=[look.pk]) in page
    operator.post(reverse("source_address"), {**TYPED, "url": "ext::sh"}, headers={"HX-Request": "true"})
    assert Look.objects.count() == 1
    without_script = operator.post(reverse("source_address"), TYPED).content.decode()
    assert 'value="https://github.com/apache/cloudstack"' in without_script and "A worker asks" in without_script


PROFILES = [("4.8", "CloudStack", "centos63, centos7"), ("main", "CloudStack", "el8"), ("cosmic", "Cosmic", ""), ("plain", "Maven", "")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("branch", "profile", "distributions"), PROFILES)
def test_a_worker_finds_out_what_it_can_build(branch: str, profile: str, distributions: str, repository: Path, viewer: Client) -> None:
    source = made.source(url=f"file://{repository}", default_branch=branch)
    look = answered(looking.ask("source", str(source.pk)))
    assert not look.error
    page = viewer.get(source.get_absolute_url()).content.decode()
    assert f"<dd>{profile}, " in page and (distributions or "no packaging script") in page
    assert "4 branches" in page
    assert "data-relative" in viewer.get(reverse("sources")).content.decode().split("Mirror")[1]  # how old it is


@pytest.mark.django_db(transaction=True)
def test_what_was_found_stays_while_the_repository_is_away(repository: Path, operator: Client) -> None:
    source = made.source(url=f"file://{repository}", default_branch="4.8")
    answered(looking.ask("source", str(source.pk)))
    shutil.move(repository, repository.with_name("away"))
    (repository.parent / "state" / "mirrors" / f"{source.pk}.git" / "opsportal-fetched").write_text("1\n")
    operator.post(reverse("source_look", args=[source.pk]))
    look = answered(Look.objects.get())
    assert "could not be fetched" in look.error
    page = operator.get(source.get_absolute_url()).content.decode()
    assert "could not be fetched" in page and "CloudStack, " in page


def test_a_look_that_lost_its_message_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source, sent = made.source(), list[Look]()
    look = looking.ask("source", str(source.pk))
    Look.objects.update(asked_at=timezone.now() - timedelta(seconds=30))
    monkeypatch.setattr(looking, "send", sent.append)
    tasks.start_due_builds()
    assert sent == [look]
    Look.objects.update(claimed_at=timezone.now())
    tasks.start_due_builds()
    assert sent == [look]
    look.refresh_from_db()
    Look.objects.update(claimed_at=None)
    assert Look.objects.get().waits_long


def test_a_look_is_read_by_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    look = looking.ask("source", str(made.source().pk))
    reads: list[str] = []

    def read(about: str, _facts: object) -> dict[str, Any]:
        reads.append(about)
        looking.answer(look.pk)  # another worker, at the same moment
        return {}

    monkeypatch.setitem(looking.KINDS, "source", looking.Kind(read, "ssh", lasts=False))
    looking.answer(look.pk)
    looking.answer(look.pk)
    assert len(reads) == 1


def test_another_address_is_looked_at_again(operator: Client) -> None:
    source = made.source()
    operator.post(reverse("source_edit", args=[source.pk]), {**TYPED, "name": "CloudStack", "notes": "only the notes"})
    Look.objects.all().delete()
    operator.post(reverse("source_edit", args=[source.pk]), {**TYPED, "notes": "other notes"})
    assert not Look.objects.exists()
    operator.post(reverse("source_edit", args=[source.pk]), {**TYPED, "default_branch": "4.20"})
    assert Look.objects.filter(kind="source", about=str(source.pk)).exists()
    assert AuditEntry.objects.filter(action="source.edit").count() == 3


def test_a_source_that_nothing_was_built_of_can_go(operator: Client) -> None:
    source = made.source()
    Schedule.objects.create(source=source, name="Nightly", owner=made.operator_named(), next_at=timezone.now())
    assert "1 schedule" in operator.get(reverse("source_remove", args=[source.pk])).content.decode()
    operator.post(reverse("source_remove", args=[source.pk]))
    assert not Source.objects.exists() and AuditEntry.objects.get(action="source.remove").subject == "CloudStack"


def test_a_source_with_builds_stays(operator: Client) -> None:
    source = made.source()
    made.build(source)
    assert "records stay" in operator.get(reverse("source_remove", args=[source.pk])).content.decode()
    page = operator.post(reverse("source_remove", args=[source.pk]), follow=True).content.decode()
    assert "has builds on record" in page and Source.objects.exists()
    assert not AuditEntry.objects.filter(action="source.remove").exists()


def test_the_page_of_a_source_leads_on(operator: Client) -> None:
    source = made.source()
    made.build(source, "4.8.0.15")
    page = operator.get(source.get_absolute_url()).content.decode()
    for said in (f"{reverse('runbook_start', args=['build-release'])}?source={source.pk}", "merge-pull-request", "4.8.0.15", "add one"):
        assert said in page


def test_the_list_makes_the_same_few_queries_for_many_sources(viewer: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            viewer.get(reverse("sources"))
        return len(caught)

    for number in range(3):
        made.build(made.source(f"source {number}"))
    few = queries()
    for number in range(3, 60):
        made.build(made.source(f"source {number}"))
    assert queries() == few <= 6


def test_nothing_yet_teaches_the_first_step(operator: Client) -> None:
    page = operator.get(reverse("sources")).content.decode()
    assert "No source yet" in page and "Apache CloudStack" in page
    link = page[page.index("?name=CloudStack") :].split('"')[0].replace("&amp;", "&")
    assert 'value="https://github.com/apache/cloudstack"' in operator.get(reverse("source_new") + link).content.decode()
