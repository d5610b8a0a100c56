"""A host's network held against a design: what differs, and the change that mends it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from networking import adjusting, changes
from networking.changes import Change
from networking.design import Design, Vlan
from networking.moving import as_it_is, move_address
from networking.seen import Seen
from networking.state import Nic, Port, Switches


@dataclass(frozen=True)
class Part:
    """One thing that the design wants. `says` is how the host differs, as the end of a sentence that begins with its name; "" where it does
    not. `change` makes it so (without commands where it is so); None where only a person can, and `says` tells why.
    """

    says: str
    change: Change | None

    @property
    def stuck(self) -> bool:
        return self.change is None


def parts(design: Design, seen: Seen) -> list[Part]:
    """In the order in which they are made."""
    if seen.switches is None:
        return [Part("has no Open vSwitch: install it first", None)]
    made = _Made(design, seen, seen.switches)
    bridges = [part for name in (design.integration, design.bridge) if name for part in made.bridge(name)]
    vlans = [part for vlan in design.vlans for part in made.vlan(vlan)]
    return [*bridges, *made.uplink(), *vlans, *made.management()]


def differences(design: Design, seen: Seen) -> list[Part]:
    return [part for part in parts(design, seen) if part.says]


def wanted(design: Design, seen: Seen) -> list[Change]:
    """All changes, also those that find all of it there: what they want after a reboot may be missing still."""
    return [part.change for part in parts(design, seen) if part.change is not None]


class _Made:
    """The parts of one design on one host."""

    def __init__(self, design: Design, seen: Seen, switches: Switches) -> None:
        self.design, self.seen, self.switches = design, seen, switches

    def bridge(self, name: str) -> Iterator[Part]:
        found = self.switches.bridge(name)
        if found is None:
            if why := self._taken(name):
                yield Part(f"has {why}, where the bridge {name} shall be", None)
            else:
                yield Part(f"has no bridge {name}", changes.add_bridge(self.seen, name))
        elif found.broken:
            yield Part(f"has {name} without a datapath: its log says why, mend it first", None)
        else:
            yield self._kept(changes.add_bridge(self.seen, name), name)
            yield from self._off(name)

    def _taken(self, name: str) -> str:
        """What has the name already."""
        if found := self.switches.port(name) or self.switches.carrier(name):
            return f"{name} in {found[0].name}"
        nic = self.seen.kernel.nic(name)
        return f"an interface {name}" if nic else ""

    def _kept(self, change: Change, name: str) -> Part:
        """It is there. After a reboot it shall have what it has now."""
        return Part("", dataclasses.replace(change, do=(), boot=(as_it_is(self.seen, name),)))

    def _off(self, name: str) -> Iterator[Part]:
        nic = self.seen.kernel.nic(name)
        if nic is not None and not nic.up:
            yield Part(f"has {name} switched off", adjusting.switch_on(self.seen, name))

    def uplink(self) -> Iterator[Part]:
        name = self.design.bond if self.design.bonded else self.design.nics[0]
        found = self.switches.port(name)
        if found is None or found[0].name != self.design.bridge or {one.name for one in found[1].interfaces} != set(self.design.nics):
            yield from self._new_uplink(name)
            return
        yield Part("", self._plug().unless(True))
        if self.design.bonded:
            yield from self._settings(found[1])
        for nic in self.design.nics:
            yield from self._off(nic)

    def _plug(self) -> Change:
        one = self.design
        if one.bonded:
            return changes.add_bond(self.seen, one.bridge, one.bond, one.nics, one.mode, one.lacp, one.fast)
        return adjusting.plug_nic(self.seen, one.bridge, one.nics[0])

    def _new_uplink(self, name: str) -> Iterator[Part]:
        stuck = [why for nic in self.design.nics if (why := self._nic(nic))]
        if self.design.bonded and not stuck and (why := self._taken(name)):
            stuck = [f"has {why}, where the bond shall be"]
        if stuck:
            yield from (Part(why, None) for why in stuck)
        else:
            what = f"bond {name} of {', '.join(self.design.nics)}" if self.design.bonded else name
            yield Part(f"has no {what} in {self.design.bridge}", self._plug())

    def _nic(self, name: str) -> str:
        """Why a NIC cannot be taken into the bridge."""
        nic, plugged = self.seen.kernel.nic(name), self.switches.carrier(name)
        if nic is None:
            return f"has no NIC {name}"
        if plugged:
            return f"has {name} in {plugged[1].name} of {plugged[0].name} already: take it out there first"
        if nic.master:
            return f"has {name} in {nic.master} of the kernel: take it out there first"
        if nic.addresses and not (self.design.management and name == self.seen.kernel.ours):
            return f"has {nic.addresses[0]} on {name}, which would stop answering: move it first, or say where the management address goes"
        return ""

    def _settings(self, port: Port) -> Iterator[Part]:
        one = self.design
        now = (port.bond_mode or "active-backup", port.lacp or "off", adjusting.is_fast(port))
        if now != (one.mode, one.lacp, one.fast):
            speed = "fast" if now[2] else "slow"
            change = adjusting.set_bond(one.bridge, port, one.mode, one.lacp, one.fast)
            yield Part(f"has {port.name} as {now[0]} with LACP {now[1]}{f', {speed}' if now[1] != 'off' else ''}", change)

    def vlan(self, vlan: Vlan) -> Iterator[Part]:
        found, bridge = self.switches.port(vlan.name), self.switches.bridge(self.design.bridge)
        other = [port.name for port in bridge.fake if port.tag == vlan.tag and port.name != vlan.name] if bridge else []
        if other:
            yield Part(f"has {other[0]} for VLAN {vlan.tag}: a bridge has one fake bridge for each VLAN", None)
        elif found is None:
            if why := self._taken(vlan.name):
                yield Part(f"has {why}, where VLAN {vlan.tag} shall be", None)
            else:
                yield Part(f"has no {vlan.name} for VLAN {vlan.tag}", changes.add_fake_bridge(vlan.name, self.design.bridge, vlan.tag))
        elif found[0].name != self.design.bridge or not found[1].fake_bridge:
            yield Part(f"has {vlan.name} as something else in {found[0].name}", None)
        else:
            yield from self._there(vlan, found[1])

    def _there(self, vlan: Vlan, port: Port) -> Iterator[Part]:
        if port.tag != vlan.tag:
            yield Part(f"has {vlan.name} in VLAN {port.tag} instead of {vlan.tag}", adjusting.set_tag(self.design.bridge, port, vlan.tag))
        yield self._kept(changes.add_fake_bridge(vlan.name, self.design.bridge, vlan.tag), vlan.name)
        yield from self._off(vlan.name)

    def management(self) -> Iterator[Part]:
        target, ours = self.design.management, self.seen.kernel.ours
        if not target or target == ours:
            return
        source = self.seen.kernel.nic(ours)
        if source is None:
            yield Part("does not say over which interface the portal comes in, so its address cannot be moved", None)
        elif why := self._held(source):
            yield Part(why, None)
        else:
            mac = source.name in self.design.nics
            yield Part(
                f"has its management address {source.addresses[0]} on {ours}",
                move_address(self.seen, source, self.design.bridge, target, mac=mac),
            )

    def _held(self, source: Nic) -> str:
        """What of the kernel's own has the address: it would have to be taken apart, too."""
        plugged = self.switches.port(source.name) or self.switches.carrier(source.name)
        if plugged or source.kind in ("physical", "veth"):
            return ""
        return f"has its management address on {source.name}, a {source.kind} of the kernel: only what is on a NIC is moved"
