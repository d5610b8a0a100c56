"""What calling CloudStack ends with: an answer, a refusal with its causes, or that nobody knows."""

from __future__ import annotations

import json
import socket
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from opsportal.cloudstack.client import Api, Endpoint
from opsportal.cloudstack.errors import Refused, Unreachable, Unsure
from opsportal.secrets.value import Secret
from tests.cloudstack import stand_in
from tests.cloudstack.stand_in import KEY, SECRET, Said, StandIn, failure, paged


def test_values_of_every_kind_are_signed_as_cloudstack_reads_them(cloud: StandIn, api: Api) -> None:
    cloud.answers["updateHost"] = {"host": {"id": "7"}}
    api.call("updateHost", id="7", hosttags=["a~b", "ü *"], url="http://x/?a=1&b=2", Name="Zürich 雲", empty=[], nothing=None, on=True)
    sent = cloud.calls[-1]
    assert sent["hosttags"] == "a~b,ü *"
    assert sent["name"] == "Zürich 雲"
    assert sent["on"] == "true"
    assert not {"empty", "nothing"} & sent.keys()


def test_a_wrong_secret_is_refused_with_its_causes(cloud: StandIn) -> None:
    with pytest.raises(Refused, match=r"refused listZones \(401\).*secret key.*clocks") as caught:
        Api(Endpoint(cloud.url, KEY), Secret("another")).call("listZones")
    assert caught.value.code == 401


def test_a_clock_that_is_off_is_named(cloud: StandIn) -> None:
    cloud.date = formatdate(time.time() - 3600, usegmt=True)
    with pytest.raises(Refused, match=r"clock there is 3[56]\d\d s behind"):
        Api(Endpoint(cloud.url, KEY), Secret("another")).call("listZones")


def test_a_secret_that_comes_back_in_an_error_is_masked(cloud: StandIn) -> None:
    cloud.answers["addHost"] = lambda call: failure(530, f"cannot log in with {call['password']}")
    with pytest.raises(Refused, match=r"log in with \*\*\*") as caught:
        Api(Endpoint(cloud.url, KEY), Secret(SECRET), hidden=("pa~ss",)).call("addHost", password="pa~ss")
    assert "pa~ss" not in str(caught.value)


def test_the_general_failure_of_adding_a_host_names_the_usual_causes(cloud: StandIn, api: Api) -> None:
    cloud.answers["addHost"] = failure(530, "Unable to add the host")
    with pytest.raises(Refused, match=r"\(530\).*/dev/kvm.*pool master has to be added first"):
        api.call("addHost", url="http://10.0.0.1")


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_is_no_answer(cloud: StandIn, api: Api, status: int) -> None:
    cloud.answers["deleteHost"] = Said(status, b"<html><h1>It works</h1></html>")
    with pytest.raises(Refused, match=r"does not answer as CloudStack's API.*It works.*/client/api"):
        api.call("deleteHost", id="7")


def test_a_proxy_that_gave_up_leaves_a_change_open(cloud: StandIn, api: Api) -> None:
    cloud.answers["deleteHost"] = cloud.answers["listHosts"] = Said(504, b"<html>Gateway Time-out</html>")
    with pytest.raises(Unsure, match="504"):
        api.call("deleteHost", id="7")
    with pytest.raises(Refused):
        api.call("listHosts")


def test_a_redirect_is_never_followed(cloud: StandIn, api: Api) -> None:
    cloud.answers["addHost"] = Said(307, headers={"Location": "http://elsewhere.example/"})
    with pytest.raises(Refused, match=r"sends us to http://elsewhere\.example/"):
        api.call("addHost", password="x")
    assert cloud.commands() == ["addHost"]


@pytest.mark.parametrize("said", [Said(cut=True), Said(delay=3)])
def test_a_change_without_an_answer_is_open_and_never_sent_again(cloud: StandIn, api: Api, said: Said) -> None:
    cloud.answers["deleteHost"] = said
    with pytest.raises(Unsure, match="Nobody knows"):
        api.call("deleteHost", id="7")
    assert cloud.commands() == ["deleteHost"]


def test_a_question_without_an_answer_is_no_riddle(cloud: StandIn, api: Api) -> None:
    cloud.answers["listHosts"] = Said(cut=True)
    with pytest.raises(Unreachable):
        api.call("listHosts")


def test_a_management_server_that_is_down_was_sent_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/client/api"
    with pytest.raises(Unreachable, match=r"Connection refused\. Nothing was sent"):
        Api(Endpoint(url, KEY), Secret(SECRET)).call("deleteHost", id="7")


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 1000, 1203])
def test_lists_are_read_over_all_pages(cloud: StandIn, api: Api, number: int) -> None:
    cloud.answers["listHosts"] = paged("host", [{"id": str(one)} for one in range(number)])
    assert [row["id"] for row in api.listed("listHosts", "host")] == [str(one) for one in range(number)]


def test_smaller_pages_are_taken_where_they_must_be(cloud: StandIn, api: Api) -> None:
    pages = paged("host", [{"id": str(one)} for one in range(250)])
    too_large = failure(431, "Page size can't exceed max allowed page size: 100")
    cloud.answers["listHosts"] = lambda call: too_large if int(call["pagesize"]) > 100 else pages(call)
    assert len(api.listed("listHosts", "host")) == 250


def test_only_a_count_is_an_empty_list(cloud: StandIn, api: Api) -> None:
    cloud.answers["listHosts"] = {"count": 0}
    assert api.listed("listHosts", "host") == []


def job(cloud: StandIn, *results: object) -> None:
    cloud.answers["reconnectHost"] = {"jobid": "42"}
    steps = iter(results)
    cloud.answers["queryAsyncJobResult"] = lambda _: next(steps)


def test_a_job_is_followed_to_its_result(cloud: StandIn, api: Api) -> None:
    job(cloud, {"jobstatus": 0}, {"jobstatus": 1, "jobresult": {"host": {"state": "Up"}}})
    said: list[str] = []
    assert api.job("reconnectHost", 5, said.append, poll=0, id="7") == {"host": {"state": "Up"}}
    assert said == ["CloudStack works on reconnectHost as job 42."]


def test_a_job_that_fails_says_why(cloud: StandIn, api: Api) -> None:
    job(cloud, {"jobstatus": 2, "jobresultcode": 530, "jobresult": {"errorcode": 534, "errortext": "agent is gone"}})
    with pytest.raises(Refused, match=r"\(534\): “agent is gone”.*its agent"):
        api.job("reconnectHost", 5, poll=0, id="7")


def test_an_api_that_is_away_during_a_job_is_waited_for(cloud: StandIn, api: Api) -> None:
    job(cloud, Said(cut=True), Said(503, b"starting"), {"jobstatus": 1, "jobresult": {}})
    said: list[str] = []
    assert api.job("reconnectHost", 5, said.append, poll=0, id="7") == {}
    assert "does not answer" in said[1]
    assert cloud.commands().count("reconnectHost") == 1


def test_a_job_that_takes_too_long_is_open(cloud: StandIn, api: Api) -> None:
    cloud.answers |= {"reconnectHost": {"jobid": "42"}, "queryAsyncJobResult": {"jobstatus": 0}}
    with pytest.raises(Unsure, match="job 42, which had not ended"):
        api.job("reconnectHost", 0.05, poll=0.02, id="7")


def test_a_job_that_cloudstack_forgot_is_open(cloud: StandIn, api: Api) -> None:
    job(cloud, failure(431, "Unable to execute API command: no such job"))
    with pytest.raises(Unsure, match="does not tell any more"):
        api.job("reconnectHost", 5, poll=0, id="7")


def test_a_pinned_certificate_alone_is_trusted(certificate: Path, other_certificate: Path) -> None:
    pem, other = (path.read_text().split("-----END PRIVATE KEY-----\n")[1] for path in (certificate, other_certificate))
    with stand_in.running(certificate) as cloud:
        assert Api(Endpoint(cloud.url, KEY, pem), Secret(SECRET)).call("listCapabilities")
        for wrong, said in ((other, "another certificate than the pinned one"), ("", "no authority vouches for")):
            with pytest.raises(Refused, match=said):
                Api(Endpoint(cloud.url, KEY, wrong), Secret(SECRET)).call("deleteHost", id="7")
        assert cloud.commands() == ["listCapabilities"]


def test_no_message_has_the_secret_key(cloud: StandIn, api: Api) -> None:
    cloud.answers["listHosts"] = failure(530, json.dumps({"secret": SECRET}))
    with pytest.raises(Refused) as caught:
        api.call("listHosts")
    assert SECRET not in str(caught.value)
