"""The ways in which hosts configure interfaces at boot: for each where its file is, and what is in it. One file an interface, all ours."""

from __future__ import annotations

import ipaddress
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from networking.persistence.boot import Boot, BootFiles, broadcast

MARK = "# Written by the portal for the next boot, and written anew by its next change: changes by hand get lost here."
EVERYTHING = ("0.0.0.0/0", "::/0")


class Way(ABC):
    title: ClassVar[str]
    folder: ClassVar[str]
    pattern: ClassVar[str]
    """The file's name, with the interface's in it."""
    mode: ClassVar[int] = 0o644
    check: ClassVar[tuple[str, ...]] = ()
    """A command that fails when the system does not understand its files; the interface's name takes the place of "{}"."""

    def path(self, interface: str) -> str:
        return f"{self.folder}/{self.pattern.format(interface)}"

    def cannot(self, wanted: Boot) -> str:
        """Why this system cannot bring it up, as a sentence; "" when it can."""
        return ""

    def text(self, wanted: Boot) -> str:
        return "".join(f"{line}\n" for line in (MARK, *self.lines(wanted)))

    @abstractmethod
    def lines(self, wanted: Boot) -> Iterator[str]: ...


class Ifupdown(Way):
    """Without `ovs_type`: with it `ifdown` would delete the bridge and all that is in it (observed). The database makes it anyway.

    ifup fails on an address that is there already, as it is before the first reboot: "Address already assigned" (observed).
    """

    title = "ifupdown"
    folder, pattern = "/etc/network/interfaces.d", "opsportal-{}"
    check = ("ifquery", "{}")

    def lines(self, wanted: Boot) -> Iterator[str]:
        name = wanted.interface
        yield f"auto {name}"
        extra = ["    pre-up service openvswitch-switch start"] if wanted.plugged else []
        for one in wanted.addresses or ("",):
            yield f"iface {name} {'inet6' if ':' in one else 'inet'} {'static' if one else 'manual'}"
            yield from extra
            if one:
                yield f"    address {one}"
                yield f"    pre-up ip addr del {one} dev {name} 2>/dev/null || true"
            extra = []
        yield f"    up ip link set dev {name} up"
        for line in _routes(wanted):
            yield f"    up {line}"


class Networkd(Way):
    """A low number, so that it comes before a person's file for many interfaces, such as [Match] Name=*."""

    title = "systemd-networkd"
    folder, pattern = "/etc/systemd/network", "05-opsportal-{}.network"

    def lines(self, wanted: Boot) -> Iterator[str]:
        yield from ("[Match]", f"Name={wanted.interface}", "", "[Link]", "RequiredForOnline=no", "")
        yield from ("[Network]", "IPv6AcceptRA=no", "ConfigureWithoutCarrier=yes")
        yield from (f"Address={one}" for one in wanted.addresses)
        for to, via in wanted.routes:
            yield from ("", "[Route]", *([] if to in EVERYTHING else [f"Destination={to}"]), f"Gateway={via}")


class Netplan(Way):
    """As an ethernet of this name, whatever makes it: netplan then leaves bridges, ports and tunnels to Open vSwitch's database.

    Its own `openvswitch:` would take the rows over and delete them with the file, knows no tunnels, and ignores the MTU (observed, 0.106).
    """

    title = "netplan"
    folder, pattern, mode = "/etc/netplan", "90-opsportal-{}.yaml", 0o600
    check = ("netplan", "generate")

    def lines(self, wanted: Boot) -> Iterator[str]:
        yield from ("network:", "  version: 2", "  ethernets:", f'    "{wanted.interface}":')
        yield from ("      optional: true", "      accept-ra: false")
        yield from self._list("addresses", [f'"{one}"' for one in wanted.addresses])
        yield from self._list("routes", [f'{{to: "{to}", via: "{via}"}}' for to, via in wanted.routes])

    def _list(self, name: str, values: list[str]) -> Iterator[str]:
        yield from (f"      {name}: [{', '.join(values)}]",) if values else ()


class Ifcfg(Way):
    """DEVICETYPE: else the name chooses a script, such as ifup-tunnel for tunnel0. The files are read by a shell."""

    title = "network-scripts"
    folder, pattern = "/etc/sysconfig/network-scripts", "ifcfg-{}"

    def cannot(self, wanted: Boot) -> str:
        other = any(to not in EVERYTHING or ":" in via for to, via in wanted.routes)
        return "network-scripts take other routes than the default one in a file of their own." if other else ""

    def lines(self, wanted: Boot) -> Iterator[str]:
        yield from (f"DEVICE={wanted.interface}", "DEVICETYPE=eth", "ONBOOT=yes", "HOTPLUG=no", "NM_CONTROLLED=no")
        old = [ipaddress.ip_interface(one) for one in wanted.addresses if ":" not in one]
        new = [one for one in wanted.addresses if ":" in one]
        yield f"BOOTPROTO={'static' if old else 'none'}"
        for number, one in enumerate(old):
            yield from (f"IPADDR{number}={one.ip}", f"PREFIX{number}={one.network.prefixlen}")
        yield from (f"GATEWAY={via}" for _, via in wanted.routes)
        if new:
            yield from ("IPV6INIT=yes", "IPV6_AUTOCONF=no", f"IPV6ADDR={new[0]}")
        if new[1:]:
            yield f"IPV6ADDR_SECONDARIES={shlex.quote(' '.join(new[1:]))}"


class Keyfile(Way):
    title = "NetworkManager"
    folder, pattern, mode = "/etc/NetworkManager/system-connections", "opsportal-{}.nmconnection", 0o600

    def cannot(self, wanted: Boot) -> str:
        """nm-openvswitch(7): bridge, port and interface are always connections of its own."""
        if wanted.plugged:
            return "NetworkManager brings up only those ports of Open vSwitch whose whole bridge is its own."
        return ""

    def lines(self, wanted: Boot) -> Iterator[str]:
        name = wanted.interface
        yield from ("[connection]", f"id=opsportal-{name}", "type=ethernet", f"interface-name={name}", "")
        for family in ("ipv4", "ipv6"):
            mine = [one for one in wanted.addresses if (":" in one) == (family == "ipv6")]
            yield from (f"[{family}]", f"method={'manual' if mine else 'disabled'}")
            yield from (f"address{number}={one}" for number, one in enumerate(mine, 1))
            routes = [route for route in wanted.routes if (":" in route[1]) == (family == "ipv6")]
            yield from (f"route{number}={to},{via}" for number, (to, via) in enumerate(routes, 1))
            yield from ("",) if family == "ipv4" else ()


class Own(Way):
    """A small unit of ours runs these files after Open vSwitch. For hosts where nothing else can."""

    title = "a small unit of the portal's own"
    folder, pattern = "/etc/opsportal/network.d", "{}"

    def lines(self, wanted: Boot) -> Iterator[str]:
        yield f"ip link set dev {wanted.interface} up"
        for one in wanted.addresses:
            yield " ".join(("ip", "addr", "replace", one, *broadcast(one), "dev", wanted.interface))
        yield from _routes(wanted)


def _routes(wanted: Boot) -> Iterator[str]:
    for to, via in wanted.routes:
        yield f"ip {'-6 ' if ':' in via else ''}route replace {'default' if to in EVERYTHING else to} via {via} dev {wanted.interface}"


UNIT = "opsportal-network.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
UNIT_TEXT = f"""{MARK}
[Unit]
Description=Interfaces that the portal keeps over a reboot
After=openvswitch-switch.service openvswitch.service network-pre.target
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'code=0; for file in {Own.folder}/*; do [ -f "$$file" ] || continue; sh -e "$$file" || code=1; done; exit $$code'

[Install]
WantedBy=multi-user.target
"""

IFUPDOWN, NETWORKD, NETPLAN, IFCFG, KEYFILE, OWN = Ifupdown(), Networkd(), Netplan(), Ifcfg(), Keyfile(), Own()
WAYS: tuple[Way, ...] = (IFUPDOWN, NETWORKD, NETPLAN, IFCFG, KEYFILE, OWN)
UNITS: dict[str, Way] = {"network": IFCFG, "NetworkManager": KEYFILE, "systemd-networkd": NETWORKD, "networking": IFUPDOWN}
"""The units that bring interfaces up, the first that is started at boot wins. CentOS 7 starts `network` beside NetworkManager."""


def way(files: BootFiles, wanted: Boot) -> tuple[Way | None, str]:
    """The host's own way for this interface, or ours with the reason why not; None where there is neither."""
    why = ""
    if (found := _hosts(files)) is not None:
        why = found.cannot(wanted) or _unread(files, found)
        if not why:
            return found, ""
    elif files.netplan:
        why = f"netplan hands over to {files.netplan} here, which brings up only those ports of Open vSwitch whose whole bridge is its own."
    return (OWN, why or "Nothing on this host configures interfaces at boot.") if files.systemd else (None, why)


def _hosts(files: BootFiles) -> Way | None:
    if files.netplan:
        return NETPLAN if files.netplan == "networkd" else None
    return next((one for unit, one in UNITS.items() if unit in files.systems), None)


def _unread(files: BootFiles, found: Way) -> str:
    return "" if found is not IFUPDOWN or files.sourced else f"/etc/network/interfaces does not read {IFUPDOWN.folder}."
