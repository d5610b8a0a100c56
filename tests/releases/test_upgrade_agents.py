"""Agents of the practice cloud's KVM hosts are upgraded by a build's packages, proved by what CloudStack says, and taken back."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts.cloudstack import cluster_steps, host_steps
from hosts.models import CloudApi
from opsportal.lab.cloudstack import adding, watching
from opsportal.operations import approval, followers, planning, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from releases.models import Build
from releases.runbooks import upgrade_kvm_agents
from tests.hosts.runbooks.test_cloud_hosts_on_the_stage import look
from tests.hosts.runbooks.test_cloudstack_on_the_stage import cloud, connect, host_of
from tests.lab.machines.stage import Stage, running
from tests.operations.driving import draft, run
from tests.releases import made

pytestmark = [pytest.mark.stage, pytest.mark.django_db(transaction=True)]

NAMES = ("practice-common", "practice-agent")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("packages")
    return {version: [_package(folder, name, version) for name in NAMES] for version in ("4.8.0.16", "4.8.0.17")}


def _package(folder: Path, name: str, version: str) -> Path:
    root = folder / f"{name}-{version}"
    needs = f"Depends: practice-common (= {version})\n" if name != "practice-common" else ""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\n{needs}Description: {name}\n"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(control)
    file = folder / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(root), str(file)], check=True, capture_output=True)
    return file


class Desk:
    def __init__(self, stage: Stage, builds: dict[str, Build], olga: User, paul: User, petra: User) -> None:
        self.stage, self.builds, self.olga, self.approvers = stage, builds, olga, (paul, petra)

    def plan(self, version: str = "4.8.0.16", **more: Any) -> Operation:
        given = {"cloud": self.stage.seeded.cloud.pk, "build": self.builds[version].pk, "token": secrets.token_hex(6), **more}
        return draft("upgrade-kvm-agents", self.olga, **given)

    def go(self, operation: Operation) -> Operation:
        approval.submit(operation, user=self.olga, reason="The test's own way", overrides=True)
        for one in self.approvers:
            operation.refresh_from_db()
            if operation.state == S.AWAITING_APPROVAL:
                approval.approve(operation, user=one, digest=operation.digest)
        operation.refresh_from_db()
        return run(operation, slices=200, seconds=60)

    def undo(self, operation: Operation) -> Operation:
        back = followers.undo(operation, user=self.olga, token=secrets.token_hex(8))
        planning.work(back.pk)
        back.refresh_from_db()
        return self.go(back)

    def version(self, name: str = "kvm1") -> str:
        """As CloudStack says, and as the host's package manager does."""
        installed = self.stage.run(name, "dpkg-query", "-W", "-f", "${Version}", "practice-agent").out
        host = host_of(self.stage, name)
        return installed if host is None or host.version == installed else f"{installed} and {host.version}"


@pytest.fixture
def desk(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, person: Callable[..., User], packages: dict[str, list[Path]]
) -> Iterator[Desk]:
    monkeypatch.setattr(cluster_steps, "AGAIN", 0)
    for module in (cluster_steps, host_steps):
        monkeypatch.setattr(module, "PROVED", 4)
    monkeypatch.setattr(upgrade_kvm_agents, "CALLS", 15)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as stage:
        with stage.world():
            cloud(stage).data.version = "4.8.0.16"  # the management servers were upgraded
        look(connect(stage))
        olga, source = person("olga", "operator"), made.source()
        builds = {version: _build(source, version, files) for version, files in packages.items()}
        yield Desk(stage, builds, olga, person("paul", "approver"), person("petra", "approver"))


def _build(source: Any, version: str, files: list[Path]) -> Build:
    build = made.build(source, version, patches=[])
    for path in files:
        made.artefact(build, path.name, path.read_bytes(), name=path.name.split("_")[0], release="", architecture="all")
    return build


def why(operation: Operation) -> str:
    steps = "\n".join(f"{step.key} {step.state} {step.message}" for step in operation.steps.all())
    return f"{operation.outcome}{operation.plan_error}{operation.findings}\n{steps}"


def messages(operation: Operation) -> str:
    return "\n".join(f"{one['level']}: {one['message']}" for one in operation.findings)


def keys(operation: Operation) -> list[str]:
    return [step.key.partition("-")[0] for step in operation.frozen().steps]


def test_one_after_the_other_proved_by_cloudstack_and_taken_back(desk: Desk) -> None:
    unknown = desk.plan()
    assert "block: CloudStack has no host at the address of kvm2. Leave it out" in messages(unknown) + unknown.plan_error, why(unknown)
    skip = (desk.stage.host("kvm2").pk,)
    operation = desk.plan(skip=skip)
    assert operation.plan and "block" not in messages(operation), why(operation)
    assert keys(operation) == ["room", "send", "send", "keep", "stop", "install", "start"]
    assert operation.approvals_needed == 1 and operation.locks == [f"host:{desk.stage.host('kvm1').pk}"]
    done = desk.go(operation)
    assert done.state == S.SUCCEEDED, why(done)
    assert desk.version() == "4.8.0.16" and host_of(desk.stage, "kvm1").state == "Up"
    assert not Restoration.objects.filter(state="open").exists()
    assert "Every agent is 4.8.0.16" in desk.plan(skip=skip).frozen().because
    back = desk.undo(done)
    assert back.state == S.SUCCEEDED, why(back)
    assert desk.version() == "4.8.0"


def test_two_hosts_emptied_in_turn(desk: Desk) -> None:
    _add(desk, "kvm2")
    operation = desk.plan(empty=True)
    turn = ["maintain", "maintained", "stop", "install", "start", "cancel"]
    assert keys(operation)[-12:] == turn + turn, keys(operation)
    done = desk.go(operation)
    assert done.state == S.SUCCEEDED, why(done)
    assert {desk.version(name) for name in ("kvm1", "kvm2")} == {"4.8.0.16"}
    assert {host_of(desk.stage, name).resource for name in ("kvm1", "kvm2")} == {"Enabled"}


def _add(desk: Desk, name: str) -> None:
    with desk.stage.world():
        data = cloud(desk.stage).data
        cluster = next(one for one in data.clusters.values() if one.name == "practice-kvm")
        adding.set_up(data, cluster, data.agents[name]).state = "Up"
    look(CloudApi.objects.get())


def test_an_agent_that_does_not_call_ends_it_and_the_next_host_keeps_the_old_one(desk: Desk) -> None:
    _add(desk, "kvm2")
    operation = desk.plan()
    _break(desk, "kvm1")
    failed = desk.go(operation)
    assert failed.state == S.FAILED and "agent" in failed.outcome, why(failed)
    assert desk.version("kvm2") == "4.8.0"
    _mend(desk, "kvm1")
    back = desk.undo(failed)
    assert back.state == S.SUCCEEDED, why(back)
    assert desk.version() == "4.8.0" and host_of(desk.stage, "kvm1").state == "Up"


def _break(desk: Desk, name: str) -> None:
    """Its agent starts, and CloudStack does not know it any more."""
    with desk.stage.world():
        host_of(desk.stage, name).guid = "somebody else"


def _mend(desk: Desk, name: str) -> None:
    with desk.stage.world():
        host_of(desk.stage, name).guid = name


def test_what_comes_first_and_what_is_not_offered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SCAN", 1_000_000)  # or CloudStack finds the host by itself meanwhile
    skip = (desk.stage.host("kvm2").pk,)
    newer = desk.plan("4.8.0.17", skip=skip)
    assert "block: The management servers run 4.8.0.16 and the build is 4.8.0.17." in messages(newer)
    repository = desk.plan(how="repository", skip=skip)
    assert "does not offer practice-agent 4.8.0.16, practice-common 4.8.0.16. Publish the build" in messages(repository)
    with desk.stage.world():
        host_of(desk.stage, "kvm1").state = "Alert"
    assert "block: kvm1 is Alert in CloudStack." in messages(desk.plan(skip=skip))
    everybody = desk.plan(skip=(*skip, desk.stage.host("kvm1").pk))
    assert "Every KVM host of Practice cloud is left out." in everybody.plan_error
