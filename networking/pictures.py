"""The picture of a host's switches: NICs, bonds, bridges, and what hangs on them, laid out in columns. Plain geometry, no markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from networking.seen import Seen
from networking.state import Bond, Bridge, Interface, Lacp, Link, Nic, Port

ROW, HEIGHT, GAP = 74, 62, 26
"""Distance of two boxes, their height, and what is left between two bridges, in CSS pixels."""
NIC_X, BOND_X, BRIDGE_X, PORT_X = 12, 246, 480, 720
WIDTHS = {NIC_X: 178, BOND_X: 178, BRIDGE_X: 184, PORT_X: 268}
LETTER = 7
"""Width of one in the lines below a name."""
WIDTH = PORT_X + WIDTHS[PORT_X] + 12
TOP = 34
VIRTUAL = ("vnet", "tap", "vif", "veth")
"""Beginnings of the names of interfaces that belong to virtual machines: a host has hundreds, drawn as one box."""


@dataclass(frozen=True)
class Box:
    """`tone` is "ok", "off" (switched off, nothing wrong), "warn" or "bad"; `word` says the same in a word."""

    x: int
    y: int
    name: str
    kind: str
    lines: tuple[str, ...]
    tone: str
    word: str
    ours: bool = False
    height: int = HEIGHT

    @property
    def width(self) -> int:
        return WIDTHS[self.x]

    @property
    def left(self) -> tuple[int, int]:
        return self.x, self.y + self.height // 2

    @property
    def right(self) -> tuple[int, int]:
        return self.x + self.width, self.y + self.height // 2

    @property
    def said(self) -> list[tuple[int, str]]:
        """At most two lines below the name, with their y; what is not simply up comes first."""
        lines = [*(() if self.word == "up" else (self.word,)), *self.lines]
        shown = [line if len(line) * LETTER < self.width - 16 else line[: (self.width - 24) // LETTER] + "…" for line in lines]
        return list(zip((36, 52), shown, strict=False))

    @property
    def title(self) -> str:
        return ", ".join(part for part in (f"{self.kind} {self.name}", self.word, *self.lines) if part)


@dataclass(frozen=True)
class Wire:
    """From the right edge of one box to the left edge of another, as an SVG path."""

    path: str
    tone: str


@dataclass
class Picture:
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    height: int = TOP
    width: int = WIDTH
    columns: tuple[tuple[int, str], ...] = ((NIC_X, "NICs"), (BOND_X, "Bonds"), (BRIDGE_X, "Bridges"), (PORT_X, "VLANs, tunnels, ports"))

    def wire(self, start: Box, end: Box) -> None:
        (x1, y1), (x2, y2) = start.right, end.left
        y1 = y2 if start.y <= y2 <= start.y + start.height else y1  # a bridge is as tall as what hangs on it
        y2 = y1 if end.y <= y1 <= end.y + end.height else y2
        middle = (x1 + x2) // 2
        worst = max(start.tone, end.tone, key=["ok", "off", "warn", "bad"].index)
        self.wires.append(Wire(f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}", worst))


def draw(seen: Seen) -> Picture:
    """Bridges one below the other, those with bonds first, then those with NICs; then the NICs that are in none."""
    picture = Picture()
    for bridge in sorted(seen.switches.bridges, key=_way_out) if seen.switches else ():
        _Bridge(picture, seen, bridge).draw()
    plugged = {one.name for bridge in (seen.switches.bridges if seen.switches else ()) for port in bridge.ports for one in port.interfaces}
    free = [nic for nic in seen.kernel.nics if nic.kind in ("physical", "veth", "bond", "bridge", "vlan") and nic.name not in plugged]
    for nic in (one for one in free if not one.name.startswith(VIRTUAL)):
        picture.boxes.append(_kernel_box(seen, nic, picture.height))
        picture.height += ROW
    picture.height = max(picture.height, TOP + ROW)
    return picture


def _way_out(bridge: Bridge) -> tuple[bool, bool, str]:
    return not any(port.bond for port in bridge.ports), not any(_uplink(port) for port in bridge.ports), bridge.name


def _uplink(port: Port) -> bool:
    (one,) = port.interfaces if len(port.interfaces) == 1 else (None,)
    return one is not None and not one.type and not one.name.startswith(VIRTUAL)


class _Bridge:
    """One bridge with all that hangs on it, drawn below what the picture has already."""

    def __init__(self, picture: Picture, seen: Seen, bridge: Bridge) -> None:
        self.picture, self.seen, self.bridge, self.top = picture, seen, bridge, picture.height

    def draw(self) -> None:
        uplinks = [port for port in self.bridge.ports if port.bond or _uplink(port)]
        others = [port for port in self.bridge.ports if port not in uplinks and port.name != self.bridge.name]
        machines = [port for port in others if port.name.startswith(VIRTUAL)]
        shown = [port for port in others if port not in machines]
        left = sum(len(port.interfaces) for port in uplinks)
        rows = max(left, len(shown) + bool(machines), 1)
        box = self._bridge(rows)
        self._uplinks(uplinks, box)
        for number, port in enumerate(shown):
            self._add(self._port(port, self.top + number * ROW), box)
        if machines:
            self._add(self._machines(machines, self.top + len(shown) * ROW), box)
        self.picture.height = self.top + rows * ROW + GAP

    def _add(self, box: Box, bridge: Box) -> None:
        self.picture.boxes.append(box)
        self.picture.wire(bridge, box)

    def _bridge(self, rows: int) -> Box:
        nic = self.seen.kernel.nic(self.bridge.name)
        words = ["user space" if self.bridge.datapath == "netdev" else "", self.bridge.fail_mode]
        lines = [*_addresses(nic), ", ".join(word for word in words if word)]
        tone, word = ("bad", "has no datapath") if self.bridge.broken else ("ok", "up")
        height = max(HEIGHT, (rows - 1) * ROW + HEIGHT)
        box = Box(
            BRIDGE_X, self.top, self.bridge.name, "bridge", tuple(line for line in lines if line), tone, word,
            self._carries_us(self.bridge.name), height,
        )  # fmt: skip
        self.picture.boxes.append(box)
        return box

    def _uplinks(self, ports: list[Port], bridge: Box) -> None:
        row = self.top
        for port in ports:
            nics = [self._nic(one, row + number * ROW) for number, one in enumerate(port.interfaces)]
            self.picture.boxes.extend(nics)
            end = bridge
            if port.bond:
                end = self._bond(port, row + (len(nics) - 1) * ROW // 2)
                self._add_left(end, bridge)
            for nic in nics:
                self.picture.wire(nic, end)
            row += len(nics) * ROW

    def _add_left(self, box: Box, bridge: Box) -> None:
        self.picture.boxes.append(box)
        self.picture.wire(box, bridge)

    def _bond(self, port: Port, y: int) -> Box:
        bond = self.seen.links.bond(port.name) if self.seen.links else None
        mode = bond.mode if bond else port.bond_mode or "active-backup"
        lacp = "" if bond is None else ", no LACP" if bond.lacp is Lacp.OFF else ", LACP"
        lines = (*(("LACP, nobody answers",) if bond and bond.lacp is Lacp.CONFIGURED else ()), f"{mode}{lacp}")
        return Box(BOND_X, y, port.name, "bond", lines, *_bond_state(bond), self._carries_us(port.name))

    def _nic(self, one: Interface, y: int) -> Box:
        nic, link = self.seen.kernel.nic(one.name), self.seen.links.link(one.name) if self.seen.links else None
        return Box(NIC_X, y, one.name, "NIC", _nic_lines(nic, link), *_state(one, link), self._carries_us(one.name))

    def _port(self, port: Port, y: int) -> Box:
        one = port.interfaces[0] if port.interfaces else None
        link = self.seen.links.link(port.name) if self.seen.links else None
        kind, lines = self._described(port, one, link)
        state = _state(one, link) if one else ("bad", "has no interface")
        return Box(PORT_X, y, port.name, kind, tuple(line for line in lines if line), *state, self._carries_us(port.name))

    def _described(self, port: Port, one: Interface | None, link: Link | None) -> tuple[str, list[str]]:
        nic = self.seen.kernel.nic(port.name)
        vlan = f"VLAN {port.tag}" if port.tag is not None else ""
        if one is not None and one.tunnel:
            key = f"key {one.option('key')}" if one.option("key") else "no key"
            out = dict(link.status).get("tunnel_egress_iface", "") if link else ""
            to = ", ".join(part for part in (f"to {one.option('remote_ip') or 'nowhere'}", key, vlan) if part)
            return one.type.upper() if one.type != "geneve" else "Geneve", [to, f"leaves over {out}" if out else ""]
        mtu = f"MTU {link.mtu}" if link and link.mtu else ""
        if one is not None and one.type == "patch":
            return "patch", [f"to {one.option('peer')}", vlan]
        kind = "fake bridge" if port.fake_bridge else "internal port" if one is not None and one.type == "internal" else "port"
        return kind, [", ".join(part for part in (vlan, mtu) if part), *_addresses(nic)]

    def _machines(self, ports: list[Port], y: int) -> Box:
        tags = sorted({port.tag for port in ports if port.tag is not None})
        said = f"VLANs {', '.join(map(str, tags[:6]))}{' ...' if len(tags) > 6 else ''}" if tags else ""
        count = f"{len(ports)} interface{'s' if len(ports) != 1 else ''}"
        return Box(PORT_X, y, count, "virtual machines", tuple(line for line in (said,) if line), "ok", "plugged")

    def _carries_us(self, name: str) -> bool:
        return name in ours(self.seen)


def ours(seen: Seen) -> set[str]:
    """Names of everything that the portal's own connection runs over: the interface, and the bridge, bond and NICs behind it."""
    carrier = seen.kernel.ours
    if not carrier:
        return set()
    names = {carrier}
    if not seen.switches or not (found := seen.switches.port(carrier) or seen.switches.carrier(carrier)):
        return names
    bridge, _ = found
    uplinks = [port for port in bridge.ports if port.bond or any(not one.type for one in port.interfaces)]
    behind = [port for port in uplinks if not port.name.startswith(VIRTUAL)]
    return names | {bridge.name} | {port.name for port in behind} | {one.name for port in behind for one in port.interfaces}


def _addresses(nic: Nic | None) -> Iterator[str]:
    if nic and nic.addresses:
        more = f" +{len(nic.addresses) - 1}" if len(nic.addresses) > 1 else ""
        yield nic.addresses[0] + more


def _nic_lines(nic: Nic | None, link: Link | None) -> tuple[str, ...]:
    speed = link.speed if link else None
    rate = "" if not speed else f"{speed // 1000} Gbit/s" if speed % 1000 == 0 else f"{speed} Mbit/s"
    mtu = nic.mtu if nic else link.mtu if link else None
    words = ", ".join(part for part in (rate, f"MTU {mtu}" if mtu else "") if part)
    return tuple(line for line in (words, *_addresses(nic)) if line)


def _state(one: Interface, link: Link | None) -> tuple[str, str]:
    if not one.works:
        return "bad", one.error or "not in work"
    if link is None:
        return "warn", "state unknown"
    if not link.admin_up:
        return "off", "switched off"
    return ("ok", "up") if link.link_up else ("bad", "no carrier")


def _bond_state(bond: Bond | None) -> tuple[str, str]:
    if bond is None:
        return "warn", "state unknown"
    on = sum(member.enabled for member in bond.members)
    if not on:
        return "bad", "carries nothing"
    return ("ok", f"{on} of {len(bond.members)} carry") if bond.healthy else ("warn", f"{on} of {len(bond.members)} carry")


def _kernel_box(seen: Seen, nic: Nic, y: int) -> Box:
    tone, word = ("ok", "up") if nic.carrier else ("bad", "no carrier") if nic.up else ("off", "switched off")
    kind = "NIC" if nic.kind in ("physical", "veth") else f"kernel {nic.kind}"
    return Box(NIC_X, y, nic.name, kind, _nic_lines(nic, None), tone, word, nic.name in ours(seen))
