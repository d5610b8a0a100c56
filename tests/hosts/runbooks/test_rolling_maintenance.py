"""Rolling maintenance: the order, what is looked at before each host, and what a retry goes on from."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.http import QueryDict

from hosts.facts.restorations import HaLeftOff, LeftOff, Open, OpenRestorations
from hosts.runbooks.rolling_maintenance import MaintenanceParams, RollingMaintenance, WorkForm
from hosts.xen.facts import PoolHosts, PoolPifs
from hosts.xen.more_facts import Attached, AttachedBefore, DoneBefore, Obstacles, Progress, Stuck
from opsportal.operations.plan import Plan
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import RunCommand, Step, WaitFor
from opsportal.transport.base import Result
from tests.hosts.runbooks.known import NFS, U1, U2, U3, Known, blocks, commands, host, pif, pool

PARAMS = MaintenanceParams(
    pool=1, pre_script="echo before\n", post_script="echo after\n", patches="yum -y update\n", run="cafe", evacuate_minutes=60
)
PBD, PIF = "11111111-0000-4000-8000-00000000000b", "11111111-0000-4000-8000-00000000000f"


def running(*, ha: bool = False) -> Known:
    known = pool(ha=ha)
    known.say(HaLeftOff("portal", "pool:1"), None)
    known.say(AttachedBefore("host:1", "cafe"), tuple(Attached(uuid, (PBD,), (PIF,), (PIF,)) for uuid in (U1, U2, U3)))
    known.say(DoneBefore("portal", 1), Progress())
    for uuid in (U1, U2, U3):
        known.say(Obstacles("host:1", uuid), ())
    return known


def plan(known: Known, **other: Any) -> tuple[Step, ...]:
    return known.plan(RollingMaintenance(), dataclasses.replace(PARAMS, **other))


def findings(known: Known, **other: Any) -> Any:
    return known.findings(RollingMaintenance(), dataclasses.replace(PARAMS, **other))


def step(steps: tuple[Step, ...], key: str) -> Step:
    return next(one for one in steps if one.key == key)


def test_the_master_goes_first_and_each_host_is_put_back_before_the_next() -> None:
    steps = plan(running())
    kinds = [(one.key.partition("-")[0], one.key.partition("-")[2]) for one in steps]
    one = ["others", "disable", "pre", "evacuate", "post", "patch", "reboot", "back", "enable", "check"]
    assert kinds == [(kind, uuid) for uuid in (U1, U2, U3) for kind in one]
    assert not blocks(findings(running()))


def test_ha_is_off_for_the_whole_run() -> None:
    keys = [one.key for one in plan(running(ha=True), skip=(U2, U3), pre_script="", post_script="", patches="")]
    assert keys == [
        "ha-off", "ha-off-everywhere", "ha-off-still", f"others-{U1}", f"disable-{U1}", f"evacuate-{U1}", f"reboot-{U1}", f"back-{U1}",
        f"enable-{U1}", f"check-{U1}", "ha-on", "ha-on-everywhere", "ha-on-still",
    ]  # fmt: skip


def test_the_commands_of_one_host() -> None:
    said = commands(one for one in plan(running(), skip=(U1, U3)))
    assert said == [
        f"others-{U2}",
        f"disable-{U2}: xe host-disable uuid={U2}",
        f"pre-{U2}: echo before",
        f"evacuate-{U2}: xe host-evacuate uuid={U2}",
        f"post-{U2}: echo after",
        f"patch-{U2}: yum -y update",
        f"reboot-{U2}: xe host-disable uuid={U2}; xe host-reboot uuid={U2}",
        f"back-{U2}",
        f"enable-{U2}: xe host-enable uuid={U2}",
        f"check-{U2}",
    ]


def test_never_a_second_host_down() -> None:
    steps = plan(running())
    others = step(steps, f"others-{U2}").action
    assert isinstance(others, WaitFor)
    assert [one.says for one in others.conditions] == [
        "xs01 names xs01 as master", "xs01 is enabled", "xs03 names xs01 as master", "xs03 is enabled",
        "The pool counts every host as live",
    ]  # fmt: skip
    assert [one.says for one in step(steps, f"reboot-{U2}").expect] == [
        "No virtual machine is on xs02",
        "xs01 names xs01 as master",
        "xs03 names xs01 as master",
    ]


def test_a_disabled_host_is_on_record_until_it_is_enabled() -> None:
    steps = plan(running())
    opened = step(steps, f"disable-{U3}").opens
    assert opened is not None and opened.resource == "pool:1" and "xs03 is disabled" in opened.title
    assert step(steps, f"enable-{U3}").settles == opened.key


def test_the_host_is_waited_for_by_its_boot_and_compared_with_before() -> None:
    steps = plan(running())
    back, check = step(steps, f"back-{U1}").action, step(steps, f"check-{U1}").action
    assert isinstance(back, WaitFor) and f".opsportal/boot-cafe-{U1}" in back.conditions[0].command.argv
    assert isinstance(check, WaitFor)
    assert [one.wants for one in check.conditions] == [U1, PBD, PIF, PIF]


def test_an_emptied_host_is_looked_at_once_more_in_the_command_that_reboots() -> None:
    action = step(plan(running()), f"reboot-{U1}").action
    assert isinstance(action, RunCommand)
    script = action.command.script
    assert script.index("host-disable") < script.index("vm-list") < script.index("host-reboot")


def test_a_retry_goes_on_with_the_host_where_it_stopped() -> None:
    """HA is off, the second host is disabled and has lost a PBD: the rest of the plan is the same."""
    known = running()
    before = Plan("rolling-maintenance", 1, plan(known, reboot=True)).after(f"evacuate-{U2}")
    known.say(PoolHosts("host:1"), (host(U1), host(U2, enabled=False), host(U3)))
    left = (Open(f"disabled-{U2}", "xs02 is disabled", 12, True), Open("pool-ha", "Pool HA is off", 12, True))
    known.say(OpenRestorations("portal", "pool:1"), left)
    known.say(HaLeftOff("portal", "pool:1"), LeftOff(NFS, 180, 12))
    again = Plan("rolling-maintenance", 1, plan(known)).after(f"evacuate-{U2}")
    assert again.steps[: len(before.steps)] == before.steps
    assert [one.key for one in again.steps[len(before.steps) :]] == ["ha-on", "ha-on-everywhere", "ha-on-still"]
    assert not blocks(findings(known))
    assert AttachedBefore.pinned


def test_hosts_that_another_operation_left_disabled_block() -> None:
    known = running()
    known.say(OpenRestorations("portal", "pool:1"), (Open("cluster", "The cluster is unmanaged", 3, True),))
    assert "operation #3" in blocks(findings(known))["maintenance.restorations"]
    known.say(OpenRestorations("portal", "pool:1"), (Open(f"disabled-{U3}", "xs03 is disabled", 3, True),))
    assert "maintenance.restorations" in blocks(findings(known, skip=(U3,)))


def test_a_host_that_is_disabled_already_would_be_the_second_one() -> None:
    known = running()
    known.say(PoolHosts("host:1"), (host(U1), host(U2), host(U3, enabled=False)))
    assert "second one down" in blocks(findings(known))["maintenance.enabled"]


def test_what_was_done_before_is_said() -> None:
    known = running()
    known.say(DoneBefore("portal", 1), Progress(12, (U1,)))
    (found,) = (one for one in findings(known) if one.guard == "maintenance.done")
    assert "Operation #12 did xs01" in found.message and found.field == "skip"
    assert not [one for one in findings(known, skip=(U1,)) if one.guard == "maintenance.done"]


def test_machines_that_cannot_move_are_named() -> None:
    known = running()
    known.say(Obstacles("host:1", U2), (Stuck("c0ffee00-0001-4001-8001-000000000001", "i-2-10-VM", "VM_REQUIRES_SR"),))
    assert any("From xs02 cannot be moved: i-2-10-VM (VM_REQUIRES_SR)" in one.message for one in findings(known))


def test_how_obstacles_are_read() -> None:
    out = (
        "uuid ( RO)          : c0ffee00-0001-4001-8001-000000000001\n"
        "    name-label ( RW): i-2-10-VM\n"
        "        reason ( RO): VM_REQUIRES_SR,OpaqueRef:aa,OpaqueRef:bb\n\n\n"
    )
    assert Obstacles("host:1", U1).parse(Result(0, out)) == (Stuck("c0ffee00-0001-4001-8001-000000000001", "i-2-10-VM", "VM_REQUIRES_SR"),)
    assert Obstacles("host:1", U1).parse(Result(0, "")) == ()


def test_a_leg_of_a_bond_without_a_signal_is_said_before() -> None:
    known = running()
    bond = (pif(U1, "bond0", bond_slaves=("eth0", "eth1")), pif(U1, "eth0", carrier=True), pif(U1, "eth1", carrier=False))
    known.say(PoolPifs("host:1"), bond)
    assert any("eth1 of xs01, a leg of a bond" in one.message for one in findings(known))


def test_leaving_everybody_out_is_nothing_to_do() -> None:
    with pytest.raises(NothingToDo):
        plan(running(), skip=(U1, U2, U3))


def test_scripts_come_from_the_form_with_the_line_ends_of_a_shell() -> None:
    data = QueryDict(mutable=True)
    data.update({"pre_script": "echo a\r\necho b\r\n", "post_script": " \r\n", "patches": "", "reboot": "on", "evacuate_minutes": "30"})
    form = WorkForm(data)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["pre_script"] == "echo a\necho b\n" and form.cleaned_data["post_script"] == ""
