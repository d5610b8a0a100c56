"""Whole builds of every branch of the practice source, good and bad ones: real Git, Maven, rpmbuild and dpkg behind the fence."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from hosts import connections
from hosts.models import Credential, Host, Kind
from opsportal.lab import practice_source
from opsportal.lab.forge import Forge
from opsportal.operations import execution, reading, targets
from opsportal.operations.models import Operation
from releases import workspace
from releases.models import Build
from tests.hosts.conftest import key, keys, machine  # noqa: F401 - fixtures
from tests.hosts.inventory import known
from tests.hosts.machine import Machine
from tests.operations.driving import run
from tests.releases import practice
from tests.releases.building import MISSING, SOURCE, Yard, checkout, failed, git, log, put, step, store, subjects, succeeded, until

pytestmark = [
    pytest.mark.build,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(MISSING), reason=f"NO BUILD: not installed: {', '.join(MISSING)}"),
]

NUMBERS = "Updating pom.xml version numbers for release "


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Forge, Path]]:
    """A forge and a state directory for all tests here: the first build fills Maven's local repository."""
    with Forge(practice_source.create(tmp_path_factory.mktemp("forge"))).running() as running:
        yield running, tmp_path_factory.mktemp("state")


@pytest.fixture
def yard(ground: tuple[Forge, Path], settings: Settings, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> Yard:
    running, state = ground
    monkeypatch.setattr(reading, "_AT_ONCE", 1)  # SQLite in memory refuses a table that another thread writes, instead of waiting
    for fetched in state.glob("mirrors/*.git/opsportal-fetched"):
        fetched.unlink()
    settings.STATE_DIR, settings.GIT_HOSTS = state, [running.url]
    return Yard(running, practice.register(running, pk=SOURCE), person("olga", "operator"))


def artefacts(build: Build) -> list[str]:
    """As the packages say themselves; each is in the store."""
    assert {path.name for path in store(build.operation).iterdir()} == {one.file for one in build.artefacts.filter(stored=True)}
    return [" ".join(filter(None, (one.name, one.version, one.release))) for one in build.artefacts.filter(stored=True)]


class TestBranches:
    def test_48_with_patches_rpm_and_deb(self, yard: Yard) -> None:
        operation = yard.built(patches=["1", "2", "10", "11"], version="4.8.0.16", rpm="centos7", deb=True)
        build = succeeded(operation)
        parts = ("agent", "common", "management")
        assert artefacts(build) == [f"practice-{part}{rest}" for rest in (" 4.8.0.16", " 4.8.0.16 1.el7.centos") for part in parts]
        assert (build.version_files, build.built_commit) == (15, git(checkout(operation), "rev-parse", "HEAD"))
        assert (build.tests["run"], build.tests["failures"], len(build.modules)) == (88, 0, 11)
        assert {module["state"] for module in build.modules} == {"ok"}
        assert [patch["number"] for patch in build.patches] == ["1", "2", "10", "11"]
        assert subjects(operation)[-1] == f"{NUMBERS}4.8.0.16" and len(subjects(operation)) == 7
        closing = git(checkout(operation), "log", "--format=%b", f"{build.commit}..HEAD")
        assert [f"This closes #{number}" in closing for number in (1, 2, 10, 11)] == [True] * 4
        assert f"Signed-off-by: {portal.COMMITTER_NAME}" in closing

    def test_main_with_a_brand(self, yard: Yard) -> None:
        build = succeeded(yard.built(ref="main", patches=["15"], version="4.20.1.0-acme", rpm="el8", deb=True))
        assert len(artefacts(build)) == 8
        assert {(one.kind, one.version.partition("~")[0]) for one in build.artefacts.all()} == {
            ("rpm", "4.20.1.0"),
            ("deb", "4.20.1.0-acme"),
        }
        assert {one.release for one in build.artefacts.filter(kind="rpm")} == {"acme.1"}

    def test_cosmic_leaves_jars_of_the_new_number(self, yard: Yard) -> None:
        build = succeeded(yard.built(ref="cosmic", version="5.1.0.1", profiles=""))
        assert artefacts(build) and {one.version for one in build.artefacts.all()} == {"5.1.0.1"}
        assert all("5.1.0.1" in one.file and "SNAPSHOT" not in one.file for one in build.artefacts.all())

    def test_a_plain_project_under_its_own_number(self, yard: Yard) -> None:
        operation = yard.built(ref="plain", numbering="rebuild", profiles="")
        build = succeeded(operation)
        assert (build.version, build.version_commit, subjects(operation)) == ("1.4.0-SNAPSHOT", "", [])
        assert artefacts(build)


class TestFailures:
    def test_a_script_that_leaves_the_branch(self, yard: Yard) -> None:
        message = failed(yard.built(patches=["12"], version="4.8.0.1"), "version")
        assert "the checkout is on version-bump instead of opsportal: something switched it" in message

    def test_done_without_packages_and_stale_ones_in_the_workspace(self, yard: Yard) -> None:
        operation = yard.submitted(patches=["13"], version="4.8.0.1", rpm="centos7", skip_tests=True)
        until(operation, "maven", "running", "succeeded")
        old = time.time() - 3600
        for part in ("agent", "common", "management"):
            stale = put(checkout(operation), f"dist/rpmbuild/RPMS/x86_64/practice-{part}-4.8.0.1-1.el7.centos.x86_64.rpm", "of last week")
            os.utime(stale, (old, old))
        message = failed(run(operation), "rpm")
        assert "no rpm package newer than the start of this step was left behind, whatever the script printed" in message
        assert "\nDone" in log(operation)

    def test_a_failing_test_is_named(self, yard: Yard) -> None:
        operation = yard.built(patches=["8"], version="4.8.0.1", rpm="centos7")
        message = failed(operation, "maven")
        assert "Module practice-server: CapacityPlannerTest.processorsArePromisedTwice: " in message
        build = Build.objects.get(operation=operation)
        one = build.tests["failed"][0]
        assert (one["suite"], one["test"]) == ("practice.server.CapacityPlannerTest", "processorsArePromisedTwice")
        lines = log(operation).split("\n")[step(operation, "maven").first_line :]
        assert one["test"] in lines[one["line"]], [number for number, line in enumerate(lines) if one["test"] in line]
        assert [module["state"] for module in build.modules].count("failed") == 1
        assert step(operation, "rpm").state == "skipped", "packages are made only of what passes"

    def test_a_compile_error_is_named(self, yard: Yard) -> None:
        message = failed(yard.built(patches=["9"], version="4.8.0.1"), "maven")
        assert "Module practice-engine-schema: DatabaseUpgradeChecker.java, line 8: cannot find symbol" in message


class TestAgain:
    def test_a_retry_applies_no_patch_twice(self, yard: Yard) -> None:
        operation = yard.submitted(patches=["1", "2"], version="4.8.0.3", skip_tests=True)
        until(operation, "version", "succeeded")
        wrong = put(checkout(operation), "client/src/practice/client/Broken.java", "package practice.client;\nclass Broken {")
        failed(run(operation), "maven")
        wrong.unlink()
        before = subjects(operation)
        after = run(yard.follow(operation, "retry"))
        build = succeeded(after)
        assert [one.key for one in after.steps.all()] == ["maven", "manifest", "fetch"]
        assert subjects(after) == before and len(before) == 5
        assert build.built_commit == git(checkout(after), "rev-parse", "HEAD") and artefacts(build)

    def test_a_rebuild_takes_the_pinned_commit_though_the_branch_moved(self, yard: Yard) -> None:
        practice.git(yard.forge.repository, "update-ref", "refs/heads/moving", "refs/heads/plain")
        first = yard.built(ref="moving", numbering="rebuild", profiles="", skip_tests=True)
        pinned = succeeded(first).commit
        moved = practice.commit(yard.forge.repository, "moving", "README.md", "Somebody was here.\n")
        build = succeeded(run(yard.follow(first, "again")))
        assert (build.commit, build.built_commit or build.commit) == (pinned, pinned) and pinned != moved
        assert git(checkout(build.operation), "rev-parse", "HEAD") == pinned
        assert checkout(build.operation) != checkout(first)

    def test_two_builds_of_one_warm_source_wait_for_each_other(self, yard: Yard) -> None:
        asked: dict[str, Any] = {"ref": "plain", "numbering": "rebuild", "profiles": "", "skip_tests": True}
        first, second = yard.submitted(**asked), yard.submitted(**asked)
        until(first, "maven", "running", "succeeded")
        execution.slice_of(second.pk, 5)
        second.refresh_from_db()
        assert (second.state, second.steps.count()) == ("queued", 0)
        assert "maven-repository" in second.waiting_for or f"#{first.pk}" in second.waiting_for
        succeeded(run(first))
        Operation.objects.filter(pk=second.pk).update(retry_at=None)  # as the next sweep does
        succeeded(run(second))


HOSTILE = """\
package practice.utils;

import java.nio.file.*;
import java.util.stream.*;
import org.junit.Test;

public class HostileTest {
    @Test
    public void looksAround() throws Exception {
        try (var processes = Files.list(Path.of("/proc"))) {
            var environments = processes.map(path -> path.resolve("environ")).filter(Files::exists);
            Stream.concat(Stream.of(PATHS).map(Path::of), environments).forEach(this::take);
        }
        System.out.println("ENV " + System.getenv());
        System.out.println("LOOKED AROUND");
    }

    private void take(Path path) {
        try {
            var text = Files.isDirectory(path) ? Files.list(path).map(Path::toString).collect(Collectors.joining(" "))
                : new String(Files.readAllBytes(path), "ISO-8859-1");
            System.out.println("GOT " + path + " " + text.replace('\\n', ' ').replace('\\0', ' '));
        } catch (Exception error) {
            System.out.println("NOT " + path + " " + error);
        }
    }
}
"""


class TestHostileCode:
    def test_it_sees_nothing_of_the_portal(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        state, marker = Path(portal.STATE_DIR), "portal-secret-5f1c"
        monkeypatch.setenv("PORTAL_MARKER", marker)
        secret = put(state, "secret_key", marker)
        closed = [str(secret), str(state / "mirrors"), "/etc/shadow", str(Path.home() / ".ssh"), str(Path.home())]
        self._pull_request(yard.forge, "PATHS", ", ".join(f'"{path}"' for path in closed))
        yard.source.pulls = "ref"
        yard.source.save()
        said = log(operation := yard.built(patches=["90"], version="4.8.0.9"))
        succeeded(operation)
        assert "LOOKED AROUND" in said, "the hostile test did not run"
        assert marker not in said
        assert "SECRET_KEY" not in said and "DJANGO" not in said
        for path in closed:
            lines = [line for line in said.splitlines() if f" {path} " in f"{line} " and line.split("] ")[-1].startswith(("GOT", "NOT"))]
            assert lines and all(line.rstrip().endswith(path) or "NOT" in line for line in lines), lines

    def _pull_request(self, forge: Forge, name: str, words: str) -> None:
        git_dir = forge.repository
        practice.git(git_dir, "update-ref", "refs/heads/hostile", "refs/heads/4.8")
        text = HOSTILE.replace(f"Stream.of({name})", f"Stream.of({words})")
        practice.commit(git_dir, "hostile", "utils/test/practice/utils/HostileTest.java", text, message="Look around")
        practice.git(git_dir, "update-ref", "refs/pull/90/head", "refs/heads/hostile")
        practice.git(git_dir, "update-ref", "-d", "refs/heads/hostile")

    def test_a_package_that_became_a_link_is_not_taken(self, yard: Yard) -> None:
        operation = yard.submitted(ref="plain", numbering="rebuild", profiles="", skip_tests=True)
        until(operation, "manifest", "succeeded")
        assert step(operation, "fetch").state == "pending"
        for one in Build.objects.get(operation=operation).artefacts.all():
            jar = next(checkout(operation).rglob(one.file))
            jar.unlink()
            jar.symlink_to("/etc/hostname")
        message = failed(run(operation), "fetch")
        assert "not a single file" in message or "not a plain file" in message or "missing" in message
        assert not list(store(operation).iterdir()) if store(operation).exists() else True


class TestOnAHost:
    @pytest.fixture
    def host(self, yard: Yard, key: Credential, machine: Machine) -> Iterator[Host]:  # noqa: F811
        machine.authorized.write_text(key.public + "\n")
        host = known(machine, key)
        Host.objects.filter(pk=host.pk).update(kind=Kind.BUILD)
        yield host
        connections.forget_all()
        for left in Path.home().glob(f".opsportal/{targets.portal_id()}-op-*"):
            shutil.rmtree(left)

    def test_a_whole_build_over_ssh(self, yard: Yard, host: Host) -> None:
        base = Path.home() / workspace.HOST_FOLDER
        there = base.exists()
        operation = yard.submitted(patches=["1"], version="4.8.0.21", deb=True, skip_tests=True, target=f"host:{host.pk}")
        try:
            build = succeeded(run(operation))
            assert (base / build.workspace / "src").is_dir() and not checkout(operation).exists()
        finally:
            gone = [base / str(operation.params["workspace"]), base / "m2" / str(SOURCE), base / "mirrors" / f"{SOURCE}.git"]
            for path in gone if there else [base]:
                shutil.rmtree(path, ignore_errors=True)
        assert artefacts(build) == [f"practice-{part} 4.8.0.21" for part in ("agent", "common", "management")]
        assert build.target == f"host:{host.pk}" and build.modules
