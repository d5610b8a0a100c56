"""What is wrong with a host's network as it was read: pure rules, each with where the knowledge comes from."""

from __future__ import annotations

from collections.abc import Iterator

from networking.persistence.findings import findings as _boot
from networking.pictures import ours
from networking.seen import Seen
from networking.state import Bond, Bridge, Lacp
from opsportal.operations.guards import Finding, Level


def findings(seen: Seen) -> list[Finding]:
    """The worst first."""
    found = [
        *_interfaces(seen),
        *_bonds(seen),
        *_bridges(seen),
        *_tunnels(seen),
        *_managers(seen),
        *_boot(seen),
        *_way_in(seen),
    ]
    return sorted(found, key=lambda one: list(Level).index(one.level))


def _interfaces(seen: Seen) -> Iterator[Finding]:
    """ovs-vsctl exits with 0 up to Open vSwitch 3.5 when vswitchd could not do it: `error` and `ofport` tell (its NEWS, 3.6)."""
    for bridge in seen.switches.bridges if seen.switches else ():
        for port in bridge.ports:
            for one in port.interfaces:
                if one.error or one.ofport == -1:
                    said = f": {one.error}" if one.error else ""
                    yield Finding(
                        Level.BLOCK,
                        f"{one.name} on {bridge.name} is configured and not in work{said}. It comes back at each restart until it is "
                        "mended or deleted.",
                    )


def _bonds(seen: Seen) -> Iterator[Finding]:
    for bond in seen.links.bonds if seen.links else ():
        if sentence := _bond(bond):
            yield Finding(Level.WARN if any(one.enabled for one in bond.members) else Level.BLOCK, sentence)


def _bond(bond: Bond) -> str:
    out = [member.name for member in bond.members if not member.enabled]
    if bond.lacp is Lacp.CONFIGURED:
        return f"{bond.name} asks for LACP and nobody answers, so it carries nothing. Set LACP on the switch's ports, or take it off here."
    if out and len(out) == len(bond.members):
        return f"{bond.name} carries nothing: {', '.join(out)} are all disabled. Look at cables, link states and the switch."
    return f"{bond.name} lost {', '.join(out)}: one more failure and it is cut off." if out else ""


def _bridges(seen: Seen) -> Iterator[Finding]:
    for bridge in seen.switches.bridges if seen.switches else ():
        if bridge.broken:
            yield Finding(
                Level.BLOCK, f"{bridge.name} has no datapath: the log of ovs-vswitchd says why. Delete it or mend its type or name."
            )
        if bridge.fail_mode == "secure" and not bridge.controllers:
            yield Finding(Level.WARN, f"{bridge.name} has fail_mode secure and no controller: it drops what no flow lets through.")
        yield from _loops(bridge)


def _loops(bridge: Bridge) -> Iterator[Finding]:
    """Observed: two tunnels between the same two switches, in one bridge without spanning tree, make a storm."""
    ends: dict[str, list[str]] = {}
    for port in bridge.ports:
        for one in port.interfaces:
            if one.tunnel and one.option("remote_ip"):
                ends.setdefault(one.option("remote_ip"), []).append(one.name)
    for remote, names in ends.items():
        if len(names) > 1 and not (bridge.rstp or bridge.stp):
            yield Finding(
                Level.WARN,
                f"{' and '.join(names)} on {bridge.name} lead to the same end {remote}, and no spanning tree runs: if they meet in one "
                "bridge there too, every broadcast goes round for ever.",
            )


def _tunnels(seen: Seen) -> Iterator[Finding]:
    """A tunnel's own link state is always up; its way out is what its status names."""
    for bridge in seen.switches.bridges if seen.switches else ():
        for port in bridge.ports:
            link = seen.links.link(port.name) if seen.links else None
            if link is None or not any(one.tunnel and one.works for one in port.interfaces):
                continue
            if dict(link.status).get("tunnel_egress_iface_carrier") == "down":
                yield Finding(Level.WARN, f"The way out of {port.name}, {dict(link.status)['tunnel_egress_iface']}, has no carrier.")
            elif "tunnel_egress_iface" not in dict(link.status):
                remote = port.interfaces[0].option("remote_ip")
                yield Finding(Level.WARN, f"{port.name} has no way out: {remote or 'its end'} is not routed from here.")


def _managers(seen: Seen) -> Iterator[Finding]:
    links = seen.links
    for connection in [*links.managers, *links.controllers] if links else []:
        if not connection.connected:
            why = f" ({connection.last_error})" if connection.last_error else ""
            yield Finding(Level.WARN, f"{connection.target} is not connected{why}. Its state is {connection.state or 'not told'}.")


def _way_in(seen: Seen) -> Iterator[Finding]:
    """What a change must not cut: shown before anybody plans one."""
    names = ours(seen) - {seen.kernel.ours}
    if seen.kernel.ours and names:
        yield Finding(
            Level.NOTE,
            f"The portal's own connection comes in over {seen.kernel.ours}, which hangs on {', '.join(sorted(names))}.",
        )
