"""Rules for conditions on CloudStack's API: pure `(Result, wants) -> str`, "" when it holds, else the sentence that says what is wrong.

The last line of the output is the answer as JSON. None of them takes an error, a cut, or an answer of another form for "holds".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hosts.cloudstack import state
from hosts.cloudstack.state import CloudHost, Cluster, Row
from opsportal.transport.base import Result


class _Wrong(Exception):
    """The sentence."""


def _answer(result: Result) -> Row:
    if result.exit:
        raise _Wrong((result.err.strip() or result.out.strip() or f"the command ended with {result.exit}")[-600:].removesuffix("."))
    lines = result.out.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines and not result.truncated else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _Wrong("the answer is not whole")
    return found


def _rows(result: Result, key: str) -> list[Row]:
    rows = _answer(result).get(key)
    if not isinstance(rows, list):
        raise _Wrong(f"the answer is no list of {key}")
    return rows


def _one(rows: list[Row], what: str) -> Row:
    if len(rows) != 1:
        raise _Wrong(f"CloudStack knows {len(rows) or 'no'} such {what}")
    return rows[0]


def _judged(rule: Callable[[], str]) -> str:
    try:
        return rule()
    except _Wrong as wrong:
        return str(wrong)


def _host(result: Result) -> CloudHost:
    return state.host(_one(_rows(result, "host"), "host"))


def _cluster(result: Result) -> Cluster:
    return state.cluster(_one(_rows(result, "cluster"), "cluster"))


def _among(found: str, wants: str, what: str) -> str:
    return "" if found in wants.split("|") else f"{what} is {found or 'not said'} instead of {wants.replace('|', ' or ')}"


def _is(host: CloudHost, wants: str) -> str:
    """`wants` is "STATE", "STATE/RESOURCE" or "/RESOURCE"; "|" separates several that will do."""
    connection, _, resource = wants.partition("/")
    wrong = _among(host.state, connection, f"{host.name}'s state") if connection else ""
    return wrong or (_among(host.resource, resource, f"{host.name}'s resource state") if resource else "")


def host_is(result: Result, wants: str) -> str:
    """Of listHosts for one host. Wants "Up/Enabled", "Up" or "/Maintenance"; "Up|Connecting" where several will do."""
    return _judged(lambda: _is(_host(result), wants))


def hosts_are(result: Result, wants: str) -> str:
    """Of listHosts. Wants JSON: {"hosts": {ID: NAME}, "are": "Up/Enabled"}. All of them have to be there."""

    def rule() -> str:
        asked = json.loads(wants)
        found = {row.get("id"): state.host(row) for row in _rows(result, "host")}
        missing = [name for id, name in asked["hosts"].items() if id not in found]
        wrong = [f"{name} is not in CloudStack" for name in missing]
        wrong += [said for id in asked["hosts"] if id in found and (said := _is(found[id], asked["are"]))]
        return "; ".join(wrong)

    return _judged(rule)


def address_is(result: Result, wants: str) -> str:
    """Of listHosts. Wants "ADDRESS STATE/RESOURCE": there is a host with this address, and it is so."""

    def rule() -> str:
        address, _, rest = wants.partition(" ")
        found = [row for row in _rows(result, "host") if row.get("ipaddress") == address]
        return _is(state.host(_one(found, f"host with the address {address}")), rest)

    return _judged(rule)


def no_host(result: Result, _wants: str) -> str:
    """Of listHosts with `id`: CloudStack gives an empty list for a host that was removed."""
    return _judged(lambda: "CloudStack still has the host" if _rows(result, "host") else "")


def without_host(result: Result, wants: str) -> str:
    """Of listHosts of a cluster. Wants the id of a host that is not among them."""
    return _judged(lambda: "CloudStack still has the host" if any(row.get("id") == wants for row in _rows(result, "host")) else "")


def without_address(result: Result, wants: str) -> str:
    """Of listHosts. Wants an address that no host has."""
    return _judged(lambda: f"CloudStack has a host at {wants}" if any(r.get("ipaddress") == wants for r in _rows(result, "host")) else "")


def agent_is(result: Result, wants: str) -> str:
    """Of listHosts for one host. Wants the version of its agent, which has to be connected: the version is the last one that called."""
    return _judged(lambda: _is(_host(result), "Up") or _among(_host(result).version, wants, f"the agent of {_host(result).name}"))


def managed_is(result: Result, wants: str) -> str:
    """Of listClusters for one cluster. Wants "Managed" or "Unmanaged"."""
    return _judged(lambda: _among((found := _cluster(result)).managed, wants, f"the cluster {found.name}"))


def allocation_is(result: Result, wants: str) -> str:
    """Of listClusters for one cluster. Wants "Enabled" or "Disabled"."""
    return _judged(lambda: _among((found := _cluster(result)).allocation, wants, f"the allocation state of {found.name}"))


def version_is(result: Result, wants: str) -> str:
    """Of listCapabilities."""

    def rule() -> str:
        capability: Any = _answer(result).get("capability")
        found = capability.get("cloudstackversion", "") if isinstance(capability, dict) else ""
        return _among(str(found), wants, "CloudStack's version")

    return _judged(rule)


def servers_are(result: Result, wants: str) -> str:
    """Of listManagementServers. Wants "STATE VERSION" of every one, such as "Up 4.18.1.0"; without a version only the state counts."""

    def rule() -> str:
        status, _, version = wants.partition(" ")
        found = [state.server(row) for row in _rows(result, "managementserver")]
        wrong = [f"{one.name} is {one.state}" for one in found if one.state != status]
        wrong += [f"{one.name} runs {one.version or 'an unknown version'}" for one in found if version and one.version != version]
        return "; ".join(wrong) or ("" if found else "CloudStack lists no management server")

    return _judged(rule)
