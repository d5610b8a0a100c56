"""Rules for conditions, by their answers."""

from __future__ import annotations

import json
from inspect import isfunction
from typing import Any

import pytest

from hosts.cloudstack import judges
from hosts.cloudstack.state import pinged
from opsportal.transport.base import Result
from tests.hosts.cloudstack.conftest import cluster, host

EVERY = [name for name, found in vars(judges).items() if isfunction(found) and found.__module__ == judges.__name__ and name[0] != "_"]


def hosts(*rows: dict[str, Any]) -> Result:
    return Result(0, f"something before\n{json.dumps({'count': len(rows), 'host': rows})}\n")


def clusters(*rows: dict[str, Any]) -> Result:
    return Result(0, json.dumps({"count": len(rows), "cluster": rows}))


CASES = [
    ("host_is", hosts(host(1)), "Up/Enabled", ""),
    ("host_is", hosts(host(1)), "Up|Connecting", ""),
    ("host_is", hosts(host(1, resource="Maintenance")), "/Maintenance", ""),
    ("host_is", hosts(host(1, resource="PrepareForMaintenance")), "/Maintenance", "xen1's resource state is PrepareForMaintenance"),
    ("host_is", hosts(host(1, state="Alert")), "Up", "xen1's state is Alert instead of Up"),
    ("host_is", hosts(), "Up", "CloudStack knows no such host"),
    ("host_is", hosts(host(1), host(2)), "Up", "CloudStack knows 2 such host"),
    ("no_host", hosts(), "", ""),
    ("no_host", hosts(host(1)), "", "CloudStack still has the host"),
    ("without_host", hosts(host(1)), "h2", ""),
    ("without_host", hosts(host(1)), "h1", "CloudStack still has the host"),
    ("without_address", hosts(host(1)), "10.0.0.2", ""),
    ("without_address", hosts(host(1)), "10.0.0.1", "CloudStack has a host at 10.0.0.1"),
    ("address_is", hosts(host(1), host(2)), "10.0.0.2 Up/Enabled", ""),
    ("address_is", hosts(host(1)), "10.0.0.2 Up", "CloudStack knows no such host with the address 10.0.0.2"),
    ("agent_is", hosts(host(1)), "4.8.0", ""),
    ("agent_is", hosts(host(1)), "4.9.0", "the agent of xen1 is 4.8.0 instead of 4.9.0"),
    ("agent_is", hosts(host(1, state="Down")), "4.8.0", "xen1's state is Down"),
    ("managed_is", clusters(cluster("c", "xenpool")), "Managed", ""),
    ("managed_is", clusters(cluster("c", "xenpool", managed="PrepareUnmanaged")), "Unmanaged", "xenpool is PrepareUnmanaged"),
    ("allocation_is", clusters(cluster("c", "xenpool")), "Enabled", ""),
    ("version_is", Result(0, '{"capability": {"cloudstackversion": "4.8.0"}}'), "4.8.0", ""),
    ("version_is", Result(0, '{"capability": {}}'), "4.8.0", "not said"),
    ("servers_are", Result(0, '{"managementserver": [{"name": "m", "state": "Up", "version": "4.18"}]}'), "Up 4.18", ""),
    ("servers_are", Result(0, '{"managementserver": [{"name": "m", "state": "Down"}]}'), "Up", "m is Down"),
    ("servers_are", Result(0, '{"managementserver": []}'), "Up", "lists no management server"),
]


@pytest.mark.parametrize(("judge", "result", "wants", "said"), CASES)
def test_what_holds_and_what_is_wrong(judge: str, result: Result, wants: str, said: str) -> None:
    found = getattr(judges, judge)(result, wants)
    assert said in found
    assert bool(said) == bool(found)


@pytest.mark.parametrize("judge", EVERY)
@pytest.mark.parametrize(
    "result",
    [
        Result(1, "", "CloudStack refused listHosts (401)"),
        Result(75, "", "nobody knows"),
        Result(124, ""),
        Result(0, ""),
        Result(0, "<html>"),
        Result(0, "{}"),
        Result(0, '{"count": 0}'),
        Result(0, '{"host": []', truncated=True),
    ],
    ids=lambda result: f"{result.exit}-{result.out}",
)
def test_no_answer_never_holds(judge: str, result: Result) -> None:
    wants = '{"hosts": {}, "are": "Up"}' if judge == "hosts_are" else "x"
    assert getattr(judges, judge)(result, wants)


def test_the_last_ping_is_told_from_cloudstacks_own_count() -> None:
    assert pinged("2026-11-25T05:00:00+0000") == "2026-11-25T05:00:00+00:00"
    assert pinged("1970-01-21T03:37:54+0000").startswith("2026-")
    assert pinged("") == pinged("yesterday") == ""
