"""What configures a host's interfaces at boot: which systems, what people's files say, and the files that are ours."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, NamedTuple

from networking.facts import asking
from networking.persistence import ways
from networking.persistence.boot import BootFiles, Configured, OwnFile
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SCRIPT = (
    f"""{asking.PRELUDE}
root sh <<'END'
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin LC_ALL=C
export PATH LC_ALL
part() {{ printf '== %s\\n' "$1"; }}
MARK='{ways.MARK}'
"""
    r"""
part systems
if [ -d /run/systemd/system ]; then
  echo systemd
  for unit in networking systemd-networkd NetworkManager network; do
    case $(systemctl is-enabled $unit.service 2>/dev/null) in enabled*) echo $unit ;; esac
  done
  [ "$(systemctl is-enabled opsportal-network.service 2>/dev/null)" = enabled ] && echo opsportal-network
else
  [ -e /etc/network/interfaces ] && echo networking
  [ -e /etc/sysconfig/network-scripts/ifup ] && echo network
fi
part netplan
if command -v netplan >/dev/null && ls /etc/netplan/*.yaml >/dev/null 2>&1; then
  cat /etc/netplan/*.yaml | sed -n 's/^ *renderer: *["'\'']\{0,1\}\([A-Za-z]*\).*/\1/p' | sort -u; echo here
fi
part sourced; grep -E '^[[:space:]]*source(-directory)?[[:space:]]+.*interfaces\.d' /etc/network/interfaces 2>/dev/null
lines() { # of people's files, and only those that say what is wanted: the others may hold passwords
  kind=$1 wanted=$2; shift 2
  for file; do
    [ -f "$file" ] || continue
    if [ "$(head -n 1 "$file")" = "$MARK" ]; then
      case $file in /run/*) ;; *) part "own $file"; base64 "$file" ;; esac
      continue
    fi
    part "$kind $file"; grep -E "$wanted" "$file"
  done
}
lines ifupdown '^[[:space:]]*(iface|address|netmask|ovs_bonds|ovs_ports|bond-slaves|slaves|bridge_ports)[[:space:]]' \
  /etc/network/interfaces /etc/network/interfaces.d/*
lines ifcfg '^[[:space:]]*(DEVICE|IPADDR|PREFIX|NETMASK|IPV6ADDR|BOOTPROTO|BOND_IFACES)' /etc/sysconfig/network-scripts/ifcfg-*
lines networkd '^[[:space:]]*(\[Match\]|Name|Address|DHCP)' /etc/systemd/network/*.network /run/systemd/network/*.network
lines keyfile '^[[:space:]]*(interface-name|address|method|id=opsportal)' \
  /etc/NetworkManager/system-connections/* /run/NetworkManager/system-connections/*
lines netplan '^[[:space:]]*$^' /etc/netplan/*.yaml
lines script '(^|[^[:alnum:]])ip .*' /etc/opsportal/network.d/* /etc/rc.local /etc/rc.d/rc.local /etc/systemd/system/*.service
lines held '^[[:space:]]*[0-9a-fA-F]*[.:][0-9a-fA-F.:]+' /etc/keepalived/*.conf /etc/keepalived/*/*.conf
part held\ lease; ip -o addr show dynamic 2>/dev/null | while read -r _ _ _ address _; do echo "$address"; done
part end
END
"""
)
"""What netplan makes of its files is read where it writes it: in /run."""

WORDS = re.compile(r"[^\s\"';,]+")
SET = re.compile(r"\bip\s+(?:-\w+\s+)*link\s+set\s+(?:dev\s+)?(\S+)\s+up\b")
ADDED = re.compile(r"\bip\s+(?:-\w+\s+)*a(?:ddr(?:ess)?)?\s+(?:add|replace)\s+(\S+)(?:\s+.*?)?\s+dev\s+(\S+)")


@dataclass(frozen=True)
class BootConfig(Fact[BootFiles]):
    """Which system configures the host's interfaces at boot, and with what."""

    timeout: ClassVar[float] = 40

    def command(self) -> Command:
        return Command(script=SCRIPT, gist="grep address /etc/network/interfaces ... (whatever the host has)")

    def parse(self, result: Result) -> BootFiles:
        parts = asking.parts(result)
        systems = parts["systems"]
        files = [_Part(name.partition(" ")[0], name.partition(" ")[2], lines) for name, lines in parts.items() if " " in name]
        own = tuple(OwnFile(one.path, _text(one)) for one in files if one.kind == "own")
        return BootFiles(
            systemd="systemd" in systems,
            systems=tuple(one for one in systems if one in ways.UNITS),
            netplan=_renderer(parts["netplan"]),
            sourced=bool(parts["sourced"]),
            configured=tuple(_configured(files, {one.path for one in own})),
            own=own,
            elsewhere=tuple(sorted({found for one in files if one.kind == "held" for line in one.lines if (found := _first(line))})),
            enabled="opsportal-network" in systems,
        )


class _Part(NamedTuple):
    kind: str
    path: str
    lines: list[str]


def _configured(files: list[_Part], own: set[str]) -> Iterator[Configured]:
    """Without what netplan made of a file of ours."""
    for part in files:
        for one in READ[part.kind](part.path, part.lines) if part.kind in READ else ():
            if not (part.path.startswith("/run/") and ways.NETPLAN.path(one.interface) in own):
                yield one


def _renderer(lines: list[str]) -> str:
    """networkd unless the files say otherwise."""
    return next((one for one in lines if one not in ("here", "networkd")), "networkd") if "here" in lines else ""


def _text(part: _Part) -> str:
    try:
        return base64.b64decode("".join(part.lines), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise FactError(f"{part.path} cannot be read as text, so the portal did not write it: {error}. Take it away.") from None


def _first(line: str) -> str:
    found = WORDS.findall(line)
    return found[0] if found and _is_address(found[0]) else ""


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_interface(word)
    except ValueError:
        return False
    return True


def _ifupdown(path: str, lines: list[str]) -> Iterator[Configured]:
    """Stanzas begin with "iface NAME FAMILY METHOD"; of bonds and bridges the members are configured with them."""
    name, method, addresses, mask = "", "", list[str](), ""
    for words in [*(line.split() for line in lines), ["iface", ""]]:
        if words[0] == "iface":
            if name:
                yield Configured(name, tuple(_masked(one, mask) for one in addresses), method in ("dhcp", "auto"), path)
            name, method, addresses, mask = words[1] if len(words) > 1 else "", words[-1], [], ""
        elif words[0] == "address":
            addresses += words[1:2]
        elif words[0] == "netmask":
            mask = words[-1]
        else:
            yield from (Configured(one, (), False, path) for one in words[1:] if one != "none")


def _masked(address: str, mask: str) -> str:
    """In CIDR form, as far as it can be; an address that is none of ours to understand stays as it is."""
    try:
        return str(ipaddress.ip_interface(address if "/" in address or not mask else f"{address}/{mask}"))
    except ValueError:
        return address


def _ifcfg(path: str, lines: list[str]) -> Iterator[Configured]:
    values = {key.strip(): value.strip().strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    addresses = []
    for key, value in values.items():
        if key.startswith("IPADDR"):
            number = key.removeprefix("IPADDR")
            addresses.append(_masked(value, values.get(f"PREFIX{number}") or values.get(f"NETMASK{number}", "")))
        elif key.startswith("IPV6ADDR"):
            addresses += value.split()
    name = values.get("DEVICE") or PurePosixPath(path).name.removeprefix("ifcfg-")
    yield Configured(name, tuple(addresses), values.get("BOOTPROTO", "").lower() in ("dhcp", "bootp"), path)
    yield from (Configured(one, (), False, path) for one in values.get("BOND_IFACES", "").split())


def _networkd(path: str, lines: list[str]) -> Iterator[Configured]:
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition("=") for line in lines)]
    addresses = tuple(_masked(value, "") for key, value in pairs if key == "Address")
    dynamic = any(key == "DHCP" and value.lower() not in ("no", "false", "none") for key, value in pairs)
    for key, value in pairs:
        if key == "Name":
            yield from (Configured(one, addresses, dynamic, path) for one in value.split())


def _keyfile(path: str, lines: list[str]) -> Iterator[Configured]:
    """address1=192.0.2.2/24,192.0.2.1: the second one is the gateway."""
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition("=") for line in lines)]
    addresses = tuple(_masked(value.split(",")[0], "") for key, value in pairs if key.startswith("address"))
    dynamic = any(key == "method" and value == "auto" for key, value in pairs)
    yield from (Configured(value, addresses, dynamic, path) for key, value in pairs if key == "interface-name")


def _script(path: str, lines: list[str]) -> Iterator[Configured]:
    for line in lines:
        yield from (Configured(name, (), False, path) for name in SET.findall(line))
        yield from (Configured(name, (_masked(address, ""),), False, path) for address, name in ADDED.findall(line))


READ = {"ifupdown": _ifupdown, "ifcfg": _ifcfg, "networkd": _networkd, "keyfile": _keyfile, "script": _script}
