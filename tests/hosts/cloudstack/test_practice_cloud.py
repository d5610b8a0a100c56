"""The practice cloud's API, read as a real one is: over HTTP, matched with its hosts over SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts import connections
from hosts import reading as hosts
from hosts.cloudstack import connecting, listing, reading
from hosts.cloudstack.judges import host_is
from hosts.cloudstack.steps import Api, asks, change
from hosts.models import CloudApi, Host, Pool
from hosts.xen import reading as pools
from opsportal.lab import control, inventory_seed
from opsportal.lab.machines.lab import Lab
from opsportal.lab.xen.world import World
from opsportal.secrets import store
from opsportal.secrets.value import Secret
from opsportal.transport.local import LocalTransport

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lab(tmp_path: Path, settings: Any, db: None) -> Iterator[Lab]:
    settings.STATE_DIR, settings.KEY_FILE = tmp_path, tmp_path / "keys"
    store.make_keyring(settings.KEY_FILE)
    with Lab(control.folder(), {"1": World.practice}, 200) as made:
        yield made
    connections.forget_all()


@pytest.fixture
def api(lab: Lab) -> CloudApi:
    """Connected, and everything read once."""
    seat = lab.seats["1"]
    cloud = inventory_seed.seed(lab)["1"].cloud
    found = CloudApi.objects.filter(cloud=cloud).first() or CloudApi(cloud=cloud)
    found.url, found.api_key = f"http://{seat.api.address}:{seat.api.port}/client/api", seat.cloud.data.key
    connecting.save(found, Secret(seat.cloud.data.secret), User.objects.get_or_create(username="ann")[0])
    hosts.ask(Host.objects.all())
    hosts.read_slice()
    pools.ask(Pool.objects.all())
    pools.read_slice()
    return read(found)


def read(api: CloudApi) -> CloudApi:
    reading.ask(CloudApi.objects.all())
    reading.read_slice()
    api.refresh_from_db()
    return api


def test_its_hosts_are_recognised_and_a_lost_one_is_seen(api: CloudApi, viewer: Client) -> None:
    view = listing.view(api)
    assert view is not None and api.problem == ""
    rows = {row.there.name: row for zone in view.zones for cluster in zone.clusters for row in cluster.all}
    assert {name: row.here.name for name, row in rows.items() if row.here} == {name: name for name in rows}
    assert {one.pk for one in Pool.objects.all()} == {pk for zone in view.zones for cluster in zone.clusters for pk, _ in cluster.pools}
    assert [finding["message"] for finding in view.findings] == ["In the inventory but not in CloudStack: kvm2, xen-c1, xen-c2."]
    assert "practice-kvm" in viewer.get(reverse("cloud_api", args=[api.cloud_id])).content.decode()
    host = rows["xen-a2"].there
    known = Api(api.pk, api.cloud.name, api.url)
    result = LocalTransport().run(change(known, "prepareHostForMaintenance", {"id": host.id}, job=60).command, timeout=60)
    assert result.exit == 0
    asked = asks(known, "In maintenance", "listHosts", {"id": host.id}, "host_is", "/Maintenance|PrepareForMaintenance")
    assert host_is(LocalTransport().run(asked.command, timeout=60), asked.wants) == ""
    read(api)
    view = listing.view(api)
    assert view is not None and any("xen-a2 is in " in finding["message"] for finding in view.findings)
