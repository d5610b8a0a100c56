"""One host or cluster in CloudStack's book, end to end: the API of the practice cloud, with its faults, and pools behind real SSH."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts import reading as hosts
from hosts.cloudstack import cluster_steps, host_steps, reading
from hosts.models import CloudApi, Host, Pool
from hosts.xen import reading as pools
from opsportal.lab.cloudstack import watching
from opsportal.operations import approval, followers, planning, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from tests.hosts.runbooks.test_cloudstack_on_the_stage import cloud, connect, host_of, managed, states, submitted
from tests.hosts.runbooks.test_hosts_on_the_stage import approved, done, retried, uuid_of, why
from tests.lab.machines.stage import Stage, running
from tests.operations.driving import draft, run

pytestmark = [pytest.mark.stage, pytest.mark.django_db(transaction=True)]

People = tuple[User, User]


@pytest.fixture
def people(person: Callable[..., User]) -> People:
    return person("olga", "operator"), person("anna", "approver")


@pytest.fixture
def stage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(cluster_steps, "AGAIN", 0)
    monkeypatch.setattr(cluster_steps, "PROVED", 4)
    monkeypatch.setattr(host_steps, "PROVED", 4)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as made:
        look(connect(made))
        yield made


def look(api: CloudApi) -> None:
    """Workers read hosts, pools and the cloud, so that the portal knows which host is which."""
    hosts.ask(Host.objects.all())
    hosts.read_slice()
    pools.ask(Pool.objects.all())
    pools.read_slice()
    reading.ask(CloudApi.objects.filter(pk=api.pk))
    reading.read_slice()


def params(stage: Stage, name: str, **more: Any) -> dict[str, Any]:
    return {"cloud": stage.seeded.cloud.pk, "host": host_of(stage, name).id, **more}


def planned(book: str, people: People, **given: Any) -> Operation:
    return draft(book, people[0], **given)


def messages(operation: Operation) -> str:
    return "\n".join(f"{one['level']}: {one['message']}" for one in operation.findings)


def titles(operation: Operation) -> list[str]:
    return [step.key for step in operation.frozen().steps]


def test_a_host_is_emptied_and_taken_back(stage: Stage, people: People) -> None:
    operation = done("prepare-maintenance", people, **params(stage, "xen-a2"))
    assert operation.state == S.SUCCEEDED, why(operation)
    assert operation.locks == [f"pool:{stage.pool('practice-a').pk}"] and "xen-a2" in str(operation.subject)
    assert host_of(stage, "xen-a2").resource == "Maintenance"
    there = stage.xe("xen-a1", "vm-list", f"resident-on={uuid_of(stage, 'xen-a2')}", "is-control-domain=false", "params=uuid", "--minimal")
    assert there == "", "the job alone proves nothing: no virtual machine may be left"
    again = planned("prepare-maintenance", people, **params(stage, "xen-a2"))
    assert not again.frozen().steps and "already" in again.frozen().because
    other = planned("prepare-maintenance", people, **params(stage, "xen-a3"))
    assert "warn: xen-a2 of the same cluster is in maintenance already." in messages(other)
    back = done("cancel-maintenance", people, **params(stage, "xen-a2"))
    assert back.state == S.SUCCEEDED, why(back)
    assert host_of(stage, "xen-a2").resource == "Enabled" and states(stage) == {"Up"}
    assert "no maintenance to cancel" in planned("cancel-maintenance", people, **params(stage, "xen-a2")).frozen().because


def test_the_pool_master_is_no_detour(stage: Stage, people: People) -> None:
    operation = planned("prepare-maintenance", people, **params(stage, "xen-a1"))
    assert "block: xen-a1 is the master of practice-a. Run “Change pool master” first." in messages(operation)


def test_a_host_that_never_gets_there_ends_in_a_true_state_and_is_cancelled(stage: Stage, people: People) -> None:
    with stage.world():
        cloud(stage).data.faults.sticks = True
    operation = planned("prepare-maintenance", people, **params(stage, "xen-a2", minutes=0))
    submitted(operation, people)
    run(operation, seconds=10)
    assert operation.state == S.FAILED and "PrepareForMaintenance" in operation.outcome, why(operation)
    other = planned("prepare-maintenance", people, **params(stage, "xen-a3"))
    assert "xen-a2 of the same cluster is in PrepareForMaintenance" in messages(other)
    back = done("cancel-maintenance", people, **params(stage, "xen-a2"))
    assert back.state == S.SUCCEEDED, why(back)
    assert host_of(stage, "xen-a2").resource == "Enabled"


def test_a_maintenance_is_undone(stage: Stage, people: People) -> None:
    operation = done("prepare-maintenance", people, **params(stage, "xen-a2"))
    back = followers.undo(operation, user=people[0], token="u1")
    planning.work(back.pk)
    back.refresh_from_db()
    assert approved(back, people).state == S.SUCCEEDED, why(back)
    assert host_of(stage, "xen-a2").resource == "Enabled"


def test_a_job_that_fails_says_why_and_a_retry_goes_on(stage: Stage, people: People) -> None:
    with stage.world():
        cloud(stage).data.faults.job = 530
    operation = done("prepare-maintenance", people, **params(stage, "xen-a2"))
    assert operation.state == S.FAILED and "530" in why(operation), why(operation)
    assert host_of(stage, "xen-a2").resource == "Enabled"
    with stage.world():
        cloud(stage).data.faults.job = 0
    again = retried(operation, people)
    assert again.state == S.SUCCEEDED, why(again)
    assert host_of(stage, "xen-a2").resource == "Maintenance"


@pytest.mark.parametrize(("code", "says"), [(530, "530"), (431, "431")])
def test_a_change_that_is_refused_changes_nothing(stage: Stage, people: People, code: int, says: str) -> None:
    with stage.world():
        cloud(stage).data.faults.change = [code]
    operation = done("manage-cluster", people, cloud=stage.seeded.cloud.pk, cluster=cluster(stage), wants="Unmanaged")
    assert operation.state == S.FAILED and says in why(operation), why(operation)
    assert managed(stage) == "Managed"


def test_a_wrong_key_is_explained_before_anything_runs(stage: Stage, people: People) -> None:
    with stage.world():
        cloud(stage).data.secret = "another"
    operation = planned("reconnect-host", people, **params(stage, "xen-a2"))
    assert not operation.plan and "secret key" in operation.plan_error, operation.plan_error


def cluster(stage: Stage) -> str:
    return next(one.id for one in cloud(stage).data.clusters.values() if one.name == "practice-a")


def test_a_cluster_is_left_alone_shown_as_such_and_managed_again(stage: Stage, people: People) -> None:
    given: dict[str, Any] = {"cloud": stage.seeded.cloud.pk, "cluster": cluster(stage)}
    operation = done("manage-cluster", people, **given, wants="Unmanaged")
    assert operation.state == S.SUCCEEDED, why(operation)
    assert managed(stage) == "Unmanaged" and "Up" not in states(stage)
    (left,) = Restoration.objects.filter(state="open")
    assert left.resource == f"pool:{stage.pool('practice-a').pk}"
    stopped = planned("prepare-maintenance", people, **params(stage, "xen-a2"))
    assert "block: The cluster practice-a is Unmanaged. Run “Manage or unmanage a cluster” first." in messages(stopped)
    back = done("manage-cluster", people, **given, wants="Managed")
    assert back.state == S.SUCCEEDED, why(back)
    assert managed(stage) == "Managed" and states(stage) == {"Up"}
    left.refresh_from_db()
    assert left.state == "settled"
    assert "is Managed already" in planned("manage-cluster", people, **given, wants="Managed").frozen().because


def test_a_host_that_its_pool_keeps_disabled_comes_back(stage: Stage, people: People) -> None:
    stage.xe("xen-a1", "host-disable", f"uuid={uuid_of(stage, 'xen-a2')}")
    with stage.world():
        host_of(stage, "xen-a2").state = "Alert"
    operation = planned("return-host", people, **params(stage, "xen-a2"))
    assert titles(operation) == ["ready", "enable", "reconnect", "up"]
    assert "Its pool keeps xen-a2 disabled. It is enabled there first." in messages(operation)
    assert approved(operation, people).state == S.SUCCEEDED, why(operation)
    assert host_of(stage, "xen-a2").state == "Up"
    assert stage.xe("xen-a1", "host-param-get", f"uuid={uuid_of(stage, 'xen-a2')}", "param-name=enabled") == "true"
    assert "is Up in CloudStack" in planned("return-host", people, **params(stage, "xen-a2")).frozen().because


def test_a_host_is_connected_anew(stage: Stage, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SCAN", 1_000_000)  # or CloudStack finds it by itself meanwhile
    with stage.world():
        host_of(stage, "xen-a2").state = "Disconnected"
    operation = done("reconnect-host", people, **params(stage, "xen-a2"))
    assert operation.state == S.SUCCEEDED, why(operation)
    assert host_of(stage, "xen-a2").state == "Up"


def test_a_member_of_a_pool_is_removed_with_its_pool_and_a_dead_one_by_force(
    stage: Stage, people: People, person: Callable[..., User]
) -> None:
    member = planned("remove-host-from-cloud", people, **params(stage, "xen-a2"))
    assert "is a member of practice-a. Run “Remove a host from a pool”" in messages(member)
    forced = planned("remove-host-from-cloud", people, **params(stage, "xen-a2", forced=True))
    assert "block: xen-a2 is Up: CloudStack can empty it." in messages(forced)
    Host.objects.filter(pk=stage.host("xen-a2").pk).update(pool=None)  # its pool has forgotten it long ago
    with stage.world() as world:
        world.pull_plug("xen-a2")
        host_of(stage, "xen-a2").state = "Down"
    given = params(stage, "xen-a2", forced=True)
    operation = planned("remove-host-from-cloud", people, **given)
    assert titles(operation) == ["cloudstack-delete"] and "xen-a2 is Down. Make sure that it is off" in messages(operation)
    approval.submit(operation, user=people[0], reason="It stands in the workshop, off", overrides=True)
    operation.refresh_from_db()
    for name in ("anna", "carl"):
        approval.approve(operation, user=person(name, "approver") if name == "carl" else people[1], digest=operation.digest)
        operation.refresh_from_db()
    assert run(operation).state == S.SUCCEEDED, why(operation)
    assert host_of(stage, "xen-a2") is None
