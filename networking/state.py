"""What a host's network looks like, as values. Names are those of the kernel and of Open vSwitch's database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Pairs = tuple[tuple[str, str], ...]
"""A map, sorted by its keys: equal maps are equal values."""

TUNNELS = ("vxlan", "gre", "geneve", "erspan", "ip6gre", "ip6erspan", "stt", "lisp", "gtpu", "bareudp", "gre64", "ipsec_gre")
LOCAL_PORT = 65534
"""The OpenFlow number of a bridge's own interface."""


@dataclass(frozen=True)
class Interface:
    """A row of Interface. `ofport` is None before ovs-vswitchd looked at it and -1 when it failed; `error` says why.

    `type` is "" for a NIC or a tap, "internal", "patch" or a tunnel's.
    """

    name: str
    type: str
    ofport: int | None
    error: str
    mtu_request: int | None
    options: Pairs
    external_ids: Pairs

    @property
    def works(self) -> bool:
        return not self.error and self.ofport is not None and self.ofport > 0

    @property
    def tunnel(self) -> bool:
        return self.type in TUNNELS

    def option(self, name: str) -> str:
        return dict(self.options).get(name, "")


@dataclass(frozen=True)
class Port:
    """A row of Port: one interface, or a bond of several. `tag` is None without one; `trunks` empty means all VLANs.

    `fake_bridge` marks what `ovs-vsctl add-br NAME PARENT VLAN` made.
    """

    name: str
    interfaces: tuple[Interface, ...]
    tag: int | None
    trunks: tuple[int, ...]
    vlan_mode: str
    bond_mode: str
    lacp: str
    fake_bridge: bool
    other_config: Pairs
    external_ids: Pairs

    @property
    def bond(self) -> bool:
        return len(self.interfaces) > 1


@dataclass(frozen=True)
class Bridge:
    """`datapath` is "system" (the kernel's, also for "") or "netdev" (user space). `broken`: the bridge has no datapath."""

    name: str
    datapath: str
    fail_mode: str
    ports: tuple[Port, ...]
    controllers: tuple[str, ...]
    rstp: bool
    stp: bool
    other_config: Pairs
    external_ids: Pairs

    @property
    def fake(self) -> tuple[Port, ...]:
        return tuple(port for port in self.ports if port.fake_bridge)

    @property
    def local(self) -> Interface | None:
        """Its own interface."""
        return next((one for port in self.ports for one in port.interfaces if port.name == self.name), None)

    @property
    def broken(self) -> bool:
        return self.local is None or self.local.ofport != LOCAL_PORT


@dataclass(frozen=True)
class Ssl:
    """One for the whole host: ovsdb-server, ovs-vswitchd and ovn-controller share it."""

    private_key: str
    certificate: str
    ca_cert: str
    bootstrap: bool


@dataclass(frozen=True)
class Switches:
    """The configuration in Open vSwitch's database. None of it moves by itself."""

    version: str
    schema: str
    bridges: tuple[Bridge, ...]
    managers: tuple[str, ...]
    ssl: Ssl | None
    external_ids: Pairs
    datapaths: tuple[str, ...] = ()
    """Kinds of datapath that ovs-vswitchd offers; empty where it does not say (before 2.4)."""

    @property
    def datapath(self) -> str:
        """What a new bridge has to be told: "" for the kernel's, which is the default, or "netdev" where there is no other."""
        return "netdev" if "netdev" in self.datapaths and "system" not in self.datapaths else ""

    def bridge(self, name: str) -> Bridge | None:
        return next((bridge for bridge in self.bridges if bridge.name == name), None)

    def port(self, name: str) -> tuple[Bridge, Port] | None:
        return next(((bridge, port) for bridge in self.bridges for port in bridge.ports if port.name == name), None)

    def carrier(self, interface: str) -> tuple[Bridge, Port] | None:
        """Where an interface is plugged."""
        return next(
            ((bridge, port) for bridge in self.bridges for port in bridge.ports for one in port.interfaces if one.name == interface), None
        )


@dataclass(frozen=True)
class Counters:
    """Packets and bytes since the interface exists; None where it does not count."""

    rx_bytes: int | None = None
    tx_bytes: int | None = None
    rx_errors: int | None = None
    tx_errors: int | None = None
    rx_dropped: int | None = None
    tx_dropped: int | None = None


@dataclass(frozen=True)
class Link:
    """How an interface does now. `speed` in Mbit/s, None where it has none; `lacp_current` None without LACP."""

    name: str
    admin_up: bool
    link_up: bool
    mtu: int | None
    speed: int | None
    mac: str
    lacp_current: bool | None
    status: Pairs
    counters: Counters


class Lacp(StrEnum):
    """`configured` means that LACP is set here and no partner answers: then the bond carries nothing."""

    OFF = "off"
    CONFIGURED = "configured"
    NEGOTIATED = "negotiated"


@dataclass(frozen=True)
class BondMember:
    name: str
    enabled: bool
    active: bool
    lacp: str = ""
    """The first word of lacp/show: "current", "expired" or "defaulted"; "" without LACP."""


@dataclass(frozen=True)
class Bond:
    """`active` is the interface of the active MAC, "" when none carries."""

    name: str
    mode: str
    lacp: Lacp
    members: tuple[BondMember, ...]
    active: str = ""
    partner: str = ""
    """The partner's system id, "" when nobody answers."""

    @property
    def healthy(self) -> bool:
        return self.lacp is not Lacp.CONFIGURED and bool(self.members) and all(member.enabled for member in self.members)


@dataclass(frozen=True)
class Connection:
    """To a manager or controller. `since` is how many seconds it has been as it is."""

    target: str
    connected: bool
    state: str
    since: int | None
    last_error: str = ""

    @property
    def settled(self) -> bool:
        """A refused certificate makes it flap, so a moment's `connected` proves nothing."""
        return self.connected and self.since is not None and self.since >= 3


@dataclass(frozen=True)
class Links:
    """What moves by itself: link states, bonds, connections, counters."""

    links: tuple[Link, ...]
    bonds: tuple[Bond, ...]
    managers: tuple[Connection, ...]
    controllers: tuple[Connection, ...]

    def link(self, name: str) -> Link | None:
        return next((link for link in self.links if link.name == name), None)

    def bond(self, name: str) -> Bond | None:
        return next((bond for bond in self.bonds if bond.name == name), None)


@dataclass(frozen=True)
class Nic:
    """An interface of the kernel. `kind` is "physical", or the kernel's kind of link (bridge, bond, vlan, veth, tun, ...).

    `master` is the kernel bridge, bond or datapath that it belongs to; `addresses` in CIDR form, without link-local ones.
    """

    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    carrier: bool
    master: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """`to` is a network, 0.0.0.0/0 or ::/0 for the default; `via` "" for a network on the link.

    `proto` is who made it ("kernel" for what comes with an address, "" where `ip` does not say); `more` are the other words that
    `ip route` needs to make it again: metric, source, size.
    """

    to: str
    via: str
    device: str
    proto: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """Addresses and routes, and what carries the portal's own connection (`ours`: interface, and our address there).

    `servers` and `domains` are name servers and search domains that systemd-resolved knows for one interface only, by its name.
    """

    nics: tuple[Nic, ...]
    routes: tuple[Route, ...]
    ours: str
    our_address: str
    servers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    domains: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def nic(self, name: str) -> Nic | None:
        return next((nic for nic in self.nics if nic.name == name), None)
