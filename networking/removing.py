"""Taking ports and bridges away, with what makes them again exactly as they were read."""

from __future__ import annotations

from collections.abc import Iterator

from networking.changes import BY_ITSELF, VSCTL, Change, Words, address, gone, key, routed, up
from networking.persistence.boot import Boot
from networking.seen import Seen
from networking.state import Bridge, Interface, Port


def remove_port(seen: Seen, bridge: Bridge, port: Port) -> Change:
    command = "del-br" if port.fake_bridge else "del-port"
    words = (port.name,) if port.fake_bridge else (bridge.name, port.name)
    return Change(
        key=f"remove-{key(port.name)}",
        title=f"Take {port.name} out of {bridge.name}",
        why=f"It is not wanted any more. What goes over {port.name} stops.",
        do=((*VSCTL, command, *words),),
        undo=tuple(port_again(seen, bridge, port)),
        proof=(gone(port.name),),
        touches=frozenset((port.name, bridge.name, *(one.name for one in port.interfaces))),
        boot=_forgotten(port),
    )


def remove_bridge(seen: Seen, bridge: Bridge) -> Change:
    return Change(
        key=f"remove-{key(bridge.name)}",
        title=f"Take the bridge {bridge.name} away, with its {len(bridge.ports) - 1} ports",
        why="It is not wanted any more. Its ports and fake bridges go with it, and the addresses on them.",
        do=((*VSCTL, "del-br", bridge.name),),
        undo=tuple(bridge_again(seen, bridge)),
        proof=(gone(bridge.name),),
        touches=frozenset(
            (bridge.name, *(port.name for port in bridge.ports), *(i.name for port in bridge.ports for i in port.interfaces))
        ),
        boot=tuple(one for port in bridge.ports for one in _forgotten(port)),
    )


def _forgotten(port: Port) -> tuple[Boot, ...]:
    return tuple(Boot(one.name, plugged=bool(one.type), stays=False) for one in port.interfaces)


def bridge_again(seen: Seen, bridge: Bridge) -> Iterator[Words]:
    settings = [*([f"datapath_type={bridge.datapath}"] if bridge.datapath != "system" else []), *_maps(bridge.other_config, "other_config")]
    settings += [*_maps(bridge.external_ids, "external_ids"), *([f"fail_mode={bridge.fail_mode}"] if bridge.fail_mode else [])]
    settings += [*(["rstp_enable=true"] if bridge.rstp else []), *(["stp_enable=true"] if bridge.stp else [])]
    yield (*VSCTL, "--may-exist", "add-br", bridge.name, *(("--", "set", "Bridge", bridge.name, *settings) if settings else ()))
    if bridge.controllers:
        yield (*VSCTL, "set-controller", bridge.name, *bridge.controllers)
    yield from _kernel_again(seen, bridge.name)
    for port in bridge.ports:
        if port.name != bridge.name:
            yield from port_again(seen, bridge, port)


def port_again(seen: Seen, bridge: Bridge, port: Port) -> Iterator[Words]:
    if port.fake_bridge:
        yield (*VSCTL, "--may-exist", "add-br", port.name, bridge.name, str(port.tag or 0))
    elif port.bond:
        names = [one.name for one in port.interfaces]
        yield (*VSCTL, "--may-exist", "add-bond", bridge.name, port.name, *names, *_port_settings(port), *_interfaces(port))
    else:
        yield (*VSCTL, "--may-exist", "add-port", bridge.name, port.name, *_port_settings(port), *_interfaces(port))
    yield from _kernel_again(seen, port.name)


def _port_settings(port: Port) -> Iterator[str]:
    yield from (f"{name}={value}" for name, value in (("bond_mode", port.bond_mode), ("lacp", port.lacp)) if value)
    if port.tag is not None:
        yield f"tag={port.tag}"
    if port.trunks:
        yield f"trunks={','.join(map(str, port.trunks))}"
    if port.vlan_mode:
        yield f"vlan_mode={port.vlan_mode}"
    yield from _maps(port.other_config, "other_config")
    yield from _maps(port.external_ids, "external_ids")


def _interfaces(port: Port) -> Iterator[str]:
    for one in port.interfaces:
        settings = list(_interface_settings(one))
        if settings:
            yield from ("--", "set", "Interface", one.name, *settings)


def _interface_settings(one: Interface) -> Iterator[str]:
    if one.type:
        yield f"type={one.type}"
    yield from _maps(one.options, "options")
    yield from _maps(one.external_ids, "external_ids")
    if one.mtu_request is not None:
        yield f"mtu_request={one.mtu_request}"


def _maps(pairs: tuple[tuple[str, str], ...], column: str) -> Iterator[str]:
    """A value with other letters than these has to be in quotes of Open vSwitch's own (ovs-vsctl's manual, Database Values)."""
    for name, value in pairs:
        yield f"{column}:{quoted(name)}={quoted(value)}"


def quoted(value: str) -> str:
    plain = value and all(letter.isascii() and (letter.isalnum() or letter in "_-.") for letter in value)
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kernel_again(seen: Seen, name: str) -> Iterator[Words]:
    nic = seen.kernel.nic(name)
    if nic is None:
        return
    if nic.up:
        yield up(name)
    for one in nic.addresses:
        yield address(name, one)
    for route in seen.kernel.routes:
        if route.device == name and route.proto not in BY_ITSELF:
            yield routed(route, name)
