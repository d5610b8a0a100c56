"""Switches led by a manager: a real OVSDB server over TLS, and a stand-in for NSX's API."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError

from hosts import sealing
from hosts.models import Credential, Host
from networking import controller_steps, judges
from networking.controller_forms import pinned, target
from networking.nsx import peek
from networking.runbooks.join_ovn import JoinForm
from networking.runbooks.leave_controller import LeaveForm
from networking.runbooks.register_with_controller import ManagerForm, NodeForm
from opsportal.operations import journal
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.transport.base import Result
from tests.networking.conftest import Net, dump
from tests.networking.ground import GroundHost
from tests.networking.nsx_stand_in import ZONE, StandIn, certificate

PORT = 6632
API = ("api", "api_port", "fingerprint", "credential", "node")


def real(test: Callable[..., None]) -> Callable[..., None]:
    marked: Callable[..., None] = pytest.mark.network(pytest.mark.django_db(transaction=True)(test))
    return marked


def led(host: GroundHost) -> str:
    """What a registration has to bring back besides the switch's dump."""
    return dump(host) + host.sh("ovs-vsctl get-manager; ovs-vsctl get-ssl; ls /etc/openvswitch | grep -v '^conf.db\\|^system-id'; true")


def wipe(host: GroundHost) -> None:
    host.sh("ovs-vsctl del-manager -- del-ssl; cd /etc/openvswitch && rm -f *.pem vswitchd.cacert*")


@dataclass
class Manager:
    """A real ovsdb-server on this machine, which trusts whom its file names."""

    target: str
    trusts: Path


@pytest.fixture
def manager(net: Net, tmp_path: Path) -> Iterator[Manager]:
    address = net.first.address.rpartition(".")[0] + ".1"
    own, pem = certificate(tmp_path, "manager")
    trusts, database = tmp_path / "trusts.pem", tmp_path / "peer.db"
    trusts.write_text(pem)
    subprocess.run(["ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema"], check=True)
    server = shutil.which("ovsdb-server") or "/usr/sbin/ovsdb-server"
    files = [f"--private-key={own}", f"--certificate={own}", f"--ca-cert={trusts}", f"--unixctl={tmp_path}/ctl"]
    peer = subprocess.Popen(
        [server, database, f"--remote=pssl:{PORT}:{address}", *files], stderr=(tmp_path / "peer.log").open("wb"), stdout=subprocess.DEVNULL
    )
    yield Manager(f"ssl:{address}:{PORT}", trusts)
    peer.terminate()
    peer.wait(10)
    for host in (net.first, net.second):
        wipe(host)


@pytest.fixture
def stand_in(tmp_path: Path, manager: Manager) -> Iterator[StandIn]:
    with StandIn(tmp_path) as running:
        running.world.trusts = manager.trusts
        yield running


@pytest.fixture
def in_nsx(net: Net, stand_in: StandIn, manager: Manager) -> dict[str, Any]:
    """Parameters of a whole registration."""
    login = Credential(name="NSX admin", kind=Credential.Kind.PASSWORD, username="admin")
    pasted = {"way": "password", "algorithm": "", "private_key": "", "passphrase": "", "password": stand_in.world.password}
    sealing.put(login, user=net.olga, action="credential.add", **pasted)
    return {
        "kind": "nsx", "target": manager.target, "bridge": "br-int", "api": "127.0.0.1", "api_port": stand_in.port, "zone": ZONE,
        "fingerprint": pinned(stand_in.pem), "credential": login.pk, "node": "kvm1", "tunnel": net.first.underlay,
    }  # fmt: skip


def told(operation: Operation) -> str:
    return operation.outcome + str(list(operation.steps.values_list("key", "state", "message")))


@real
def test_registered_in_nsx_connected_over_tls_and_back(net: Net, stand_in: StandIn, in_nsx: dict[str, Any]) -> None:
    before = led(net.first)
    operation = net.do("register-with-controller", net.first, **in_nsx)
    assert operation.state == S.SUCCEEDED, told(operation)
    (node,) = stand_in.world.nodes.values()
    pem = node["credential"]["client_certificate"]["pem_encoded"]
    assert "".join(pem.split()) in "".join(net.first.sh("cat /etc/openvswitch/ovsclient-cert.pem").split())
    assert "is_connected: true" in net.first.sh("ovs-vsctl show") and "ssl:" in net.first.sh("ovs-vsctl get-manager")
    assert net.first.sh("stat -c %a /etc/openvswitch/ovsclient-privkey.pem /etc/openvswitch/ovsclient-cert.pem").split() == ["600", "600"]
    again = net.plan("register-with-controller", net.first, **in_nsx)
    assert not again.frozen().steps and "has it already" in again.frozen().because
    word = stand_in.world.password
    logs = [b"".join(journal.raw(operation, step)).decode() for step in operation.steps.all()]
    assert any("BEGIN CERTIFICATE" in log for log in logs) and not any(word in text for text in [str(vars(operation)), *logs])
    assert not list((settings.STATE_DIR / "nsx").glob("*")) and not Restoration.objects.filter(state="open").exists()
    left = net.do("leave-controller", net.first, **{**{name: in_nsx[name] for name in API}, "kind": "nsx"})
    assert left.state == S.SUCCEEDED and not stand_in.world.nodes and not net.first.sh("ovs-vsctl get-manager"), told(left)
    for one in (left, operation):
        back = net.undo(one)
        assert back.state == S.SUCCEEDED, told(back)
    assert led(net.first) == before


@real
def test_another_manager_with_a_certificate_made_before(net: Net, manager: Manager) -> None:
    before = led(net.first)
    made = net.do("register-with-controller", net.first, kind="certificate", name="switch1")
    assert made.state == S.SUCCEEDED, told(made)
    manager.trusts.write_text(net.first.sh("openssl x509 -in /etc/openvswitch/switch1-cert.pem"))
    wanted: dict[str, Any] = {"kind": "plain", "name": "switch1", "target": manager.target}
    operation = net.do("register-with-controller", net.first, **wanted)
    assert operation.state == S.SUCCEEDED, told(operation)
    assert not net.plan("register-with-controller", net.first, **wanted).frozen().steps
    connected = led(net.first)
    left = net.do("leave-controller", net.first, ssl=True)
    assert left.state == S.SUCCEEDED, told(left)
    assert not net.first.sh("ovs-vsctl get-manager") and "switch1" not in net.first.sh("ovs-vsctl get-ssl")
    assert not net.plan("leave-controller", net.first, ssl=True).frozen().steps
    for one, then in ((left, connected), (operation, None), (made, before)):
        back = net.undo(one)
        assert back.state == S.SUCCEEDED, told(back)
        assert then is None or led(net.first) == then


@real
def test_a_manager_that_refuses_the_certificate_leaves_the_switch_as_it_was(
    net: Net, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_steps, "SETTLES", 8)
    assert net.do("register-with-controller", net.first, kind="certificate").state == S.SUCCEEDED
    net.first.sh("echo old >/etc/openvswitch/vswitchd.cacert")
    before = led(net.first)
    operation = net.plan("register-with-controller", net.first, kind="plain", target=manager.target)
    assert any("set aside" in one["message"] for one in operation.findings)
    net.go(operation)
    assert operation.state == S.FAILED, told(operation)
    assert led(net.first) == before and net.first.sh("cat /etc/openvswitch/vswitchd.cacert") == "old\n"


@real
@pytest.mark.parametrize(
    ("fault", "on", "says"),
    [
        ("401", "GET", "asked for it again"),
        ("500", "GET", "answered 500"),
        ("500", "POST", "is not there"),
        ("cut", "POST", "is not there"),
    ],
)
def test_a_broken_nsx_leaves_the_switch_as_it_was(
    net: Net, stand_in: StandIn, in_nsx: dict[str, Any], fault: str, on: str, says: str
) -> None:
    switch = dump(net.first) + net.first.sh("ovs-vsctl get-manager; ovs-vsctl get-ssl")
    operation = net.plan("register-with-controller", net.first, **in_nsx)
    stand_in.world.fault, stand_in.world.on = fault, on
    net.go(operation)
    logs = b"".join(b"".join(journal.raw(operation, step)) for step in operation.steps.all()).decode()
    assert operation.state == S.FAILED and says in logs, told(operation) + logs
    assert dump(net.first) + net.first.sh("ovs-vsctl get-manager; ovs-vsctl get-ssl") == switch
    assert bool(net.first.sh("ls /etc/openvswitch | grep ovsclient || :")) == (on == "POST")
    assert Restoration.objects.get(state="open").title == "The portal keeps the password of NSX in a file"


@real
def test_when_nobody_knows_whether_nsx_has_it_the_state_says_so(net: Net, stand_in: StandIn, in_nsx: dict[str, Any]) -> None:
    operation = net.plan("register-with-controller", net.first, **in_nsx)
    stand_in.world.fault, stand_in.world.silent_after = "cut-done", True
    net.go(operation)
    assert operation.state == S.UNKNOWN, told(operation)
    assert not net.first.sh("ovs-vsctl get-manager")


@real
def test_what_ends_badly_is_named(net: Net, stand_in: StandIn, in_nsx: dict[str, Any]) -> None:
    net.first.sh("ovs-vsctl set-manager ptcp:6699:127.0.0.1; touch /etc/openvswitch/half-privkey.pem")
    wrong = {**in_nsx, "fingerprint": "AB:" * 31 + "AB", "tunnel": "203.0.113.9", "zone": "", "name": "half"}
    found = {one["message"]: one for one in net.plan("register-with-controller", net.first, **wrong).findings if one["level"] == "block"}
    for words in ("another certificate", "no address 203.0.113.9", "the transport zone", "is not readable or incomplete"):
        assert any(words in message for message in found), (words, list(found))
    (other,) = [one for message, one in found.items() if "ptcp:6699" in message]
    assert other["override"]
    shown = net.plan("register-with-controller", net.first, **{**in_nsx, "fingerprint": ""}).findings
    assert any(pinned(peek("127.0.0.1", stand_in.port)) in one["message"] for one in shown)
    tcp = net.plan("register-with-controller", net.first, kind="plain", target="tcp:192.0.2.1:6640").findings
    assert any("not encrypted" in one["message"] for one in tcp)


@pytest.mark.parametrize("value", ["ssl:192.0.2.1:6632", "tcp:[2001:db8::1]:6640"])
def test_managers_that_open_vswitch_can_call(value: str) -> None:
    target(value)


@pytest.mark.parametrize(
    "value", ["", "192.0.2.1", "ssl:192.0.2.1", "ssl:nsx.example.org:6632", "pssl:6632", "ssl:192.0.2.999:6632", "ssl:192.0.2.1:99999",
              "ssl:0.0.0.0:6632", "ssl:192.0.2.1:6632 tcp:192.0.2.2:1", "ssl:2001:db8::1:6632", "ssl:[192.0.2.1]:6632"],
)  # fmt: skip
def test_what_is_no_manager(value: str) -> None:
    with pytest.raises(ValidationError):
        target(value)


def test_a_certificate_and_its_fingerprint_pin_the_same(tmp_path: Path) -> None:
    _, pem = certificate(tmp_path)
    assert pinned(pem) == pinned(pinned(pem)) == pinned(pinned(pem).lower().replace(":", ""))
    for bad in ("AB:CD", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "x" * 64):
        with pytest.raises(ValidationError):
            pinned(bad)


def said(connected: bool, since: str, where: str = "ssl:192.0.2.1:6632") -> Result:
    status = f'["map",[["sec_since_connect","{since}"],["state","ACTIVE"]]]'
    return Result(0, f'{{"data":[["{where}",{str(connected).lower()},{status}]],"headings":["target","is_connected","status"]}}\n', "")


@pytest.mark.parametrize(
    ("result", "holds"),
    [
        (said(True, "3"), True), (said(True, "0"), False), (said(False, "9"), False), (said(True, "9", "ssl:192.0.2.2:1"), False),
        (Result(0, "", ""), False), (Result(1, "", "ovs-vsctl: database connection failed"), False),
    ],
)  # fmt: skip
def test_only_a_connection_that_lasts_proves_anything(result: Result, holds: bool) -> None:
    assert (judges.manager_settled(result, "ssl:192.0.2.1:6632") == "") == holds


@pytest.mark.django_db
def test_forms_name_what_is_missing() -> None:
    host = Host.objects.create(name="kvm1", address="192.0.2.7", kind="kvm")
    given = {"host": host.pk, "kind": "nsx", "name": "ovsclient", "timer": 60}
    assert set(ManagerForm(given).errors) == {"target", "bridge"}
    assert ManagerForm({**given, "kind": "certificate"}).is_valid()
    assert set(ManagerForm({**given, "target": "nsx:6632", "bridge": "a name", "name": "../x"}).errors) == {"target", "bridge", "name"}
    empty = NodeForm({"by": "certificate", "connector": "VXLANConnector"})
    assert empty.is_valid() and empty.cleaned_data["credential"] == 0 and empty.cleaned_data["api_port"] == 443
    wrong = NodeForm({"by": "certificate", "connector": "VXLANConnector", "api": "https://nsx", "zone": "all", "fingerprint": "AB"})
    assert set(wrong.errors) == {"api", "zone", "fingerprint"}
    assert set(JoinForm({**given, "target": "ssl:192.0.2.1:6642", "tunnel": "192.0.2.7", "encap": "geneve"}).errors) == {"ca"}
    assert LeaveForm({**given, "kind": "manager", "ssl": "on"}).is_valid()
    assert set(LeaveForm({**given, "kind": "ovn", "ssl": "on"}).errors) == {"ssl"}
