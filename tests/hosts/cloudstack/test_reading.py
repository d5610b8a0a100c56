"""Clouds as workers read them: stored, matched with the inventory, held against the rulebook."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from hosts.cloudstack import connecting, listing, matching, reading
from hosts.cloudstack.state import CloudState, host
from hosts.cloudstack.steps import Api, way_back
from hosts.models import CloudApi, Host, Kind, Pool
from opsportal.operations.errors import Refused
from opsportal.operations.models import Operation, Restoration, Step
from opsportal.operations.restorations import WAY_BACK
from tests.cloudstack import stand_in
from tests.cloudstack.stand_in import StandIn, failure
from tests.hosts.cloudstack.conftest import CLUSTER, KVM, cluster, fill
from tests.hosts.cloudstack.conftest import host as row

pytestmark = pytest.mark.django_db


def read(api: CloudApi) -> CloudApi:
    reading.ask(CloudApi.objects.all())
    assert reading.read_slice() == 1
    api.refresh_from_db()
    return api


def ann() -> User:
    return User.objects.get(username="ann")


def here(api: CloudApi, name: str, address: str, uuid: str = "", pool: Pool | None = None, kind: Kind = Kind.XENSERVER) -> Host:
    return Host.objects.create(name=name, address=address, cloud=api.cloud, pool=pool, kind=kind, facts={"host_uuid": uuid} if uuid else {})


def said(api: CloudApi) -> list[tuple[str, str]]:
    view = listing.view(api)
    assert view is not None
    return [(finding["level"], finding["message"]) for finding in view.findings]


def test_a_reading_is_stored_and_the_next_is_due_later(api: CloudApi) -> None:
    api = read(api)
    state = reading.before(api)
    assert state is not None
    assert (state.version, len(state.hosts), api.problem, api.claim) == ("4.8.0", 2, "", "")
    assert timedelta(minutes=4) < api.next_read_at - timezone.now() <= reading.EVERY


def test_a_problem_is_stored_and_the_last_good_reading_stays(api: CloudApi, cloudstack: StandIn) -> None:
    read(api)
    cloudstack.answers["listCapabilities"] = failure(401, "unable to verify user credentials")
    api = read(api)
    assert "secret key" in api.problem
    assert api.state["version"] == "4.8.0"
    del cloudstack.answers["listCapabilities"]
    cloudstack.answers["listCapabilities"] = {"capability": {"cloudstackversion": "4.9.0"}}
    api = read(api)
    assert (api.problem, api.state["version"]) == ("", "4.9.0")


def test_what_a_changed_connection_said_is_not_stored(api: CloudApi) -> None:
    reading.ask(CloudApi.objects.all())
    [asked] = reading._claim(4)
    answer = reading.read(asked)
    connecting.save(api, asked.secret, ann())  # type: ignore[arg-type] # saved again meanwhile
    reading.store([answer])
    api.refresh_from_db()
    assert (api.state, api.reading) == ({}, True)


def test_hosts_are_matched_by_uuid_address_and_name(api: CloudApi) -> None:
    members = {"hosts": [{"uuid": "U-3", "address": "10.0.0.3"}]}
    pool = Pool.objects.create(name="xenpool", cloud=api.cloud, state=members)
    by_address, by_name = here(api, "one", "10.0.0.1"), here(api, "two", "xen2.example.org")
    by_uuid, alone = here(api, "three", "192.168.0.3", "u-3", pool), here(api, "four", "10.0.0.44")
    state = CloudState("4.8.0", hosts=tuple(host(row(number)) for number in (1, 2, 3, 5)))
    found = matching.of_cloud(api.cloud, state)
    assert {id: one.pk for id, one in found.pairs.items()} == {"h1": by_address.pk, "h2": by_name.pk, "h3": by_uuid.pk}
    assert [one.name for one in found.only_there] == ["xen5"]
    assert [one.pk for one in found.only_here] == [alone.pk]


def test_the_rulebook_speaks_to_what_was_read(api: CloudApi, cloudstack: StandIn) -> None:
    here(api, "xen1", "10.0.0.1")
    here(api, "xen9", "10.0.0.9")
    kvm = row(7, KVM, hypervisor="KVM", version="4.7.1", name="kvm7")
    fill(
        cloudstack,
        [row(1, state="Alert"), row(2, resource="ErrorInMaintenance"), row(3, resource="Maintenance", state="Disconnected"), kvm],
        [cluster(CLUSTER, "xenpool", managed="Unmanaged"), cluster(KVM, "kvms", "KVM")],
    )
    assert said(read(api)) == [
        ("block", "xen1 is in Alert."),
        ("block", "xen2 is in ErrorInMaintenance: CloudStack waits for somebody."),
        ("warn", "The cluster xenpool is Unmanaged."),
        ("warn", "The agent 4.7.1 and not 4.8.0 runs on kvm7."),
        ("warn", "In CloudStack but not in the inventory: kvm7, xen2, xen3."),
        ("warn", "In the inventory but not in CloudStack: xen9."),
        ("note", "xen3 is in Maintenance."),
    ]


def test_the_rulebook_speaks_of_the_inventory_as_it_is_now(api: CloudApi) -> None:
    """A host that comes after the cloud was read is nothing that CloudStack lacks, nor is the other way round said for long."""
    read(api)
    before = said(api)
    assert any("CloudStack but not in the inventory" in message for _, message in before)
    state = CloudState.of(api.state)
    assert state is not None
    for one in state.hosts:
        here(api, one.name, one.address)
    assert not any("not in the inventory" in message for _, message in said(api))


def test_a_cloud_in_order_gives_no_finding(api: CloudApi) -> None:
    here(api, "xen1", "10.0.0.1")
    here(api, "xen2", "10.0.0.2")
    assert said(read(api)) == []


def test_a_pool_in_two_clusters_and_a_cluster_of_two_pools(api: CloudApi, cloudstack: StandIn) -> None:
    fill(cloudstack, [row(1), row(2), row(3, KVM)], [cluster(CLUSTER, "a"), cluster(KVM, "b")])
    first, second = (Pool.objects.create(name=name, cloud=api.cloud) for name in ("first", "second"))
    for number, pool in ((1, first), (2, second), (3, first)):
        here(api, f"xen{number}", f"10.0.0.{number}", pool=pool)
    assert said(read(api)) == [
        ("block", "The cluster a has hosts of several pools: first, second."),
        ("warn", "The hosts of first stand in several clusters: a, b."),
    ]


def test_management_servers_of_two_versions(api: CloudApi, cloudstack: StandIn) -> None:
    servers = [{"name": name, "state": state, "version": version} for name, state, version in
               (("m1", "Up", "4.18.0.0"), ("m2", "Up", "4.18.1.0"), ("m3", "Down", ""))]  # fmt: skip
    cloudstack.answers["listManagementServers"] = {"count": 3, "managementserver": servers}
    found = [("block", "The management servers run different versions: 4.18.0.0, 4.18.1.0."), ("warn", "The management server m3 is Down.")]
    assert [one for one in said(read(api)) if "management server" in one[1]] == found


def test_an_operation_on_a_pool_brings_its_cloud_forward(api: CloudApi) -> None:
    pool = Pool.objects.create(name="xenpool", cloud=api.cloud)
    api = read(api)
    assert reading.hurry() == 0
    Operation.objects.create(runbook="x", title="x", locks=[f"pool:{pool.pk}"], state="succeeded", ended_at=timezone.now(), requester=ann())
    assert reading.hurry() == 1
    assert reading.due()


def test_an_unknown_certificate_is_offered_and_pinned(api: CloudApi, tmp_path: Path) -> None:
    with stand_in.running(stand_in.self_signed(tmp_path, "management")) as secure:
        fill(secure, [row(1)])
        CloudApi.objects.update(url=secure.url)
        api = read(api)
        assert "no authority vouches for" in api.problem
        assert secure.calls == []
        with pytest.raises(Refused, match="another certificate"):
            connecting.pin(api, "AB:CD", ann())
        connecting.pin(api, connecting.shown(api.offered), ann())
        assert read(api).problem == ""


def test_a_connection_with_an_open_way_back_stays(api: CloudApi) -> None:
    operation = Operation.objects.create(runbook="x", title="x", requester=ann())
    back = way_back("cluster", "pool:1", "Managed again", Api(api.pk, "Amsterdam", api.url), "updateCluster", {"id": "c"}, ())
    step = Step.objects.create(operation=operation, key="x", index=0)
    Restoration.objects.create(
        operation=operation, step=step, key="cluster", resource="pool:1", target="local", title="Managed again",
        way_back=WAY_BACK.dump_python(back, mode="json"), opened_at=timezone.now(),
    )  # fmt: skip
    with pytest.raises(Refused, match="Managed again"):
        connecting.remove(api, ann())
