"""Interfaces, addresses and routes as the kernel has them, and which interface carries the portal's own connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking
from networking.state import Kernel, Nic, Route
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SCRIPT = (
    f"""{asking.PRELUDE}"""
    r"""
value() { cat "$1" 2>/dev/null || echo "$2"; }
part nics
for folder in /sys/class/net/*; do
  [ -e "$folder/ifindex" ] || continue
  name=${folder##*/}
  kind=$(sed -n 's/^DEVTYPE=//p' "$folder/uevent" 2>/dev/null)
  if [ "$name" = lo ]; then kind=loopback
  elif [ -e "$folder/tun_flags" ]; then kind=tun
  elif [ -d "$folder/bonding" ]; then kind=bond
  elif [ -e "$folder/device" ]; then kind=physical
  elif [ -z "$kind" ] && [ "$(value "$folder/iflink" 0)" != "$(value "$folder/ifindex" 0)" ]; then kind=veth
  fi
  master=$(readlink "$folder/master")
  echo "$name ${kind:-virtual} $(value "$folder/address" -) $(value "$folder/mtu" 0) $(value "$folder/flags" 0x0)" \
    "$(value "$folder/carrier" 0) ${master##*/}"
done
part addresses; ip -o addr show
part routes; ip -o route show
part routes6; ip -o -6 route show 2>/dev/null
part ours; echo "$SSH_CONNECTION"
resolved() { [ "$(systemctl is-active systemd-resolved 2>/dev/null)" = active ] && limited resolvectl "$1" 2>/dev/null; }
part servers; resolved dns
part domains; resolved domain
part end
"""
)
"""sysfs and the one-line form of `ip` are the same from CentOS 6 to today; `ip -j` is not there before 2018."""

OF_LINK = re.compile(r"Link \d+ \((\S+)\):(.*)")
UP = 0x1
NO_WAY = ("unreachable", "blackhole", "prohibit", "multicast", "anycast", "local", "broadcast", "fe80::/64")
"""First words of lines that lead nowhere, or only to the link itself."""


@dataclass(frozen=True)
class KernelNetwork(Fact[Kernel]):
    """Interfaces, addresses and routes of the kernel, and over which of them the portal comes in."""

    timeout: ClassVar[float] = 40

    def command(self) -> Command:
        return Command(script=SCRIPT, gist="ip addr show; ip route show")

    def parse(self, result: Result) -> Kernel:
        parts = asking.parts(result)
        addresses: dict[str, list[str]] = {}
        for device, address in _addresses(parts["addresses"]):
            addresses.setdefault(device, []).append(address)
        nics = tuple(sorted((_nic(line, addresses) for line in parts["nics"] if line.strip()), key=lambda nic: nic.name))
        if not nics:
            raise FactError("The host names no interface: /sys/class/net could not be read.")
        ours, address = _ours(parts["ours"], nics)
        routes = (*_routes(parts["routes"], "0.0.0.0/0"), *_routes(parts["routes6"], "::/0"))
        servers, domains = (tuple(_of_links(parts.get(name, []))) for name in ("servers", "domains"))
        return Kernel(nics, routes, ours, address, servers, domains)


def _of_links(lines: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of lines such as "Link 2 (eth0): 192.0.2.53 192.0.2.54"; what is for all interfaces is left out."""
    for line in lines:
        found = OF_LINK.match(line)
        if found and found[2].split():
            yield found[1], tuple(found[2].split())


def _nic(line: str, addresses: dict[str, list[str]]) -> Nic:
    words = line.split()
    if len(words) not in (6, 7):
        raise FactError(f"An interface was described as {line[:120]!r}, which is not understood.")
    name, kind, mac, mtu, flags, carrier = words[:6]
    master = words[6] if len(words) == 7 else ""
    up = bool(int(flags, 16) & UP)
    return Nic(name, kind, "" if mac == "-" else mac, int(mtu), up, up and carrier == "1", master, tuple(addresses.get(name, [])))


def _addresses(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Device and address of each line such as "2: eth0    inet 198.51.100.7/24 brd ... scope global eth0"."""
    for line in lines:
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6") and _after(words, "scope") != "link" and "tentative" not in words:
            yield words[1].rstrip(":"), words[3] if "/" in words[3] else f"{words[3]}/{32 if words[2] == 'inet' else 128}"


def _routes(lines: list[str], everything: str) -> Iterator[Route]:
    """`everything` is what "default" stands for."""
    for line in lines:
        words = line.split()
        if words and words[0] not in NO_WAY:
            to = everything if words[0] == "default" else words[0]
            yield Route(to, _after(words, "via"), _after(words, "dev"), _after(words, "proto"), tuple(_more(words)))


def _more(words: list[str]) -> Iterator[str]:
    for name in ("metric", "src", "mtu"):
        if found := _after(words, name):
            yield from (name, found)
    if "onlink" in words:
        yield "onlink"


def _after(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _ours(lines: list[str], nics: tuple[Nic, ...]) -> tuple[str, str]:
    """SSH_CONNECTION is "client port server port"; "" for both where the login is local or sshd does not say."""
    words = lines[0].split() if lines else []
    address = words[2] if len(words) == 4 else ""
    for nic in nics:
        if address and any(one.partition("/")[0] == address for one in nic.addresses):
            return nic.name, address
    return "", address
