"""HA and the pool master, end to end: the engine over real SSH on simulated pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts.xen import ha_steps
from opsportal.operations import approval, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from tests.lab.machines.stage import Stage, running
from tests.operations.driving import draft, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(ha_steps, "AGAIN", 1)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as made:
        yield made


@pytest.fixture
def people(person: Callable[..., User]) -> tuple[User, User]:
    return person("olga", "operator"), person("anna", "approver")


def done(book: str, people: tuple[User, User], **params: Any) -> Operation:
    operation = draft(book, people[0], **params)
    assert operation.plan, operation.plan_error
    approval.submit(operation, user=people[0])
    operation.refresh_from_db()
    if operation.approvals_needed:
        approval.approve(operation, user=people[1], digest=operation.digest)
    return run(operation)


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
    assert Restoration.objects.get().state == "settled"

    timeout = done("change-ha-timeout", people, pool=pool, timeout=150)
    assert timeout.state == S.SUCCEEDED, timeout.outcome
    assert all_say(stage, "ha-configuration") == {"timeout: 150"}

    off = done("disable-pool-ha", people, pool=pool)
    assert off.state == S.SUCCEEDED, off.outcome
    assert all_say(stage, "ha-enabled") == {"false"}
