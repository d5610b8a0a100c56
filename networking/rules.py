"""What names, tags and numbers of a network may be. Each raises ValidationError with what is wrong and what would be right."""

from __future__ import annotations

import ipaddress
import re

from django.core.exceptions import ValidationError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
"""An interface of Linux has at most 15 letters; what ovs-vsctl takes beyond that stays in its database and is ignored."""

RESERVED = {"all", "default", "lo", "bonding_masters", "ovs-netdev", "ovs-system"}
VLAN = (1, 4094)
MTU = (576, 9216)
TIMER = (30, 600)


def name(value: str) -> None:
    if not NAME.fullmatch(value):
        raise ValidationError(
            f"{value!r} is no name for an interface: at most 15 letters, digits, dots, dashes and underscores, a letter first, no spaces."
        )
    if value in RESERVED:
        raise ValidationError(f"{value} has a meaning of its own. Choose another name.")


LABEL = re.compile(r"[A-Za-z0-9](?: ?[A-Za-z0-9._()#+-]){0,63}")


def label(value: str) -> None:
    """Our own names of things, in lists and titles."""
    if not LABEL.fullmatch(value):
        raise ValidationError("Use letters, digits, single blanks and . _ ( ) # + - here, starting with a letter or a digit.")


def vlan(value: int) -> None:
    if not VLAN[0] <= value <= VLAN[1]:
        raise ValidationError(f"{value} is no VLAN: give {VLAN[0]} to {VLAN[1]}. 0 and 4095 are reserved.")


def mtu(value: int) -> None:
    if not MTU[0] <= value <= MTU[1]:
        raise ValidationError(f"{value} bytes is no MTU: give {MTU[0]} to {MTU[1]}.")


def cidr(value: str) -> None:
    """An address with its prefix length, as it is put on an interface."""
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        raise ValidationError(f"{value!r} is no address: write it with its prefix, such as 192.0.2.10/24.") from None
    if "/" not in value:
        raise ValidationError(f"{value} has no prefix: write it as {value}/24, or whatever the network has.")
    if found.ip.is_multicast or found.ip.is_unspecified or found.ip.is_loopback:
        raise ValidationError(f"{found.ip} is not an address for an interface.")
    if found.version == 4 and found.network.prefixlen < 31 and found.ip in (found.network.network_address, found.network.broadcast_address):
        raise ValidationError(f"{found.ip} is the network's own or its broadcast address. Choose one between.")
