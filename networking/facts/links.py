"""How a host's switches do now: link states, bonds, connections, counters. All of it moves by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking, ovsdb
from networking.facts.ovsdb import Row
from networking.facts.switches import OVERVIEW, database
from networking.state import Bond, BondMember, Connection, Counters, Lacp, Link, Links
from opsportal.operations.facts import Fact
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SCRIPT = f"""{asking.PRELUDE}
part version
if command -v ovs-vsctl >/dev/null 2>&1; then ovs-vsctl --version
part database; root {OVERVIEW} 2>&1
part bonds; limited ovs-appctl bond/show 2>&1
part lacp; limited ovs-appctl lacp/show 2>&1
else echo {asking.ABSENT}; fi
part end
"""

MEMBER = re.compile(r"(?:slave|member):? (\S+): (.*)")
"""bond/show has "slave eth1: enabled" up to 2.14 and "member eth1: enabled" from 2.15 on, lacp/show a colon more."""

HEADER = re.compile(r"---- (\S+) ----$")
ACTIVE = re.compile(r"active (?:slave|member) mac: \S+?\((.*)\)")


@dataclass(frozen=True)
class SwitchLinks(Fact[Links | None]):
    """Link states, bonds and connections of Open vSwitch. None on a host without it."""

    volatile = True
    timeout: ClassVar[float] = 60

    def command(self) -> Command:
        return Command(script=SCRIPT, gist="ovs-vsctl list Interface; ovs-appctl bond/show; ovs-appctl lacp/show")

    def parse(self, result: Result) -> Links | None:
        parts = asking.parts(result)
        if parts["version"] == [asking.ABSENT]:
            return None
        rows = database(parts["database"])
        return Links(
            links=tuple(sorted((_link(row) for row in rows["Interface"]), key=lambda link: link.name)),
            bonds=bonds(rows["Port"], parts["bonds"], parts["lacp"]),
            managers=tuple(_connection(row) for row in rows["Manager"]),
            controllers=tuple(_connection(row) for row in rows["Controller"]),
        )


def _link(row: Row) -> Link:
    counted = dict(ovsdb.pairs(row["statistics"]))
    speed = ovsdb.number(row["link_speed"])
    return Link(
        name=ovsdb.text(row["name"]),
        admin_up=ovsdb.text(row["admin_state"]) == "up",
        link_up=ovsdb.text(row["link_state"]) == "up",
        mtu=ovsdb.number(row["mtu"]),
        speed=speed // 1_000_000 if speed else None,
        mac=ovsdb.text(row["mac_in_use"]),
        lacp_current=ovsdb.one(row["lacp_current"]),
        status=ovsdb.pairs(row["status"]),
        counters=Counters(**{name: int(counted[name]) for name in Counters.__dataclass_fields__ if name in counted}),
    )


def _connection(row: Row) -> Connection:
    status = dict(ovsdb.pairs(row["status"]))
    connected = ovsdb.truth(row["is_connected"])
    since = status.get("sec_since_connect" if connected else "sec_since_disconnect", "")
    error = status.get("last_error", "")
    return Connection(ovsdb.text(row["target"]), connected, status.get("state", ""), int(since) if since.isdigit() else None, error)


def bonds(ports: Iterable[Row], shown: list[str], lacp: list[str]) -> tuple[Bond, ...]:
    """From bond/show of any version: unknown lines are skipped, as each version adds some.

    Version 1.4 prints no name above a bond. Its only bond then takes the name of the only port with several interfaces.
    """
    named = [ovsdb.text(row["name"]) for row in ports if len(ovsdb.references(row["interfaces"])) > 1]
    partners = dict(_partners(lacp))
    return tuple(_bond(name, lines, partners) for name, lines in _sections(shown, named[0] if len(named) == 1 else ""))


def _sections(lines: list[str], unnamed: str) -> Iterator[tuple[str, list[str]]]:
    found = [(header[1], section) for header, section in _cut(lines, HEADER)]
    if not found and unnamed and any(line.startswith("bond_mode:") for line in lines):
        found = [(unnamed, lines)]
    yield from found


def _bond(name: str, lines: list[str], partners: dict[str, tuple[str, dict[str, str]]]) -> Bond:
    values = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith((" ", "\t", "member", "slave")))
    active = ACTIVE.search("\n".join(lines))
    partner, states = partners.get(name, ("", {}))
    members = tuple(
        BondMember(member, words.startswith("enabled"), "active member" in below or "active slave" in below, states.get(member, ""))
        for member, words, below in _members(lines)
    )
    carries = active[1] if active and active[1] != "none" else next((member.name for member in members if member.active), "")
    return Bond(name, values.get("bond_mode", ""), _lacp(values), members, carries, partner)


def _lacp(values: dict[str, str]) -> Lacp:
    """1.4 had lacp_negotiated: true or false instead."""
    old = {"true": Lacp.NEGOTIATED, "false": Lacp.CONFIGURED}
    said = values.get("lacp_status", "off")
    return old.get(values.get("lacp_negotiated", ""), Lacp(said) if said in list(Lacp) else Lacp.OFF)


def _members(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each member, the words behind its name, and the indented lines below it."""
    for first, below in _cut(lines, MEMBER):
        yield first[1], first[2], "\n".join(line.strip() for line in below)


def _partners(lines: list[str]) -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """By bond: the partner's system id, and of each member the first word of its state (current, expired, defaulted)."""
    for header, section in _cut(lines, HEADER):
        states = {member: words.split()[0] for member, words, _ in _members(section) if words.split()}
        ids = [line.strip().removeprefix("partner sys_id: ") for line in section if line.strip().startswith("partner sys_id: ")]
        known = [one for one in ids if one != "00:00:00:00:00:00"]
        yield header[1], (known[0] if known else "", states)


def _cut(lines: list[str], start: re.Pattern[str]) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Each line that matches from its beginning, with the lines up to the next one."""
    found = [(index, match) for index, line in enumerate(lines) if (match := start.match(line))]
    ends = [index for index, _ in found[1:]] + [len(lines)]
    for (index, match), end in zip(found, ends, strict=False):
        yield match, lines[index + 1 : end]
