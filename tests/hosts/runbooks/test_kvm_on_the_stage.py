"""A KVM host of the practice cloud comes into CloudStack's book and leaves it again, end to end."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hosts.cloudstack import host_steps
from hosts.cloudstack.steps import password_folder
from hosts.facts.kvm_host import KvmHost, KvmReadiness
from hosts.facts.portal import HostRow, InventoryHost
from hosts.models import CloudApi, Kind
from hosts.runbooks.add_host_to_cloud import AddHostToCloud, KvmParams
from hosts.xen.more_facts import CalledCredential, InventoryCredential
from opsportal.lab.cloudstack.cloud import Cloud
from opsportal.operations.models import Restoration
from opsportal.operations.states import OperationState as S
from opsportal.operations.steps import Effect
from tests.hosts.runbooks.clouds import API, KVM, cloud_host, with_cloud
from tests.hosts.runbooks.clouds import cloud as said
from tests.hosts.runbooks.known import U1, Known
from tests.hosts.runbooks.test_cloud_hosts_on_the_stage import (
    People,
    look,
    messages,
    people,
    planned,
    stage,
    titles,
)
from tests.hosts.runbooks.test_cloudstack_on_the_stage import cloud, host_of
from tests.hosts.runbooks.test_hosts_on_the_stage import approved, done, password, retried, why
from tests.lab.machines.stage import Stage

__all__ = ["people", "stage"]


def kvm_cluster(stage: Stage) -> str:
    return next(one.id for one in cloud(stage).data.clusters.values() if one.name == "practice-kvm")


def given(stage: Stage, people: People, name: str = "kvm2") -> dict[str, Any]:
    host = stage.host(name)
    return {"cloud": stage.seeded.cloud.pk, "host": host.pk, "cluster": kvm_cluster(stage), "credential": password(people).pk}


@pytest.mark.stage
@pytest.mark.django_db(transaction=True)
class TestOnTheStage:
    def test_a_host_is_added_once_leaves_and_comes_again(self, stage: Stage, people: People) -> None:
        assert stage.host("kvm2").kind == Kind.KVM and host_of(stage, "kvm1").state == "Up"
        params = given(stage, people)
        operation = planned("add-host-to-cloud", people, **params)
        assert titles(operation) == ["cloudstack-password", "cloudstack-add", "cloudstack-up", "cloudstack-forget"]
        assert "block" not in messages(operation), messages(operation)
        assert approved(operation, people).state == S.SUCCEEDED, why(operation)
        host = host_of(stage, "kvm2")
        assert (host.state, host.resource, host.version) == ("Up", "Enabled", "4.8.0")
        properties = stage.run("kvm2", "cat", "/etc/cloudstack/agent/agent.properties").out
        assert f"cluster={kvm_cluster(stage)}" in properties and "workers=5" in properties
        assert not Restoration.objects.filter(state="open").exists() and not list(password_folder("x").parent.glob("run-*"))
        look(CloudApi.objects.get())
        again = planned("add-host-to-cloud", people, **params)
        assert "block: CloudStack has kvm2" in messages(again)
        gone = approved(planned("remove-host-from-cloud", people, cloud=stage.seeded.cloud.pk, host=host.id), people)
        assert gone.state == S.SUCCEEDED, why(gone)
        assert host_of(stage, "kvm2") is None
        assert stage.run("kvm2", "systemctl", "is-active", "cloudstack-agent").out == "inactive\n", "it would call again"
        look(CloudApi.objects.get())
        params = {**params, "credential": params["credential"]}
        assert done("add-host-to-cloud", people, **params).state == S.SUCCEEDED

    def test_a_refusal_is_told_and_a_retry_goes_on(self, stage: Stage, people: People) -> None:
        with stage.world():
            cloud(stage).data.faults.change = [530]
        operation = done("add-host-to-cloud", people, **given(stage, people))
        assert operation.state == S.FAILED and "530" in why(operation), why(operation)
        assert host_of(stage, "kvm2") is None
        again = retried(operation, people)
        assert again.state == S.SUCCEEDED, why(again)
        assert host_of(stage, "kvm2").state == "Up" and not Restoration.objects.filter(state="open").exists()

    def test_an_answer_that_is_lost_is_looked_for(self, stage: Stage, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = Cloud.answer

        def cut(self: Cloud, parameters: dict[str, str]) -> Any:
            if parameters.get("command") == "addHost":
                self.spoil_answer("cut")
            return answer(self, parameters)

        monkeypatch.setattr(Cloud, "answer", cut)
        finished = done("add-host-to-cloud", people, **given(stage, people))
        assert finished.state == S.SUCCEEDED, why(finished)
        assert sum(host.name == "kvm2" for host in cloud(stage).data.hosts.values()) == 1

    def test_the_page_of_the_cloud_offers_it(self, stage: Stage, people: People, operator: Client) -> None:
        page = operator.get(reverse("cloud_api", args=[stage.seeded.cloud.pk])).content.decode()
        assert f"{reverse('runbook_start', args=['add-host-to-cloud'])}?cloud={stage.seeded.cloud.pk}" in page


READY = KvmHost(True, ("cloudbr0", "cloudbr1"), (), "4.8.0", False, True, (), {})


PARAMS = KvmParams(cloud=1, host=9, cluster="c2", credential=4, run="ab")


def knowing(ready: KvmHost | str, address: str = "10.9.9.9", **more: Any) -> Known:
    known = with_cloud(Known(), cloud_host(U1))
    known.say(InventoryHost("portal", 9), HostRow(9, "kvm9", address, ""))
    known.say(InventoryCredential("portal", 4), CalledCredential(4, "kvm root", more.get("user", "root"), more.get("by_password", True)))
    if isinstance(ready, str):
        known.fail(KvmReadiness("host:9"), ready)
    else:
        known.say(KvmReadiness("host:9"), ready)
    return known


def planned_with(ready: KvmHost | str, cluster: str = "c2", **more: Any) -> list[str]:
    """Findings of the guards, as "level: message"."""
    verdicts = knowing(ready, **more).findings(AddHostToCloud(), dataclasses.replace(PARAMS, cluster=cluster))
    return [f"{one.level}: {one.message}" for one in verdicts]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kvm": False}, "block: kvm9 has no /dev/kvm"),
        ({"agent": ""}, "block: kvm9 has no agent"),
        ({"agent": "4.7.1"}, "warn: The agent is 4.7.1 and CloudStack is 4.8.0"),
        ({"libvirt": False}, "block: libvirtd does not run on kvm9"),
        ({"bridges": ()}, "block: kvm9 has no bridge."),
        ({"bridges": ("cloudbr0",)}, "warn: kvm9 has no bridge cloudbr1, which is its guest.network.device"),
        ({"properties": {"network.bridge.type": "ovs"}}, "block: network.bridge.type is 'ovs'"),
        ({"properties": {"network.bridge.type": "OpenVSwitch"}}, "block: kvm9 has no bridge of Open vSwitch"),
        ({"machines": None}, "warn: Which virtual machines run on kvm9 is not known"),
        ({"machines": ("web",)}, "block: web runs on kvm9. Move them first."),
    ],
)
def test_what_the_host_lacks_is_named(changes: dict[str, Any], says: str) -> None:
    findings = planned_with(dataclasses.replace(READY, **changes))
    assert any(one.startswith(says) for one in findings), findings


def test_a_host_that_is_ready_has_no_findings() -> None:
    assert planned_with(READY) == []


def test_what_cloudstack_would_refuse() -> None:
    assert planned_with(READY, cluster="c1")[0] == "block: The cluster xenpool is one of XenServer."
    assert "block: CloudStack has xs01 at" in planned_with(READY, address=said(cloud_host(U1)).hosts[0].address)[0]
    assert planned_with("It cannot be reached.") == ["block: It cannot be reached."]
    assert planned_with(READY, by_password=False) == ["block: kvm root is no password."]
    assert planned_with(READY, user="ops") == ["note: CloudStack logs in as ops and needs sudo without a password there."]


def test_the_plan_names_no_password() -> None:
    known = knowing(READY)
    steps = known.plan(AddHostToCloud(), PARAMS)
    assert [step.key for step in steps] == ["cloudstack-password", "cloudstack-add", "cloudstack-up", "cloudstack-forget"]
    assert steps[1].action == host_steps.add(API, KVM, "kvm9", "10.9.9.9", "root", "ab", "why").action
    assert [step.effect for step in steps][1] == Effect.NON_IDEMPOTENT
