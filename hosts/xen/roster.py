"""Every host of a pool in one row: what it says itself beside what the pool's master says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hosts.models import sort_key
from hosts.xen.state import Member, MemberState, PoolState, Role, Voice, XenHost


class Standing(StrEnum):
    """How a host stands: the worst that is known of it."""

    FINE = "enabled"
    DISABLED = "disabled"
    STRANGER = "not in this pool"
    DEAD = "not live"
    ERROR = "xapi fails"
    REFUSED = "xapi is down"
    EMERGENCY = "emergency mode"
    HANGS = "xe hangs"
    UNREACHABLE = "unreachable"
    UNKNOWN = "not read"


LOOKS: dict[Standing, tuple[str, str]] = {
    Standing.FINE: ("ok", "circle-check"),
    Standing.DISABLED: ("warn", "circle-pause"),
    Standing.STRANGER: ("warn", "circle-question-mark"),
    Standing.DEAD: ("bad", "heart-off"),
    Standing.ERROR: ("bad", "octagon-x"),
    Standing.REFUSED: ("bad", "power-off"),
    Standing.EMERGENCY: ("bad", "siren"),
    Standing.HANGS: ("bad", "hourglass"),
    Standing.UNREACHABLE: ("bad", "unplug"),
    Standing.UNKNOWN: ("unknown", "circle-dashed"),
}
"""Tone and icon."""

VOICES = {
    Voice.HANGS: (Standing.HANGS, "xe does not return: its pool master is probably unreachable."),
    Voice.REFUSED: (Standing.REFUSED, "xapi does not take connections: it is down or starting."),
    Voice.EMERGENCY: (Standing.EMERGENCY, "Its xapi restarted and could not reach the pool master."),
    Voice.ERROR: (Standing.ERROR, "xe ends with an error."),
}


@dataclass(frozen=True)
class Row:
    """One host. `pk` is the inventory's, None for a member that is not in the inventory. `vms` is None where nobody said.

    `names_master` is the uuid that it names as master. `plugged` says whether the heartbeat SR is plugged, None without one.
    """

    uuid: str
    name: str
    address: str
    pk: int | None
    standing: Standing
    why: str
    master: bool
    own: Member | None
    record: XenHost | None
    vms: int | None
    plugged: bool | None
    disagrees: str = ""

    @classmethod
    def of_inventory(cls, pk: int, name: str, address: str, uuid: str) -> Row:
        """A host of a pool that was never read."""
        return cls(uuid, name, address, pk, Standing.UNKNOWN, "", False, None, None, None, None)

    @property
    def tone(self) -> str:
        return LOOKS[self.standing][0]

    @property
    def icon(self) -> str:
        return LOOKS[self.standing][1]

    @property
    def role(self) -> str:
        """By its own files, in words."""
        if self.own is None:
            return "cannot say"
        words = {Role.MASTER: "master", Role.SLAVE: f"member of {self.own.master_address}", Role.BROKEN: "broken"}
        return words.get(self.own.role, "unreadable")

    @property
    def version(self) -> str:
        said = self.record or self.own
        return f"{said.brand} {said.version}".strip() if said else ""

    @property
    def build(self) -> str:
        said = self.record or self.own
        return said.build if said else ""


def roster(state: PoolState, uuids: Mapping[int, str] | None = None) -> tuple[Row, ...]:
    """The master first, then by name, xen2 before xen10. `uuids` are what the inventory knows of its hosts from earlier readings, by pk."""
    known, rows = dict(uuids or {}), []
    left = {host.uuid: host for host in state.hosts}
    for member in state.members:
        uuid = member.view.uuid if member.view else _guess(member, left, known)
        rows.append(_row(state, member, uuid, left.pop(uuid, None)))
    rows += [_row(state, None, host.uuid, host) for host in left.values()]
    return tuple(sorted(rows, key=lambda row: (not row.master, sort_key(row.name), row.uuid)))


def _guess(member: MemberState, hosts: Mapping[str, XenHost], known: Mapping[int, str]) -> str:
    """Which member a host is that cannot be asked: by an earlier reading, else by its address."""
    if known.get(member.pk) in hosts:
        return known[member.pk]
    return next((uuid for uuid, host in hosts.items() if host.address == member.address), known.get(member.pk, ""))


def _row(state: PoolState, member: MemberState | None, uuid: str, record: XenHost | None) -> Row:
    standing, why = _standing(state, member, record)
    own = member.view if member else None
    named = record.name if record else ""
    return Row(
        uuid=uuid,
        name=member.name if member else named,
        address=member.address if member else record.address if record else "",
        pk=member.pk if member else None,
        standing=standing,
        why=why,
        master=bool(state.basics and uuid and state.basics.master == uuid),
        own=own,
        record=record,
        vms=state.vms.running(uuid) if state.vms and uuid else None,
        plugged=_plugged(state, uuid),
        disagrees=_disagrees(state, own, uuid),
    )


def _standing(state: PoolState, member: MemberState | None, record: XenHost | None) -> tuple[Standing, str]:
    if member and member.error:
        return Standing.UNREACHABLE, member.error
    if member and member.view and member.view.voice in VOICES:
        standing, words = VOICES[member.view.voice]
        return standing, f"{words} It said: {member.view.said}" if member.view.said else words
    if record is None:
        strange = state.basics is not None and not state.silence
        return (Standing.STRANGER, "The pool's database does not know it.") if strange else (Standing.UNKNOWN, "")
    if not record.live:
        return Standing.DEAD, "The master hears nothing from it."
    if not record.enabled:
        return Standing.DISABLED, "No virtual machine can be started on it, and CloudStack keeps it in Alert."
    return Standing.FINE, ""


def _plugged(state: PoolState, uuid: str) -> bool | None:
    srs = heartbeat_srs(state)
    if not srs or state.storage is None or not uuid:
        return None
    return all(uuid in state.storage.plugged(sr) for sr in srs)


def heartbeat_srs(state: PoolState) -> tuple[str, ...]:
    """Where the heartbeat is now: nowhere while HA is off, whatever the fields still say."""
    return state.basics.statefile_srs if state.basics and state.basics.ha_enabled else ()


def _disagrees(state: PoolState, own: Member | None, uuid: str) -> str:
    """In which way its own word about the master differs from the pool's, "" when it does not."""
    if own is None or state.basics is None:
        return ""
    leads = uuid == state.basics.master
    if own.role is Role.MASTER and not leads:
        return "says it is master"
    if own.role is Role.SLAVE and leads:
        return f"follows {own.master_address}, although it is the master"
    if own.says_master and own.says_master != state.basics.master:
        named = state.host(own.says_master)
        return f"names {named.name if named else own.says_master} as master"
    master = state.master
    if own.role is Role.SLAVE and master and own.master_address and own.master_address != master.address:
        return f"follows {own.master_address}, not {master.address}"
    return ""
