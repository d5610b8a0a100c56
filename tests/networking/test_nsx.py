"""The client of the NSX-MH API against a server that keeps or breaks the rules."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from networking import nsx
from networking.nsx import Api, Request
from tests.networking.nsx_stand_in import ZONE, StandIn, certificate

PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path) as running:
        yield running


def request(stand_in: StandIn) -> Request:
    return Request("127.0.0.1", stand_in.port, "admin", stand_in.pem, "kvm1", "br-int", ZONE, "VXLANConnector", "192.0.2.7")


def api(stand_in: StandIn) -> Api:
    return Api(request(stand_in), stand_in.world.password, seconds=1.5)


def test_registers_once_by_certificate_and_removes(stand_in: StandIn) -> None:
    assert "does not know" in nsx.look(api(stand_in))
    assert nsx.register(api(stand_in), PEM).endswith("now.")
    assert "already" in nsx.register(api(stand_in), PEM.replace("\n", "\r\n"))
    (node,) = stand_in.world.nodes.values()
    assert node["credential"] == {"type": "SecurityCertificateCredential", "client_certificate": {"pem_encoded": PEM}}
    assert node["transport_connectors"] == [{"type": "VXLANConnector", "ip_address": "192.0.2.7", "transport_zone_uuid": ZONE}]
    with pytest.raises(nsx.Refused, match="another identity"):
        nsx.register(api(stand_in), PEM.replace("abc", "xyz"))
    assert "any more" in nsx.remove(api(stand_in)) and not stand_in.world.nodes


def test_registers_by_address(stand_in: StandIn) -> None:
    asked = dataclasses.replace(request(stand_in), management="192.0.2.7")
    nsx.register(Api(asked, stand_in.world.password), "")
    (node,) = stand_in.world.nodes.values()
    assert node["credential"] == {"type": "MgmtAddrCredential", "mgmt_address": "192.0.2.7"}


def test_another_certificate_gets_nothing(stand_in: StandIn, tmp_path: Path) -> None:
    _, other = certificate(tmp_path, "other")
    asked = Api(dataclasses.replace(request(stand_in), pem=other), stand_in.world.password)
    with pytest.raises(nsx.Refused, match="another certificate"):
        nsx.look(asked)
    assert stand_in.world.seen == []


def test_a_session_that_is_forgotten_is_renewed_but_not_for_ever(stand_in: StandIn) -> None:
    stand_in.world.forgets = 1
    assert "takes the login" in nsx.look(api(stand_in))
    stand_in.world.fault = "401"
    with pytest.raises(nsx.Refused, match="asked for it again"):
        nsx.look(api(stand_in))


def test_a_wrong_password_and_a_missing_zone_are_named(stand_in: StandIn) -> None:
    with pytest.raises(nsx.Refused, match="refuses the login of admin"):
        nsx.look(Api(request(stand_in), "wrong"))
    with pytest.raises(nsx.Refused, match="all hypervisors"):
        nsx.look(Api(dataclasses.replace(request(stand_in), zone="none"), stand_in.world.password))


@pytest.mark.parametrize("fault", ["500", "slow", "cut", "html", "drip"])
def test_a_registration_that_did_not_happen_is_said_to_be_absent(stand_in: StandIn, fault: str) -> None:
    stand_in.world.fault = fault
    with pytest.raises(nsx.Refused, match="is not there"):
        nsx.register(api(stand_in), PEM)
    assert not stand_in.world.nodes


def test_a_registration_whose_answer_is_lost_is_found(stand_in: StandIn) -> None:
    stand_in.world.fault = "cut-done"
    assert "Although" in nsx.register(api(stand_in), PEM)


@pytest.mark.parametrize("fault", ["500", "cut", "html", "drip"])
def test_a_list_that_fails_changes_nothing(stand_in: StandIn, fault: str) -> None:
    stand_in.world.fault, stand_in.world.on = fault, "GET"
    with pytest.raises(nsx.Refused):
        nsx.register(api(stand_in), PEM)
    assert not [one for one in stand_in.world.seen if one.startswith("POST /ws.v1/transport-node")]


def test_when_nobody_can_tell_it_is_unsure(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.world.fault = "cut-done"
    once = nsx.nodes

    def away_after(asked: Api, name: str) -> object:
        if stand_in.world.nodes:
            raise nsx.Refused("gone")
        return once(asked, name)

    monkeypatch.setattr(nsx, "nodes", away_after)
    with pytest.raises(nsx.Unsure, match="in vain"):
        nsx.register(api(stand_in), PEM)


def test_a_server_that_says_the_password_back_does_not_get_it_into_the_log(stand_in: StandIn) -> None:
    stand_in.world.fault = "echo"
    with pytest.raises(nsx.Refused) as refused:
        nsx.look(api(stand_in))
    assert stand_in.world.password not in str(refused.value) and "***" in str(refused.value)


def test_the_command_reads_the_password_from_its_file(stand_in: StandIn, tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text(stand_in.world.password)
    asked = json.dumps(dataclasses.asdict(request(stand_in)))
    done = subprocess.run([sys.executable, "-m", "networking.nsx", "look", word], input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "takes the login" in done.stdout, done.stderr
    shown = nsx.peek("127.0.0.1", stand_in.port)
    assert "".join(shown.split()) == "".join(stand_in.pem.split())
    with pytest.raises(nsx.Refused, match="shows no certificate"):
        nsx.peek("127.0.0.1", 1)
