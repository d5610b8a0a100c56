"""What CloudStack says of the pool of `known`, for plans and findings."""

from __future__ import annotations

import dataclasses
from typing import Any

from hosts.cloudstack.along import CloudNow
from hosts.cloudstack.facts import ApiOfCloud, ApiOfPool
from hosts.cloudstack.state import CloudHost, CloudState, Cluster, Pod, Zone
from hosts.cloudstack.steps import Api
from hosts.facts.restorations import ClusterLeftUnmanaged
from tests.hosts.runbooks.known import ADDRESSES, NAMES, NUMBERS, U1, U2, U3, Known

API = Api(7, "cloud", "http://10.0.0.5:8080/client/api")
CLUSTER = Cluster("c1", "xenpool", "z1", "p1", "XenServer", "Managed", "Enabled")
KVM = Cluster("c2", "kvm", "z1", "p1", "KVM", "Managed", "Enabled")


def cloud_host(uuid: str, /, state: str = "Up", resource: str = "Enabled", **other: Any) -> CloudHost:
    known = CloudHost(
        id=f"h{NUMBERS[uuid]}", name=NAMES[uuid], address=ADDRESSES[uuid], zone="z1", pod="p1", cluster="c1", hypervisor="XenServer",
        state=state, resource=resource, version="4.8.0", hypervisor_version="6.5.0", server="1", pinged="", tags="",
    )  # fmt: skip
    return dataclasses.replace(known, **other)


def cloud(*hosts: CloudHost, managed: str = "Managed", version: str = "4.8.0") -> CloudState:
    rows = hosts or tuple(cloud_host(uuid) for uuid in (U1, U2, U3))
    cluster = dataclasses.replace(CLUSTER, managed=managed)
    return CloudState(version, (Zone("z1", "zone", "Enabled", "Advanced"),), (Pod("p1", "pod", "z1"),), (cluster, KVM), rows)


def with_cloud(known: Known, *hosts: CloudHost, managed: str = "Managed", left: int | None = None, version: str = "4.8.0") -> Known:
    """The pool's cloud has a connection, and CloudStack answers."""
    known.say(ApiOfPool("portal", 1), API)
    known.say(ApiOfCloud("portal", 1), API)
    known.say(CloudNow("local", API.pk), cloud(*hosts, managed=managed, version=version))
    known.say(ClusterLeftUnmanaged("portal", "pool:1"), left)
    return known


def silent_cloud(known: Known, error: str = "It cannot be reached.") -> Known:
    with_cloud(known)
    known.fail(CloudNow("local", API.pk), error)
    return known
