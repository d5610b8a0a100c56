"""The host's own address moves from one interface to another, with its routes."""

from __future__ import annotations

from collections.abc import Iterator

from networking.changes import BY_ITSELF, VSCTL, Change, Words, address, asked, has_address, routed, up
from networking.persistence.boot import Boot
from networking.seen import Seen
from networking.state import Nic, Route
from opsportal.operations.steps import Condition


def move_address(seen: Seen, source: Nic, bridge: str, target: str, *, mac: bool) -> Change:
    """`target` is the bridge's own interface or one of its fake bridges.

    `mac`: it takes the NIC's MAC address, so that neighbours, switches and DHCP servers know it at once.
    """
    names = tuple(_name_servers(seen, source.name, target))
    routes = [route for route in seen.kernel.routes if route.device == source.name and route.proto not in BY_ITSELF]
    said = ", ".join(source.addresses)
    return Change(
        key="management",
        title=f"Move {said} from {source.name} to {target}",
        why=f"The host is reached over {source.name} until then. A NIC in a bridge answers for no address of its own, so {said} goes into "
        f"{target}, with the routes{' and name servers' if names else ''} of {source.name}.",
        do=(*(_mac(bridge, target, source) if mac else ()), *_over(source.name, target, source.addresses, routes), *names),
        undo=(
            *((("resolvectl", "revert", target),) if names else ()),
            *_over(target, source.name, source.addresses, routes),
            *(_mac_back(seen, bridge, target) if mac else ()),
        ),
        proof=(*(has_address(target, one) for one in source.addresses), *(_leads(route, target) for route in routes)),
        touches=frozenset((source.name, bridge, target)),
        boot=(
            Boot(target, source.addresses, _gateways(seen, source.name)),
            Boot(source.name, plugged=source.kind not in ("physical", "veth")),
        ),
    )


def as_it_is(seen: Seen, name: str) -> Boot:
    """What a bridge or a port of Open vSwitch has now, but for what something else brings at each boot: keepalived, a lease."""
    nic, elsewhere = seen.kernel.nic(name), set(seen.boot.elsewhere) if seen.boot else set()
    held = tuple(one for one in (nic.addresses if nic else ()) if not elsewhere & {one, one.partition("/")[0]})
    return Boot(name, held, _gateways(seen, name) if held else ())


def _gateways(seen: Seen, device: str) -> tuple[tuple[str, str], ...]:
    found = [route for route in seen.kernel.routes if route.device == device and route.proto not in BY_ITSELF and route.via]
    return tuple(sorted((route.to, route.via) for route in found))


def _over(old: str, new: str, addresses: Words, routes: list[Route]) -> Iterator[Words]:
    """`flush` of one address is no error where it is gone already, as after its first of a network."""
    for one in addresses:
        bare = one.partition("/")[0]
        yield ("ip", "addr", "flush", "dev", old, "to", f"{bare}/{128 if ':' in bare else 32}")
    yield up(new)
    for one in addresses:
        yield address(new, one)
    for route in routes:
        yield routed(route, new)


def _name_servers(seen: Seen, source: str, target: str) -> Iterator[Words]:
    """What systemd-resolved knows for the interface alone. Everything else that a host asks for names knows of no interfaces."""
    for verb, found in (("dns", seen.kernel.servers), ("domain", seen.kernel.domains)):
        if values := dict(found).get(source):
            yield ("resolvectl", verb, target, *values)


def _mac(bridge: str, target: str, source: Nic) -> Iterator[Words]:
    """What `ip link` sets, Open vSwitch sets back. A bridge ignores its interface's `mac`, a fake bridge its port's `hwaddr` (observed)."""
    if bridge == target:
        yield (*VSCTL, "set", "Bridge", bridge, f'other_config:hwaddr="{source.mac}"')
    else:
        yield (*VSCTL, "set", "Interface", target, f'mac="{source.mac}"')


def _mac_back(seen: Seen, bridge: str, target: str) -> Iterator[Words]:
    """Nothing for what the change made: it goes as a whole."""
    found = seen.switches.port(target) if seen.switches else None
    if found is None:
        return
    was = dict(found[0].other_config).get("hwaddr")
    if bridge != target:
        yield (*VSCTL, "clear", "Interface", target, "mac")
    elif was:
        yield (*VSCTL, "set", "Bridge", bridge, f'other_config:hwaddr="{was}"')
    else:
        yield (*VSCTL, "remove", "Bridge", bridge, "other_config", "hwaddr")


def _leads(route: Route, target: str) -> Condition:
    family = ("-6",) if ":" in route.to else ()
    command = asked("ip", *family, "route", "show", route.to)
    return Condition(f"{'The default route' if route.to in ('0.0.0.0/0', '::/0') else route.to} leads over {target}", command, "contains",
                     f"dev {target}", 5)  # fmt: skip
