"""Steps, conditions and facts as they run: the portal's own client as a command on the portal's own machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils.module_loading import import_string

from hosts.cloudstack import connecting, steps
from hosts.cloudstack.facts import ApiOfCloud, CloudFacts
from hosts.cloudstack.steps import Api, asks, bring_password, change, connection_file, hosts_are
from hosts.models import CloudApi
from opsportal.operations.facts import FactError
from opsportal.operations.reading import TargetReader
from opsportal.operations.steps import Condition, NothingToUndo, Step
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from opsportal.transport.local import LocalTransport
from tests.cloudstack.stand_in import SECRET, Said, StandIn, failure
from tests.hosts.cloudstack.conftest import host

pytestmark = pytest.mark.django_db


def run(command: Command) -> Result:
    return LocalTransport().run(command, timeout=30)


def known(api: CloudApi) -> Api:
    return Api(api.pk, api.cloud.name, api.url)


def holds(condition: Condition) -> str:
    """ "" when it does."""
    judge = import_string(condition.judge)
    said: str = judge(run(condition.command), condition.wants)
    return said


def test_a_change_is_sent_and_its_answer_shown(api: CloudApi, cloudstack: StandIn) -> None:
    cloudstack.answers["updateCluster"] = {"cluster": {"managedstate": "Unmanaged"}}
    result = run(change(known(api), "updateCluster", {"id": "c1", "managedstate": "Unmanaged"}).command)
    assert result.exit == 0
    assert json.loads(result.out) == {"cluster": {"managedstate": "Unmanaged"}}
    assert cloudstack.calls[-1]["managedstate"] == "Unmanaged"


def test_a_job_is_followed_and_tells_so(api: CloudApi, cloudstack: StandIn) -> None:
    done = {"jobstatus": 1, "jobresult": {"host": {"state": "Up"}}}
    cloudstack.answers |= {"reconnectHost": {"jobid": "5"}, "queryAsyncJobResult": done}
    result = run(change(known(api), "reconnectHost", {"id": "h1"}, job=10).command)
    assert result.out.splitlines() == ["CloudStack works on reconnectHost as job 5.", '{"host": {"state": "Up"}}']


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (failure(530, "Unable to add the host"), 1, "/dev/kvm"),
        (failure(401, "unable to verify user credentials"), 1, "secret key"),
        (Said(cut=True), 75, "Nobody knows"),
        (Said(body=b"<html>login</html>"), 1, "does not answer as CloudStack's API"),
    ],
)
def test_how_a_change_ends(api: CloudApi, cloudstack: StandIn, said: Said, code: int, words: str) -> None:
    cloudstack.answers["addHost"] = said
    action = change(known(api), "addHost", {"url": "http://10.0.0.9"})
    result = run(action.command)
    assert (result.exit, result.exit in action.unsure) == (code, code == 75)
    assert words in result.err
    assert SECRET not in result.out + result.err
    assert cloudstack.commands() == ["addHost"]


def test_a_password_travels_in_a_file(api: CloudApi, cloudstack: StandIn) -> None:
    cloudstack.answers["addHost"] = lambda call: {"host": [{"id": call["password"][::-1]}]}
    step = bring_password("token", 1, "root of the hosts", "pool:1")
    path = Path(step.action.path)  # type: ignore[union-attr]
    path.parent.mkdir(parents=True)
    path.write_text("pa~ss wörd\n")
    command = change(known(api), "addHost", {"url": "http://10.0.0.9"}, files=steps.password_file("token")).command
    assert "wörd" not in repr(command)
    assert run(command).exit == 0
    assert cloudstack.calls[-1]["password"] == "pa~ss wörd"


def test_the_plan_knows_neither_key_nor_password(api: CloudApi) -> None:
    step: Step = steps.api_step(
        "x", known(api), "Reconnect", "Because.", "reconnectHost", {"id": "h1"}, probe=(), undo=NothingToUndo(), job=60
    )
    assert SECRET not in repr(step)
    assert api.api_key not in repr(step)


def test_what_was_approved_for_one_address_goes_nowhere_else(api: CloudApi, cloudstack: StandIn) -> None:
    result = run(change(Api(api.pk, "Amsterdam", "http://10.9.9.9:8080/client/api"), "deleteHost", {"id": "h1"}).command)
    assert result.exit == 1
    assert "Nothing was sent" in result.err
    assert cloudstack.calls == []


def test_a_way_back_signs_after_keys_were_rotated(api: CloudApi, cloudstack: StandIn) -> None:
    cloudstack.answers["updateCluster"] = {"cluster": {}}
    command = change(known(api), "updateCluster", {"id": "c1", "managedstate": "Managed"}).command
    call_command("rotate_keys", "--forget-old")
    assert run(command).exit == 0


def test_a_connection_that_was_removed_says_so(api: CloudApi) -> None:
    connection_file(api.pk).unlink()
    result = run(asks(known(api), "x", "listHosts", {}, "host_is", "Up").command)
    assert result.exit == 1
    assert "no connection to this cloud any more" in result.err


def test_conditions_read_the_api_anew(api: CloudApi, cloudstack: StandIn) -> None:
    asked = hosts_are(known(api), "All hosts are up", {"h1": "xen1", "h2": "xen2"}, "Up/Enabled", clusterid="c")
    assert holds(asked) == ""
    cloudstack.answers["listHosts"] = {"count": 2, "host": [host(1), host(2, state="Alert")]}
    assert holds(asked) == "xen2's state is Alert instead of Up"
    cloudstack.answers["listHosts"] = {}
    assert holds(asked) == "xen1 is not in CloudStack; xen2 is not in CloudStack"
    cloudstack.answers["listHosts"] = failure(401, "unable to verify")
    assert "refused listHosts (401)" in holds(asked)


def test_the_facts_of_a_cloud(api: CloudApi, cloudstack: StandIn) -> None:
    state = CloudFacts("local", api.pk).read(TargetReader())
    assert (state.version, [one.name for one in state.hosts], state.servers) == ("4.8.0", ["xen1", "xen2"], None)
    assert state.clusters[0].is_managed
    assert state.hosts[0].server == "345052352513"
    assert state.hosts[0].pinged == ""
    assert {call.get("type") for call in cloudstack.calls if call["command"] == "listHosts"} == {"Routing"}


def test_facts_that_cannot_be_read_are_an_error(api: CloudApi, cloudstack: StandIn) -> None:
    cloudstack.answers["listClusters"] = failure(530, "database is gone")
    with pytest.raises(FactError, match="database is gone"):
        CloudFacts("local", api.pk).read(TargetReader())


def test_a_cloud_without_a_connection_is_no_error(api: CloudApi) -> None:
    assert ApiOfCloud("portal", api.cloud_id).read(TargetReader()) == known(api)
    connecting.remove(api, api.saved_by)  # type: ignore[arg-type]
    assert ApiOfCloud("portal", api.cloud_id).read(TargetReader()) is None
