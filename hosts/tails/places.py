"""Which logs may be followed: an allow-list of places, and the one command that finds which of them a host has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings

from hosts.facts.linux import UNITS
from opsportal.transport.command import Command

FILES = (
    "/var/log/xensource.log", "/var/log/SMlog", "/var/log/xha.log", "/var/log/messages", "/var/log/syslog", "/var/log/daemon.log",
    "/var/log/kern.log", "/var/log/cron", "/var/log/cloudstack/management/*.log", "/var/log/cloudstack/agent/*.log",
    "/var/log/cloudstack/usage/*.log", "/var/log/cosmic/*/*.log", "/var/log/cloud/*.log", "/var/log/libvirt/libvirtd.log",
    "/var/log/openvswitch/*.log", "/var/log/keepalived.log", "/var/log/mysqld.log", "/var/log/mysql/error.log",
    "/var/log/mariadb/mariadb.log",
)  # fmt: skip
"""A `*` stands for any name within one folder."""

ALL_UNITS = tuple(
    dict.fromkeys((*UNITS, "sshd", "ssh", "chronyd", "ntpd", "NetworkManager", "systemd-networkd", "multipathd", "iscsid", "nfs-mountd"))
)
"""The services that a reading of a host looks for, and what those stand on."""

SAFE_PATH = re.compile(r"(?:/[A-Za-z0-9_@+-][A-Za-z0-9_.@+:-]*)+")
MOST = 400

MEANINGS = {
    "xensource.log": "xapi: what the pool and its hosts do, and why they refused",
    "SMlog": "storage manager: SRs, VDIs and the heartbeat storage",
    "xha.log": "HA daemon: heartbeats, votes and fencing",
    "management-server.log": "CloudStack management server",
    "agent.log": "CloudStack agent",
    "libvirtd.log": "libvirt daemon",
    "ovs-vswitchd.log": "Open vSwitch: bridges, bonds and flows",
    "ovsdb-server.log": "Open vSwitch database",
    "messages": "everything that the system says",
    "syslog": "everything that the system says",
    "keepalived.log": "virtual addresses",
}
"""By the name of the file."""

FIND = r"""
PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
for pattern in $1; do
  folder=${pattern%/*}
  for path in $pattern; do
    [ -e "$path" ] || continue
    [ -r "$path" ] && may=yes || may=no
    real=$(readlink -f "$path")
    [ -f "$real" ] && printf 'file %s %s %s %s\n' "$may" "$(stat -L -c '%s %Y' "$path")" "$path" "$real"
  done
  case $folder in *'*'*) continue ;; esac
  if [ -d "$folder" ] && ! { [ -r "$folder" ] && [ -x "$folder" ]; }; then printf 'closed %s\n' "$folder"; fi
done
if command -v journalctl >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] || id -nG | grep -qwE 'systemd-journal|adm|wheel'; then may=yes; else may=no; fi
  for unit in $2; do
    for place in /lib/systemd/system /usr/lib/systemd/system /etc/systemd/system /run/systemd/generator.late; do
      [ -e "$place/$unit.service" ] && { printf 'unit %s %s\n' "$may" "$unit"; break; }
    done
  done
fi
echo end
"""
"""POSIX sh. The arguments are patterns and units, split at blanks here; neither can have a blank in it."""


@dataclass(frozen=True)
class Found:
    """One log of a host. `size` in bytes and `written_at` in seconds since 1970 are 0 for a unit of the journal."""

    place: str
    readable: bool
    size: int = 0
    written_at: int = 0

    @property
    def meaning(self) -> str:
        return MEANINGS.get(self.place.rpartition("/")[2], "")

    @property
    def unit(self) -> str:
        return self.place.removeprefix("unit:") if self.place.startswith("unit:") else ""

    @property
    def short(self) -> str:
        """Its name under a heading that says the folder."""
        return self.unit or self.place.rpartition("/")[2]

    @property
    def written(self) -> datetime:
        return datetime.fromtimestamp(self.written_at, UTC)


def allowed() -> tuple[str, ...]:
    """The places of every site, and those that this one added."""
    return (*FILES, *settings.LOG_PLACES)


def find(*, sudo: bool) -> Command:
    return Command(script=FIND, argv=(" ".join(allowed()), " ".join(ALL_UNITS)), sudo=sudo)


def parse(out: str) -> tuple[list[Found], list[str]] | None:
    """The logs and the closed folders; None when the answer stops early. What is not on the allow-list is left out."""
    found, closed = dict[str, Found](), list[str]()
    lines = out.splitlines()
    if "end" not in lines:
        return None
    for line in lines:
        words = line.split(" ")
        if words[0] == "file" and len(words) == 6 and words[2].isdigit() and words[3].isdigit():
            _, may, size, written, path, real = words
            if allows(path) and allows(real):
                found[path] = Found(path, may == "yes", int(size), int(written))
        elif words[0] == "unit" and len(words) == 3 and words[2] in ALL_UNITS:
            found[f"unit:{words[2]}"] = Found(f"unit:{words[2]}", words[1] == "yes")
        elif words[0] == "closed" and len(words) == 2 and SAFE_PATH.fullmatch(words[1]):
            closed.append(words[1])
    return list(found.values())[:MOST], list(dict.fromkeys(closed))


def allows(path: str) -> bool:
    """A path itself, and where a link leads: a log that is a link to something else is no log."""
    if not SAFE_PATH.fullmatch(path):
        return False
    return any(path.count("/") == place.count("/") and fnmatchcase(path, place) for place in allowed())


def known(found: Iterable[dict[str, Any]]) -> list[Found]:
    """As kept in a `LogList`."""
    return [Found(**one) for one in found]
