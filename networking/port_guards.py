"""The part of the rulebook that speaks of bridges, bonds, VLANs and MTUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from networking.facts.links import SwitchLinks
from networking.host_guards import OBSERVED, VSCTL, network
from networking.pictures import ours
from networking.seen import Seen
from networking.state import Bridge, Switches
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard


def _read(params: Any, facts: FactSet) -> Seen | None:
    """None where another rule says already that it cannot be read."""
    try:
        return network(params, facts)[1] if params.host else None
    except FactError:
        return None


def _switches(seen: Seen) -> Switches:
    assert seen.switches is not None
    return seen.switches


@guard(
    "network.name-free",
    title="A new name is free",
    reason="Interfaces, bonds and bridges of a host share one set of names: a second one of a name is refused, or silently not made.",
    source=VSCTL,
)
def name_free(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    if seen is None or not params.name or _same(params, seen):
        return
    if found := _switches(seen).port(params.name):
        yield Finding(
            Level.BLOCK, f"{params.name} is there already, on {found[0].name}, and is something else. Choose another name.", "name"
        )
    elif seen.kernel.nic(params.name):
        yield Finding(Level.BLOCK, f"The host has an interface {params.name} already. Choose another name.", "name")


def _same(params: Any, seen: Seen) -> bool:
    """What is wanted is there: then the plan says so."""
    there: bool = params.same(seen)
    return there


@guard(
    "network.bridge-there",
    title="The bridge is there",
    reason="A port needs a bridge that works: a bridge without a datapath takes ports and passes nothing.",
    source=OBSERVED,
)
def bridge_there(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    if seen is None or not params.bridge:
        return
    found = _switches(seen).bridge(params.bridge)
    if found is None:
        yield Finding(Level.BLOCK, f"There is no bridge {params.bridge} any more. Choose another one.", "bridge")
    elif found.broken:
        yield Finding(Level.BLOCK, f"{params.bridge} has no datapath. Its log says why: mend it first.", "bridge")


@guard(
    "network.vlan-free",
    title="One fake bridge for a VLAN",
    reason="Open vSwitch allows one fake bridge for each VLAN of a bridge, and refuses a second one.",
    source=VSCTL,
)
def vlan_free(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    bridge = _switches(seen).bridge(params.bridge) if seen and params.bridge else None
    for port in bridge.fake if bridge else ():
        if port.tag == params.vlan and port.name != params.name:
            yield Finding(Level.BLOCK, f"VLAN {params.vlan} of {params.bridge} has the fake bridge {port.name} already.", "vlan")


@guard(
    "network.nics-free",
    title="The NICs of a bond are free",
    reason="A NIC in two switches, or with an address of its own, does not pass what it should: its address stops answering.",
    source=OBSERVED,
)
def nics_free(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    if seen is None or _same(params, seen):
        return
    for name in params.nics:
        yield from _nic(seen, name)


def _nic(seen: Seen, name: str) -> Iterator[Finding]:
    nic, plugged = seen.kernel.nic(name), _switches(seen).carrier(name)
    if nic is None:
        yield Finding(Level.BLOCK, f"The host has no NIC {name}.", "nics")
    elif plugged:
        yield Finding(Level.BLOCK, f"{name} is in {plugged[1].name} of {plugged[0].name} already.", "nics")
    elif nic.master:
        yield Finding(Level.BLOCK, f"{name} belongs to {nic.master} of the kernel. Take it out there first.", "nics")
    elif name in ours(seen):
        yield Finding(Level.BLOCK, f"The portal comes in over {name}: its address has to move into the bridge first, in one plan.", "nics")
    elif nic.addresses:
        yield Finding(Level.BLOCK, f"{name} has the address {nic.addresses[0]}, which would stop answering. Move it first.", "nics")


@guard(
    "network.nics-have-signal",
    title="The NICs of a bond have a signal",
    reason="A bond of NICs without a cable carries nothing.",
    source=OBSERVED,
)
def nics_signal(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    for name in params.nics if seen else ():
        nic = seen.kernel.nic(name) if seen else None
        if nic and nic.up and not nic.carrier:
            yield Finding(Level.WARN, f"{name} is switched on and has no signal: look at its cable and the switch's port.", "nics")


@guard(
    "network.mtu-fits",
    title="An MTU fits its bridge",
    reason="What is larger than the smallest NIC on the way is dropped without a word.",
    source=OBSERVED,
)
def mtu_fits(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    if seen is None or not params.mtu:
        return
    bridge = _bridge_of(params, _switches(seen))
    for name in _uplinks(bridge) if bridge else ():
        nic = seen.kernel.nic(name)
        if nic and params.mtu > nic.mtu:
            yield Finding(Level.WARN, f"{name}, the way out of {bridge.name}, has {nic.mtu} bytes: larger packets do not leave.", "mtu")  # type: ignore[union-attr]


def _bridge_of(params: Any, switches: Switches) -> Bridge | None:
    if bridge := switches.bridge(getattr(params, "bridge", "")):
        return bridge
    found = switches.port(params.name)
    return found[0] if found else None


def _uplinks(bridge: Bridge) -> Iterator[str]:
    for port in bridge.ports:
        yield from (one.name for one in port.interfaces if not one.type)


@guard(
    "network.port-there",
    title="What is changed or removed is there",
    reason="A name that somebody else took away meanwhile, or that means a whole bridge, is not touched.",
    source=VSCTL,
)
def port_there(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    if seen is None or not params.name:
        return
    found = _switches(seen).port(params.name)
    if found is None:
        yield Finding(Level.BLOCK, f"There is no {params.name} any more.", "name")


@guard(
    "network.in-use",
    title="What is removed is not in use",
    reason="Virtual machines plugged into a bridge lose their network at once, and CloudStack does not plug them in again.",
    source=OBSERVED,
)
def in_use(params: Any, facts: FactSet) -> Iterator[Finding]:
    """Taps of virtual machines, addresses, and the way of the portal itself."""
    seen = _read(params, facts)
    bridge = _switches(seen).bridge(params.name) if seen and params.name else None
    if seen is None or bridge is None:
        return
    machines = [port.name for port in bridge.ports if port.name.startswith(("vnet", "tap", "vif"))]
    if machines:
        yield Finding(
            Level.BLOCK, f"{len(machines)} interfaces of virtual machines are in {bridge.name}: {', '.join(machines[:5])}.", "name"
        )
    for port in bridge.ports:
        nic = seen.kernel.nic(port.name)
        if nic and nic.addresses:
            yield Finding(Level.WARN, f"{port.name} has the address {nic.addresses[0]}, which goes with it.", "name")


@guard(
    "network.bond-now",
    title="How the bond does now",
    reason="Who takes out of a bond what still carries takes the traffic away.",
    source=OBSERVED,
)
def bond_now(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = _read(params, facts)
    found = _switches(seen).port(params.name) if seen and params.name else None
    if found is None or not found[1].bond:
        return
    links = facts(SwitchLinks(f"host:{params.host}"))
    bond = links.bond(params.name) if links else None
    carrying = [member.name for member in bond.members if member.enabled] if bond else []
    if carrying:
        yield Finding(Level.WARN, f"{params.name} carries traffic now, over {', '.join(carrying)}.", "name")
