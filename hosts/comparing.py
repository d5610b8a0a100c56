"""What changed on a host between two readings, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {
    "hostname": "Host name",
    "os_name": "System",
    "os_version": "System version",
    "kernel": "Kernel",
    "machine": "Machine type",
    "boot_id": "Booted again",
    "cpus": "Processors",
    "cpu_model": "Processor model",
    "memory": "Memory (KiB)",
    "user": "Login user",
    "sudo": "Root through sudo",
    "kvm": "Hardware virtualisation",
    "services": "Services installed",
    "tools": "Build tools",
    "product": "Product",
    "product_version": "Product version",
    "host_uuid": "Host UUID",
}
"""Fields that stand still unless something happened. Uptime and free space are left out: they always move."""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    """Differences as {"name", "before", "after"}, in the order of `WORDS`, then disks. Nothing when there was no reading before."""
    if not before:
        return []
    found = [
        {"name": words, "before": said(before.get(name)), "after": said(after.get(name))}
        for name, words in WORDS.items()
        if before.get(name) != after.get(name)
    ]
    return found + _disks(before, after)


def said(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "none"


def _disks(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    old, new = _sizes(before), _sizes(after)
    return [
        {"name": f"Disk {mount}", "before": old.get(mount, "not there"), "after": new.get(mount, "not there")}
        for mount in sorted(old.keys() | new.keys())
        if old.get(mount) != new.get(mount)
    ]


def _sizes(values: Mapping[str, Any]) -> dict[str, str]:
    return {disk["mount"]: f"{disk['size'] // 1024:,} MiB on {disk['device']}" for disk in values.get("disks") or []}
