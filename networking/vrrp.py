"""Virtual addresses as text of keepalived's configuration. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}")


@dataclass(frozen=True)
class Virtual:
    """One VRRP instance as all its hosts have it. `secret` of at most eight letters is for version 2 only, and travels in clear text."""

    name: str
    interface: str
    router: int
    addresses: tuple[str, ...]
    version: int = 2
    seconds: int = 1
    secret: str = ""
    unicast: bool = False


@dataclass(frozen=True)
class Seat:
    """One host of it. `address` is its own on the interface, `peers` those of the others."""

    priority: int
    address: str
    peers: tuple[str, ...]


def block(wanted: Virtual, seat: Seat) -> str:
    """Every host starts as BACKUP and the priority decides: two that both begin as MASTER both hold the address for a moment."""
    lines = [f"vrrp_instance {wanted.name} {{", "    state BACKUP", f"    interface {wanted.interface}"]
    lines += [f"    virtual_router_id {wanted.router}", f"    priority {seat.priority}", f"    advert_int {wanted.seconds}"]
    lines += [f"    version {wanted.version}"] if wanted.version == 3 else []
    if wanted.unicast:
        lines += [f"    unicast_src_ip {seat.address}", "    unicast_peer {", *(f"        {peer}" for peer in seat.peers), "    }"]
    if wanted.secret and wanted.version == 2:
        lines += ["    authentication {", "        auth_type PASS", f"        auth_pass {wanted.secret}", "    }"]
    lines += ["    virtual_ipaddress {", *(f"        {address}" for address in wanted.addresses), "    }", "}"]
    return "\n".join(lines) + "\n"


def marks(name: str) -> tuple[str, str]:
    return f"# opsportal: virtual address {name}", f"# opsportal: end of {name}"


def with_block(text: str, name: str, wanted: str) -> str:
    """The file with our block in its place, or at its end; everything else stays as it is. "" for `wanted` takes it out."""
    begin, end = marks(name)
    lines, kept, inside = text.splitlines(), [], False
    for line in lines:
        if line == begin:
            inside = True
            kept.append(begin)
        elif inside and line == end:
            inside = False
        elif not inside:
            kept.append(line)
    ours = [begin, *wanted.splitlines(), end] if wanted else []
    if begin in kept:
        at = kept.index(begin)
        kept[at : at + 1] = ours
    elif ours:
        kept += [*([""] if kept and kept[-1] else []), *ours]
    return "\n".join(kept).strip("\n") + "\n" if any(line.strip() for line in kept) else ""


def family(addresses: tuple[str, ...]) -> int | None:
    """4 or 6; None for a mixture, which one instance cannot have."""
    found = {ipaddress.ip_interface(address).version for address in addresses}
    return found.pop() if len(found) == 1 else None
