"""Pool and CloudStack together, end to end: real SSH on simulated pools, and the API of the same practice cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts.cloudstack import cluster_steps, connecting
from hosts.models import CloudApi, Host
from hosts.xen import ha_steps, master_steps, membership
from hosts.xen.facts import MemberView
from opsportal.lab.cloudstack.cloud import Cloud
from opsportal.operations import execution, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from opsportal.secrets.value import Secret
from tests.hosts.runbooks.test_hosts_on_the_stage import done, ha_on, password, retried, uuid_of, why
from tests.lab.machines.stage import Stage, running
from tests.operations.driving import draft

pytestmark = [pytest.mark.stage, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(person: Callable[..., User]) -> tuple[User, User]:
    return person("olga", "operator"), person("anna", "approver")


@pytest.fixture
def stage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for module, name, seconds in (
        (ha_steps, "AGAIN", 1),
        (cluster_steps, "AGAIN", 0),
        (MemberView, "POOL_SECONDS", 3),
        (membership, "FUSE", 10),
        (ha_steps, "READ", 4),
        (master_steps, "READ", 4),
    ):
        monkeypatch.setattr(module, name, seconds)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as made:
        connect(made)
        yield made


def connect(stage: Stage) -> CloudApi:
    """What `Lab` serves for the first seat, as a person saves it."""
    seat, owner = stage.lab.seats["1"], User.objects.get_or_create(username="carol")[0]
    data = seat.cloud.data
    found = CloudApi.objects.filter(cloud=stage.seeded.cloud).first() or CloudApi(cloud=stage.seeded.cloud)
    found.url, found.api_key = f"http://{seat.api.address}:{seat.api.port}/client/api", data.key
    connecting.save(found, Secret(data.secret), owner)
    connecting.write(found)
    return found


def cloud(stage: Stage) -> Cloud:
    return stage.lab.seats["1"].cloud


def managed(stage: Stage, name: str = "practice-a") -> str:
    return next(one.managed for one in cloud(stage).data.clusters.values() if one.name == name)


def host_of(stage: Stage, name: str) -> Any:
    return next((one for one in cloud(stage).data.hosts.values() if one.name == name), None)


def newcomer(stage: Stage) -> Any:
    """By its uuid: its name-label is still that of its template."""
    own = stage.run("xen-c1", "grep", "^INSTALLATION_UUID", "/etc/xensource-inventory").out
    return next((one for one in cloud(stage).data.hosts.values() if one.guid and one.guid in own), None)


def states(stage: Stage) -> set[str]:
    return {host_of(stage, name).state for name in ("xen-a1", "xen-a2", "xen-a3")}


def until_step(operation: Operation, key: str) -> None:
    while not operation.steps.filter(key=key, state=StepState.SUCCEEDED).exists():
        execution.slice_of(operation.pk, 0.1)
        operation.refresh_from_db()
        assert operation.state in (S.QUEUED, S.RUNNING), why(operation)


def master(stage: Stage) -> str:
    return stage.xe("xen-a3", "pool-list", "params=master", "--minimal")


def test_a_change_of_master_has_cloudstack_look_away(stage: Stage, people: tuple[User, User]) -> None:
    ha_on(stage, people)
    second = uuid_of(stage, "xen-a2")
    operation = done("change-pool-master", people, pool=stage.pool("practice-a").pk, host=second)
    assert operation.state == S.SUCCEEDED, why(operation)
    keys = list(operation.steps.order_by("index").values_list("key", flat=True))
    assert keys[0] == "cloudstack-unmanage" and keys[-1] == "cloudstack-up"
    assert master(stage) == second and managed(stage) == "Managed" and states(stage) == {"Up"}
    assert {one.state for one in Restoration.objects.all()} == {"settled"}


def test_an_api_that_goes_away_half_way_leaves_the_cluster_in_red_and_a_retry_ends_it_well(
    stage: Stage, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_steps, "PROVED", 3)
    pool, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a2")
    operation = draft("change-pool-master", people[0], pool=pool, host=second)
    submitted(operation, people)
    until_step(operation, "members-follow")
    with stage.world():
        cloud(stage).stop_api(100_000)
    finish(operation)
    assert operation.state == S.FAILED and "cannot be reached" in operation.outcome, why(operation)
    assert master(stage) == second and managed(stage) == "Unmanaged"
    (left,) = Restoration.objects.filter(state="open")
    assert left.key == "cloudstack-cluster" and left.resource == f"pool:{pool}"
    with stage.world():
        cloud(stage).data.faults.down_until = 0
    again = retried(operation, people)
    assert again.state == S.SUCCEEDED, why(again)
    assert managed(stage) == "Managed" and states(stage) == {"Up"}
    left.refresh_from_db()
    assert left.state == "settled"


def test_a_host_joins_both_and_leaves_both_with_ha_on(stage: Stage, people: tuple[User, User], settings: Any) -> None:
    ha_on(stage, people)
    pool, joiner = stage.pool("practice-a"), stage.host("xen-c1")
    uuid = stage.xe("xen-c1", "host-list", "params=uuid", "--minimal")
    params: dict[str, Any] = {"pool": pool.pk, "joiner": joiner.pk, "credential": password(people).pk, "run": "0" * 16}
    operation = done("add-host-to-pool", people, **params)
    assert operation.state == S.SUCCEEDED, why(operation)
    new = newcomer(stage)
    assert (new.state, new.resource) == ("Up", "Enabled") and states(stage) == {"Up"}
    assert stage.xe("xen-c1", "pool-list", "params=ha-enabled", "--minimal") == "true"
    assert not any((Path(settings.STATE_DIR) / "cloudapi").glob("run-*")), "the password's file is gone"
    again = draft("add-host-to-pool", people[0], **params)
    assert "is in the pool and in CloudStack (Up) already" in said(again)

    Host.objects.filter(pk=joiner.pk).update(facts={"host_uuid": uuid})
    left = done("remove-host-from-pool", people, reason="nothing on it is needed", pool=pool.pk, host=uuid, new_master="")
    assert left.state == S.SUCCEEDED, why(left)
    assert newcomer(stage) is None and states(stage) == {"Up"}
    assert stage.xe("xen-a1", "pool-list", "params=ha-enabled", "--minimal") == "true"
    assert {one.state for one in Restoration.objects.all()} == {"settled"}


def test_a_member_that_cloudstack_refuses_is_added_by_a_retry(stage: Stage, people: tuple[User, User]) -> None:
    """The general failure of addHost comes after the join: the pool has the host, HA is off and in red, and nothing joins twice."""
    ha_on(stage, people)
    with stage.world():
        cloud(stage).fail_change(530)
    params: dict[str, Any] = {
        "pool": stage.pool("practice-a").pk,
        "joiner": stage.host("xen-c1").pk,
        "credential": password(people).pk,
        "run": "1" * 16,
    }
    operation = done("add-host-to-pool", people, **params)
    assert operation.state == S.FAILED and operation.steps.get(state="failed").key == "cloudstack-add", why(operation)
    assert newcomer(stage) is None and Restoration.objects.filter(state="open", key="pool-ha").exists()
    again = retried(operation, people)
    assert again.state == S.SUCCEEDED, why(again)
    assert not again.steps.filter(key="join").exists() and newcomer(stage).state == "Up"
    assert stage.xe("xen-c1", "pool-list", "params=ha-enabled", "--minimal") == "true"
    assert not Restoration.objects.filter(state="open").exists()


def test_the_master_is_emptied_by_cloudstack_and_leaves_both(stage: Stage, people: tuple[User, User], person: Callable[..., User]) -> None:
    ha_on(stage, people)
    pool, first, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a1"), uuid_of(stage, "xen-a2")
    three = (*people, person("carl", "approver"))
    operation = done("remove-host-from-pool", three, reason="two are enough here", pool=pool, host=first, new_master=second)
    assert operation.state == S.SUCCEEDED, why(operation)
    assert stage.xe("xen-a3", "pool-list", "params=master", "--minimal") == second
    assert host_of(stage, "xen-a1") is None and {host_of(stage, name).state for name in ("xen-a2", "xen-a3")} == {"Up"}
    assert stage.xe("xen-a3", "pool-list", "params=ha-enabled", "--minimal") == "true"
    assert not Restoration.objects.filter(state="open").exists()


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_clock_that_is_off_is_named_before_anything_runs(stage: Stage, people: tuple[User, User], minutes: int) -> None:
    """A server ahead takes what the portal signs for expired; one behind takes it gladly, for longer than was meant."""
    with stage.world():
        cloud(stage).shift_clock(minutes)
    operation = draft("change-pool-master", people[0], pool=stage.pool("practice-a").pk, host=uuid_of(stage, "xen-a2"))
    stops = [one for one in operation.findings if one["level"] == "block"]
    if minutes > 0:
        assert [one["guard"] for one in stops] == ["cloudstack.told"] and "clock" in stops[0]["message"], stops
    else:
        assert not stops and operation.frozen().steps


def said(operation: Operation) -> str:
    return "\n".join(one["message"] for one in operation.findings)


def submitted(operation: Operation, people: tuple[User, User]) -> None:
    from opsportal.operations import approval

    assert operation.plan, operation.plan_error
    approval.submit(operation, user=people[0], reason="", overrides=False)
    operation.refresh_from_db()
    if operation.approvals_needed:
        approval.approve(operation, user=people[1], digest=operation.digest)


def finish(operation: Operation) -> None:
    for _ in range(60):
        Operation.objects.filter(pk=operation.pk).update(retry_at=None)
        execution.slice_of(operation.pk, 10)
        operation.refresh_from_db()
        if operation.state not in (S.QUEUED, S.RUNNING):
            return
