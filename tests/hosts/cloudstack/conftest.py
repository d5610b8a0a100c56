from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts.cloudstack import connecting
from hosts.models import Cloud, CloudApi
from opsportal.secrets import store
from opsportal.secrets.value import Secret
from tests.cloudstack import stand_in
from tests.cloudstack.stand_in import KEY, SECRET, StandIn, paged

ZONE, POD = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
CLUSTER, KVM = "33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"


def cluster(id: str, name: str, hypervisor: str = "XenServer", managed: str = "Managed") -> dict[str, Any]:
    return {
        "id": id, "name": name, "zoneid": ZONE, "podid": POD, "hypervisortype": hypervisor, "managedstate": managed,
        "allocationstate": "Enabled", "clustertype": "CloudManaged",
    }  # fmt: skip


def host(number: int, cluster: str = CLUSTER, state: str = "Up", resource: str = "Enabled", **more: Any) -> dict[str, Any]:
    return {
        "id": f"h{number}", "name": f"xen{number}", "ipaddress": f"10.0.0.{number}", "zoneid": ZONE, "podid": POD, "clusterid": cluster,
        "hypervisor": "XenServer", "state": state, "resourcestate": resource, "version": "4.8.0", "type": "Routing",
        "hypervisorversion": "7.6.0", "managementserverid": 345052352513, "lastpinged": "1970-01-21T03:37:54+0000",
    } | more  # fmt: skip


def fill(cloud: StandIn, hosts: list[dict[str, Any]], clusters: list[dict[str, Any]] | None = None) -> None:
    """What the stand-in lists from now on."""
    cloud.answers |= {
        "listZones": paged("zone", [{"id": ZONE, "name": "Zone 1", "networktype": "Advanced", "allocationstate": "Enabled"}]),
        "listPods": paged("pod", [{"id": POD, "name": "Pod 1", "zoneid": ZONE}]),
        "listClusters": paged("cluster", clusters or [cluster(CLUSTER, "xenpool")]),
        "listHosts": paged("host", hosts),
    }


@pytest.fixture
def keys(settings: Any, tmp_path: Path) -> Path:
    settings.STATE_DIR = tmp_path
    settings.KEY_FILE = tmp_path / "keys"
    store.make_keyring(settings.KEY_FILE)
    return tmp_path


@pytest.fixture
def cloudstack() -> Iterator[StandIn]:
    with stand_in.running() as running:
        fill(running, [host(1), host(2)])
        yield running


@pytest.fixture
def api(db: None, keys: Path, cloudstack: StandIn) -> CloudApi:
    """A connection to the stand-in, with its file written."""
    found = CloudApi(cloud=Cloud.objects.create(name="Amsterdam"), url=cloudstack.url, api_key=KEY)
    connecting.save(found, Secret(SECRET), User.objects.create(username="ann"))
    connecting.write(found)
    return found
