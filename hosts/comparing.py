"""What changed on a host between two readings, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    "tools": "Build tools",
    "failed": "Failed units",
    "product": "Product",
    "product_version": "Product version",
    "host_uuid": "Host UUID",
}
"""Fields that stand still unless something happened. Uptime and free space are left out: they always move."""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    """Differences as {"name", "before", "after"}, in the order of `WORDS`, then of lists. Nothing when there was no reading before."""
    if not before:
        return []
    found = [
        {"name": words, "before": said(before.get(name)), "after": said(after.get(name))}
        for name, words in WORDS.items()
        if name in before and before[name] != after.get(name)
    ]
    for noun, name, each in _LISTS:
        if before.get(name) != after.get(name):
            found += _listed(noun, _told(before.get(name), each), _told(after.get(name), each))
    return found


def said(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "none"


def _disk(disk: Mapping[str, Any]) -> tuple[str, str]:
    return disk["mount"], f"{disk['size'] // 1024:,} MiB on {disk['device']}"


def _interface(one: Mapping[str, Any]) -> tuple[str, str]:
    parts = [", ".join(one["addresses"]) or "no address", f"MTU {one['mtu']}", "up" if one["up"] else "down"]
    return one["name"], ", ".join([*parts, f"in {one['master']}"] if one["master"] else parts)


_LISTS: tuple[tuple[str, str, Callable[[Mapping[str, Any]], tuple[str, str]]], ...] = (
    ("Disk", "disks", _disk),
    ("Interface", "interfaces", _interface),
    ("Service", "services", lambda service: (service["name"], service["state"])),
    ("Package", "packages", lambda package: (package["name"], package["version"])),
)
"""Lists that are compared entry by entry: what an entry is called, and how it is told."""


def _told(entries: Any, each: Callable[[Mapping[str, Any]], tuple[str, str]]) -> dict[str, str] | None:
    """None when the list was not read, or was read by an older portal in another form: then there is nothing to compare."""
    if entries is None or any(not isinstance(entry, Mapping) for entry in entries):
        return None
    return dict(each(entry) for entry in entries)


def _listed(noun: str, old: dict[str, str] | None, new: dict[str, str] | None) -> list[dict[str, str]]:
    if old is None or new is None:
        return []
    return [
        {"name": f"{noun} {name}", "before": old.get(name, "not there"), "after": new.get(name, "not there")}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
