"""What a reboot keeps, proved by pulling the plug of real hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hosts import connections
from hosts.models import Host
from networking.persistence.findings import findings
from networking.seen import look
from opsportal.operations import stepping
from opsportal.operations.leases import Lease
from opsportal.operations.models import Operation, Step
from opsportal.operations.states import OperationState as S
from opsportal.operations.steps import Step as Planned
from tests.networking.conftest import Net, dump
from tests.networking.ground import GroundHost
from tests.networking.test_commit_confirm import bridged, follow

__all__ = ["bridged"]
pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]

NETWORKING = "/etc/systemd/system/multi-user.target.wants/networking.service"
SYSTEMS = {
    "ifupdown": "true",
    "systemd-networkd": f"rm {NETWORKING}; systemctl enable systemd-networkd",
    "netplan": f"rm {NETWORKING}; echo 'network: {{version: 2}}' >/etc/netplan/01-base.yaml; chmod 600 /etc/netplan/01-base.yaml",
    "the portal's own": f"rm {NETWORKING}",
}
AGAIN = {
    "ifupdown": "systemctl restart networking",
    "systemd-networkd": "systemctl restart systemd-networkd; sleep 2",
    "netplan": "systemctl start systemd-networkd; netplan apply; sleep 2",
    "the portal's own": "systemctl restart opsportal-network",
}
"""What an administrator does some day: it must not change anything, neither before a reboot nor after it."""

OURS = (
    "grep -rlE '^# Written by the portal' /etc/network /etc/systemd /etc/netplan /etc/opsportal 2>/dev/null | sort;"
    " ls /etc/systemd/system/*.wants | grep opsportal || :"
)
TAKE_AWAY = (
    "rm -rf /etc/rc.local /etc/netplan/* /etc/opsportal /etc/network/interfaces.d/* /etc/systemd/network/* /run/systemd/network/*;"
    f" ln -sf /lib/systemd/system/networking.service {NETWORKING}; systemctl daemon-reload;"
    " systemctl disable --now systemd-networkd.socket systemd-networkd opsportal-network;"
    " rm -f /etc/systemd/system/opsportal-network.service"
)
MADE: list[tuple[str, dict[str, Any]]] = [
    ("add-bridge", {"name": "br7"}),
    ("add-vlan", {"bridge": "br7", "name": "mgmt0", "vlan": 123, "addresses": ["10.99.7.1/24", "2001:db8:7::1/64"]}),
    ("add-internal-port", {"bridge": "br7", "name": "vi0", "addresses": ["10.98.7.1/24", "10.98.8.1/24"], "mtu": 1412}),
    ("add-bond", {"bridge": "br7", "name": "bond0", "nics": ["eth1", "eth2"], "mode": "active-backup", "lacp": "off"}),
    ("set-mtu", {"name": "mgmt0", "mtu": 1400}),
]


@pytest.fixture
def first(net: Net) -> Iterator[GroundHost]:
    net.second.sh("ip link set eth1 up; ip link set eth2 up")
    yield net.first
    net.first.sh(f"({TAKE_AWAY}) 2>/dev/null || :")


def made_all(net: Net, host: GroundHost) -> list[Operation]:
    return [settled(net, host, runbook, params) for runbook, params in MADE]


def settled(net: Net, host: GroundHost, runbook: str, params: dict[str, Any]) -> Operation:
    """Planned anew while the kernel still tries new addresses and links."""
    for _ in range(4):
        operation = net.do(runbook, host, **params)
        if operation.state != S.STALE:
            break
    assert operation.state == S.SUCCEEDED, (runbook, operation.outcome, list(operation.steps.values_list("message", flat=True)))
    return operation


def cycle(host: GroundHost) -> None:
    connections.forget_all()
    host.power_cycle()
    host.sh("systemctl is-active ground-underlay; ovs-vsctl --timeout=10 show")
    quiet(host)


def quiet(host: GroundHost) -> None:
    """Returns when the kernel has tried all new IPv6 addresses: until then a plan knows nothing of them, and is stale a second later."""
    host.sh("while ip addr | grep -q tentative; do sleep 0.1; done")


@pytest.mark.parametrize("system", SYSTEMS)
def test_all_of_it_is_there_after_a_power_cycle(net: Net, first: GroundHost, system: str) -> None:
    first.sh(SYSTEMS[system])
    before, made = dump(first), made_all(net, first)
    assert any(system in step.title for operation in made for step in operation.frozen().steps)
    after, files = dump(first), first.sh(OURS)
    first.sh(AGAIN[system])
    assert dump(first) == after
    cycle(first)
    assert dump(first) == after
    first.sh(AGAIN[system])
    assert dump(first) == after
    assert files.split() and first.sh("systemctl --failed --no-legend --plain") == "", first.sh(
        "journalctl -b -o short-precise --no-pager; cat /etc/network/interfaces.d/*"
    )
    assert "Failed to configure" not in first.sh("journalctl --no-pager -u systemd-networkd")
    for runbook, params in MADE:
        again = net.plan(runbook, first, **params)
        assert not again.frozen().steps and "has it already" in again.frozen().because, (
            runbook,
            [step.action for step in again.frozen().steps],
        )
    for operation in reversed(made):
        assert net.undo(operation).state == S.SUCCEEDED
    assert dump(first) == before and first.sh(OURS) == ""


def test_what_was_removed_does_not_come_back_and_what_was_undone_does(net: Net, first: GroundHost) -> None:
    for runbook, params in MADE[:3]:
        settled(net, first, runbook, params)
    quiet(first)
    before, files = dump(first), first.sh(OURS)
    removed = net.do("remove-bridge", first, name="br7")
    assert removed.state == S.SUCCEEDED, removed.outcome
    assert first.sh(OURS) == ""
    cycle(first)
    assert "br7" not in dump(first)
    assert net.undo(removed).state == S.SUCCEEDED
    assert first.sh(OURS) == files and dump(first) == before
    cycle(first)
    assert dump(first) == before


def test_a_reboot_between_arming_and_confirming_rolls_back(bridged: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    advance, cut = stepping.advance, list[bool]()

    def plug(operation: Operation, step: Step, planned: Planned, lease: Lease, until: float) -> None:
        if step.key == "confirm" and step.state == "pending" and not cut:
            cut.append(True)
            assert bridged.first.sh("ovs-vsctl get Interface brm mtu_request").strip() == "1400"
            cycle(bridged.first)
            bridged.first.sh("while systemctl list-jobs | grep opsportal-guard; do sleep 0.1; done")
        advance(operation, step, planned, lease, until)

    monkeypatch.setattr(stepping, "advance", plug)
    operation = follow(bridged.approved(bridged.plan("set-mtu", bridged.first, timer=600, name="brm", mtu=1400)), 60)
    assert operation.state == S.FAILED, operation.outcome
    assert "Rolled back" in operation.outcome + " ".join(operation.steps.values_list("message", flat=True))
    assert bridged.first.sh("ovs-vsctl get Interface brm mtu_request").strip() == "[]"
    assert bridged.first.sh("ls /etc/systemd/system /etc/systemd/system/*.wants | grep guard || :") == ""


def test_what_was_made_by_hand_is_found_and_kept(net: Net, first: GroundHost) -> None:
    first.sh(
        "ovs-vsctl add-br br5 -- set Bridge br5 datapath_type=netdev; ip link set br5 up; ip addr add 10.55.0.1/24 dev br5;"
        "ip route add 10.56.0.0/16 via 10.55.0.254"
    )
    first.sh(f"echo 'ip addr add {first.address}/24 dev eth0' >/etc/rc.local")
    before = dump(first)
    assert "10.55.0.1/24 of br5 is in no boot configuration" in said(first)
    kept = net.do("keep-network", first)
    assert kept.state == S.SUCCEEDED and [step.key for step in kept.frozen().steps] == ["keep-br5"], kept.outcome
    assert said(first) == ""
    assert "has it already" in net.plan("keep-network", first).frozen().because
    cycle(first)
    assert dump(first) == before and "10.56.0.0/16 via 10.55.0.254 dev br5" in first.sh("ip route")
    assert net.undo(kept).state == S.SUCCEEDED and first.sh(OURS) == ""


def said(host: GroundHost) -> str:
    """What the host's network page says of the next boot."""
    (known,) = connections.with_keys(Host.objects.filter(name=host.name))
    with connections.opened(connections.ssh_target(known)) as transport:
        return "\n".join(one.message for one in findings(look(transport, 30)))


def test_lines_of_other_people_are_never_touched(net: Net, first: GroundHost) -> None:
    theirs = "iface vi0 inet static\n  address 10.1.1.1/24\n"
    first.sh(f"printf '{theirs}' >/etc/network/interfaces.d/person; ovs-vsctl add-br br7 -- set Bridge br7 datapath_type=netdev")
    operation = net.plan("add-internal-port", first, bridge="br7", name="vi0", addresses=["10.98.7.1/24"])
    assert any("After a reboot vi0 has 10.1.1.1/24" in one["message"] for one in operation.findings), operation.findings
    assert [step.key for step in operation.frozen().steps] == ["port-vi0"]
    assert net.go(operation).state == S.SUCCEEDED
    assert first.sh("cat /etc/network/interfaces.d/*") == theirs
