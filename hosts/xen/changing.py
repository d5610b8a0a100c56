"""What changed in a pool between two readings, in words."""

from __future__ import annotations

from collections.abc import Iterator

from hosts.xen.state import Basics, MemberState, PoolState, Storage, Voice, XenHost

NOT_THERE = "not there"

VOICES = {
    Voice.ANSWERS: "answers",
    Voice.HANGS: "xe does not return",
    Voice.REFUSED: "takes no connections",
    Voice.EMERGENCY: "in emergency mode",
    Voice.ERROR: "ends with an error",
}


def changes(before: PoolState, after: PoolState) -> list[dict[str, str]]:
    """Differences as {"name", "before", "after"}. What was not read in one of the two is not compared."""
    old, new = told(before), told(after)
    parts = {part for part, _ in old} & {part for part, _ in new}
    names = [*new, *(name for name in old if name not in new)]
    return [
        {"name": name, "before": old.get((part, name), NOT_THERE), "after": new.get((part, name), NOT_THERE)}
        for part, name in names
        if part in parts and old.get((part, name)) != new.get((part, name))
    ]


def told(state: PoolState) -> dict[tuple[str, str], str]:
    """Everything that stands still unless something happened: by part and name, as a person reads it."""
    lines: dict[tuple[str, str], str] = {("members", "Hosts that are asked"): str(len(state.members))}
    names = {host.uuid: host.name for host in state.hosts}
    for member in state.members:
        lines["members", f"{member.name}: reached"] = "yes" if member.view else "no"
        lines |= {(f"member {member.pk}", f"{member.name}: {name}"): value for name, value in _member(member)}
    if state.basics:
        lines |= {("pool", name): value for name, value in _pool(state.basics, names)}
        lines |= {("pool", f"{host.name}: {name}"): value for host in state.hosts for name, value in _host(host)}
    if state.storage:
        lines |= {("storage", name): value for name, value in _storage(state.storage, names)}
    if state.vms:
        lines["vms", "VMs with a restart priority"] = ", ".join(sorted(vm.name for vm in state.vms.protected)) or "none"
    for pif in state.pifs:
        if pif.disallow_unplug or pif.management or pif.bond_slaves:
            words = [_yes(pif.attached, "plugged"), *(["in a bond: " + ", ".join(pif.bond_slaves)] if pif.bond_slaves else [])]
            lines["pifs", f"{names.get(pif.host, pif.host)}: {pif.device}"] = ", ".join(words)
    return lines


def _member(member: MemberState) -> Iterator[tuple[str, str]]:
    """A part of its own: of a host that cannot be reached nothing else is compared."""
    if view := member.view:
        yield "xapi", VOICES[view.voice]
        yield "role", f"follows {view.master_address}" if view.master_address else str(view.role) or "unknown"
        yield "version", f"{view.brand} {view.version} ({view.build})"
        yield "armed", {True: "yes", False: "no", None: "unknown"}[view.ha_armed]
        yield "host UUID", view.uuid


def _pool(basics: Basics, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "Pool UUID", basics.uuid
    yield "Pool master", names.get(basics.master, basics.master)
    yield "Pool HA", "on" if basics.ha_enabled else "off"
    yield "HA timeout", f"{basics.ha_timeout} s" if basics.ha_timeout is not None else "not set"
    yield "HA heartbeat SR", ", ".join(basics.statefile_srs) or "none"
    yield "Host failures to tolerate", str(basics.ha_tolerate)
    yield "Rolling upgrade", _yes(basics.rolling_upgrade, "goes on")


def _host(host: XenHost) -> Iterator[tuple[str, str]]:
    yield "in the pool", host.uuid
    yield "enabled", "yes" if host.enabled else "no"
    yield "live", "yes" if host.live else "no"
    yield "address", host.address
    yield "software", f"{host.brand} {host.version} ({host.build})"
    yield "patches", str(len(host.patches))


def _storage(storage: Storage, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    called = {sr.uuid: sr.name or sr.uuid for sr in storage.srs}
    for sr in storage.srs:
        yield f"SR {called[sr.uuid]}", f"{sr.type}, {'shared' if sr.shared else 'local'}"
    for pbd in storage.pbds:
        yield f"{names.get(pbd.host, pbd.host)}: SR {called.get(pbd.sr, pbd.sr)}", _yes(pbd.attached, "plugged")


def _yes(value: bool, word: str) -> str:
    return word if value else f"not {word}"
