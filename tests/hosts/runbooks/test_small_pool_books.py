"""Re-enable a host after a crash, and un-protect VMs."""

from __future__ import annotations

import pytest

from hosts.runbooks.re_enable_host import HostParams, ReEnableHost
from hosts.runbooks.unprotect_vms import UnprotectVms, VmsParams
from hosts.xen.facts import MemberView, PoolStorage, PoolVms, ProtectedVms
from hosts.xen.state import Vm, Voice
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import Effect, RunCommand
from tests.hosts.runbooks import pools
from tests.hosts.runbooks.known import U1, U2, U3, Known, blocks, commands, row, silent, storage
from tests.hosts.runbooks.pools import WHERE, three

ENABLE, UNPROTECT = ReEnableHost(), UnprotectVms()
HOST_3 = HostParams(1, U3)


def disabled(*, ha: bool = True) -> Known:
    known = three(ha=ha)
    pools.with_hosts(known, U3, enabled=False)
    return known


def test_the_host_is_waited_for_and_enabled() -> None:
    steps = disabled().plan(ENABLE, HOST_3)
    assert commands(steps) == ["ready", f"enable: xe host-enable uuid={U3}"]
    assert [one.target for one in steps[0].action.conditions] == [row(U3).target]  # type: ignore[union-attr]
    assert steps[1].effect is Effect.IDEMPOTENT and [one.wants for one in steps[1].probe] == ["true"]
    assert isinstance(steps[1].undo, RunCommand) and steps[1].undo.command.gist == f"xe host-disable uuid={U3}"


def test_an_enabled_host_has_nothing_to_do() -> None:
    with pytest.raises(NothingToDo, match="xs03 is enabled already"):
        three(ha=True).plan(ENABLE, HOST_3)


def test_a_share_that_is_not_plugged_is_named_as_the_reason() -> None:
    known = disabled()
    known.say(PoolStorage(WHERE), storage((U1, U2, U3)))
    known.say(PoolStorage(WHERE), _unplug(known, U3))
    found = [one for one in known.findings(ENABLE, HOST_3) if one.guard == "xen.enable-why"]
    assert [(one.level, "Not plugged on xs03: primary" in one.message) for one in found] == [("warn", True)]
    rows = {one["uuid"]: one for one in ENABLE.look("host", HOST_3, known.facts())["hosts"]}
    assert rows[U3]["unplugged"] == ["primary"] and rows[U3]["why_not"] == "" and rows[U1]["why_not"] == "It is enabled."


def _unplug(known: Known, uuid: str) -> object:
    import dataclasses

    kept = storage((U1, U2, U3))
    pbds = tuple(dataclasses.replace(pbd, attached=pbd.host != uuid or pbd.sr != kept.srs[0].uuid) for pbd in kept.pbds)
    return dataclasses.replace(kept, pbds=pbds)


def test_without_ha_an_unplugged_share_is_no_reason() -> None:
    known = disabled(ha=False)
    known.say(PoolStorage(WHERE), _unplug(known, U3))
    found = [one for one in known.findings(ENABLE, HOST_3) if one.guard == "xen.enable-why"]
    assert [one.level for one in found] == ["note"]


def test_with_everything_plugged_somebody_may_have_meant_it() -> None:
    found = disabled().findings(ENABLE, HOST_3)
    assert [(one.guard, one.level) for one in found] == [("xen.enable-why", "warn")]
    assert "Ask who disabled it" in found[0].message


def test_protected_machines_may_keep_xapi_from_enabling() -> None:
    known = disabled()
    known.say(PoolStorage(WHERE), _unplug(known, U3))
    pools.protected(known)
    assert "xen.enable-sharing" in [one.guard for one in known.findings(ENABLE, HOST_3)]


def test_a_host_that_does_not_answer_is_waited_for_first() -> None:
    known = disabled()
    known.say(MemberView(row(U3).target), silent(U3, Voice.REFUSED, said="Error: Connection refused (calling connect )"))
    assert "Connection refused" in blocks(known.findings(ENABLE, HOST_3))["xen.enable-answers"]


ONE, TWO = "90000000-0000-4000-8000-000000000000", "90000000-0000-4000-8000-000000000001"


def with_protected() -> Known:
    known = three(ha=False)
    known.say(ProtectedVms(WHERE), (Vm(ONE, "i-2-10-VM", "", "", "restart", False), Vm(TWO, 'odd "name"', "", "", "best-effort", False)))
    known.say(PoolVms(WHERE), (Vm(ONE, "i-2-10-VM", "running", U2, "restart", True),))
    return known


def test_each_machine_loses_its_priority_and_can_get_it_back() -> None:
    steps = with_protected().plan(UNPROTECT, VmsParams(1, (ONE, TWO)))
    assert commands(steps) == [
        f"vm-{ONE}: xe vm-param-set uuid={ONE} ha-restart-priority=",
        f"vm-{TWO}: xe vm-param-set uuid={TWO} ha-restart-priority=",
        "none-protected",
    ]
    assert [one.wants for one in (*steps[0].expect, *steps[0].probe)] == ["restart", ""]
    assert isinstance(steps[1].undo, RunCommand) and steps[1].undo.command.gist.endswith("ha-restart-priority=best-effort")


def test_only_those_that_were_chosen() -> None:
    assert len(with_protected().plan(UNPROTECT, VmsParams(1, (TWO,)))) == 2


def test_nothing_protected_nothing_to_do() -> None:
    with pytest.raises(NothingToDo, match="No virtual machine of pool-a"):
        three(ha=False).plan(UNPROTECT, VmsParams(1, (ONE,)))


def test_what_cloudstack_does_not_run_is_named() -> None:
    found = with_protected().findings(UNPROTECT, VmsParams(1, (ONE, TWO)))
    assert [(one.guard, one.level) for one in found] == [("xen.unprotect-means", "warn")]
    assert 'odd "name"' in found[0].message and "i-2-10-VM" not in found[0].message


def test_the_page_shows_where_they_run() -> None:
    rows = UNPROTECT.look("vms", VmsParams(1), with_protected().facts())["vms"]
    assert rows[0] == {"uuid": ONE, "name": "i-2-10-VM", "priority": "restart", "power": "running", "host": "xs02"}
    assert rows[1]["power"] == ""


def test_what_is_gone_is_left_out() -> None:
    gone = "90000000-0000-4000-8000-000000000009"
    known = with_protected()
    found = known.findings(UNPROTECT, VmsParams(1, (ONE, gone)))
    assert [(one.guard, one.level) for one in found] == [("xen.unprotect-gone", "warn")]
    assert len(known.plan(UNPROTECT, VmsParams(1, (ONE, gone)))) == 2
