"""The history of builds: filters, search, speed, one build's page, and what is done from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from opsportal.operations.models import AuditEntry, Operation
from releases.models import Build, Look, Schedule
from tests.releases import made

pytestmark = pytest.mark.django_db


@pytest.fixture
def history() -> dict[str, Build]:
    """A few builds that differ in everything one can filter by."""
    one, other = made.source("CloudStack"), made.source("Cosmic")
    nightly = Schedule.objects.create(source=one, name="Nightly", owner=made.operator_named(), next_at=timezone.now())
    found = {
        "old": made.build(one, "4.7.1.3", ref="4.7", patches=[]),
        "kept": made.build(
            one, "4.8.0.15", keep=True, patches=[{**made.PATCH, "number": "1234", "title": "Größe der Platte anzeigen", "commits": []}]
        ),
        "failed": made.build(one, "4.8.0.16", "failed", schedule=nightly, patches=[{**made.PATCH, "number": "123"}]),
        "running": made.build(other, "5.1.0.1", "running", ref="master", commit="deadbeef" * 5, patches=[]),
        "rita": made.build(
            other, "5.1.0.2", ref="master", operation_requester=made.operator_named("rita"), built_commit="cafe" * 10, patches=[]
        ),
    }
    Build.objects.filter(pk=found["old"].pk).update(created_at=timezone.now() - timedelta(days=40))
    return found


FILTERS = [
    ("", ["rita", "running", "failed", "kept", "old"]),
    ("?source=SOURCE", ["failed", "kept", "old"]),
    ("?result=failed", ["failed"]),
    ("?result=going", ["running"]),
    ("?result=succeeded&branch=4.8", ["kept"]),
    ("?version=4.8", ["failed", "kept"]),
    ("?branch=master", ["rita", "running"]),
    ("?who=RITA", ["rita"]),
    ("?who=nobody", []),
    ("?schedule=SCHEDULE", ["failed"]),
    ("?kept=1", ["kept"]),
    ("?since=DAY-2", ["rita", "running", "failed", "kept"]),
    ("?until=DAY-2", ["old"]),
    ("?since=DAY+2", []),
    ("?who=rita&since=DAY-2", ["rita"]),
    ("?q=4.8.0.15", ["kept"]),
    ("?q=5.1.0", ["rita", "running"]),
    ("?q=%23123", ["failed"]),
    ("?q=%231234", ["kept"]),
    ("?q=DEADBEEF", ["running"]),
    ("?q=cafeca", ["rita"]),
    ("?q=Größe", ["kept"]),
    ("?q=live+volumes", ["failed"]),
    ("?q=%25", []),
    ("?q=%00", ["rita", "running", "failed", "kept", "old"]),
    ("?source=%27+or+1&result=nonsense&since=yesterday&before=x", ["rita", "running", "failed", "kept", "old"]),
]


@pytest.mark.parametrize(("query", "names"), FILTERS)
def test_filters_and_search(query: str, names: list[str], history: dict[str, Build], viewer: Client) -> None:
    build, today = history["failed"], timezone.now()
    query = query.replace("SOURCE", str(build.source_id)).replace("SCHEDULE", str(build.schedule_id))
    for days in (-2, 2):
        query = query.replace(f"DAY{days:+}", (today + timedelta(days=days)).strftime("%Y-%m-%d"))
    found = viewer.get(reverse("builds") + query).context["found"]
    assert [row.pk for row in found.rows] == [history[name].pk for name in names]


QUERIES = [
    "",
    "?before=LAST",
    "?after=FIRST",
    "?result=failed",
    "?who=olga&branch=main",
    "?kept=1",
    "?q=%2312",
    "?source=SOURCE&version=4.8",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_list_makes_the_same_few_queries_for_10_and_for_1000_builds(query: str, operator: Client) -> None:
    source = made.source()

    def queries() -> int:
        first, last = Build.objects.order_by("pk")[0].pk, Build.objects.order_by("-pk")[0].pk
        url = query.replace("LAST", str(last)).replace("FIRST", str(first)).replace("SOURCE", str(source.pk))
        with CaptureQueriesContext(connection) as caught:
            assert operator.get(reverse("builds") + url).status_code == 200
        return len(caught)

    made.many(source, 10)
    few = queries()
    Build.objects.all().delete()
    Operation.objects.all().delete()
    made.many(source, 1000)
    assert queries() == few <= 6


def test_pages_go_on_without_loss(viewer: Client) -> None:
    source = made.source()
    made.many(source, 120)
    for start in ("?", "?result=succeeded&"):
        seen: list[int] = []
        url = reverse("builds") + start
        while True:
            found = viewer.get(url).context["found"]
            seen += [row.pk for row in found.rows]
            if found.older is None:
                break
            url = f"{reverse('builds')}{start}before={found.older}"
        expected = Build.objects.filter(**({"operation__state": "succeeded"} if "result" in start else {})).order_by("-pk")
        assert seen == list(expected.values_list("pk", flat=True))


def test_a_script_gets_the_list_alone(history: dict[str, Build], viewer: Client) -> None:
    page = viewer.get(reverse("builds"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page and "4.8.0.16" in page


def test_the_charts_say_durations_and_results(history: dict[str, Build], viewer: Client) -> None:
    page = viewer.get(reverse("builds_charts")).content.decode()
    assert "#3: 38 min" in page.replace(f"#{history['failed'].pk}", "#3") and "Results by week" in page
    week = timezone.now().isocalendar().week
    assert f"W{week}: 1 failed" in page and f"W{week}: 2 succeeded" in page
    filtered = viewer.get(reverse("builds_charts") + "?who=rita").content.decode()
    assert f"#{history['rita'].pk}" in filtered and f"#{history['failed'].pk}:" not in filtered


def test_nothing_yet_teaches_the_first_build(operator: Client) -> None:
    page = operator.get(reverse("builds")).content.decode()
    assert "Nothing was built yet" in page and reverse("sources") in page and reverse("runbook_start", args=["build-release"]) in page


@pytest.fixture
def failed() -> Build:
    build = made.build(
        made.source(), state="failed", tests=made.TESTS, modules=made.MODULES, version_commit="1" * 40, version_files=68,
        operation_outcome="Step 6, “Build with Maven”, failed: Module server: resizes: expected:<1> but was:<2>",
    )  # fmt: skip
    made.steps(build, "checkout", "version", "maven")
    build.operation.steps.filter(key="maven").update(state="failed")
    return build


def test_the_page_of_a_failed_build_leads_to_the_error(failed: Build, operator: Client) -> None:
    page = operator.get(failed.get_absolute_url()).content.decode()
    line = f"{reverse('operation', args=[failed.operation_id])}#L208"  # line 7 of a step whose output begins at line 200
    assert f'href="{line}"' in page and "VolumeTest.resizes" in page
    assert page.index("VolumeTest.resizes") < page.index("It left none")
    for said in ("expected:&lt;1&gt;", "68 files changed", "Live migrate volumes", "5 min 12 s", "Hypervisor Xenserver", failed.commit):
        assert said in page


def test_hostile_text_stays_text(viewer: Client) -> None:
    evil = "<script>alert(1)</script>"
    build = made.build(
        made.source(), patches=[{**made.PATCH, "title": evil, "authors": [evil]}], modules=[{"name": evil, "state": "ok", "seconds": 2.0}],
        tests={**made.TESTS, "failed": [{"suite": evil, "test": evil, "message": evil, "line": 0}]}, options={"arguments": evil},
    )  # fmt: skip
    for url in (build.get_absolute_url(), reverse("builds") + "?q=" + evil):
        assert evil not in viewer.get(url).content.decode()


def test_the_page_of_a_build_makes_few_queries(failed: Build, operator: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(40):
        made.artefact(failed, f"p{number}.rpm", stored=False)
    with django_assert_max_num_queries(14):
        operator.get(failed.get_absolute_url())


@pytest.fixture
def planned(failed: Build, monkeypatch: pytest.MonkeyPatch) -> Build:
    """With parameters that a follower can take over."""
    params = {"source": failed.source_id, "ref": "4.8", "version": "4.8.0.16", "workspace": failed.workspace}
    Operation.objects.filter(pk=failed.operation_id).update(params=params)
    return failed


def test_a_failed_build_is_taken_up_where_it_failed(planned: Build, operator: Client) -> None:
    url, token = reverse("build_retry", args=[planned.pk]), "t" * 32
    first = operator.post(url, {"token": token})
    draft = Operation.objects.get(kind=Operation.Kind.RETRY)
    assert draft.after_id == planned.operation_id and draft.params["workspace"] == planned.workspace
    assert first.headers["Location"] == reverse("operation_review", args=[draft.pk])
    assert operator.post(url, {"token": token}).headers["Location"] == first.headers["Location"]  # a double click makes one


def test_without_its_workspace_it_is_built_again_instead(planned: Build, operator: Client) -> None:
    Build.objects.update(workspace_gone_at=timezone.now())
    page = operator.get(planned.get_absolute_url()).content.decode()
    assert "Retry from the failed step" not in page and "Its workspace was removed" in page
    refused = operator.post(reverse("build_retry", args=[planned.pk]), {"token": "t" * 32}, follow=True).content.decode()
    assert "Build it again" in refused and not Operation.objects.filter(kind=Operation.Kind.RETRY).exists()
    operator.post(reverse("build_again", args=[planned.pk]), {"token": "u" * 32})
    assert Operation.objects.get(kind=Operation.Kind.REBUILD).params["workspace"] != planned.workspace


def test_an_act_without_its_form_does_nothing(planned: Build, operator: Client) -> None:
    page = operator.post(reverse("build_again", args=[planned.pk]), follow=True).content.decode()
    assert "Load the page again" in page and Operation.objects.count() == 1


def test_keeping_is_on_record(operator: Client) -> None:
    build = made.build(made.source())
    made.artefact(build, stored=False)
    for wanted in ("1", "1", "0"):
        operator.post(reverse("build_keep", args=[build.pk]), {"keep": wanted})
    build.refresh_from_db()
    assert not build.keep
    assert [entry.action for entry in AuditEntry.objects.order_by("number")] == ["build.keep", "build.let_go"]


RUNNING = {
    "modules": [{"name": "Utils", "state": "ok", "seconds": 12.0}, {"name": "Server", "state": "building", "seconds": None, "since": 0}],
    "module": 2, "tests": made.TESTS, "problem": {},
}  # fmt: skip


@pytest.fixture
def running() -> Build:
    build = made.build(made.source(), state="running")
    step = made.steps(build, "maven", state="running")[0]
    step.progress, step.first_line, step.ended_at = {"reader": RUNNING}, 40, None
    step.save()
    return build


def test_progress_shows_modules_tests_and_the_line_of_a_failure(running: Build, viewer: Client) -> None:
    page = viewer.get(reverse("build_progress", args=[running.operation_id])).content.decode()
    assert "module 2 of 2" in page and "Building <strong>Server</strong>" in page and "12 s" in page
    assert f"{reverse('operation', args=[running.operation_id])}#L48" in page and "VolumeTest.resizes" in page
    assert "portal:progress" in page  # asks again while it runs


def test_progress_is_part_of_the_operations_page(running: Build, viewer: Client) -> None:
    page = viewer.get(reverse("operation", args=[running.operation_id])).content.decode()
    assert "module 2 of 2" in page and "css/releases.css" in page


@pytest.mark.parametrize(("modules", "said"), [(["Utils", "Server"], "about 9 min"), (["Utils", "Other"], "about 9 min")])
def test_what_is_left_is_told_from_the_last_success(modules: list[str], said: str, viewer: Client) -> None:
    """Server took ten minutes then, and Utils half of what it took now; without the same modules the pace so far counts."""
    source = made.source()
    made.build(
        source, "4.8.0.15", modules=[{"name": name, "state": "ok", "seconds": 6.0 if name == "Utils" else 540.0} for name in modules]
    )
    build = made.build(source, "4.8.0.16", "running")
    step = made.steps(build, "maven", state="running")[0]
    began = timezone.now() - timedelta(minutes=9)
    building = {**RUNNING["modules"][1], "since": timezone.now().timestamp()}  # type: ignore[index]
    step.progress = {"reader": {**RUNNING, "modules": [{**RUNNING["modules"][0], "seconds": 6.0}, building]}}  # type: ignore[index]
    step.started_at, step.ended_at = began, None
    step.save()
    assert said in viewer.get(reverse("build_progress", args=[build.operation_id])).content.decode()


def test_when_it_is_over_the_artefacts_are_there_and_nothing_asks_again(
    running: Build, viewer: Client, settings: Any, tmp_path: Any
) -> None:
    settings.STATE_DIR = tmp_path
    package = made.artefact(running)
    Operation.objects.update(state="succeeded", ended_at=timezone.now())
    running.operation.steps.update(state="succeeded")
    page = viewer.get(reverse("build_progress", args=[running.operation_id])).content.decode()
    assert package.get_absolute_url() in page and package.sha256 in page and "hx-get" not in page


def test_before_it_runs_there_is_nothing_to_show(viewer: Client) -> None:
    build = made.build(made.source(), state="queued")
    page = viewer.get(reverse("build_progress", args=[build.operation_id])).content.decode()
    assert "<section" not in page and "hx-get" in page


GET_CHANGES_NOTHING = ["builds", "builds_charts", "builds_compare", "sources", "source_new", "schedules", "schedule_new", "clean_up"]


@pytest.mark.parametrize("name", GET_CHANGES_NOTHING)
def test_looking_changes_nothing(name: str, failed: Build, logged_in: Callable[..., Client]) -> None:
    def everything() -> list[object]:
        return [list(model.objects.order_by("pk").values()) for model in (Build, Look, Schedule, Operation, AuditEntry)]

    before = everything()
    assert logged_in("operator", "administrator").get(reverse(name)).status_code == 200
    assert everything() == before
