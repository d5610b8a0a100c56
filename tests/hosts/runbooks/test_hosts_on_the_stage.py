"""Membership, recovery, maintenance and clones, end to end: the engine over real SSH on simulated pools."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts import sealing
from hosts.models import Credential, Host
from hosts.xen import ha_steps, master_steps, membership, recovery
from hosts.xen.facts import MemberView
from opsportal.operations import approval, followers, journal, planning, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.transport import login
from opsportal.transport.errors import TransportError
from tests.lab.machines.stage import Stage, running
from tests.operations.driving import draft, run

pytestmark = [pytest.mark.stage, pytest.mark.django_db(transaction=True)]
PASSWORD = "practice"


@pytest.fixture
def stage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(ha_steps, "AGAIN", 1)
    monkeypatch.setattr(MemberView, "POOL_SECONDS", 3)
    monkeypatch.setattr(membership, "FUSE", 10)
    for module in (ha_steps, master_steps, recovery):
        monkeypatch.setattr(module, "READ", 4)
    registry.runbooks.cache_clear()
    with running(tmp_path, settings) as made:
        yield made


@pytest.fixture
def people(person: Callable[..., User]) -> tuple[User, User]:
    return person("olga", "operator"), person("anna", "approver")


def approved(operation: Operation, people: tuple[User, ...], reason: str = "") -> Operation:
    """Submitted with a reason for every override, approved by as many as it takes, and run until it ends.

    A target that is away is waited for.
    """
    assert operation.plan, operation.plan_error
    approval.submit(operation, user=people[0], reason=reason, overrides=bool(reason))
    operation.refresh_from_db()
    for user in people[1 : 1 + operation.approvals_needed]:
        approval.approve(operation, user=user, digest=operation.digest)
    for _ in range(60):
        Operation.objects.filter(pk=operation.pk).update(retry_at=None)
        run(operation, slices=5)
        if operation.state not in (S.QUEUED, S.RUNNING, S.UNKNOWN) or (operation.state == S.UNKNOWN and not operation.retry_at):
            break
        time.sleep(0.5)
    return operation


def done(book: str, people: tuple[User, ...], reason: str = "", **params: Any) -> Operation:
    return approved(draft(book, people[0], **params), people, reason)


def retried(operation: Operation, people: tuple[User, User], reason: str = "") -> Operation:
    again = followers.retry(operation, user=people[0], token=f"again-{operation.pk}")
    planning.work(again.pk)
    again.refresh_from_db()
    return approved(again, people, reason)


def uuid_of(stage: Stage, name: str, where: str = "xen-a1") -> str:
    return stage.xe(where, "host-list", f"name-label={name}", "params=uuid", "--minimal")


def fresh(book: str, **params: Any) -> dict[str, Any]:
    return registry.get(book).initial() | registry.get(book).fresh() | params


def test_a_clone_becomes_itself_after_a_retry_with_xapi_stopped(stage: Stage, people: tuple[User, User]) -> None:
    host = stage.host("xen-c2")
    before = stage.xe("xen-c2", "host-list", "params=uuid", "--minimal")
    assert before == stage.xe("xen-c1", "host-list", "params=uuid", "--minimal")
    pool = stage.xe("xen-c2", "pool-list", "params=uuid", "--minimal")
    params = fresh("make-unique", host=host.pk, mode="static", name_label="xen-c2")
    stage.run("xen-c2", "touch", f"/root/opsportal-before-{params['run']}")
    stopped = done("make-unique", people, **params)
    assert stopped.state == S.FAILED and stopped.steps.filter(state="failed").get().key == "keep", why(stopped)
    assert stage.run("xen-c2", "xe", "host-list").exit == 1 and Restoration.objects.get().title == "xapi is stopped"
    stage.run("xen-c2", "rm", f"/root/opsportal-before-{params['run']}")
    operation = retried(stopped, people)
    assert operation.state == S.SUCCEEDED, why(operation)
    assert stage.xe("xen-c2", "host-list", "params=uuid", "--minimal") == params["host_uuid"]
    assert stage.xe("xen-c2", "host-list", "params=name-label", "--minimal") == "xen-c2"
    assert stage.xe("xen-c2", "pool-list", "params=uuid", "--minimal") not in ("", pool)
    assert Restoration.objects.get().state == "settled"
    assert stage.xe("xen-c1", "host-list", "params=uuid", "--minimal") == before


def why(operation: Operation) -> str:
    lines = [operation.outcome]
    for step in operation.steps.all():
        lines.append(f"{step.index} {step.key} {step.state} {step.message}")
    failed = operation.steps.exclude(state__in=["succeeded", "skipped"]).first()
    if failed:
        lines.append(b"".join(journal.raw(operation, failed)).decode()[-1500:])
        lines += [f"{check['says']}: {check['why']}" for check in failed.checks[-12:] if not check["holds"]]
    return "\n".join(lines)


def ha_on(stage: Stage, people: tuple[User, User]) -> None:
    sr = stage.xe("xen-a1", "sr-list", "type=nfs", "params=uuid", "--minimal").split(",")[0]
    operation = done("enable-pool-ha", people, pool=stage.pool("practice-a").pk, sr=sr, timeout=180)
    assert operation.state == S.SUCCEEDED, why(operation)


def password(people: tuple[User, User]) -> Credential:
    found = Credential(name="pool root", username="root")
    sealing.put(
        found, user=people[0], action="credential.add", way="password", algorithm="", private_key="", passphrase="", password=PASSWORD
    )
    return found


def reaches(stage: Stage, host: str) -> bool:
    try:
        return stage.run(host, "true").exit == 0
    except TransportError:
        return False


def says(stage: Stage, field: str, *hosts: str) -> set[str]:
    return {stage.xe(host, "pool-list", f"params={field}", "--minimal") for host in hosts}


def test_a_host_joins_and_leaves_again_with_ha_on(stage: Stage, people: tuple[User, User]) -> None:
    ha_on(stage, people)
    pool, host = stage.pool("practice-a"), stage.host("xen-c1")
    uuid = stage.xe("xen-c1", "host-list", "params=uuid", "--minimal")
    operation = done("add-host-to-pool", people, pool=pool.pk, joiner=host.pk, credential=password(people).pk)
    assert operation.state == S.SUCCEEDED, why(operation)
    everybody = ("xen-a1", "xen-a2", "xen-a3", "xen-c1")
    assert says(stage, "ha-enabled", *everybody) == {"true"} and len(says(stage, "master", *everybody)) == 1
    assert stage.run("xen-c1", "test", "-e", "/root/.opsportal-join").exit != 0
    assert {one.state for one in Restoration.objects.all()} == {"settled"}
    assert Host.objects.get(pk=host.pk).pool_id == pool.pk

    Host.objects.filter(pk=host.pk).update(facts={"host_uuid": uuid})
    left = done("remove-host-from-pool", people, reason="nothing on it is needed", pool=pool.pk, host=uuid, new_master="")
    assert left.state == S.SUCCEEDED, why(left)
    assert uuid not in stage.xe("xen-a1", "host-list", "params=uuid", "--minimal")
    assert says(stage, "ha-enabled", "xen-a1", "xen-a2", "xen-a3") == {"true"}
    assert stage.xe("xen-c1", "host-list", "params=uuid", "--minimal") == uuid
    assert Host.objects.get(pk=host.pk).pool_id is None


def test_the_master_leaves_its_pool(stage: Stage, people: tuple[User, User]) -> None:
    pool, first, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a1"), uuid_of(stage, "xen-a2")
    for vm in stage.xe("xen-a1", "vm-list", f"resident-on={first}", "is-control-domain=false", "params=uuid", "--minimal").split(","):
        stage.xe("xen-a1", "vm-shutdown", f"uuid={vm}", "--force")
    operation = done("remove-host-from-pool", people, reason="empty", pool=pool, host=first, new_master=second)
    assert operation.state == S.SUCCEEDED, why(operation)
    assert says(stage, "master", "xen-a2", "xen-a3") == {second}
    assert stage.xe("xen-a1", "host-list", "params=uuid", "--minimal") == first


def test_a_dead_master_is_replaced_and_a_member_that_strays_is_brought_back(stage: Stage, people: tuple[User, User]) -> None:
    pool, second, third = stage.pool("practice-a").pk, uuid_of(stage, "xen-a2"), uuid_of(stage, "xen-a3")
    needless = draft("recover-pool", people[0], pool=pool, what="promote", host=second, master_off=True)
    assert "split the pool" in needless.frozen().because
    assert "recover.needless" in {one["guard"] for one in needless.findings if one["level"] == "block"}
    with stage.world() as world:
        world.pull_plug("xen-a1")
    operation = done("recover-pool", people, pool=pool, what="promote", host=second, master_off=True)
    assert operation.state == S.SUCCEEDED, why(operation)
    assert says(stage, "master", "xen-a2", "xen-a3") == {second}
    with stage.world() as world:
        world.disagree("xen-a3")
    back = done("recover-pool", people, pool=pool, what="follow", host=third)
    assert back.state == S.SUCCEEDED, why(back)
    assert says(stage, "master", "xen-a2", "xen-a3") == {second}


def test_a_master_that_was_only_cut_off_returns_as_a_second_one(
    stage: Stage, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its network was away, so it could not ask whether somebody else leads now."""
    for name in ("DIAL_SECONDS", "GREETING_SECONDS"):
        monkeypatch.setattr(login, name, 3.0)
    pool, first, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a1"), uuid_of(stage, "xen-a2")
    with stage.world() as world:
        world.cut_network("xen-a1", 100_000)
    operation = done("recover-pool", people, pool=pool, what="promote", host=second, master_off=True)
    assert operation.state == S.SUCCEEDED, why(operation)
    with stage.world() as world:
        world.site.machines["xen-a1"].cut_until = 0
    deadline = time.monotonic() + 60
    while not reaches(stage, "xen-a1"):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert stage.run("xen-a1", "cat", "/etc/xensource/pool.conf").out.strip() == "master"
    back = done("recover-pool", people, pool=pool, what="follow", host=first)
    assert back.state == S.SUCCEEDED, why(back)
    assert says(stage, "master", "xen-a1", "xen-a2", "xen-a3") == {second}


def test_with_ha_on_a_dead_master_is_left_to_ha(stage: Stage, people: tuple[User, User]) -> None:
    ha_on(stage, people)
    pool, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a2")
    with stage.world() as world:
        world.pull_plug("xen-a1")
    operation = draft("recover-pool", people[0], pool=pool, what="promote", host=second, master_off=True)
    (found,) = (one for one in operation.findings if one["guard"] in ("recover.ha", "recover.needless") and one["level"] == "block")
    assert "Wait" in found["message"] or "nothing to recover" in found["message"]


def test_a_join_that_only_pretends_is_found_out_and_taken_up_again(stage: Stage, people: tuple[User, User]) -> None:
    """pool-join ends with exit code 0 when it could not reach the master."""
    ha_on(stage, people)
    pool, host = stage.pool("practice-a").pk, stage.host("xen-c1").pk
    with stage.world() as world:
        world.fail_next("xen-c1", "pool-join", "JOINING_HOST_CONNECTION_FAILED")
    operation = done("add-host-to-pool", people, pool=pool, joiner=host, credential=password(people).pk)
    assert operation.state == S.FAILED and operation.steps.filter(state="failed").get().key == "join", why(operation)
    assert {one.key for one in Restoration.objects.filter(state="open")} == {"pool-ha", "join-password"}
    again = retried(operation, people)
    assert again.state == S.SUCCEEDED, why(again)
    assert not Restoration.objects.filter(state="open").exists()
    assert says(stage, "ha-enabled", "xen-a1", "xen-c1") == {"true"}


def test_maintenance_does_not_begin_when_a_member_died_since_the_approval(stage: Stage, people: tuple[User, User]) -> None:
    operation = draft("rolling-maintenance", people[0], **fresh("rolling-maintenance", pool=stage.pool("practice-a").pk))
    approval.submit(operation, user=people[0])
    with stage.world() as world:
        world.pull_plug("xen-a3")
    approval.approve(operation, user=people[1], digest=operation.digest)
    run(operation)
    assert operation.state == S.STALE and "xen-a3" in operation.outcome and "Nothing has run" in operation.outcome, why(operation)
    assert stage.xe("xen-a1", "host-param-get", f"uuid={uuid_of(stage, 'xen-a1')}", "param-name=enabled") == "true"


def test_a_template_is_prepared_and_taken_back(stage: Stage, people: tuple[User, User]) -> None:
    operation = done("prepare-template", people, host=stage.host("xen-c1").pk)
    assert operation.state == S.SUCCEEDED, why(operation)
    assert stage.run("xen-c1", "sh", "-n", "/opt/opsportal/first-boot.sh").exit == 0
    assert "3:on" in stage.run("xen-c1", "chkconfig", "--list", "opsportal-first-boot").out
    back = followers.undo(operation, user=people[0], token="undo")
    planning.work(back.pk)
    back.refresh_from_db()
    assert approved(back, people).state == S.SUCCEEDED, why(back)
    assert stage.run("xen-c1", "test", "-e", "/etc/init.d/opsportal-first-boot").exit == 1


def test_a_pool_goes_through_maintenance_and_a_retry_takes_it_up(stage: Stage, people: tuple[User, User]) -> None:
    ha_on(stage, people)
    pool, second = stage.pool("practice-a").pk, uuid_of(stage, "xen-a2")
    boots = {host: stage.run(host, "cat", "/proc/sys/kernel/random/boot_id").out for host in ("xen-a1", "xen-a2", "xen-a3")}
    params = fresh("rolling-maintenance", pool=pool, post_script="test ! -e /root/not-yet\n", patches="echo patched >> /root/patched\n")
    stage.run("xen-a2", "touch", "/root/not-yet")
    operation = done("rolling-maintenance", people, **params)
    assert operation.state == S.FAILED and f"post-{second}" == operation.steps.filter(state="failed").get().key, why(operation)
    assert {one.key for one in Restoration.objects.filter(state="open")} == {"pool-ha", "cloudstack-cluster", f"disabled-{second}"}
    stage.run("xen-a2", "rm", "/root/not-yet")
    again = retried(operation, people)
    assert again.state == S.SUCCEEDED, why(again)
    assert not Restoration.objects.filter(state="open").exists()
    assert says(stage, "ha-enabled", "xen-a1", "xen-a2", "xen-a3") == {"true"}
    for host, boot in boots.items():
        assert stage.run(host, "cat", "/root/patched").out == "patched\n"
        assert stage.run(host, "cat", "/proc/sys/kernel/random/boot_id").out != boot
    assert stage.xe("xen-a1", "host-list", "enabled=true", "params=uuid", "--minimal").count(",") == 2
