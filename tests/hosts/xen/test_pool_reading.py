"""Pools are read by workers: what is kept, what changed, and what a bad member cannot do."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from hosts import tasks
from hosts.models import Cloud, Host, Pool, PoolReading
from hosts.xen import reading
from hosts.xen.state import PoolState, Voice
from opsportal.operations.models import Operation
from tests.hosts.xen.pools import OFF, XenPool, inventory, xen
from tests.hosts.xen.samples import SR, U1, U2, VM1, VM2, P

__all__ = ["xen"]

pytestmark = pytest.mark.django_db


def again(pool: Pool) -> Pool:
    reading.ask(Pool.objects.filter(pk=pool.pk))
    tasks.read_pools()
    pool.refresh_from_db()
    return pool


def state_of(pool: Pool) -> PoolState:
    state = PoolState.of(pool.state)
    assert state is not None
    return state


def guards(pool: Pool) -> list[str]:
    return [finding["guard"] for finding in pool.findings]


def test_a_pool_that_is_well(xen: XenPool) -> None:
    common = {"ha-always-run": "false", "ha-restart-priority": ""}
    xen.vms = [
        {"uuid": VM1, "name-label": "i-2-3-VM", "power-state": "running", "resident-on": U2} | common,
        {"uuid": VM2, "name-label": "i-2-4-VM", "power-state": "halted", "resident-on": "<not in database>"} | common,
    ]
    pool = again(inventory())
    state = state_of(pool)
    assert (pool.uuid, pool.problem, pool.findings) == (P, "", [])
    assert [member.view.voice for member in state.members if member.view] == [Voice.ANSWERS] * 3
    assert state.basics and state.basics.statefile_srs == (SR,) and state.basics.ha_timeout == 180
    assert state.storage and len(state.storage.plugged(SR)) == 3
    assert state.vms and (state.vms.total, state.vms.running(U2), state.vms.running(U1)) == (2, 1, 0)
    assert (state.space[0].size, state.missing, state.answers) == (100, {}, True)
    assert state.master and state.master.name == "xs1" and state.speaker == Host.objects.get(name="xs1").pk
    assert pool.claim == "" and pool.next_read_at > timezone.now()


def test_the_whole_pool_is_asked_of_one_member_only(xen: XenPool) -> None:
    again(inventory())
    assert {number for number, gist in xen.asked if "emergency" not in gist} == {1}
    assert sum("emergency" in gist for _, gist in xen.asked) == 3


def test_changes_are_told_and_what_is_the_same_is_not_kept_twice(xen: XenPool) -> None:
    pool = again(inventory())
    again(pool)
    xen.pool |= {"master": U2, "ha-enabled": "false"}
    xen.hosts[2]["enabled"] = "false"
    again(pool)
    newest, same, first = PoolReading.objects.all()
    assert (first.changed, same.changed, newest.changed) == (True, False, True)
    assert first.state and newest.state and same.state == {}
    told = {change["name"]: (change["before"], change["after"]) for change in newest.changes}
    assert told == {"Pool master": ("xs1", "xs2"), "Pool HA": ("on", "off"), "xs3: enabled": ("yes", "no")}


def test_a_member_that_joined_or_left(xen: XenPool) -> None:
    pool = again(inventory())
    gone = xen.hosts.pop()
    again(pool)
    changes = {change["name"]: change["after"] for change in PoolReading.objects.latest("at").changes}
    assert changes[f"{gone['name-label']}: in the pool"] == "not there"


def test_a_dead_master(xen: XenPool) -> None:
    pool = again(inventory())
    xen.down, xen.hangs = {1}, {2, 3}
    again(pool)
    state = state_of(pool)
    assert not state.answers and "xe does not return" in state.silence and "xs1 cannot be reached" in state.silence
    assert state.basics and state.basics.ha_enabled, "what the pool said last is still there"
    assert [member.view is None for member in state.members] == [True, False, False]
    assert pool.problem == ""
    told = {finding["runbook"] for finding in pool.findings if finding["level"] == "block"}
    assert "recover-pool" in told and "pool.answers" in guards(pool)
    changes = {change["name"]: change["after"] for change in PoolReading.objects.latest("at").changes}
    assert changes == {"xs1: reached": "no", "xs2: xapi": "xe does not return", "xs3: xapi": "xe does not return"}


def test_nobody_can_be_reached(xen: XenPool) -> None:
    pool = again(inventory())
    before, xen.down = pool.state, {1, 2, 3}
    again(pool)
    again(pool)
    assert pool.state == before
    assert "xs3 cannot be reached" in pool.problem and pool.problem_at is not None
    assert [kept.changed for kept in PoolReading.objects.all()] == [False, True, True]
    xen.down = set()
    assert again(pool).problem == ""


def test_one_member_that_cannot_be_tried_does_not_keep_the_others(xen: XenPool) -> None:
    pool = inventory()
    Host.objects.create(name="no key", address="10.0.0.19", kind="xenserver", pool=pool, cloud=pool.cloud)
    again(pool)
    assert state_of(pool).answers
    assert any("No key is pinned" in finding["message"] for finding in pool.findings)


def test_a_part_that_cannot_be_read_is_named(xen: XenPool) -> None:
    xen.vms = [{"uuid": "nonsense", "name-label": "x"}]
    pool = again(inventory())
    state = state_of(pool)
    assert state.answers and state.vms is None
    assert list(state.missing) == ["vms"] and "nonsense" in state.missing["vms"] + "nonsense"


def test_an_answer_that_was_cut_off_is_asked_for_once_more(xen: XenPool) -> None:
    xen.cut = ["xe host-is", "xe pool-list params=uuid,name", "xe vm-list", "xe vm-list"]
    state = state_of(again(inventory()))
    assert state.answers and list(state.missing) == ["vms"] and "without an exit code" in state.missing["vms"]


def test_pools_of_other_kinds_and_without_hosts_are_left_alone(xen: XenPool) -> None:
    kvm = inventory()
    Pool.objects.filter(pk=kvm.pk).update(kind=Pool.Kind.KVM)
    empty = Pool.objects.create(name="empty", cloud=Cloud.objects.get())
    tasks.read_pools()
    empty.refresh_from_db()
    assert not PoolReading.objects.exists() and not xen.asked
    assert empty.next_read_at > timezone.now() and empty.claim == "" and empty.problem == ""


def test_a_fault_of_our_own_is_told_and_keeps_no_other_pool(xen: XenPool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = inventory()
    monkeypatch.setattr(reading, "speaker", lambda *_: 1 / 0)
    again(pool)
    assert "fault of its own" in pool.problem


def test_a_pool_that_another_worker_reads_is_not_read_again(xen: XenPool) -> None:
    pool = inventory()
    assert [one.pk for one in reading.claim(8)] == [pool.pk]
    assert reading.claim(8) == [] and not reading.due()
    Pool.objects.update(next_read_at=timezone.now() - timedelta(seconds=1))
    assert reading.due(), "the worker that took it is dead"


def test_an_answer_that_comes_late_does_not_end_another_claim(xen: XenPool) -> None:
    pool = inventory()
    (taken,) = reading.claim(8)
    (asked,) = reading._openable([taken])
    answer = reading.read(asked, time.monotonic() + 30)
    Pool.objects.update(claim="another")
    reading.store([answer])
    pool.refresh_from_db()
    assert pool.claim == "another" and pool.state


def test_a_pool_that_was_removed_meanwhile(xen: XenPool) -> None:
    inventory()
    (asked,) = reading._openable(reading.claim(8))
    answer = reading.read(asked, time.monotonic() + 30)
    Host.objects.all().delete()
    Pool.objects.all().delete()
    reading.store([answer])
    assert not PoolReading.objects.exists()


def test_a_pool_is_read_soon_after_an_operation_on_it_ended(xen: XenPool, django_user_model: type[User]) -> None:
    pool, other = again(inventory()), inventory("pool-b", 0)
    Pool.objects.filter(pk=other.pk).update(next_read_at=timezone.now() + timedelta(hours=1), state_at=pool.state_at)
    requester = django_user_model.objects.create(username="ann")
    operation = Operation.objects.create(runbook="x", token="t", requester=requester, state="running", locks=[f"pool:{pool.pk}", "host:1"])
    assert reading.hurry() == 0, "it was read a moment ago"
    Operation.objects.filter(pk=operation.pk).update(state="succeeded", ended_at=timezone.now())
    assert reading.hurry() == 1 and reading.due()
    tasks.read_pools()
    assert reading.hurry() == 0
    Operation.objects.filter(pk=operation.pk).update(state="running", ended_at=None)
    Pool.objects.update(state_at=timezone.now() - timedelta(minutes=1))
    assert reading.hurry() == 1, "and now and then while it runs"


def test_a_pool_that_nobody_speaks_for_is_asked_more_often(xen: XenPool) -> None:
    xen.hangs = {1, 2, 3}
    assert again(inventory()).next_read_at < timezone.now() + timedelta(minutes=2)


def test_old_readings_are_forgotten(xen: XenPool) -> None:
    pool = again(inventory())
    again(pool)
    PoolReading.objects.update(at=timezone.now() - timedelta(days=3))
    assert reading.trim() == 1
    PoolReading.objects.update(at=timezone.now() - timedelta(days=400))
    assert reading.trim() == 1


def test_a_clone_in_another_pool_is_found_on_both(xen: XenPool) -> None:
    pool = again(inventory())
    other = inventory("pool-b", 0)
    facts = {"host_uuid": U2.upper()}
    twin = Host.objects.create(name="xs7", address="10.9.9.9", kind="xenserver", pool=other, cloud=pool.cloud, facts=facts)
    Pool.objects.filter(pk=other.pk).update(next_read_at=timezone.now() + timedelta(hours=1))
    again(pool)
    (finding,) = pool.findings
    assert finding["guard"] == "pool.twins" and finding["host"] == twin.pk and "xs7" in finding["message"]


def test_a_member_that_is_filed_elsewhere_is_no_clone(xen: XenPool) -> None:
    pool = inventory()
    Host.objects.filter(name="xs3").update(pool=None, facts={"host_uuid": xen.uuids[2]})
    again(pool)
    assert guards(pool) == ["pool.membership"]


def test_findings_follow_each_reading(xen: XenPool) -> None:
    xen.pool |= OFF
    pool = again(inventory())
    assert guards(pool) == ["pool.ha-off"] and pool.findings[0]["runbook"] == "enable-pool-ha"
    xen.pool |= {"ha-enabled": "true", "ha-configuration": "timeout: 180"} | {"ha-statefiles": "0a7b5d3e-9999-4a4a-8888-0102030405aa"}
    assert again(pool).findings == []
