"""The part of the rulebook that speaks of virtual addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from networking import vrrp
from networking.facts.keepalived import KeepalivedConfig
from networking.facts.kernel import KernelNetwork
from networking.facts.portal import HostData, InventoryHost
from networking.host_guards import OBSERVED
from networking.state import Nic
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard

MANUAL = "keepalived.conf's manual."
HIGHEST, STEP = 200, 20
"""Priorities from the first host on. 255 would be the address's owner, which it is not."""


class OnHosts(Protocol):
    @property
    def hosts(self) -> tuple[int, ...]: ...
    @property
    def interface(self) -> str: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def name(self) -> str: ...
    @property
    def router(self) -> int: ...
    @property
    def virtual(self) -> vrrp.Virtual: ...


@dataclass(frozen=True)
class Place:
    """One host of a virtual address: what it has and what it shall have. `version` is "" where keepalived is missing."""

    host: HostData
    version: str
    running: bool
    enabled: bool
    existed: bool
    text: str
    wanted: str
    nic: Nic | None
    address: str
    others: tuple[tuple[str, str, int | None], ...]
    """Other instances in its file: name, interface and router id."""


def places(params: OnHosts, facts: FactSet) -> list[Place]:
    """In the order of the priorities. Raises `FactError` where one cannot be read."""
    found = [facts(InventoryHost("portal", host)) for host in params.hosts]
    facts.need(*(fact for host in found for fact in (KernelNetwork(host.target), KeepalivedConfig(host.target))))
    nics = [facts(KernelNetwork(host.target)).nic(params.interface) for host in found]
    own = [_own(nic, params.addresses) for nic in nics]
    return [_place(params, facts, number, host, nics[number], own) for number, host in enumerate(found)]


def _own(nic: Nic | None, virtual: tuple[str, ...]) -> str:
    """The host's own address in the family of the virtual one, without those that VRRP put there."""
    version = ipaddress.ip_interface(virtual[0]).version if virtual else 4
    held = [one for one in (nic.addresses if nic else ()) if one not in virtual and not one.endswith("/32")]
    return next((one.partition("/")[0] for one in held if ipaddress.ip_interface(one).version == version), "")


def _place(params: OnHosts, facts: FactSet, number: int, host: HostData, nic: Nic | None, own: list[str]) -> Place:
    daemon = facts(KeepalivedConfig(host.target))
    text = daemon.text if daemon else ""
    seat = vrrp.Seat(HIGHEST - number * STEP, own[number], tuple(one for index, one in enumerate(own) if index != number))
    wanted = vrrp.with_block(text, params.name, vrrp.block(params.virtual, seat)) if params.name and params.addresses else text
    others = tuple((one.name, one.interface, one.router) for one in daemon.instances() if one.name != params.name) if daemon else ()
    if daemon is None:
        return Place(host, "", False, False, False, "", wanted, nic, own[number], ())
    return Place(host, daemon.version, daemon.active, daemon.enabled, daemon.existed, text, wanted, nic, own[number], others)


def _places(params: OnHosts, facts: FactSet) -> list[Place]:
    try:
        return places(params, facts) if params.hosts and params.interface else []
    except FactError:
        return []


@guard("vrrp.readable", title="Every host can be read", reason="All of them have to agree on one configuration.", source=MANUAL)
def readable(params: OnHosts, facts: FactSet) -> Iterator[Finding]:
    try:
        places(params, facts) if params.hosts else None
    except FactError as error:
        yield Finding(Level.BLOCK, str(error), "hosts")


@guard(
    "vrrp.installed",
    title="keepalived is installed",
    reason="It holds the address. A package that is missing is better installed in daylight.",
    source=MANUAL,
)
def installed(params: OnHosts, facts: FactSet) -> Iterator[Finding]:
    for place in _places(params, facts):
        if not place.version:
            yield Finding(Level.BLOCK, f"{place.host.name} has no keepalived. Install the package keepalived there.", "hosts")


@guard(
    "vrrp.interface",
    title="The interface is there, up, and has an address of its own",
    reason="keepalived does not start when its interface is missing at boot, and speaks from the interface's own address.",
    source=OBSERVED,
)
def interface(params: OnHosts, facts: FactSet) -> Iterator[Finding]:
    for place in _places(params, facts):
        if place.nic is None:
            yield Finding(Level.BLOCK, f"{place.host.name} has no interface {params.interface}.", "interface")
        elif not place.nic.carrier:
            yield Finding(
                Level.BLOCK, f"{params.interface} of {place.host.name} is {'without a signal' if place.nic.up else 'off'}.", "interface"
            )
        elif not place.address:
            yield Finding(Level.BLOCK, f"{params.interface} of {place.host.name} has no address of its own.", "interface")


@guard(
    "vrrp.network",
    title="A virtual address fits its network",
    reason="An address of another network is taken, and nobody finds it.",
    source="IPv4 and IPv6 themselves.",
)
def fits(params: OnHosts, facts: FactSet) -> Iterator[Finding]:
    for place in _places(params, facts):
        own = [ipaddress.ip_interface(one) for one in (place.nic.addresses if place.nic else ())]
        for virtual in map(ipaddress.ip_interface, params.addresses):
            if str(virtual) not in place.text and any(virtual.ip == one.ip for one in own):
                yield Finding(Level.BLOCK, f"{virtual.ip} is {place.host.name}'s own address.", "addresses")
            elif place.address and not any(virtual.ip in one.network for one in own):
                said = f"{virtual} is in no network that {params.interface} of {place.host.name} is in."
                yield Finding(Level.WARN, said, "addresses")


@guard(
    "vrrp.router-once",
    title="A router id is used once in a segment",
    reason="Two groups with one id take each other's advertisements for their own, and the addresses flap.",
    source=MANUAL,
)
def router_once(params: OnHosts, facts: FactSet) -> Iterator[Finding]:
    found = _places(params, facts)
    for place in found:
        for name, device, router in place.others:
            if router == params.router and device == params.interface:
                said = f"{place.host.name} uses the router id {router} on {device} for {name} already."
                yield Finding(Level.BLOCK, said, "router")
    if found and params.router:
        yield Finding(
            Level.NOTE, "Only these hosts were asked. Routers and other machines of the segment may use the id as well.", "router"
        )


RULES = (readable, installed, interface, fits, router_once)
