"""Tunnels between two switches: sizes, routes and changes. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from networking.changes import VSCTL, Change, interfaces_work, key
from networking.seen import Seen
from networking.state import Kernel, Route

KINDS = [("vxlan", "VXLAN"), ("gre", "GRE"), ("geneve", "Geneve")]
HEADERS = {"vxlan": (("UDP", 8), ("VXLAN", 8), ("Ethernet", 14)), "geneve": (("UDP", 8), ("Geneve", 8), ("Ethernet", 14))}
KEY_BITS = {"vxlan": 24, "geneve": 24, "gre": 32}


def parts(kind: str, number: int | None, version: int, *, tagged: bool = False) -> tuple[tuple[str, int], ...]:
    """What a tunnel adds to each packet, in bytes: found by bisection with `ping -M do` and equal to the headers' sizes."""
    outer = (("IPv6", 40),) if version == 6 else (("IPv4", 20),)
    gre = (("GRE", 4), *([("key", 4)] if number is not None else []), ("Ethernet", 14))
    return (*outer, *HEADERS.get(kind, gre), *([("VLAN tag", 4)] if tagged else []))


@dataclass(frozen=True)
class Size:
    """`said` is the sum in words: "1500 - 50 (IPv4 20 + UDP 8 + VXLAN 8 + Ethernet 14) = 1450"."""

    mtu: int
    said: str


def inner(kind: str, number: int | None, version: int, underlay: int, *, tagged: bool = False) -> Size:
    """The largest packet that fits through."""
    found = parts(kind, number, version, tagged=tagged)
    total = sum(size for _, size in found)
    words = " + ".join(f"{name} {size}" for name, size in found)
    return Size(underlay - total, f"{underlay} - {total} ({words}) = {underlay - total}")


def way(kernel: Kernel, address: str) -> Route | None:
    """The route that a packet to the address takes, by the longest prefix."""
    wanted, best, length = ipaddress.ip_address(address), None, -1
    for route in kernel.routes:
        network = _network(route, wanted.version)
        if network is not None and wanted in network and network.prefixlen > length:
            best, length = route, network.prefixlen
    return best


def _network(route: Route, version: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        found = ipaddress.ip_network(route.to, strict=False)
    except ValueError:
        return None
    return found if found.version == version else None


def underlay_mtu(kernel: Kernel, remote: str) -> int | None:
    """Of the interface that leads there; None where nothing does."""
    route = way(kernel, remote)
    nic = kernel.nic(route.device) if route else None
    return nic.mtu if nic else None


def add_tunnel(bridge: str, name: str, kind: str, remote: str, number: int | None) -> Change:
    options = [f'options:remote_ip="{remote}"' if ":" in remote else f"options:remote_ip={remote}"]
    options += [f"options:key={number}"] if number is not None else []
    return Change(
        key=f"tunnel-{key(name)}",
        title=f"Plug a {dict(KINDS)[kind]} tunnel to {remote} into {bridge}",
        why="The cable between the two switches. It counts as plugged in at once; whether it leads anywhere is proved by pings at the end.",
        do=((*VSCTL, "add-port", bridge, name, "--", "set", "Interface", name, f"type={kind}", *options),),
        undo=((*VSCTL, "--if-exists", "del-port", bridge, name),),
        proof=(interfaces_work((name,)),),
    )


def same_tunnel(seen: Seen, bridge: str, name: str, kind: str, remote: str, number: int | None) -> bool:
    found = seen.switches.port(name) if seen.switches else None
    if found is None or found[0].name != bridge:
        return False
    (one, *_) = found[1].interfaces
    return one.type == kind and one.option("remote_ip") == remote and one.option("key") == ("" if number is None else str(number))
