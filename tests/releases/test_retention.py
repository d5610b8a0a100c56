"""What stays on disk and what goes, with real folders, on this machine and on a build host that may be away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from opsportal.operations import leases, targets
from opsportal.operations.errors import Refused
from opsportal.operations.models import AuditEntry, Lock, Operation
from opsportal.transport.command import Command
from opsportal.transport.errors import Unreachable
from opsportal.transport.local import LocalTransport
from releases import looking, retention
from releases.models import Build, Source
from tests.releases import made

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(settings: Any, tmp_path: Path) -> Source:
    settings.STATE_DIR = tmp_path / "state"
    return made.source(keep_workspaces=2, keep_artefacts=2)


def several(source: Source, *states: str) -> list[Build]:
    """One build for each state, oldest first, each with a workspace, the good ones with a package."""
    builds = [made.build(source, f"4.8.0.{number}", state) for number, state in enumerate(states, 1)]
    for build in builds:
        made.workspace(build)
        if build.operation.state == "succeeded":
            made.artefact(build, f"cloudstack-common-{build.version}.rpm")
    return builds


def workspaces(builds: list[Build], settings: Any) -> list[str]:
    return [build.version for build in builds if (settings.STATE_DIR / "workspaces" / build.workspace).exists()]


def packages(builds: list[Build], settings: Any) -> list[str]:
    return [build.version for build in builds if list((settings.STATE_DIR / "artefacts" / str(build.operation_id)).glob("*.rpm"))]


def test_the_newest_workspaces_stay_and_records_always(source: Source, settings: Any) -> None:
    builds = several(source, *["succeeded"] * 5)
    outcome = retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.4", "4.8.0.5"]
    assert (outcome.workspaces, outcome.failed) == (3, [])
    assert Build.objects.count() == 5
    assert list(Build.objects.filter(workspace_gone_at=None).order_by("pk").values_list("version", flat=True)) == ["4.8.0.4", "4.8.0.5"]
    assert AuditEntry.objects.filter(action="workspace.remove", actor="portal").count() == 3
    assert not list((settings.STATE_DIR / "workspaces").glob(".gone-*"))


def test_artefacts_of_the_newest_successful_builds_stay(source: Source, settings: Any) -> None:
    builds = several(source, "succeeded", "succeeded", "failed", "succeeded", "failed")
    retention.apply()
    assert packages(builds, settings) == ["4.8.0.2", "4.8.0.4"]
    builds[0].refresh_from_db()
    assert builds[0].artefacts_gone_at and builds[0].artefacts.exists()


def test_what_somebody_keeps_stays(source: Source, settings: Any) -> None:
    builds = several(source, *["succeeded"] * 4)
    retention.keep(builds[0], made.operator_named(), wanted=True)
    retention.apply()
    assert packages(builds, settings) == ["4.8.0.1", "4.8.0.3", "4.8.0.4"]


def test_a_running_build_keeps_its_workspace(source: Source, settings: Any) -> None:
    builds = several(source, "running", "succeeded", "succeeded", "succeeded")
    retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.1", "4.8.0.3", "4.8.0.4"]


def test_the_newest_failed_build_can_still_be_taken_up(source: Source, settings: Any) -> None:
    builds = several(source, "failed", "failed", "succeeded", "succeeded")
    for build in builds[:2]:
        made.steps(build, "checkout", "maven", state="failed")
    retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.2", "4.8.0.3", "4.8.0.4"]


def test_a_workspace_that_a_retry_shares_goes_only_with_the_retry(source: Source, settings: Any) -> None:
    first = several(source, "failed")[0]
    again = made.build(source, "4.8.0.1", "running", workspace=first.workspace, operation_kind="retry", operation_after=first.operation)
    several(source, "succeeded", "succeeded", "succeeded")
    retention.apply()
    assert workspaces([first], settings)
    Operation.objects.filter(pk=again.operation_id).update(state="succeeded", ended_at=timezone.now())
    retention.apply()
    assert not workspaces([first], settings)
    assert not Build.objects.filter(workspace=first.workspace, workspace_gone_at=None).exists()


def test_a_retry_that_somebody_is_drafting_needs_the_workspace(source: Source, settings: Any) -> None:
    failed = several(source, "failed")[0]
    made.operation("draft", kind=Operation.Kind.RETRY, after=failed.operation)
    several(source, "succeeded", "succeeded", "succeeded")
    retention.apply()
    assert workspaces([failed], settings)


def test_a_build_that_never_began_takes_nobodys_place(source: Source, settings: Any) -> None:
    builds = several(source, "succeeded", "succeeded")
    made.build(source, "4.8.0.9", "stale")
    made.build(source, "4.8.0.10", "rejected")
    retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.1", "4.8.0.2"]


def test_what_another_operation_works_on_is_left_alone(source: Source, settings: Any) -> None:
    builds = several(source, *["succeeded"] * 3)
    other = made.operation("running", runbook="something-else")
    leases.acquire(other, [f"workspace:{builds[0].workspace}"])
    retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.1", "4.8.0.2", "4.8.0.3"]


def test_a_lock_that_a_killed_run_left_is_let_go(source: Source, settings: Any) -> None:
    builds = several(source, *["succeeded"] * 3)
    Lock.objects.create(
        resource=f"workspace:{builds[0].workspace}", operation=builds[1].operation, since=timezone.now() - timedelta(hours=3)
    )
    retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.2", "4.8.0.3"]
    assert not Lock.objects.exists()


def test_a_workspace_with_read_only_folders_goes_too(source: Source, settings: Any) -> None:
    builds = several(source, *["succeeded"] * 3)
    (made.workspace(builds[0]) / "src" / "target").chmod(0o500)
    retention.apply()
    assert workspaces(builds, settings) == ["4.8.0.2", "4.8.0.3"]


def test_a_link_is_never_followed(source: Source, settings: Any, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    builds = several(source, *["succeeded"] * 3)
    place = made.workspace(builds[0])
    shutil.rmtree(place)
    place.symlink_to(precious)
    inside = made.workspace(builds[1]) / "src" / "elsewhere"
    inside.symlink_to(precious)
    source.keep_workspaces = 0
    source.save()
    outcome = retention.apply()
    assert (precious / "file").read_text() == "mine"
    assert len(outcome.failed) == 1 and "nothing was removed" in outcome.failed[0]


@pytest.mark.parametrize("name", ["", ".", "..", "../keys", "m2", "mirrors", "-rf", "a/b", "x\n", "a" * 65])
def test_only_names_of_workspaces_are_removed(name: str, source: Source, settings: Any) -> None:
    (settings.STATE_DIR / "workspaces" / "m2").mkdir(parents=True)
    (settings.STATE_DIR / "keys").write_text("secret")
    with pytest.raises(Refused, match="nothing was removed"):
        retention.remove_tree("local", name)
    assert (settings.STATE_DIR / "keys").exists() and (settings.STATE_DIR / "workspaces" / "m2").exists()


class Home(LocalTransport):
    """A build host whose login's home is a folder of this machine; it may be away."""

    def __init__(self, home: Path, away: list[bool]) -> None:
        self.home, self.away = home, away

    def run(self, command: Command, **options: Any) -> Any:
        if self.away:
            raise Unreachable("build1 does not answer: no route to host.")
        return super().run(Command(command.argv, command.script, cwd=str(self.home)), **options)


@pytest.fixture
def build_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Host, Path, list[bool]]:
    host, home, away = Host.objects.create(name="build1", address="10.0.0.9", kind="build"), tmp_path / "home", list[bool]()
    (home / "opsportal-builds").mkdir(parents=True)
    real = targets.connect
    monkeypatch.setattr(targets, "connect", lambda target: real(target) if target == "local" else Home(home, away))
    return host, home, away


def on_host(source: Source, host: Host, home: Path, number: int) -> list[Build]:
    builds = [made.build(source, f"4.8.0.{n}", target=f"host:{host.pk}") for n in range(1, number + 1)]
    for build in builds:
        (home / "opsportal-builds" / build.workspace / "src").mkdir(parents=True)
    return builds


def test_a_build_host_that_is_away_is_tried_again(source: Source, build_host: tuple[Host, Path, list[bool]]) -> None:
    host, home, away = build_host
    builds = on_host(source, host, home, 4)
    away.append(True)
    outcome = retention.apply()
    assert outcome.failed == [f"host:{host.pk}: build1 does not answer: no route to host."]  # asked once, not once for each
    assert not Build.objects.exclude(workspace_gone_at=None).exists()
    away.clear()
    retention.apply()
    left = [build.version for build in builds if (home / "opsportal-builds" / build.workspace).exists()]
    assert left == ["4.8.0.3", "4.8.0.4"]


def test_a_host_that_left_the_inventory_is_not_asked_for_ever(source: Source, build_host: tuple[Host, Path, list[bool]]) -> None:
    host, home, away = build_host
    on_host(source, host, home, 3)
    away.append(True)
    Host.objects.all().delete()
    retention.apply()
    assert Build.objects.exclude(workspace_gone_at=None).count() == 1
    assert "not in the inventory any more" in AuditEntry.objects.get(action="workspace.remove").detail["note"]


def test_forgetting_is_by_hand_too(source: Source, operator: Client, settings: Any) -> None:
    build = several(source, "succeeded")[0]
    page = operator.get(reverse("build_forget", args=[build.pk])).content.decode()
    assert "cloudstack-common-4.8.0.1.rpm" in page and packages([build], settings)
    operator.post(reverse("build_forget", args=[build.pk]))
    assert not packages([build], settings)
    assert AuditEntry.objects.get(action="artefacts.forget").actor == "operator"
    assert "The files were removed" in operator.get(build.get_absolute_url()).content.decode()


@pytest.mark.parametrize("fields", [{"keep": True}, {"operation_state": "running"}])
def test_what_is_kept_or_runs_is_not_forgotten(fields: dict[str, Any], source: Source, operator: Client, settings: Any) -> None:
    build = several(source, "succeeded")[0]
    Build.objects.filter(pk=build.pk).update(keep=fields.get("keep", False))
    Operation.objects.update(state=fields.get("operation_state", "succeeded"))
    page = operator.post(reverse("build_forget", args=[build.pk]), follow=True).content.decode()
    assert "cannot be forgotten" in page and packages([build], settings)


def test_a_removal_that_was_cut_off_is_finished(source: Source, settings: Any) -> None:
    build = several(source, "succeeded")[0]
    Build.objects.update(artefacts_gone_at=timezone.now())
    retention.apply()
    assert not packages([build], settings)


@pytest.mark.parametrize(
    ("newer", "said"),
    [
        (0, "They stay until 2 newer builds of CloudStack have succeeded."),
        (1, "until 1 newer build of CloudStack has"),
        (2, "next clean-up"),
    ],
)
def test_the_page_says_how_long_artefacts_stay(newer: int, said: str, source: Source, viewer: Client) -> None:
    build = several(source, *["succeeded"] * (newer + 1))[0]
    assert said in viewer.get(build.get_absolute_url()).content.decode()


def test_the_pages_say_what_goes_next(source: Source, viewer: Client) -> None:
    builds = several(source, *["succeeded"] * 3)
    for url in (reverse("clean_up"), source.get_absolute_url()):
        page = viewer.get(url).content.decode()
        assert page.count(f'href="{builds[0].get_absolute_url()}"') >= 2  # workspace and artefacts
    retention.apply()
    assert "Nothing." in viewer.get(reverse("clean_up")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_folders_that_no_record_owns_are_shown_and_left(source: Source, settings: Any, viewer: Client) -> None:
    build = several(source, "succeeded")[0]
    stranger = settings.STATE_DIR / "workspaces" / "left-behind"
    stranger.mkdir()
    (stranger / "big").write_bytes(b"x" * 200_000)
    look = looking.ask("disk", "local")
    looking.answer(look.pk)
    retention.apply()
    page = viewer.get(reverse("clean_up")).content.decode()
    assert "left-behind" in page and "205 kB" in page and build.workspace not in page
    assert stranger.exists()


def test_settings_of_a_source_are_kept_and_audited(source: Source, operator: Client) -> None:
    operator.post(reverse("source_retention", args=[source.pk]), {"keep_workspaces": 5, "keep_artefacts": 50})
    source.refresh_from_db()
    assert (source.keep_workspaces, source.keep_artefacts) == (5, 50)
    assert AuditEntry.objects.get(action="source.retention").detail == {"keep_workspaces": 5, "keep_artefacts": 50}
    page = operator.post(reverse("source_retention", args=[source.pk]), {"keep_workspaces": -1, "keep_artefacts": 0}, follow=True)
    assert "A number from" in page.content.decode() or "greater than or equal" in page.content.decode()
    source.refresh_from_db()
    assert source.keep_workspaces == 5


def test_a_viewer_cannot_change_what_stays(source: Source, logged_in: Callable[..., Client]) -> None:
    build = several(source, "succeeded")[0]
    viewer = logged_in("viewer", "approver")
    for name, pk in (("build_keep", build.pk), ("build_forget", build.pk), ("source_retention", source.pk)):
        assert viewer.post(reverse(name, args=[pk])).status_code == 403
