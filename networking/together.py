"""Hosts held against each other: the tunnels between them, and what differs between hosts that should be alike. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from networking.seen import Seen
from networking.state import Bridge, Port
from networking.tunnels import KINDS


@dataclass(frozen=True)
class Member:
    """A host with its newest reading."""

    pk: int
    name: str
    seen: Seen


# Tunnels


@dataclass(frozen=True)
class End:
    """One port. `key` is "" without one; `trouble` why it carries nothing, "" when nothing is known to be wrong."""

    host: str
    bridge: str
    port: str
    kind: str
    key: str
    remote: str
    tag: int | None
    trouble: str


@dataclass(frozen=True)
class Tunnel:
    """Between two hosts, or to somewhere outside: then `there` is the address. `ends` has one or two."""

    here: str
    there: str
    kind: str
    ends: tuple[End, ...]
    outside: bool = False

    @property
    def called(self) -> str:
        return {**dict(KINDS), "gre": "GRE"}.get(self.kind, self.kind)

    @property
    def label(self) -> str:
        keys = " / ".join(dict.fromkeys(end.key for end in self.ends))
        return f"{self.called} {keys}".strip()

    @property
    def trouble(self) -> str:
        """A tunnel's own link state is always up, so only what the two ends say of each other tells."""
        if said := [f"{end.port} on {end.host}: {end.trouble}" for end in self.ends if end.trouble]:
            return "; ".join(said)
        if len({end.key for end in self.ends}) > 1:
            return "the keys differ, so nothing passes"
        if len(self.ends) == 1 and not self.outside:
            return f"{self.there} has no end of it"
        return ""

    @property
    def tone(self) -> str:
        return "bad" if self.trouble else "off" if self.outside else "ok"


def tunnels(members: Sequence[Member]) -> list[Tunnel]:
    """An end and the one that leads back make one tunnel: of one kind, with the same key, else with another."""
    owners = {address.partition("/")[0]: member.name for member in members for nic in member.seen.kernel.nics for address in nic.addresses}
    left = [end for member in members for end in _ends(member)]
    found = []
    while left:
        end = left.pop(0)
        there = owners.get(end.remote)
        back = _back(end, there, left, owners) if there else None
        if back:
            left.remove(back)
        found.append(Tunnel(end.host, there or end.remote, end.kind, (end, back) if back else (end,), outside=there is None))
    return found


def _ends(member: Member) -> Iterator[End]:
    links = member.seen.links
    for bridge in member.seen.switches.bridges if member.seen.switches else ():
        for port in bridge.ports:
            for one in port.interfaces:
                remote = one.option("remote_ip")
                if one.tunnel and remote and remote != "flow":
                    link = links.link(one.name) if links else None
                    out = dict(link.status).get("tunnel_egress_iface_carrier") if link else None
                    trouble = one.error or ("not in work" if not one.works else "its way out has no carrier" if out == "down" else "")
                    yield End(member.name, bridge.name, one.name, one.type, one.option("key"), remote, port.tag, trouble)


def _back(end: End, there: str, left: list[End], owners: dict[str, str]) -> End | None:
    candidates = [one for one in left if one.host == there and one.kind == end.kind and owners.get(one.remote) == end.host]
    return next((one for one in candidates if one.key == end.key), next(iter(candidates), None))


# Differences


@dataclass(frozen=True)
class Difference:
    """One thing in which hosts differ: what most have, and who has what else. `same` is how many have what most have."""

    what: str
    most: str
    same: int
    others: tuple[tuple[str, tuple[str, ...]], ...]


ABSENT = "not there"


def differences(members: Sequence[Member]) -> list[Difference]:
    """Between hosts that should be alike. Nothing for fewer than two."""
    values = {member.name: dict(_aspects(member.seen)) for member in members}
    names = list(dict.fromkeys(what for aspects in values.values() for what in aspects))
    found = [_difference(what, {host: aspects.get(what, ABSENT) for host, aspects in values.items()}) for what in names]
    return [one for one in found if one is not None]


def alike(members: Sequence[Member]) -> int:
    """How many things were compared."""
    return len({what for member in members for what, _ in _aspects(member.seen)})


def _difference(what: str, by_host: dict[str, str]) -> Difference | None:
    counted = Counter(by_host.values())
    if len(counted) < 2:
        return None
    most = min(counted, key=lambda value: (-counted[value], value == ABSENT, value))
    others = tuple((value, tuple(host for host, one in by_host.items() if one == value)) for value in sorted(counted) if value != most)
    return Difference(what, most, counted[most], others)


def _aspects(seen: Seen) -> Iterator[tuple[str, str]]:
    """What has to be the same on hosts of one cluster, or a virtual machine finds another network after its move."""
    yield "Open vSwitch", seen.switches.version if seen.switches else ABSENT
    for bridge in seen.switches.bridges if seen.switches else ():
        yield f"bridge {bridge.name}", "Open vSwitch" + (" in user space" if bridge.datapath == "netdev" else "")
        yield from _mtu(seen, [bridge.name])
        for port in bridge.ports:
            yield from _port(seen, bridge, port)
    for nic in seen.kernel.nics:
        if nic.kind == "bridge":
            yield f"bridge {nic.name}", "Linux bridge"
            yield from _mtu(seen, [nic.name])


def _port(seen: Seen, bridge: Bridge, port: Port) -> Iterator[tuple[str, str]]:
    """Tunnels and machines' interfaces are each host's own."""
    if port.bond:
        names = [one.name for one in port.interfaces]
        said = f"{' '.join(names)} in {bridge.name}, {port.bond_mode or 'active-backup'}, LACP {port.lacp or 'off'}"
        yield f"bond {port.name}", said
        yield from _mtu(seen, names)
    elif port.fake_bridge:
        yield f"VLAN of {port.name}", f"{port.tag} in {bridge.name}"
        yield from _mtu(seen, [port.name])


def _mtu(seen: Seen, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if nic := seen.kernel.nic(name):
            yield f"MTU of {name}", str(nic.mtu)
