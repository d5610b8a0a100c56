"""Two builds side by side, with the commits between them read from a real mirror."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from opsportal.lab import practice_source
from releases import comparing, looking, queries
from releases.models import Build, Look, Source
from tests.releases import made

pytestmark = pytest.mark.django_db


def pair(older: dict[str, Any], newer: dict[str, Any]) -> tuple[Build, Build]:
    source = made.source()
    return made.build(source, "4.8.0.15", **older), made.build(source, "4.8.0.16", **newer)


def patch(number: str, sha256: str = "ab" * 32) -> dict[str, Any]:
    return {**made.PATCH, "number": number, "title": f"Title of {number}", "sha256": sha256}


def changes(pairs: list[comparing.Pair]) -> dict[str, str]:
    return {one.name: one.change for one in pairs}


def test_patches_that_came_went_and_changed() -> None:
    older, newer = pair({"patches": [patch("12"), patch("7"), patch("31")]}, {"patches": [patch("12"), patch("7", "cd" * 32), patch("44")]})
    assert changes(comparing.patches(older, newer)) == {"12": "same", "7": "changed", "44": "added", "31": "removed"}
    assert not comparing.reordered(older, newer)


def test_another_order_is_said() -> None:
    older, newer = pair({"patches": [patch("12"), patch("7")]}, {"patches": [patch("7"), patch("3"), patch("12")]})
    assert comparing.reordered(older, newer)


def test_packages_are_matched_by_name_and_architecture() -> None:
    older, newer = pair({}, {})
    made.artefact(older, "a-1.rpm", b"one", name="a", stored=False)
    made.artefact(older, "b-1.rpm", b"same", name="b", stored=False)
    made.artefact(newer, "a-2.rpm", b"two!", name="a", stored=False)
    made.artefact(newer, "b-2.rpm", b"same", name="b", stored=False)
    made.artefact(newer, "c_2.deb", b"three", name="c", architecture="all", stored=False)
    found = comparing.artefacts(older, newer)
    assert changes(found) == {"a (rpm, x86_64)": "changed", "b (rpm, x86_64)": "same", "c (deb, all)": "added"}


def test_options_that_differ_and_that_only_one_had() -> None:
    older, newer = pair({"options": {"skip_tests": True, "threads": ""}}, {"options": {"skip_tests": False, "threads": "", "jdk": "17"}})
    found = {one.name: (one.old, one.new, one.change) for one in comparing.options(older, newer)}
    assert found["Skip tests"] == ("yes", "no", "changed")
    assert found["Threads"] == ("none", "none", "same")
    assert found["JDK"] == (None, "17", "added")


def test_tests_that_fail_now_that_were_mended_and_that_fail_in_both() -> None:
    failed = [{"suite": "a.B", "test": name, "message": "", "line": 1} for name in ("one", "two", "three")]
    older, newer = pair({"tests": {**made.TESTS, "failed": failed[:2]}}, {"tests": {**made.TESTS, "run": 413, "failed": failed[1:]}})
    assert changes(comparing.failing(older, newer)) == {"a.B.two": "same", "a.B.three": "added", "a.B.one": "removed"}
    assert {one.name: one.change for one in comparing.tests(older, newer)}["run"] == "changed"
    assert comparing.tests(*pair_without_tests()) == []


def pair_without_tests() -> tuple[Build, Build]:
    source = made.source("Another")
    return made.build(source, "1.0.0"), made.build(source, "1.0.1")


def test_steps_by_their_key() -> None:
    older, newer = pair({}, {})
    made.steps(older, "checkout", "maven")
    made.steps(newer, "checkout", "patch-1", "maven")
    found = [(one.title, one.old, one.new) for one in comparing.steps(older, newer)]
    assert found == [("Do checkout", 30.0, 30.0), ("Do patch-1", None, 60.0), ("Do maven", 60.0, 90.0)]


def test_the_page_shows_the_older_first_whatever_the_order(viewer: Client) -> None:
    older, newer = pair({"patches": [patch("12")]}, {"patches": [patch("12"), patch("7")]})
    url = reverse("builds_compare")
    pages = [viewer.get(f"{url}?b={one}&b={two}").content.decode() for one, two in ((older.pk, newer.pk), (newer.pk, older.pk))]
    assert "<title>4.8.0.15 and 4.8.0.16" in pages[0] and "Title of 7" in pages[0]
    assert "<title>4.8.0.15 and 4.8.0.16" in pages[1]


@pytest.mark.parametrize("query", ["", "?b=1", "?b=1&b=1", "?b=1&b=2&b=3", "?b=x&b=-1", "?b=99999999999999999999"])
def test_anything_else_asks_which_two(query: str, viewer: Client) -> None:
    pair({}, {})
    page = viewer.get(reverse("builds_compare") + query)
    assert page.status_code == 200 and "Compare two builds" in page.content.decode()


def test_the_page_makes_the_same_few_queries_for_many_artefacts(viewer: Client, django_assert_max_num_queries: Any) -> None:
    older, newer = pair({}, {})
    for build in (older, newer):
        made.steps(build, *(f"step-{n}" for n in range(30)))
        for n in range(30):
            made.artefact(build, f"p{n}.rpm", name=f"p{n}", stored=False)
    with django_assert_max_num_queries(9):
        viewer.get(f"{reverse('builds_compare')}?b={older.pk}&b={newer.pk}")


@pytest.fixture
def practice(settings: Any, tmp_path: Path) -> tuple[Source, list[str]]:
    """A mirrored source, and the commits of its branch 4.8, newest first."""
    settings.STATE_DIR = tmp_path / "state"
    settings.GIT_HOSTS = ["file://"]
    practice_source.create(tmp_path)
    repository = tmp_path / practice_source.NAME
    source = made.source("Practice", url=f"file://{repository}", pulls="ref")
    look = looking.ask("source", str(source.pk))
    looking.answer(look.pk)
    listed = subprocess.run(["git", "-C", str(repository), "log", "--format=%H", "4.8"], capture_output=True, text=True, check=True)
    return source, listed.stdout.split()


@pytest.mark.django_db(transaction=True)
def test_a_worker_reads_the_commits_in_between(practice: tuple[Source, list[str]], viewer: Client) -> None:
    source, commits = practice
    older, newer = made.build(source, "4.8.0.1", commit=commits[2]), made.build(source, "4.8.0.2", commit=commits[0])
    url = reverse("builds_commits", args=[older.pk, newer.pk])
    asked = viewer.post(url, headers={"HX-Request": "true"}).content.decode()
    assert "A worker reads the commits" in asked and f'hx-get="{url}"' in asked
    looking.answer(Look.objects.get(kind="commits").pk)
    page = viewer.get(url).content.decode()
    assert "2 new commits" in page and commits[0][:10] in page and commits[1][:10] in page and commits[2][:10] not in page
    assert "Practice Release Manager" in page and "hx-get" not in page


@pytest.mark.django_db(transaction=True)
def test_commits_of_two_branches_are_told_apart(practice: tuple[Source, list[str]], viewer: Client) -> None:
    source, _commits = practice
    heads = subprocess.run(["git", "ls-remote", source.url, "refs/heads/*"], capture_output=True, text=True, check=True).stdout.split()
    named = dict(zip(heads[1::2], heads[::2], strict=True))
    older = made.build(source, "4.20.0.1", commit=named["refs/heads/main"])
    newer = made.build(source, "5.1.0.1", commit=named["refs/heads/cosmic"])
    look = looking.ask("commits", looking.about_commits(source.pk, older.commit, newer.commit))
    looking.answer(look.pk)
    look.refresh_from_db()
    assert look.answer["went_count"] > 0 and look.answer["came_count"] > 0
    assert "not in this one" in viewer.get(reverse("builds_commits", args=[older.pk, newer.pk])).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_is_gone_is_said(practice: tuple[Source, list[str]], viewer: Client) -> None:
    source, commits = practice
    older, newer = made.build(source, "4.8.0.1", commit="f" * 40), made.build(source, "4.8.0.2", commit=commits[0])
    look = looking.ask("commits", looking.about_commits(source.pk, older.commit, newer.commit))
    looking.answer(look.pk)
    page = viewer.get(reverse("builds_commits", args=[older.pk, newer.pk])).content.decode()
    assert "does not have the commit ffffffffffff any more" in page


def test_an_answer_that_lasts_is_not_read_twice(viewer: Client) -> None:
    older, newer = pair({}, {})
    look = looking.ask("commits", looking.about_commits(older.source_id, older.commit, newer.commit))
    Look.objects.filter(pk=look.pk).update(answered_at=look.asked_at, answer={"came_count": 1})
    viewer.post(reverse("builds_commits", args=[older.pk, newer.pk]))
    look.refresh_from_db()
    assert not look.waiting


def test_builds_of_two_sources_share_no_history(viewer: Client) -> None:
    one, other = made.build(made.source("One"), "1.0.0"), made.build(made.source("Other"), "2.0.0")
    assert "share no history" in viewer.get(f"{reverse('builds_compare')}?b={one.pk}&b={other.pk}").content.decode()
    viewer.post(reverse("builds_commits", args=[one.pk, other.pk]))
    assert not Look.objects.exists()


def test_the_build_page_says_what_is_new_since_the_last_success(viewer: Client) -> None:
    source = made.source()
    made.build(source, "4.8.0.14", patches=[patch("12")])
    made.build(source, "4.8.0.15", "failed", patches=[])
    build = made.build(source, "4.8.0.16", patches=[patch("12"), patch("7")])
    assert (before := queries.before(build)) is not None and before.version == "4.8.0.14"
    page = viewer.get(build.get_absolute_url()).content.decode()
    new = page[page.index('id="changes"') :]
    assert "4.8.0.14" in new and "Title of 7" in new and "Title of 12" not in new
