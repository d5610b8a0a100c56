"""Prints records as xe does: the first key on the left, the others on the right, as wide as the longest key of the record and four."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MARKERS = {
    "name-label": "( RW)", "name-description": "( RW)", "default-SR": "( RW)", "software-version": "(MRO)", "other-config": "(MRW)",
    "cpu_info": "(MRO)", "patches": "(SRO)", "ha-restart-priority": "( RW)", "ha-always-run": "( RW) [DEPRECATED]", "shared": "( RW)",
    "ha-host-failures-to-tolerate": "( RW)", "ha-allow-overcommit": "( RW)", "disallow-unplug": "( RW)", "device-config": "(MRO)",
}  # fmt: skip


def block(record: Mapping[str, str]) -> str:
    keys = [f"{name} {MARKERS.get(name, '( RO)')}" for name in record]
    width = 4 + max(map(len, keys))
    shown = [key.ljust(width) if number == 0 else key.rjust(width) for number, key in enumerate(keys)]
    return "".join(f"{key}: {value}\n" for key, value in zip(shown, record.values(), strict=True)) + "\n\n"


def blocks(records: Sequence[Mapping[str, str]]) -> str:
    return "".join(map(block, records))


def minimal(values: Sequence[str]) -> str:
    return ",".join(value.replace("\\", "\\\\").replace(",", "\\,") for value in values) + "\n"
