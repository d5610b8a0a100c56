"""Changes of what is there already: another mode, another tag, switched on again; and one NIC as a bridge's way out."""

from __future__ import annotations

from networking.changes import VSCTL, Change, Words, bond_carries, down, interfaces_work, key, tagged, up
from networking.persistence.boot import Boot
from networking.seen import Seen
from networking.state import Port


def plug_nic(seen: Seen, bridge: str, nic: str) -> Change:
    found = seen.kernel.nic(nic)
    return Change(
        key=f"plug-{key(nic)}",
        title=f"Plug {nic} into {bridge}",
        why=f"The bridge's way out. With one NIC alone, {bridge} is cut off when it fails.",
        do=((*VSCTL, "add-port", bridge, nic), up(nic)),
        undo=((*VSCTL, "--if-exists", "del-port", bridge, nic), *((down(nic),) if found and not found.up else ())),
        proof=(interfaces_work((nic,)),),
        touches=frozenset((nic, bridge)),
        boot=(Boot(nic, plugged=False),),
    )


def set_bond(bridge: str, port: Port, mode: str, lacp: str, fast: bool) -> Change:
    """Live: Open vSwitch takes it over without taking the bond apart, but LACP is agreed upon anew."""
    record = (*VSCTL, "set", "Port", port.name)
    return Change(
        key=f"bond-{key(port.name)}",
        title=f"Set the bond {port.name} to {mode}, LACP {lacp}",
        why="So that the bond spreads and fails over as its switch expects it. While LACP is agreed upon, nothing passes for a moment.",
        do=((*record, f"bond_mode={mode}", f"lacp={lacp}"), _time(port.name, fast)),
        undo=(
            (*record, f"bond_mode={port.bond_mode}") if port.bond_mode else (*VSCTL, "clear", "Port", port.name, "bond_mode"),
            (*record, f"lacp={port.lacp}") if port.lacp else (*VSCTL, "clear", "Port", port.name, "lacp"),
            _time(port.name, is_fast(port)),
        ),
        proof=(bond_carries(port.name, negotiated=lacp != "off"),),
        touches=frozenset((bridge, port.name, *(one.name for one in port.interfaces))),
    )


def is_fast(port: Port) -> bool:
    return dict(port.other_config).get("lacp-time") == "fast"


def _time(name: str, fast: bool) -> Words:
    if fast:
        return (*VSCTL, "set", "Port", name, "other_config:lacp-time=fast")
    return (*VSCTL, "remove", "Port", name, "other_config", "lacp-time")


def set_tag(bridge: str, port: Port, tag: int) -> Change:
    return Change(
        key=f"vlan-{key(port.name)}",
        title=f"Move {port.name} from VLAN {port.tag} to VLAN {tag}",
        why=f"What is plugged into {port.name} is then in VLAN {tag} of {bridge}, at once.",
        do=((*VSCTL, "set", "Port", port.name, f"tag={tag}"),),
        undo=((*VSCTL, "set", "Port", port.name, f"tag={port.tag}"),),
        proof=(tagged(port.name, tag),),
        touches=frozenset((port.name,)),
    )


def switch_on(seen: Seen, name: str) -> Change:
    return Change(
        key=f"on-{key(name)}",
        title=f"Switch {name} on",
        why="It is there and switched off: Open vSwitch makes it at each start, and leaves switching on to others.",
        do=(up(name),),
        undo=(down(name),),
        proof=(interfaces_work((name,)),),
        touches=frozenset((name,)),
        boot=(Boot(name, plugged=bool(seen.switches and seen.switches.port(name))),),
    )
