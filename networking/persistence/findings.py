"""What a reboot would lose of a network as it is, and where people's own files say something else than a change wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from networking.persistence import ways
from networking.persistence.boot import Boot, BootFiles, Configured
from networking.persistence.keeping import newest
from networking.seen import Seen
from networking.state import Nic
from opsportal.operations.guards import Finding, Level

GUESTS = ("vnet", "tap", "vif", "lxc", "cali")
"""Names of interfaces that something else makes for its machines, and makes again."""

SELF_GIVEN = ("169.254.", "fe80:")
"""CloudStack's agent gives cloud0 such an address each time it starts."""


@dataclass(frozen=True)
class Lost:
    """An interface, and what of it a reboot loses: addresses, or that a NIC of a switch is switched on."""

    nic: Nic
    addresses: tuple[str, ...]


def lost(seen: Seen) -> list[Lost]:
    """Nothing where it is not known what a boot brings."""
    if seen.boot is None:
        return []
    found = [Lost(nic, _unknown(seen.boot, nic)) for nic in seen.kernel.nics if _ours_to_judge(seen, nic)]
    return [one for one in found if one.addresses or _left_off(seen, one.nic)]


def _ours_to_judge(seen: Seen, nic: Nic) -> bool:
    switched = seen.switches is not None and bool(seen.switches.port(nic.name) or seen.switches.carrier(nic.name))
    return (switched or nic.kind in ("physical", "veth", "bond", "vlan")) and not nic.master and not nic.name.startswith(GUESTS)


def _unknown(boot: BootFiles, nic: Nic) -> tuple[str, ...]:
    return tuple(one for one in nic.addresses if not one.startswith(SELF_GIVEN) and not _brought(boot, nic.name, one))


def _brought(boot: BootFiles, name: str, cidr: str) -> bool:
    address = cidr.partition("/")[0]
    known = {one.partition("/")[0] for one in boot.elsewhere}
    for one in boot.about(name):
        known |= {held.partition("/")[0] for held in one.addresses}
        if one.dynamic:
            return True
    return address in known or re.search(rf"(?<![\w.:]){re.escape(address)}(?![\w.:])", _own(boot, name)) is not None


def _own(boot: BootFiles, name: str) -> str:
    """The text of our files about an interface, without what a unit would run that is not started at boot."""
    used = [way for way in ways.WAYS if way is not ways.OWN or boot.enabled]
    return "".join(file.text for way in used if (file := boot.file(way.path(name))))


def _left_off(seen: Seen, nic: Nic) -> bool:
    """A NIC in a switch that nothing switches on at boot."""
    found = seen.switches.carrier(nic.name) if seen.switches else None
    plugged = found is not None and any(one.name == nic.name and not one.type for one in found[1].interfaces)
    return plugged and nic.up and seen.boot is not None and not seen.boot.about(nic.name) and not _own(seen.boot, nic.name)


def findings(seen: Seen) -> Iterator[Finding]:
    off = []
    for one in lost(seen):
        if moved := list(_elsewhere(seen, one)):
            yield Finding(Level.BLOCK, _moves_back(one, moved[0]))
        elif one.addresses:
            said = f"{', '.join(one.addresses)} of {one.nic.name} {'are' if one.addresses[1:] else 'is'} in no boot configuration"
            yield Finding(Level.WARN, f"{said}: a reboot loses {'them' if one.addresses[1:] else 'it'}. “Keep over a reboot” writes that.")
        else:
            off.append(one.nic.name)
    if off:
        said = f"Nothing switches {', '.join(off)} on at boot: after a reboot no traffic passes there."
        yield Finding(Level.WARN, f"{said} “Keep over a reboot” writes that.")


def _elsewhere(seen: Seen, one: Lost) -> Iterator[Configured]:
    wanted = {address.partition("/")[0] for address in one.addresses}
    for found in seen.boot.configured if seen.boot else ():
        if not found.about(one.nic.name) and wanted & {held.partition("/")[0] for held in found.addresses}:
            yield found


def _moves_back(one: Lost, found: Configured) -> str:
    return (
        f"A reboot gives {', '.join(one.addresses)} to {found.interface} again, by {found.path}, and not to {one.nic.name}. Take the lines "
        "out of that file before the next reboot, or the host may not be reached after it."
    )


def conflicts(wanted: Iterable[Boot], seen: Seen) -> Iterator[Finding]:
    """About what a change wants after a reboot, before it is made."""
    if seen.boot is None:
        return
    boots = [one for one in newest(wanted) if one.interface]
    for one in boots:
        persons = seen.boot.persons(one.interface)
        for found in persons[:1]:
            yield _conflict(one, found)
        if one.stays and not persons and ways.way(seen.boot, one)[0] is None:
            yield Finding(Level.WARN, f"Nothing on this host can keep {one.interface} over a reboot. {ways.way(seen.boot, one)[1]}".strip())
        yield from _given_twice(one, boots, seen.boot)


def _conflict(one: Boot, found: Configured) -> Finding:
    name, held = one.interface, {address.partition("/")[0] for address in found.addresses}
    if not one.stays:
        return Finding(
            Level.WARN, f"{found.path} speaks of {name}, which goes away. The portal changes no lines of other people: take them out."
        )
    if not found.dynamic and held == {address.partition("/")[0] for address in one.addresses}:
        return Finding(Level.NOTE, f"{found.path} brings {name} up at boot already, so the portal writes nothing about it.")
    after = "asks for an address by DHCP" if found.dynamic else f"has {', '.join(found.addresses) or 'no address'}"
    return Finding(
        Level.WARN,
        f"After a reboot {name} {after}, as {found.path} says. The portal changes no lines of other people: bring them in line with this "
        "change yourself.",
    )


def _given_twice(one: Boot, boots: list[Boot], boot: BootFiles) -> Iterator[Finding]:
    """An address that moves here is still another interface's in a person's file; where that is part of the change it is said already."""
    wanted, others = {address.partition("/")[0] for address in one.addresses}, {other.interface for other in boots}
    for found in boot.configured if one.stays else ():
        twice = wanted & {address.partition("/")[0] for address in found.addresses}
        if twice and not found.about(one.interface) and found.interface not in others:
            yield Finding(
                Level.WARN, f"{found.path} gives {', '.join(sorted(twice))} to {found.interface} at boot, and not to {one.interface}."
            )
