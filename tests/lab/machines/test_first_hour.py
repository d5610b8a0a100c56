"""The five guided exercises, done with the real runbooks on the practice cloud."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts.xen import ha_steps
from opsportal.lab import control
from opsportal.operations import approval, registry
from opsportal.operations.models import Operation
from opsportal.operations.states import FINAL, OperationState
from tests.lab.machines.stage import Stage, running
from tests.lab.machines.test_hosts import answers, until
from tests.operations.driving import draft, run

pytestmark = [pytest.mark.stage, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(ha_steps, "AGAIN", 1)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as made:
        yield made


def asked(book: str, people: tuple[User, User], **params: Any) -> Operation:
    operation = draft(book, people[0], **params)
    assert operation.plan, operation.plan_error
    approval.submit(operation, user=people[0])
    operation.refresh_from_db()
    if operation.approvals_needed:
        approval.approve(operation, user=people[1], digest=operation.digest)
    for _ in range(120):  # a host that reboots is waited for
        Operation.objects.filter(pk=operation.pk).update(retry_at=None)
        if run(operation).state in FINAL:
            break
        time.sleep(0.5)
    assert operation.state == OperationState.SUCCEEDED, operation.outcome or operation.waiting_for
    return operation


def test_the_first_hour(stage: Stage, operator: Client, person: Callable[..., User]) -> None:
    people = person("olga", "operator"), person("anna", "approver")
    big, small = stage.pool("practice-a").pk, stage.pool("practice-b").pk

    def shown_as_done() -> list[str]:
        operator.get(reverse("lab"))
        return list(control.state("1")["done"])

    assert shown_as_done() == []
    sr = stage.xe("xen-b1", "sr-list", "type=nfs", "params=uuid", "--minimal").split(",")[0]
    draft("enable-pool-ha", people[0], pool=small, sr=sr, timeout=180)
    assert shown_as_done() == ["refused"]

    sr = stage.xe("xen-a1", "sr-list", "type=nfs", "params=uuid", "--minimal").split(",")[0]
    asked("enable-pool-ha", people, pool=big, sr=sr, timeout=180)
    assert shown_as_done() == ["refused", "enabled"]

    control.fault("1", "pull_plug", {"host": "xen-a1"})
    assert "survived" not in shown_as_done(), "the others have not noticed yet"
    until(lambda: "survived" in shown_as_done(), 60)

    control.fault("1", "power_on", {"host": "xen-a1"})
    until(lambda: answers(stage) and all_enabled(stage), 60)
    first = stage.xe("xen-a1", "host-list", "name-label=xen-a1", "params=uuid", "--minimal")
    until(lambda: all(host["state"] == "Up" for cluster in control.state("1")["cloud"]["clusters"] for host in cluster["hosts"]))
    asked("change-pool-master", people, pool=big, host=first)
    assert "changed" in shown_as_done()

    fresh = {"host_uuid": str(uuid.uuid4()), "domain_uuid": str(uuid.uuid4()), "run": "0123abcd"}
    asked("make-unique", people, host=stage.host("xen-c2").pk, mode="static", name_label="xen-c2", **fresh)
    assert shown_as_done() == ["refused", "enabled", "survived", "changed", "unique"]


def all_enabled(stage: Stage) -> bool:
    pool = next(pool for pool in control.state("1")["pools"] if pool["name"] == "practice-a")
    hosts = [host for host in control.state("1")["hosts"] if host["id"] in pool["hosts"]]
    return all(host["enabled"] and host["xapi"] == "running" for host in hosts)
