"""The emergency card of a pool: the exact commands for its own uuids, on paper or as plain text, for when the portal is down.

Sources: xapi (xapi_pool.ml, xapi_ha.ml, xapi_host.ml), XCP-ng's documentation on HA troubleshooting, and the release manager's procedures.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hosts import rules
from hosts.xen import ha_clock
from hosts.xen.roster import Row
from hosts.xen.state import PoolState, Sr
from opsportal.web import units

WIDTH = 96
"""Columns of the plain text: a terminal and a page of A4 both take them."""

LARGE = 8
"""Hosts. A larger pool has a shorter card on paper."""

PLAIN = re.compile(r"[0-9A-Za-z.:-]{1,64}")


@dataclass(frozen=True)
class Line:
    """A sentence, and the command that goes with it, or "". `at` says where to type it when that differs from the part's."""

    words: str
    command: str = ""
    at: str = ""


@dataclass(frozen=True)
class Part:
    """`grave` parts change who leads the pool."""

    title: str
    lead: str
    lines: tuple[Line, ...]
    grave: bool = False


@dataclass(frozen=True)
class Machine:
    """A host as the card names it. Placeholders in capitals where nothing is known."""

    name: str
    address: str
    uuid: str
    master: bool


@dataclass(frozen=True)
class Card:
    """`read_at` is when the pool as a whole was read, None when never: then placeholders stand for what is not known."""

    pool: str
    cloud: str
    uuid: str
    read_at: datetime | None
    ha: str
    machines: tuple[Machine, ...]
    storage: tuple[Line, ...]
    parts: tuple[Part, ...]


def typed(value: str, otherwise: str) -> str:
    """A value for a command that a person types as root. What hosts said is quoted unless it is plain."""
    if not value:
        return otherwise
    return value if PLAIN.fullmatch(value) else shlex.quote(rules.shown(value))


def make(pool: str, cloud: str, uuid: str, state: PoolState | None, rows: Iterable[Row], *, paper: bool = False) -> Card:
    """From the newest reading. `rows` are the roster, or of the inventory alone for a pool that was never read.

    On paper a large pool has commands that differ by host once, and the table above them says what to put in: two pages are the limit.
    """
    machines = tuple(_machine(row) for row in rows)
    basics = state.basics if state else None
    ident = typed(basics.uuid if basics else uuid, "POOL-UUID")
    read_at = datetime.fromisoformat(state.whole_at) if state and state.whole_at else None
    srs = _srs(state)
    chosen = typed(srs[0].uuid, "SR-UUID") if basics and basics.statefile_srs and srs else "SR-UUID"
    seconds = (basics.ha_timeout if basics else None) or ha_clock.SUGGESTED
    misses = (basics.ha_timeout or ha_clock.DEFAULT) if basics and basics.ha_enabled else seconds
    short = paper and len(machines) > LARGE
    parts = (
        _look(ident, chosen),
        _switch(ident, chosen, seconds),
        _dead(machines, short),
        _wait(misses),
        _lost(),
        _enable(machines, short),
        _unprotect(state),
        NEVER,
    )
    storage = tuple(Line(f"{rules.shown(sr.name, 60)} ({rules.shown(sr.type, 20)})", typed(sr.uuid, "")) for sr in srs)
    return Card(pool, cloud, ident, read_at, _ha(state), machines, storage, parts)


def _machine(row: Row) -> Machine:
    """By the address that the pool itself uses: the portal may reach the host by another one."""
    address = row.record.address if row.record else row.address
    return Machine(rules.shown(row.name, 64), typed(address, "ADDRESS"), typed(row.uuid, "HOST-UUID"), row.master)


def _srs(state: PoolState | None) -> tuple[Sr, ...]:
    """Those of the statefiles first, then all others that could carry a heartbeat."""
    if state is None or state.storage is None:
        return ()
    used = state.basics.statefile_srs if state.basics else ()
    shared = [sr for sr in state.storage.srs if sr.uuid in used or (sr.shared and sr.type in ("nfs", "lvmoiscsi", "lvmohba"))]
    return tuple(sorted(shared, key=lambda sr: (sr.uuid not in used, sr.name.lower(), sr.uuid)))


def _ha(state: PoolState | None) -> str:
    basics = state.basics if state else None
    if basics is None:
        return "not known"
    if not basics.ha_enabled:
        return "off"
    return f"on, timeout {basics.ha_timeout} s" if basics.ha_timeout else f"on, timeout {ha_clock.DEFAULT} s by default"


def _look(pool: str, sr: str) -> Part:
    return Part(
        "Look",
        "On any host, as root. Changes nothing. XenServer 6.2 has no timeout command: leave it out and press Ctrl-C after a minute.",
        (
            Line("Who leads, and is HA on? No answer: the master is gone.",
                 "timeout 60 xe pool-list params=uuid,master,ha-enabled,ha-configuration"),
            Line("Who lives, and who is enabled?", "timeout 60 xe host-list params=uuid,name-label,address,enabled,host-metrics-live"),
            Line("What this host itself says; works with xapi down.", "cat /etc/xensource/pool.conf; xe host-is-in-emergency-mode"),
            Line("Is the heartbeat SR plugged everywhere?", f"timeout 60 xe pbd-list sr-uuid={sr} params=host-uuid,currently-attached"),
            Line("HA alone: true or false.", f"timeout 60 xe pool-param-get uuid={pool} param-name=ha-enabled"),
        ),
    )  # fmt: skip


def _switch(pool: str, sr: str, seconds: int) -> Part:
    proof = f"xe pool-param-get uuid={pool} param-name=ha-enabled"
    return Part(
        "Switch HA off and on",
        "On any host. Off before: another master, adding or removing a host, evacuating, patches, reboots. On again afterwards.",
        (
            Line("Off. It does not return while a host cannot be disarmed.", "xe pool-ha-disable"),
            Line("It is off when this prints false.", proof),
            Line(f"On. All hosts must be up. Never without the timeout. It takes up to {seconds + 60} s.",
                 f"xe pool-ha-enable heartbeat-sr-uuids={sr} ha-config:timeout={seconds}"),
            Line("It is on when this prints true.", proof),
        ),
    )  # fmt: skip


def _dead(machines: tuple[Machine, ...], short: bool) -> Part:
    """Each survivor with its own uuid and address: one of them is chosen."""
    old = next((one for one in machines if one.master), Machine("the old master", "", "OLD-MASTER-UUID", True))
    survivors = [one for one in machines if not one.master] or [Machine("a survivor", "ADDRESS", "HOST-UUID", False)]
    named = "any of those above" if short else ", ".join(f"{one.name} ({one.address})" for one in survivors)
    other = (Machine("that host", "ITS-ADDRESS", "ITS-UUID", False),)
    follow = [
        Line("", f"xe pool-emergency-reset-master master-address={one.address}", f"if {one.name} leads now:")
        for one in (other if short else survivors)
    ]
    return Part(
        f"The master ({old.name}) is dead and HA is OFF",
        "The price: the survivor's copy of the pool's database may be minutes old. What was started, moved or made in these minutes "
        "may be missing or wrong in it. Waiting for the master to come back costs nothing but time: running VMs go on.",
        (
            Line(f"1. Make sure that {old.name} is off, at its power. Keep it off until step 5."),
            Line(f"2. On ONE survivor, and on no second one: {named}.",
                 "xe pool-emergency-transition-to-master"),
            Line("3. There, after 30 to 120 s, this prints that host's own uuid. Repeat it until then.",
                 "timeout 60 xe pool-list params=master --minimal"),
            Line("4. Only then, there: it prints the uuid of each host that follows now. Who is missing was not reached.",
                 "xe pool-recover-slaves"),
            Line(f"5. When {old.name} is back and still leads itself: on {old.name}, with the address of the new master:"),
            *follow,
            Line(f"Only when {old.name} is lost for good, and not live any more:", f"xe host-forget uuid={old.uuid} --force"),
        ),
        grave=True,
    )  # fmt: skip


def _wait(seconds: int) -> Part:
    return Part(
        "The master is dead and HA is ON",
        f"Wait. The others miss it after {seconds} s, fence it and choose a new master by themselves. Change nothing meanwhile.",
        (
            Line(
                f"After {units.duration(seconds + 120)} this prints the new master's uuid. If it still hangs after ten minutes: next part.",
                "timeout 60 xe pool-list params=master --minimal",
            ),
        ),
    )


def _lost() -> Part:
    return Part(
        "HA is on and the pool has lost itself: switch HA off by force",
        "When no master comes, or the heartbeat SR is gone for good. Hosts that are fenced meanwhile reboot.",
        (
            Line("1. On EVERY host that is up, one after the other. It acts on that host only.", "xe host-emergency-ha-disable --force"),
            Line("2. Then, on each of them, and only after step 1 there:", "xe-toolstack-restart"),
            Line("3. Go on as with HA OFF, above. Switch HA on again when all hosts are back."),
        ),
        grave=True,
    )


def _enable(machines: tuple[Machine, ...], short: bool) -> Part:
    hosts = machines if machines and not short else (Machine("The host", "", "ITS-UUID", False),)
    return Part(
        "A host is back, but disabled (Alert in CloudStack)",
        "On any host. “Still initialising”: wait and repeat. CloudStack takes the host back by itself.",
        (
            *(Line("", f"xe host-enable uuid={one.uuid}", f"{one.name}:") for one in hosts),
            Line(
                "Refused because of storage: these are not plugged.", "xe pbd-list currently-attached=false params=uuid,host-uuid,sr-uuid"
            ),
        ),
    )


def _unprotect(state: PoolState | None) -> Part:
    named = state.vms.protected[:6] if state and state.vms else ()
    return Part(
        "Unprotect VMs",
        "CloudStack restarts its VMs itself. A VM that HA restarts as well runs twice and destroys its disk.",
        (
            Line("Which are protected?", "xe vm-list ha-restart-priority=restart params=uuid,name-label"),
            Line("and", "xe vm-list ha-restart-priority=best-effort params=uuid,name-label"),
            Line("Each of them, nothing after the equals sign:", "xe vm-param-set uuid=VM-UUID ha-restart-priority="),
            *(
                Line("", f"xe vm-param-set uuid={typed(vm.uuid, 'VM-UUID')} ha-restart-priority=", f"{rules.shown(vm.name, 40)}:")
                for vm in named
            ),
        ),
    )


NEVER = Part(
    "Never",
    "",
    (
        Line("xe-toolstack-restart while HA is on: the host may be fenced."),
        Line("pool-emergency-reset-master on the master: it asks nothing and demotes it."),
        Line("pool-emergency-transition-to-master on a second host, or with the old master still running."),
        Line("pool-ha-enable without ha-config:timeout=: the default of 60 s fences the pool in a short outage."),
        Line("heartbeat-sr-uuid (without s) or pool-enable-ha, as some manuals write: the first is ignored, the second does not exist."),
        Line("Names in place of uuids: two hosts can have the same one."),
        Line("“It hung, I killed it, so it did not happen”: xapi may still do it when the master is back. Look first."),
        Line("host-reboot or host-shutdown before you saw that no VM is left: they take the VMs down with the host."),
    ),
)


def text(card: Card, now: datetime) -> str:
    """The card for a terminal: no line is wrapped inside a command."""
    read = units.exact(card.read_at) if card.read_at else "never: put in what stands in capitals yourself"
    out = [
        f"EMERGENCY CARD  {card.pool} ({card.cloud})",
        f"Pool {card.uuid}   HA at that time: {card.ha}",
        f"Read from the pool: {read}   Written: {units.exact(now)}",
        "All commands as root on a host of the pool.",
        "",
        *(f"  {'MASTER' if one.master else 'member'}  {one.name:<20} {one.address:<16} {one.uuid}" for one in card.machines),
        *(f"  SR      {line.words:<37} {line.command}" for line in card.storage),
    ]
    for part in card.parts:
        out += ["", part.title, "-" * len(part.title), *_wrapped(part.lead, "")]
        for line in part.lines:
            out += _line(line)
    return "\n".join(out) + "\n"


def _line(line: Line) -> list[str]:
    if line.at:
        return [f"    {line.command}   # {line.at.rstrip(':')}"]
    return [*_wrapped(line.words, "  "), *([f"    {line.command}"] if line.command else [])]


def _wrapped(words: str, indent: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
