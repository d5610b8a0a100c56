"""The chain of facts that runbooks on a pool start with: inventory, every member's own view, then the pool through its master."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hosts.facts.portal import HostRow, InventoryPool, PoolRow
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts
from hosts.xen.state import Basics, Member, Role, Voice, XenHost
from opsportal.operations.facts import FactError, FactSet


@dataclass(frozen=True)
class Seen:
    """A host of the inventory and what it said. `error` is set, and `view` is None, when it could not be asked.

    `guess` is the uuid of the member that a host must be which cannot be asked and never was: by address, else by name.
    """

    row: HostRow
    view: Member | None
    error: str = ""
    guess: str = ""

    @property
    def uuid(self) -> str:
        """Its own word before the inventory's."""
        return self.view.uuid if self.view else self.row.uuid or self.guess


@dataclass(frozen=True)
class Survey:
    """A pool whose master answers. `hosts` are all that its database knows, in the order of their names."""

    pool: PoolRow
    seen: tuple[Seen, ...]
    speaker: HostRow
    basics: Basics
    hosts: tuple[XenHost, ...]

    def host(self, uuid: str) -> XenHost:
        for host in self.hosts:
            if host.uuid == uuid:
                return host
        raise FactError(f"No host of {self.pool.name} has the uuid {uuid}. Read the pool again: it may have left.")

    def row(self, uuid: str) -> HostRow:
        """The inventory's row for a member; raises when it is not in the inventory."""
        for one in self.seen:
            if one.uuid == uuid:
                return one.row
        name = self.host(uuid).name
        raise FactError(f"{name} is a member of {self.pool.name}, but not in the inventory. Add it first: the portal has to reach it.")

    def target(self, uuid: str) -> str:
        return self.row(uuid).target

    @property
    def master(self) -> XenHost:
        return self.host(self.basics.master)

    @property
    def members(self) -> tuple[XenHost, ...]:
        """All but the master."""
        return tuple(host for host in self.hosts if host.uuid != self.basics.master)


def views(pool: int, facts: FactSet) -> tuple[PoolRow, tuple[Seen, ...]]:
    """Every host of the inventory's pool with its own view, read side by side. Never raises for what a host does."""
    found = facts(InventoryPool("portal", pool))
    if not found.hosts:
        raise FactError(f"No host of {found.name} is in the inventory. Add one under Hosts: the others are offered then.")
    wanted = [MemberView(host.target) for host in found.hosts]
    facts.need(*wanted)
    return found, tuple(_seen(host, facts) for host in found.hosts)


def _seen(host: HostRow, facts: FactSet) -> Seen:
    answer = facts.try_(MemberView(host.target))
    if isinstance(answer, FactError):
        return Seen(host, None, str(answer).removeprefix(f"{host.target} could not be asked: "))
    return Seen(host, answer)


def speaker(pool: PoolRow, seen: tuple[Seen, ...]) -> HostRow:
    """The host to ask about the whole pool: the master itself, or else a member that gets an answer from it."""
    talking = [one for one in seen if one.view is not None and one.view.voice is Voice.ANSWERS]
    if not talking:
        raise FactError(f"No host of {pool.name} gives an answer about the pool. {silence(seen)}")
    masters = [one for one in talking if one.view is not None and one.view.role is Role.MASTER]
    return (masters or talking)[0].row


def silence(seen: tuple[Seen, ...]) -> str:
    """How each of them failed to answer, one sentence each."""
    said = []
    for one in seen:
        if one.view is None:
            said.append(f"{one.row.name}: {one.error}")
        elif one.view.voice is Voice.HANGS:
            said.append(f"{one.row.name}: xe does not return, so its pool master is probably unreachable.")
        elif one.view.voice is not Voice.ANSWERS:
            said.append(f"{one.row.name}: {one.view.said or one.view.voice}")
    return " ".join(said)


def survey(pool: int, facts: FactSet) -> Survey:
    """Raises `FactError` with a sentence for the operator when the pool as a whole cannot be read."""
    found, seen = views(pool, facts)
    first = speaker(found, seen)
    facts.need(PoolBasics(first.target), PoolHosts(first.target))
    basics = facts(PoolBasics(first.target))
    hosts = facts(PoolHosts(first.target))
    return Survey(found, _guessed(seen, hosts), first, basics, tuple(sorted(hosts, key=lambda host: (host.name.lower(), host.uuid))))


def _guessed(seen: tuple[Seen, ...], hosts: tuple[XenHost, ...]) -> tuple[Seen, ...]:
    known = {one.uuid for one in seen}
    left = [host for host in hosts if host.uuid not in known]
    by_address = {host.address: host.uuid for host in left}
    by_name = {name.lower(): host.uuid for host in left for name in (host.hostname, host.name)}
    return tuple(
        one if one.uuid else replace(one, guess=by_address.get(one.row.address) or by_name.get(one.row.name.lower(), "")) for one in seen
    )
