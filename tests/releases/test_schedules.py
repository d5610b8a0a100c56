"""Builds by themselves, on a real repository with real pull requests: when they build, when not, and what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from opsportal.lab import practice_source
from opsportal.operations import registry
from opsportal.operations.models import AuditEntry, Operation
from opsportal.operations.states import OperationState
from releases import nightly, tasks
from releases.models import Build, Schedule, Source
from tests.releases import made

pytestmark = pytest.mark.django_db(transaction=True)

OPTIONS = {"ref": "4.8", "patches": [], "profiles": "systemvm", "rpm": "", "deb": False, "warm": True, "target": "local"}


@pytest.fixture
def repository(settings: Any, tmp_path: Path) -> Path:
    """The practice repository, as a source may be: by an address that is allowed."""
    settings.STATE_DIR = tmp_path / "state"
    settings.GIT_HOSTS = ["github.com", "file://"]
    practice_source.create(tmp_path)
    return tmp_path / practice_source.NAME


@pytest.fixture
def source(repository: Path) -> Source:
    return made.source("Practice", url=f"file://{repository}", pulls="ref", pulls_url="")


def schedule(source: Source, **fields: Any) -> Schedule:
    given = {"name": "Nightly", "params": OPTIONS, "owner": made.operator_named(), "next_at": timezone.now() - timedelta(minutes=1)}
    return Schedule.objects.create(source=source, **{**given, **fields})


def run(one: Schedule) -> Schedule:
    """Its due time, as a worker takes it."""
    nightly.run(one.pk)
    one.refresh_from_db()
    return one


def again(one: Schedule) -> Schedule:
    Schedule.objects.filter(pk=one.pk).update(next_at=timezone.now() - timedelta(seconds=5), last_at=None)
    return run(one)


def ended(state: str = "succeeded") -> None:
    Operation.objects.exclude(state=OperationState.DRAFT).update(state=state, ended_at=timezone.now())


def commit(repository: Path, branch: str) -> None:
    """One more commit on a branch, of nothing but a message."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]

    def git(*argv: str) -> str:
        return subprocess.run(["git", "-C", str(repository), *who, *argv], check=True, capture_output=True, text=True).stdout.strip()

    head = git("rev-parse", f"refs/heads/{branch}")
    made_now = git("commit-tree", f"{head}^{{tree}}", "-p", head, "-m", "Something moved")
    git("update-ref", f"refs/heads/{branch}", made_now)


def test_the_first_time_it_builds_the_next_number(source: Source) -> None:
    made.build(source, "4.8.0.15")
    one = run(schedule(source))
    build = Build.objects.get(schedule=one)
    assert build.version == "4.8.0.16" and build.operation.state == OperationState.QUEUED
    assert build.operation.requester == one.owner
    assert one.last_outcome == f"Started build {build.pk}, 4.8.0.16."
    assert one.next_at > timezone.now()


def test_nothing_is_built_when_nothing_moved(source: Source) -> None:
    one = run(schedule(source))
    ended()
    again(one)
    assert Build.objects.count() == 1
    assert one.last_outcome == f"Nothing moved since build {Build.objects.get().pk}, 4.8.0.1."


def test_it_builds_again_when_the_branch_moved(source: Source, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releases.facts.mirror.FRESH", 0)
    one = run(schedule(source))
    ended()
    commit(repository, "4.8")
    again(one)
    assert [build.version for build in Build.objects.order_by("pk")] == ["4.8.0.1", "4.8.0.2"]


def test_it_builds_again_when_a_pull_request_is_taken_in(source: Source, operator: Client) -> None:
    one = run(schedule(source))
    ended()
    one.params = {**OPTIONS, "patches": ["1"]}
    one.save()
    again(one)
    newest = Build.objects.order_by("-pk")[0]
    assert [patch["number"] for patch in newest.patches] == ["1"] and newest.version == "4.8.0.2"


def test_a_build_that_has_not_ended_is_waited_for(source: Source, repository: Path) -> None:
    one = run(schedule(source))
    again(one)
    assert one.last_outcome == f"Skipped: build {Build.objects.get().pk}, 4.8.0.1, of this schedule has not ended."
    assert Build.objects.count() == 1 and one.next_at > timezone.now()


def test_who_lost_the_right_to_build_does_not_build(source: Source) -> None:
    one = schedule(source)
    one.owner.groups.clear()
    run(one)
    assert not one.enabled and "olga may no longer run builds" in one.last_outcome
    assert not Build.objects.exists()
    assert AuditEntry.objects.filter(action="schedule.disable").exists()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"ref": "no-such-branch"}, "has no branch or tag named no-such-branch"),
        ({"patches": ["4711"]}, "Pull request 4711 is not in the repository"),
    ],
)
def test_what_cannot_be_read_is_said(params: dict[str, Any], said: str, source: Source) -> None:
    one = run(schedule(source, params={**OPTIONS, **params}))
    assert one.last_outcome.startswith("Could not build: ") and said in one.last_outcome
    assert one.enabled and one.next_at > timezone.now()


def test_what_the_rulebook_blocks_is_not_built(source: Source) -> None:
    one = run(schedule(source, params={**OPTIONS, "patches": ["1", "3"]}))
    assert "PR 3 conflicts with PR 1 in server/src/practice/server/HostAllocator.java" in one.last_outcome
    assert not Build.objects.exists()
    assert not Operation.objects.filter(state=OperationState.DRAFT).exists()


def test_a_claimed_run_is_nobody_elses(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    one = schedule(source, last_at=timezone.now())
    assert not nightly.due().exists()
    nightly.run(one.pk)
    assert not Build.objects.exists()


def test_a_run_whose_worker_died_is_taken_again_and_builds_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed right after the build was handed on: the due time stands, so another worker comes, and finds the build."""
    one = schedule(source)
    with monkeypatch.context() as patched:
        patched.setattr(nightly, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            nightly.run(one.pk)
    assert Build.objects.count() == 1
    Schedule.objects.filter(pk=one.pk).update(last_at=timezone.now() - nightly.CLAIMED_FOR - timedelta(seconds=1))
    run(one)
    assert Build.objects.count() == 1
    assert one.last_outcome == f"Started build {Build.objects.get().pk}, 4.8.0.1."


def test_missed_runs_are_made_up_for_once(source: Source) -> None:
    one = run(schedule(source, cron="*/30 * * * *", next_at=timezone.now() - timedelta(days=3)))
    assert Build.objects.count() == 1
    assert timezone.now() < one.next_at <= timezone.now() + timedelta(minutes=30)
    assert not nightly.due().exists()


def test_a_number_that_somebody_else_took_is_not_used_twice(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between choosing the number and handing the build on, another build takes it."""
    plan, taken = nightly._planned, list[Build]()

    def planned(schedule: Schedule, found: Any, token: str) -> Operation:
        operation = plan(schedule, found, token)
        if not taken:
            taken.append(made.build(source, operation.params["version"]))
        return operation

    monkeypatch.setattr(nightly, "_planned", planned)
    run(schedule(source))
    assert [build.version for build in Build.objects.order_by("pk")] == ["4.8.0.1", "4.8.0.2"]


def test_the_beat_asks_for_what_is_due_and_nothing_else(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    due = schedule(source)
    schedule(source, name="later", next_at=timezone.now() + timedelta(hours=1))
    schedule(source, name="off", enabled=False)
    asked: list[int] = []
    monkeypatch.setattr(nightly, "wake", asked.append)
    tasks.start_due_builds()
    assert asked == [due.pk]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 2 * * *", datetime(2026, 3, 1, 2, 0, tzinfo=UTC), datetime(2026, 3, 2, 2, 0, tzinfo=UTC)),
        ("30 4 * * 1-5", datetime(2026, 8, 28, 12, 0, tzinfo=UTC), datetime(2026, 8, 31, 4, 30, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_the_next_time_is_in_utc(cron: str, after: datetime, expected: datetime) -> None:
    assert nightly.following(cron, after) == expected


def typed(source: Source, **fields: str) -> dict[str, str]:
    given = {
        "name": "Nightly",
        "source": str(source.pk),
        "cron": "0 2 * * *",
        "ref": "4.8",
        "patches": "#12, 7",
        "warm": "on",
        "rpm": "centos7",
    }
    return {**given, "release_number": "1", "target": "local", "profiles": "systemvm", **fields}


def test_an_operator_adds_one(operator: Client, settings: Any) -> None:
    source = made.source()
    page = operator.post(reverse("schedule_new"), typed(source), follow=True).content.decode()
    one = Schedule.objects.get()
    assert one.params["patches"] == ["12", "7"] and one.params["warm"] is True and one.params["deb"] is False
    assert one.owner.username == "operator"
    assert "12, 7" in page and "RPM for centos7" in page and "with your rights" in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cron": "every night"}, "Five fields"),
        ({"cron": "0 0 31 2 *"}, "never comes"),
        ({"cron": "* * * * *"}, "more often than every five minutes"),
        ({"patches": "12 twelve"}, "twelve is not the number of a pull request"),
        ({"patches": "12 7 12"}, "12 is in the list more than once"),
        ({"ref": "-x"}, "not the name of a branch"),
        ({"threads": "4; rm"}, "A number such as 4"),
        ({"rpm": "../../etc"}, "a folder under packaging/"),
        ({"arguments": "clean install"}, "is not an option"),
        ({"target": "host:77"}, "host:77"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(fields: dict[str, str], said: str, operator: Client) -> None:
    answer = operator.post(reverse("schedule_new"), typed(made.source(), **fields))
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not Schedule.objects.exists()


def test_the_next_times_are_shown_while_it_is_typed(operator: Client) -> None:
    page = operator.get(reverse("schedules_times"), {"cron": "0 2 * * 1"}).content.decode()
    assert page.count("02:00") == 5 and page.count("Mon") == 5
    assert "Five fields" in operator.get(reverse("schedules_times"), {"cron": "soon"}).content.decode()


def test_other_options_are_a_reason_to_build(operator: Client) -> None:
    source = made.source()
    one = schedule(source, built_of="ab" * 32, owner=made.operator_named())
    operator.post(reverse("schedule_edit", args=[one.pk]), typed(source, patches=""))
    one.refresh_from_db()
    assert one.built_of == "" and one.owner.username == "operator"


def test_a_new_name_alone_is_no_reason_to_build(operator: Client) -> None:
    source = made.source()
    operator.post(reverse("schedule_new"), typed(source))
    one = Schedule.objects.get()
    Schedule.objects.update(built_of="ab" * 32)
    operator.post(reverse("schedule_edit", args=[one.pk]), typed(source, name="Every night"))
    one.refresh_from_db()
    assert one.built_of == "ab" * 32 and one.name == "Every night"


def test_switching_on_lends_ones_own_rights(operator: Client) -> None:
    one = schedule(made.source(), enabled=False, next_at=timezone.now() - timedelta(days=9))
    operator.post(reverse("schedule_switch", args=[one.pk]), {"on": "1"})
    one.refresh_from_db()
    assert one.enabled and one.owner.username == "operator" and one.next_at > timezone.now()


def test_an_administrator_can_switch_off_but_not_on(administrator: Client) -> None:
    one = schedule(made.source())
    administrator.post(reverse("schedule_switch", args=[one.pk]), {"on": "0"})
    one.refresh_from_db()
    assert not one.enabled
    page = administrator.post(reverse("schedule_switch", args=[one.pk]), {"on": "1"}, follow=True).content.decode()
    one.refresh_from_db()
    assert not one.enabled and "needs the role of operator" in page


def test_run_now_makes_it_due(operator: Client, django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    one = schedule(made.source(), next_at=timezone.now() + timedelta(hours=5), last_at=timezone.now() - timedelta(hours=2))
    operator.post(reverse("schedule_run", args=[one.pk]))
    assert [found.pk for found in nightly.due()] == [one.pk]


def test_builds_of_a_removed_schedule_stay(operator: Client, person: Callable[..., User]) -> None:
    source = made.source()
    one = schedule(source)
    build = made.build(source, schedule=one)
    assert "stays in the history" in operator.get(reverse("schedule_remove", args=[one.pk])).content.decode()
    operator.post(reverse("schedule_remove", args=[one.pk]))
    build.refresh_from_db()
    assert build.schedule is None and not Schedule.objects.exists()


def test_doing_a_scheduled_build_again_is_not_the_schedule() -> None:
    """Otherwise the list says that it came by itself, and the schedule waits for it to end."""
    assert registry.get("build-release").fresh()["schedule"] == 0
