"""The API as a client meets it: over HTTP on loopback, beside the practice hosts."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cs import CloudStack, CloudStackApiException
from django.test import Client
from django.urls import reverse

from opsportal.lab import control
from opsportal.lab.machines.lab import Lab
from opsportal.lab.xen.world import World
from tests.lab.machines.test_hosts import until


@pytest.fixture
def lab(tmp_path: Path, settings: Any) -> Iterator[Lab]:
    settings.STATE_DIR = tmp_path
    with Lab(control.folder(), {"1": World.practice}, 200) as made:
        yield made


def endpoint(lab: Lab) -> str:
    return f"http://{lab.seats['1'].api.address}:{lab.seats['1'].api.port}/client/api"


def client(lab: Lab, method: str = "post") -> CloudStack:
    data = lab.seats["1"].cloud.data
    return CloudStack(endpoint(lab), data.key, data.secret, method=method, timeout=10)


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_usual_client_gets_along(lab: Lab, method: str) -> None:
    asker = client(lab, method)
    assert [one["name"] for one in asker.listClusters()["cluster"]] == ["practice-a", "practice-b", "practice-kvm"]
    hosts = asker.listHosts(type="Routing", fetch_list=True)
    host = next(one["id"] for one in hosts if one["name"] == "xen-a2")
    job = asker.prepareHostForMaintenance(id=host)["jobid"]
    until(lambda: asker.queryAsyncJobResult(jobid=job)["jobstatus"] == 1)
    until(lambda: asker.listHosts(id=host)["host"][0]["resourcestate"] == "Maintenance")
    with pytest.raises(CloudStackApiException, match="missing parameter"):
        asker.deleteHost()


def test_where_nothing_is_it_answers_like_a_web_server(lab: Lab) -> None:
    seat = lab.seats["1"]
    connection = http.client.HTTPConnection(seat.api.address, seat.api.port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (404, "text/html")
    assert b"HTTP Status 404" in answer.read()
    connection.request("GET", "/client/api?command=listHosts&response=json")
    answer = connection.getresponse()
    assert answer.status == 401 and json.loads(answer.read())["listhostsresponse"]["errorcode"] == 401


def test_faults_of_the_wire(lab: Lab) -> None:
    seat = lab.seats["1"]
    control.fault("1", "spoil_answer", {"how": "cut"})
    connection = http.client.HTTPConnection(seat.api.address, seat.api.port, timeout=10)
    connection.request("GET", "/client/api?command=listHosts&response=json")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        connection.getresponse().read()
    control.fault("1", "stop_api", {"seconds": 200})
    until(lambda: not reached(lab))
    assert not control.state("1")["cloud"]["serving"]
    until(lambda: reached(lab))
    with pytest.raises(control.Impossible, match="one of"):
        control.fault("1", "fail_change", {"code": 200})


def reached(lab: Lab) -> bool:
    try:
        return bool(client(lab).listZones())
    except OSError:
        return False


def test_it_goes_on_where_it_was_and_a_reset_keeps_the_keys(tmp_path: Path, settings: Any) -> None:
    settings.STATE_DIR = tmp_path
    with Lab(control.folder(), {"1": World.practice}, 200) as first:
        asker, data = client(first), first.seats["1"].cloud.data
        asker.updateHost(id=asker.listHosts(name="xen-a2")["host"][0]["id"], hosttags="kept")
    with Lab(control.folder(), {"1": World.practice}, 200) as second:
        assert second.seats["1"].cloud.data.secret == data.secret
        assert client(second).listHosts(name="xen-a2")["host"][0]["hosttags"] == "kept"
        control.reset("1")
        assert client(second).listHosts(name="xen-a2")["host"][0]["hosttags"] == ""


def test_the_page_shows_what_cloudstack_believes_and_spoils_it(lab: Lab, db: None, operator: Client, viewer: Client) -> None:
    page = operator.get(reverse("lab")).content.decode()
    assert "CloudStack 4.8.0" in page and endpoint(lab) in page and "Take the API away" in page
    assert "Take the API away" not in viewer.get(reverse("lab")).content.decode()
    answer = operator.post(reverse("lab_api_fault"), {"seat": "1", "name": "fail_change", "code": "530"}, follow=True)
    assert "refuses the next change with 530" in answer.content.decode()
    assert "The next change is refused with 530." in answer.content.decode()
    answer = operator.post(reverse("lab_api_fault"), {"seat": "1", "name": "shift_clock", "minutes": "15"}, follow=True)
    assert "Its clock is 15 minutes ahead." in answer.content.decode()
    answer = operator.post(reverse("lab_api_fault"), {"seat": "1", "name": "fail_change"}, follow=True)
    assert "message bad" in answer.content.decode()
