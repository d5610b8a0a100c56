"""Everything that the portal wants to know of a cloud, in a few questions."""

from __future__ import annotations

from opsportal.cloudstack.client import Api, Row
from opsportal.cloudstack.errors import Refused

LISTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "zones": ("listZones", "zone", {"available": "false"}),
    "pods": ("listPods", "pod", {}),
    "clusters": ("listClusters", "cluster", {}),
    "hosts": ("listHosts", "host", {"type": "Routing"}),
}
"""Name here to the command, its key in the answer, and parameters. Without the type system VMs are listed as hosts too."""

SERVERS = ("listManagementServers", "managementserver")
"""Not before 4.12."""


def survey(api: Api) -> dict[str, list[Row] | Row]:
    """What CloudStack says, as it says it: the lists by name, "capability", and "servers" where this version has them."""
    found: dict[str, list[Row] | Row] = {"capability": capability(api)}
    for name, (command, key, params) in LISTS.items():
        found[name] = api.listed(command, key, **params)
    try:
        found["servers"] = api.listed(*SERVERS)
    except Refused as error:
        if error.code != 432:
            raise
    return found


def capability(api: Api) -> Row:
    """With "cloudstackversion". The question that tests a connection."""
    answer = api.call("listCapabilities").get("capability")
    if not isinstance(answer, dict) or "cloudstackversion" not in answer:
        raise Refused("CloudStack's answer to listCapabilities does not say its version.")
    return answer
