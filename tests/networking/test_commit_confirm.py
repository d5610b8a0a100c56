"""Never locked out: a change that cuts the portal's own connection is taken back by the host itself."""

from __future__ import annotations

import os
import time

import pytest
from django.utils import timezone

from hosts import connections
from opsportal.operations import execution, followers, journal, planning, stepping
from opsportal.operations.leases import Lease
from opsportal.operations.models import Operation, Step
from opsportal.operations.states import FINAL
from opsportal.operations.states import OperationState as S
from opsportal.operations.steps import Step as Planned
from tests.networking.conftest import Net, dump

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]
TIMER = 8


@pytest.fixture
def bridged(net: Net) -> Net:
    """The first host's management address is on a bridge, with eth0 in it: the portal comes in over both."""
    net.first.sh(
        "ovs-vsctl add-br brm -- set Bridge brm datapath_type=netdev other_config:hwaddr=$(cat /sys/class/net/eth0/address)"
        " -- add-port brm eth0;"
        f"ip addr flush dev eth0; ip addr add {net.first.address}/24 dev brm; ip link set brm up; ip link set eth0 up"
    )
    connections.forget_all()
    return net


def follow(operation: Operation, seconds: float) -> Operation:
    """As the sweeper does: also what waits for a host that cannot be reached is tried again."""
    deadline = time.monotonic() + seconds
    while operation.state not in FINAL and time.monotonic() < deadline:
        Operation.objects.filter(pk=operation.pk).update(retry_at=None)
        execution.slice_of(operation.pk, 10)
        operation.refresh_from_db()
    return operation


@pytest.mark.parametrize("_round", range(int(os.environ.get("LOCKOUTS", "2"))))
def test_a_plan_that_cuts_its_own_connection_comes_back(bridged: Net, _round: int) -> None:
    before, began = dump(bridged.first), timezone.now()
    operation = bridged.approved(bridged.plan("remove-port", bridged.first, timer=TIMER, name="eth0"))
    assert [step.key for step in operation.frozen().steps] == ["arm", "remove-eth0", "confirm"]
    follow(operation, 90)
    said = operation.outcome + " ".join(operation.steps.values_list("message", flat=True))
    assert operation.state == S.FAILED and "Rolled back" in said, (operation.state, said)
    assert dump(bridged.first) == before
    assert (timezone.now() - began).total_seconds() < 60


def test_a_change_that_does_not_cut_it_is_confirmed_and_stays(bridged: Net) -> None:
    operation = bridged.approved(bridged.plan("set-mtu", bridged.first, timer=TIMER, name="brm", mtu=1400))
    assert [step.key for step in operation.frozen().steps] == ["arm", "mtu-brm", "confirm"]
    follow(operation, 60)
    assert operation.state == S.SUCCEEDED, operation.outcome
    time.sleep(TIMER + 1)
    assert "mtu 1400" in bridged.first.sh("ip link show brm")
    assert "opsportal-guard" not in bridged.first.sh("systemctl list-timers --all --no-legend")


def test_it_comes_back_when_the_portal_is_away_at_the_time_to_confirm(bridged: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """A confirmation that comes too late confirms nothing."""
    before, advance = dump(bridged.first), stepping.advance

    def late(operation: Operation, step: Step, planned: Planned, lease: Lease, until: float) -> None:
        if step.key == "confirm" and step.state == "pending":
            time.sleep(TIMER + 2)
            assert "mtu 1500" in bridged.first.sh("ip link show brm")
        advance(operation, step, planned, lease, until)

    monkeypatch.setattr(stepping, "advance", late)
    operation = follow(bridged.approved(bridged.plan("set-mtu", bridged.first, timer=TIMER, name="brm", mtu=1400)), 60)
    assert operation.state == S.FAILED
    assert "Rolled back" in operation.outcome + " ".join(operation.steps.values_list("message", flat=True))
    assert dump(bridged.first) == before


def test_taking_it_back_is_confirmed_over_a_new_connection_too(bridged: Net) -> None:
    before = dump(bridged.first)
    done = follow(bridged.approved(bridged.plan("set-mtu", bridged.first, timer=TIMER, name="brm", mtu=1400)), 60)
    back = bridged.undo(done)
    assert back.state == S.SUCCEEDED, back.outcome
    assert list(back.steps.values_list("key", flat=True)) == ["undo-confirm", "undo-mtu-brm", "undo-arm"]
    time.sleep(TIMER + 1)
    assert dump(bridged.first) == before
    assert "opsportal-guard" not in bridged.first.sh("systemctl list-timers --all --no-legend; ls /etc/systemd/system")


def test_taking_it_back_that_cuts_the_connection_is_itself_taken_back(bridged: Net) -> None:
    done = follow(bridged.approved(bridged.plan("set-mtu", bridged.first, timer=TIMER, name="brm", mtu=1400)), 60)
    changed = dump(bridged.first)
    bridged.first.sh(
        "systemd-run --quiet --unit=saboteur sh -c 'while sleep 0.1; do "
        "if ip link show brm | grep -q mtu.1500; then ip link set eth0 down; else ip link set eth0 up; fi; done'"
    )
    try:
        planned = followers.undo(done, user=bridged.olga, token="back")
        planning.work(planned.pk)
        planned.refresh_from_db()
        back = follow(bridged.approved(planned), 90)
        assert back.state == S.FAILED, back.outcome
        assert b"the host made it again" in b"".join(journal.raw(back))
        assert dump(bridged.first) == changed
    finally:
        bridged.first.sh("systemctl stop saboteur; ip link set eth0 up")
