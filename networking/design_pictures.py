"""What a host will look like that has a design: the same picture as of a real one."""

from __future__ import annotations

from collections.abc import Iterator

from networking import pictures
from networking.design import Design
from networking.pictures import Picture
from networking.seen import Seen
from networking.state import LOCAL_PORT, Bond, BondMember, Bridge, Counters, Interface, Kernel, Lacp, Link, Links, Nic, Port, Switches


def draw(design: Design) -> Picture:
    names = [design.integration, design.bridge, *design.nics, *(vlan.name for vlan in design.vlans)]
    nics = tuple(Nic(name, "physical", "", 1500, True, True, "", ("management",) if name == design.management else ()) for name in names)
    bridges = tuple(_bridge(name, ()) for name in (design.integration,) if name)
    switches = Switches("", "", (_bridge(design.bridge, tuple(_ports(design))), *bridges), (), None, ())
    links = tuple(Link(name, True, True, None, None, "", None, (), Counters()) for name in names)
    return pictures.draw(Seen(switches, Links(links, _bonds(design), (), ()), Kernel(nics, (), "", "")))


def _bonds(design: Design) -> tuple[Bond, ...]:
    members = tuple(BondMember(name, True, True) for name in design.nics)
    lacp = Lacp.OFF if design.lacp == "off" else Lacp.NEGOTIATED
    return (Bond(design.bond, design.mode, lacp, members),) if design.bonded else ()


def _ports(design: Design) -> Iterator[Port]:
    yield _port(design.bond if design.bonded else design.nics[0], design.nics, "")
    for vlan in design.vlans:
        yield _port(vlan.name, (vlan.name,), "internal", vlan.tag)


def _bridge(name: str, ports: tuple[Port, ...]) -> Bridge:
    return Bridge(name, "system", "", (_port(name, (name,), "internal"), *ports), (), False, False, (), ())


def _port(name: str, interfaces: tuple[str, ...], kind: str, tag: int | None = None) -> Port:
    found = tuple(Interface(one, kind, LOCAL_PORT, "", None, (), ()) for one in interfaces)
    return Port(name, found, tag, (), "", "", "", tag is not None, (), ())
