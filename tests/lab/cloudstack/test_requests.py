"""Signatures, errors, pages: what every request meets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from xml.etree import ElementTree

import pytest

from opsportal.lab.cloudstack.signing import FORMAT, java_encoded, signature
from tests.lab.cloudstack.clouds import KEY, SECRET, Asker, Refused


def at(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime(FORMAT)


@pytest.mark.parametrize(("value", "sent"), [("a~b", "a%7Eb"), ("a b+c", "a%20b%2Bc"), ("*", "*"), ("é/", "%C3%A9%2F")])
def test_values_are_encoded_as_java_does(value: str, sent: str) -> None:
    assert java_encoded(value) == sent


def test_the_signature_of_the_documentation() -> None:
    given = {
        "command": "listUsers", "response": "json",
        "apikey": "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg",
    }  # fmt: skip
    secret = "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ"
    assert signature(given, secret) == "TTpdDq/7j/J58XCRHomKoQXEQds="


@pytest.mark.parametrize("wrong", [{"apikey": "other"}, {"signature": "AAAA"}, {"signature": "é"}, {"signature": ""}])
def test_who_did_not_sign_is_not_told_more(wrong: dict[str, str]) -> None:
    cloud, given = Asker().cloud, {"command": "listHosts", "apikey": KEY, "response": "json"}
    reply = cloud.answer({**given, "signature": signature(given, SECRET), **wrong})
    body = json.loads(reply.body)["listhostsresponse"]
    assert (reply.status, body["errortext"]) == (401, "unable to verify user credentials and/or request signature")


def test_names_are_sorted_as_they_were_sent() -> None:
    """Before they are made lower case, so a capital letter comes first."""
    small = signature({"a": "1", "b": "2"}, "s")
    assert small == signature({"b": "2", "a": "1"}, "s") == signature({"A": "1", "b": "2"}, "s")
    assert signature({"a": "1", "B": "2"}, "s") != small


def test_only_version_3_expires() -> None:
    ask = Asker()
    assert ask("listZones", signatureVersion="3", expires=at(5))["count"] == 1
    assert ask("listZones", expires=at(-5))["count"] == 1
    for late in (at(-5), "soon", ""):
        with pytest.raises(Refused, match="401"):
            ask("listZones", signatureVersion="3", expires=late)


def test_a_clock_that_is_ahead_makes_requests_expire() -> None:
    ask = Asker()
    ask.cloud.shift_clock(20)
    with pytest.raises(Refused, match="401"):
        ask("listZones", signatureVersion="3", expires=at(10))
    ask.cloud.shift_clock(0)
    assert ask("listZones", signatureVersion="3", expires=at(10))


@pytest.mark.parametrize("command", ["deployVirtualMachine", "listManagementServers"])
def test_what_this_version_does_not_know(command: str) -> None:
    with pytest.raises(Refused, match="432 The given command") as refused:
        Asker()(command)
    assert refused.value.detail is None


def test_a_newer_cloud_tells_of_its_management_servers() -> None:
    ask = Asker(version="4.20.1.0")
    (server,) = ask("listManagementServers")["managementserver"]
    assert (server["state"], server["version"]) == ("Up", "4.20.1.0")
    assert ask("listCapabilities")["capability"]["cloudstackversion"] == "4.20.1.0"


def test_commands_are_known_in_any_case() -> None:
    ask = Asker()
    reply = ask.reply("LISTZONES")
    assert list(json.loads(reply.body)) == ["listzonesresponse"]


def test_missing_and_wrong_parameters_are_431() -> None:
    with pytest.raises(Refused, match=r"431 .* missing parameter id"):
        Asker()("deleteHost")
    with pytest.raises(Refused, match=r"431 .* Invalid parameter clusterid value=nope") as refused:
        Asker()("listHosts", clusterid="nope")
    assert refused.value.detail == 9999


def test_pages() -> None:
    ask = Asker()
    first, last = (ask("listHosts", page=page, pagesize="4") for page in ("1", "2"))
    assert (first["count"], len(first["host"]), len(last["host"])) == (8, 4, 4)
    assert {host["id"] for host in first["host"]}.isdisjoint(host["id"] for host in last["host"])
    assert "host" not in ask("listHosts", page="3", pagesize="4")
    with pytest.raises(Refused, match="431 Page size can't exceed max allowed page size value: 500") as refused:
        ask("listHosts", page="1", pagesize="501")
    assert refused.value.detail == 4350
    with pytest.raises(Refused, match="431"):
        ask("listHosts", pagesize="-1")


def test_nothing_is_an_empty_answer() -> None:
    assert Asker()("listHosts", name="nobody") == {}


def test_without_json_it_speaks_xml() -> None:
    ask, given = Asker(), {"command": "listZones", "apikey": KEY}
    root = ElementTree.fromstring(ask.cloud.answer({**given, "signature": signature(given, SECRET)}).body)
    assert root.tag == "listzonesresponse" and root.findtext("zone/name") == "practice"


def test_faults_meet_one_request_each() -> None:
    ask = Asker()
    host = ask.id("xen-a2")
    ask.cloud.fail_change(530)
    assert ask.hosts(), "reading goes on"
    with pytest.raises(Refused, match="530"):
        ask("updateHost", id=host, allocationstate="Disable")
    assert ask.hosts()["xen-a2"]["resourcestate"] == "Enabled"
    ask.cloud.spoil_answer("html")
    assert ask.reply("listHosts").kind == "text/html"
    ask.cloud.spoil_answer("cut")
    assert ask.reply("updateHost", id=host, allocationstate="Disable").cut
    assert ask.hosts()["xen-a2"]["resourcestate"] == "Disabled", "it was done, only its answer was lost"
    ask.cloud.slow_answer(30)
    assert (ask.reply("listHosts").wait, ask.reply("listHosts").wait) == (30, 0)
    for wrong in (partial(ask.cloud.fail_change, 200), partial(ask.cloud.spoil_answer, "burn")):
        with pytest.raises(ValueError, match="one of"):
            wrong()


def test_all_survives_in_plain_json() -> None:
    ask = Asker()
    ask("prepareHostForMaintenance", id=ask.id("xen-a2"))
    ask.later(12)
    plain = json.loads(json.dumps(ask.cloud.dump()))
    before = ask.hosts()
    ask.cloud = type(ask.cloud).load(ask.world, plain)
    assert {name: host["resourcestate"] for name, host in ask.hosts().items()} == {
        name: one["resourcestate"] for name, one in before.items()
    }
    ask.later(120)
    assert ask.hosts()["xen-a2"]["resourcestate"] == "Maintenance"
