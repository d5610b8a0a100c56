"""Which SRs may carry HA's heartbeat, and why the others may not. Pure.

Sources: xapi (xha_statefile.ml: the driver, a plugged PBD on every host), the drivers of sm, XCP-ng's documentation (sizes, no SMB).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hosts.xen.state import Space, Sr, Storage, XenHost

DRIVERS = {"nfs": "NFS", "lvmoiscsi": "iSCSI", "lvhdoiscsi": "iSCSI", "lvmohba": "Fibre Channel", "lvhdohba": "Fibre Channel"}
"""Types of SR whose driver can attach a statefile on every host, and what people call them."""

OLD_NEED, NEW_NEED = 356 * 1000**2, 4 * 1024**3
"""Bytes for the statefile and the redo log: Citrix's manuals for 5.6 and 6; XCP-ng's documentation for now."""


@dataclass(frozen=True)
class Carrier:
    """An SR as a candidate. `free` in bytes, None when the SR does not know. `why_not` is "" when it may be chosen.

    `name` tells one host's own SR from another's.
    """

    sr: Sr
    name: str
    free: int | None
    why_not: str = ""


def need(hosts: Iterable[XenHost]) -> int:
    """Bytes that must be free. The redo log grew from 256 MB to about 4 GB after 8.2."""
    newest = max((_release(host.version) for host in hosts), default=(0, 0))
    return NEW_NEED if newest >= (8, 3) else OLD_NEED


def _release(version: str) -> tuple[int, int]:
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def carriers(storage: Storage, spaces: Iterable[Space], hosts: tuple[XenHost, ...], used: tuple[str, ...]) -> tuple[Carrier, ...]:
    """Every SR that is more than one host's own or could be mistaken for one; those that may be chosen first, then by name.

    `used` are SRs that carry statefiles of an earlier time: these are taken again, so no space is needed.
    """
    room = {space.sr: space for space in spaces}
    found = [_carrier(sr, storage, room.get(sr.uuid), hosts, sr.uuid in used) for sr in storage.srs if sr.type not in ("udev", "iso")]
    return tuple(sorted(found, key=lambda one: (bool(one.why_not), one.name.lower(), one.sr.uuid)))


def _carrier(sr: Sr, storage: Storage, space: Space | None, hosts: tuple[XenHost, ...], used: bool) -> Carrier:
    free = space.size - space.used if space and space.size is not None and space.used is not None else None
    least = need(hosts)
    why = _why_not(sr, storage, hosts)
    if not why and free is not None and free < least and not used:
        why = f"Only {free // 1000**2:,} MB are free, and the statefile and the redo log take {least // 1000**2:,} MB."
    return Carrier(sr, _name(sr, storage, hosts), free, why)


def _name(sr: Sr, storage: Storage, hosts: tuple[XenHost, ...]) -> str:
    if sr.shared:
        return sr.name or sr.uuid
    owners = [host.name for host in hosts if any(pbd.sr == sr.uuid and pbd.host == host.uuid for pbd in storage.pbds)]
    return f"{sr.name or sr.uuid} of {', '.join(owners)}" if owners else sr.name or sr.uuid


def _why_not(sr: Sr, storage: Storage, hosts: tuple[XenHost, ...]) -> str:
    if sr.type == "smb":
        return "SMB is too slow and too forgetful for a heartbeat: XCP-ng's documentation rules it out."
    if sr.type not in DRIVERS:
        return f"An SR of type {sr.type} cannot hold a statefile for all hosts: take NFS, iSCSI or Fibre Channel."
    if not sr.shared:
        return "It is not shared: hosts see each other only on a disk that all of them reach."
    plugged = storage.plugged(sr.uuid)
    if missing := [host.name for host in hosts if host.uuid not in plugged]:
        return f"It is not plugged on {', '.join(missing)}: xapi would answer “The SR has no attached PBDs”."
    return ""
