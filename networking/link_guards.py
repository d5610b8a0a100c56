"""The part of the rulebook that speaks of tunnels between two hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from networking import tunnels
from networking.facts.portal import HostData
from networking.host_guards import OBSERVED, VSCTL, network
from networking.seen import Seen
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard


class Linked(Protocol):
    """Parameters of a tunnel; read-only, so that a frozen dataclass satisfies it."""

    @property
    def host(self) -> int: ...
    @property
    def other(self) -> int: ...
    @property
    def bridge(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def tunnel(self) -> str: ...
    @property
    def underlay(self) -> str: ...
    @property
    def other_underlay(self) -> str: ...
    @property
    def port(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def other_address(self) -> str: ...
    @property
    def mtu(self) -> int | None: ...


@dataclass(frozen=True)
class End:
    """One side. `remote` is where the other side is reached, `field` the form's field of its own address."""

    letter: str
    host: HostData
    seen: Seen
    local: str
    remote: str
    address: str
    field: str


@dataclass(frozen=True)
class _One:
    host: int


def ends(params: Linked, facts: FactSet) -> tuple[End, End]:
    """Raises `FactError` where one of them cannot be read."""
    one, seen = network(_One(params.host), facts)
    two, far = network(_One(params.other), facts)
    return (
        End("a", one, seen, params.underlay, params.other_underlay, params.address, "underlay"),
        End("b", two, far, params.other_underlay, params.underlay, params.other_address, "other_underlay"),
    )


def size(params: Linked, one: End, two: End) -> tunnels.Size:
    """For the narrower of the two ways. Raises `FactError` when a way is not there."""
    found = [tunnels.underlay_mtu(end.seen.kernel, end.remote) for end in (one, two)]
    known = [mtu for mtu in found if mtu is not None]
    if len(known) < 2:
        raise FactError("The MTU cannot be computed: the two addresses are not routed, see the findings.")
    version = ipaddress.ip_address(one.remote).version
    return tunnels.inner(params.kind, params.number, version, min(known))


def _ends(params: Linked, facts: FactSet) -> tuple[End, ...]:
    """Nothing where the form is half-filled, or where another rule says already that they cannot be read."""
    if not (params.host and params.other and params.underlay and params.other_underlay):
        return ()
    try:
        return ends(params, facts)
    except FactError:
        return ()


@guard("network.ends-readable", title="Both ends can be read", reason="A tunnel with one end is none.", source=VSCTL)
def readable(params: Linked, facts: FactSet) -> Iterator[Finding]:
    for field, host in (("host", params.host), ("other", params.other)):
        try:
            network(_One(host), facts) if host else None
        except FactError as error:
            yield Finding(Level.BLOCK, str(error), field)


@guard(
    "network.ends-routed",
    title="Each end has its address, and a way to the other",
    reason="A tunnel to an address that is not routed is taken without an error and carries nothing.",
    source=OBSERVED,
)
def routed(params: Linked, facts: FactSet) -> Iterator[Finding]:
    for end in _ends(params, facts):
        kernel = end.seen.kernel
        if not any(one.partition("/")[0] == end.local for nic in kernel.nics for one in nic.addresses):
            yield Finding(
                Level.WARN, f"{end.host.name} has no {end.local} itself. That is right only behind address translation.", end.field
            )
        route = tunnels.way(kernel, end.remote)
        if route is None:
            yield Finding(Level.BLOCK, f"{end.host.name} has no route to {end.remote}.", end.field)
        elif end.seen.switches and end.seen.switches.datapath == "netdev" and not _switched(end.seen, route.device):
            yield Finding(
                Level.BLOCK,
                f"{end.host.name} reaches {end.remote} over {route.device}, which is not in Open vSwitch. With the datapath in user space "
                "a tunnel leaves only through one of its bridges.",
                end.field,
            )


def _switched(seen: Seen, device: str) -> bool:
    return bool(seen.switches and (seen.switches.port(device) or seen.switches.carrier(device)))


@guard(
    "network.tunnel-once",
    title="One tunnel between two switches",
    reason="A second port with the same kind, end and key does not come up; with another key in one bridge it makes a loop.",
    source=OBSERVED,
)
def once(params: Linked, facts: FactSet) -> Iterator[Finding]:
    for end in _ends(params, facts):
        for bridge in end.seen.switches.bridges if end.seen.switches else ():
            for port in bridge.ports:
                for one in port.interfaces:
                    if one.tunnel and one.option("remote_ip") == end.remote and one.name != params.tunnel:
                        same = one.type == params.kind and one.option("key") == ("" if params.number is None else str(params.number))
                        if same or bridge.name == params.bridge:
                            why = "is the same" if same else f"is in {bridge.name} too, so that broadcasts would go round for ever"
                            yield Finding(Level.BLOCK, f"{end.host.name} has {one.name} to {end.remote} already, which {why}.", "tunnel")


@guard(
    "network.link-names",
    title="The names are free at both ends",
    reason="Interfaces, bonds and bridges of a host share one set of names.",
    source=VSCTL,
)
def names(params: Linked, facts: FactSet) -> Iterator[Finding]:
    for end in _ends(params, facts):
        for field, name in (("tunnel", params.tunnel), ("port", params.port)):
            found = end.seen.switches.port(name) if end.seen.switches and name else None
            taken = end.seen.kernel.nic(name) is not None and found is None
            if taken or (found is not None and found[0].name != params.bridge):
                yield Finding(Level.BLOCK, f"{end.host.name} has a {name} already, which is something else. Choose another name.", field)


@guard(
    "network.link-addresses",
    title="Addresses in one network, each once",
    reason="Two ends in different networks do not reach each other through a switch, and one address twice answers from anywhere.",
    source="IPv4 and IPv6 themselves.",
)
def addresses(params: Linked, facts: FactSet) -> Iterator[Finding]:
    if not (params.address and params.other_address):
        return
    one, two = ipaddress.ip_interface(params.address), ipaddress.ip_interface(params.other_address)
    if one.ip == two.ip:
        yield Finding(Level.BLOCK, "Both ends have the same address.", "other_address")
    elif one.network != two.network:
        yield Finding(Level.BLOCK, f"{one} and {two} are not in one network.", "other_address")
    for end in _ends(params, facts):
        for nic in end.seen.kernel.nics:
            for held in nic.addresses:
                if nic.name != params.port and ipaddress.ip_interface(held).network.overlaps(one.network):
                    yield Finding(Level.BLOCK, f"{end.host.name} has {held} on {nic.name}, in the same network.", "address")


@guard(
    "network.link-mtu",
    title="The MTU fits through the tunnel",
    reason="What does not fit is dropped without a word: pages stop loading half-way while pings work.",
    source="Found by bisection with `ping -M do` for every kind of tunnel.",
)
def mtu_fits(params: Linked, facts: FactSet) -> Iterator[Finding]:
    found: Any = _ends(params, facts)
    if not found:
        return
    try:
        fits = size(params, *found)
    except FactError:
        return
    if params.mtu is not None and params.mtu > fits.mtu:
        yield Finding(Level.BLOCK, f"{params.mtu} bytes do not fit: {fits.said}.", "mtu")
    elif params.mtu is None:
        yield Finding(Level.NOTE, f"The MTU of the internal ports is {fits.said}.", "mtu")


RULES = (readable, routed, once, names, addresses, mtu_fits)
