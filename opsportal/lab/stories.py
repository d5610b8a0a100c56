"""From the practice cloud's state to what its page says: one word and one sentence for each host, pool and event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hosts.models import Host, Pool
from opsportal.lab.inventory_seed import cloud_name

KINDS = {
    "down": ("power-off", "went off"),
    "fenced": ("zap", "was fenced"),
    "up": ("power", "boots"),
    "xapi-stopped": ("square", "xapi stopped"),
    "xapi-started": ("play", "xapi started"),
}


def page(state: dict[str, Any]) -> dict[str, Any]:
    """Pools with their hosts in them, and hosts that stand alone, each linked to its row in the inventory."""
    hosts = {host["id"]: {**host, **_standing(host)} for host in state["hosts"]}
    rows = {(row.address, row.port): row.pk for row in Host.objects.filter(cloud__name=cloud_name(state["seat"]))}
    known = {pool.name: pool.pk for pool in Pool.objects.filter(cloud__name=cloud_name(state["seat"]))}
    for host in hosts.values():
        host["pk"] = rows.get((host["address"], host["port"]))
    pools = [_pool(pool, hosts, known.get(pool["name"])) for pool in state["pools"]]
    return {
        "speed": state["speed"],
        "three_minutes": 180 / state["speed"],
        "problem": state["problem"],
        "clock": timedelta(seconds=int(state["now"])),
        "pools": [pool for pool in pools if len(pool["hosts"]) > 1 or pool["name"]],
        "alone": [host for pool in pools if len(pool["hosts"]) == 1 and not pool["name"] for host in pool["hosts"]],
        "twins": _twins(hosts),
        "api": _api(state["cloud"]),
        "events": [_event(event, state["now"]) for event in state["events"][:12]],
    }


def _pool(pool: dict[str, Any], hosts: dict[str, dict[str, Any]], pk: int | None) -> dict[str, Any]:
    members = [{**hosts[ident], "master": ident in pool["masters"]} for ident in pool["hosts"]]
    return {**pool, "pk": pk, "hosts": members, "split": len(pool["masters"]) > 1, "headless": not pool["masters"]}


def _standing(host: dict[str, Any]) -> dict[str, str]:
    """The worst thing about it: a tone, an icon and a few words."""
    tone, icon, words = "ok", "circle-check", "runs"
    if not host["powered"]:
        tone, icon, words = "bad", "power-off", "off"
    elif host["cut_for"] > 0:
        tone, icon, words = "bad", "unplug", f"no network for {host['cut_for']:.0f} s"
    elif host["xapi"] == "emergency":
        tone, icon, words = "bad", "siren", "emergency mode"
    elif host["hangs_for"] > 0:
        tone, icon, words = "warn", "timer", f"xe hangs for {host['hangs_for']:.0f} s"
    elif host["xapi"] != "running":
        tone, icon, words = "warn", "loader", f"xapi {host['xapi']}"
    elif not host["enabled"]:
        tone, icon, words = "warn", "circle-pause", "disabled"
    return {"tone": tone, "icon": icon, "standing": words}


TONES = {"Up": ("ok", "circle-check"), "Connecting": ("running", "loader"), "Disconnected": ("warn", "unplug")}


def _api(cloud: dict[str, Any]) -> dict[str, Any]:
    """CloudStack's view of the hosts, which may be older than the truth above it."""
    clusters = [{**cluster, "hosts": [_seen(host) for host in cluster["hosts"]]} for cluster in cloud["clusters"]]
    return {**cloud, "clusters": clusters}


def _seen(host: dict[str, Any]) -> dict[str, Any]:
    tone, icon = TONES.get(host["state"], ("bad", "siren"))
    return {**host, "tone": tone, "icon": icon}


def _twins(hosts: dict[str, dict[str, Any]]) -> list[str]:
    """Ids of hosts that have another one's uuid."""
    uuids = [host["uuid"] for host in hosts.values()]
    return [ident for ident, host in hosts.items() if host["uuid"] and uuids.count(host["uuid"]) > 1]


def _event(event: dict[str, Any], now: float) -> dict[str, Any]:
    icon, words = KINDS[event["kind"]]
    return {**event, "icon": icon, "words": words, "ago": max(0.0, now - event["at"])}
