"""HA and the pool master, end to end: the engine over real SSH on simulated pools."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts.xen import ha_steps, master_steps
from opsportal.operations import approval, execution, followers, planning, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from opsportal.transport.errors import TransportError
from tests.lab.machines.stage import Stage, running
from tests.operations.driving import draft, run

pytestmark = [pytest.mark.stage, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(ha_steps, "AGAIN", 1)
    monkeypatch.setattr(master_steps, "THERE", 5)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as made:
        yield made


@pytest.fixture
def people(person: Callable[..., User]) -> tuple[User, User]:
    return person("olga", "operator"), person("anna", "approver")


def asked(book: str, people: tuple[User, User], **params: Any) -> Operation:
    return approved(draft(book, people[0], **params), people)


def approved(operation: Operation, people: tuple[User, User]) -> Operation:
    assert operation.plan, operation.plan_error
    approval.submit(operation, user=people[0])
    operation.refresh_from_db()
    if operation.approvals_needed:
        approval.approve(operation, user=people[1], digest=operation.digest)
    return operation


def done(book: str, people: tuple[User, User], **params: Any) -> Operation:
    return run(asked(book, people, **params))


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.3)


def reads(stage: Stage, host: str, *words: str) -> str:
    """What xe prints there, "" while it cannot be asked."""
    try:
        result = stage.run(host, "timeout", "20", "xe", *words, timeout=30)
    except TransportError:
        return ""
    return result.out.strip() if result.exit == 0 else ""


def uuid_of(stage: Stage, name: str) -> str:
    return stage.xe("xen-a1", "host-list", f"name-label={name}", "params=uuid", "--minimal")


def shared_sr(stage: Stage) -> str:
    return stage.xe("xen-a1", "sr-list", "type=nfs", "params=uuid", "--minimal").split(",")[0]


def all_say(stage: Stage, field: str) -> set[str]:
    return {stage.xe(host, "pool-list", f"params={field}", "--minimal") for host in ("xen-a1", "xen-a2", "xen-a3")}


def test_ha_goes_on_the_master_changes_the_timeout_changes_and_ha_goes_off(stage: Stage, people: tuple[User, User]) -> None:
    pool, sr, second = stage.pool("practice-a").pk, shared_sr(stage), uuid_of(stage, "xen-a2")
    on = done("enable-pool-ha", people, pool=pool, sr=sr, timeout=180)
    assert on.state == S.SUCCEEDED, on.outcome or on.waiting_for
    assert all_say(stage, "ha-enabled") == {"true"} and all_say(stage, "ha-configuration") == {"timeout: 180"}

    switch = done("change-pool-master", people, pool=pool, host=second)
    assert switch.state == S.SUCCEEDED, switch.outcome
    assert all_say(stage, "master") == {second} and all_say(stage, "ha-enabled") == {"true"}
    address = stage.xe("xen-a2", "host-param-get", f"uuid={second}", "param-name=address")
    assert stage.run("xen-a1", "cat", "/etc/xensource/pool.conf").out.strip() == f"slave:{address}"
    assert {one.state for one in Restoration.objects.all()} == {"settled"}, "HA, and the cluster that CloudStack left alone"

    timeout = done("change-ha-timeout", people, pool=pool, timeout=150)
    assert timeout.state == S.SUCCEEDED, timeout.outcome
    assert all_say(stage, "ha-configuration") == {"timeout: 150"}

    off = done("disable-pool-ha", people, pool=pool)
    assert off.state == S.SUCCEEDED, off.outcome
    assert all_say(stage, "ha-enabled") == {"false"}


def test_a_dead_member_is_seen_although_xapi_still_counts_it_as_live(stage: Stage, people: tuple[User, User]) -> None:
    """Enabling HA now would never return."""
    sr = shared_sr(stage)
    with stage.world() as world:
        world.pull_plug("xen-a3")
    assert stage.xe("xen-a1", "host-list", "name-label=xen-a3", "params=host-metrics-live", "--minimal") == "true"
    operation = draft("enable-pool-ha", people[0], pool=stage.pool("practice-a").pk, sr=sr, timeout=180)
    blocks = {one["guard"]: one["message"] for one in operation.findings if one["level"] == "block"}
    assert "xen-a3" in blocks["xen.members-answer"] and "2 live hosts" in blocks["xen.three-hosts"]


def test_what_xapi_refuses_is_explained_and_the_truth_is_told(
    stage: Stage, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ha_steps, "PROVED", 5)
    operation = asked("enable-pool-ha", people, pool=stage.pool("practice-a").pk, sr=shared_sr(stage), timeout=180)
    with stage.world() as world:
        world.fail_next("xen-a1", "pool-ha-enable", "HA_FAILED_TO_FORM_LIVESET")
    run(operation)
    assert operation.state == S.FAILED
    assert "a liveset could not be formed" in operation.outcome
    assert "xen-a3 says that HA is on: ha-enabled is false instead of true" in operation.outcome


def test_a_member_that_dies_half_way_leaves_ha_off_in_red_and_a_retry_ends_it_well(stage: Stage, people: tuple[User, User]) -> None:
    pool, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a2")
    assert done("enable-pool-ha", people, pool=pool, sr=shared_sr(stage), timeout=180).state == S.SUCCEEDED
    operation = asked("change-pool-master", people, pool=pool, host=second)
    while not operation.steps.filter(key="ha-off-still", state=StepState.SUCCEEDED).exists():
        execution.slice_of(operation.pk, 0.1)
    with stage.world() as world:
        world.pull_plug("xen-a3")
    run(operation)
    assert operation.state == S.FAILED and "xen-a3" in operation.outcome
    assert reads(stage, "xen-a1", "pool-list", "params=ha-enabled", "--minimal") == "false"
    left = list(Restoration.objects.all())
    assert len(left) == 2, "HA, and the cluster that CloudStack leaves alone"
    assert {(one.state, one.resource) for one in left} == {("open", f"pool:{pool}")}

    with stage.world() as world:
        world.power_on("xen-a3")
    until(lambda: reads(stage, "xen-a3", "host-list", "name-label=xen-a3", "params=enabled", "--minimal") == "true")
    again = followers.retry(operation, user=people[0], token="again")
    planning.work(again.pk)
    again.refresh_from_db()
    run(approved(again, people))
    assert again.state == S.SUCCEEDED, again.outcome or again.waiting_for
    assert all_say(stage, "master") == {second} and all_say(stage, "ha-enabled") == {"true"}
    assert {one.state for one in Restoration.objects.all()} == {"settled"}


def test_a_plan_for_a_master_that_died_meanwhile_does_not_run(stage: Stage, people: tuple[User, User]) -> None:
    pool = stage.pool("practice-a").pk
    assert done("enable-pool-ha", people, pool=pool, sr=shared_sr(stage), timeout=180).state == S.SUCCEEDED
    operation = asked("change-pool-master", people, pool=pool, host=uuid_of(stage, "xen-a2"))
    old = stage.xe("xen-a2", "pool-list", "params=master", "--minimal")
    with stage.world() as world:
        world.pull_plug("xen-a1")
    until(lambda: reads(stage, "xen-a3", "pool-list", "params=master", "--minimal") not in ("", old))
    run(operation)
    assert operation.state == S.STALE and not operation.steps.exists(), operation.outcome or operation.waiting_for
    assert reads(stage, "xen-a3", "pool-list", "params=ha-enabled", "--minimal") == "true"
