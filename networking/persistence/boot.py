"""What an interface shall be after a reboot, and what a host's files say about it now. Values only."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Boot:
    """Switched on, with these addresses (CIDR) and routes (network and gateway). Open vSwitch's own database keeps everything else.

    `plugged`: Open vSwitch makes the interface, so it has to run first; else it is a NIC. Without `stays` nothing is to be kept of it.
    """

    interface: str
    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    plugged: bool = True
    stays: bool = True


def broadcast(cidr: str) -> tuple[str, ...]:
    """What `ip addr` needs to give an address the broadcast address of its network, as every system at boot does.

    systemd-networkd 252, started while an address is there without, fails on it, takes the whole interface for failed, and now and then
    gives it addresses of others or ends (observed: 10 of 10 times, and 0 of 10 with it).
    """
    return ("brd", "+") if ":" not in cidr and int(cidr.partition("/")[2] or 32) <= 30 else ()


@dataclass(frozen=True)
class Configured:
    """What one file of a person says of an interface, which may be a pattern such as "en*". `dynamic`: it gets addresses by DHCP."""

    interface: str
    addresses: tuple[str, ...]
    dynamic: bool
    path: str

    def about(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.interface)


@dataclass(frozen=True)
class OwnFile:
    """One that the portal wrote, as it is now."""

    path: str
    text: str


@dataclass(frozen=True)
class BootFiles:
    """`systems` are the units that configure interfaces at boot; `netplan` is its renderer, "" without netplan.

    `sourced`: /etc/network/interfaces reads the files in interfaces.d. `elsewhere` are addresses (CIDR or bare) that something else brings:
    keepalived, a script, a lease. `enabled`: our own unit is started at boot.
    """

    systemd: bool
    systems: tuple[str, ...]
    netplan: str
    sourced: bool
    configured: tuple[Configured, ...]
    own: tuple[OwnFile, ...]
    elsewhere: tuple[str, ...]
    enabled: bool

    def file(self, path: str) -> OwnFile | None:
        return next((one for one in self.own if one.path == path), None)

    def persons(self, name: str) -> tuple[Configured, ...]:
        """What people's files say of this interface by its name. A pattern that fits it too does not count: ours comes before it."""
        return tuple(one for one in self.configured if one.interface == name)

    def about(self, name: str) -> tuple[Configured, ...]:
        """With patterns."""
        return tuple(one for one in self.configured if one.about(name))
