"""What a host that is being added says about its pool, the inventory's pool that it belongs to, and the members still missing there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Q
from pydantic import TypeAdapter

from hosts import rules
from hosts.models import Host, HostDraft, Kind, Pool
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts
from hosts.xen.state import Member, Voice, XenHost
from opsportal.operations.facts import Fact, FactError
from opsportal.operations.reading import answered
from opsportal.transport.base import Transport
from opsportal.transport.errors import TransportError

T = TypeVar("T")

XEN = (Kind.XENSERVER, Kind.XCP_NG)

SECONDS = 40
"""For each question: the longest is what a member says itself when its xapi hangs."""


@dataclass(frozen=True)
class Recognised:
    """As stored in `HostDraft.xen`. `pool` is "" when nobody could say; `problem` then says why, in a sentence."""

    member: Member | None = None
    pool: str = ""
    name: str = ""
    hosts: tuple[XenHost, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, draft: HostDraft) -> Recognised | None:
        """None for a machine that is no XenServer."""
        return TypeAdapter(cls).validate_python(draft.xen) if draft.xen else None

    def plain(self) -> dict[str, Any]:
        kept: dict[str, Any] = TypeAdapter(Recognised).dump_python(self, mode="json")
        return kept

    @property
    def uuid(self) -> str:
        return self.member.uuid if self.member else ""

    @property
    def address(self) -> str:
        """Its own, as the pool has it."""
        return next((host.address for host in self.hosts if host.uuid == self.uuid), "")

    @property
    def others(self) -> tuple[XenHost, ...]:
        return tuple(host for host in self.hosts if host.uuid != self.uuid)


def ask(transport: Transport) -> Recognised:
    """Worker. Raises nothing: what cannot be read is a problem that the page tells."""
    try:
        member = _answer(MemberView(""), transport)
    except (FactError, TransportError) as error:
        return Recognised(problem=str(error))
    if member.voice is Voice.HANGS:
        return Recognised(member, problem="xe does not return on this host, so its pool master is probably unreachable.")
    if member.voice is not Voice.ANSWERS:
        return Recognised(member, problem=member.said)
    try:
        basics, hosts = _answer(PoolBasics(""), transport), _answer(PoolHosts(""), transport)
    except (FactError, TransportError) as error:
        return Recognised(member, member.pool, problem=str(error))
    return Recognised(member, basics.uuid, basics.name, tuple(sorted(hosts, key=lambda host: (host.name.lower(), host.uuid))))


def _answer(fact: Fact[T], transport: Transport) -> T:
    return fact.parse(answered(transport, fact.command(), SECONDS))


def pool_of(draft: HostDraft) -> Pool | None:
    """The inventory's pool with the uuid that the host names, or else the one that it is being added for."""
    found = Recognised.of(draft)
    if found and found.pool:
        return Pool.objects.select_related("cloud").filter(uuid=found.pool).order_by("pk").first()
    return draft.pool


def called(found: Recognised) -> str:
    """A name for a new pool: its own where our rules allow it. A pool of one without a name is just a host."""
    if not found.pool or (not found.name and len(found.hosts) < 2):
        return ""
    for name in (found.name.strip()[:64], f"pool-{found.pool[:8]}"):
        if _fits(name, rules.label):
            return name
    return ""


def _fits(text: str, rule: Any) -> bool:
    try:
        rule(text)
    except ValidationError:
        return False
    return True


def missing(draft: HostDraft) -> list[XenHost]:
    """Other members of the host's pool that are neither in the inventory nor being added by the same person."""
    found = Recognised.of(draft)
    others = [host for host in (found.others if found else ()) if _fits(host.address, rules.address)]
    same = Q(address__in=[host.address for host in others], port=draft.port) | Q(facts__host_uuid__in=[host.uuid for host in others])
    there = Host.objects.filter(same)
    known = {value.lower() for pair in there.values_list("address", "facts__host_uuid") for value in pair if value}
    mine = HostDraft.objects.filter(owner=draft.owner, port=draft.port).exclude(pk=draft.pk)
    known |= set(mine.values_list("address", flat=True))
    return [host for host in others if not {host.address, host.uuid} & known]


def twins(draft: HostDraft) -> list[Host]:
    """Hosts of the inventory that have the same uuid: one of them is a clone."""
    found = Recognised.of(draft)
    return with_uuid(found.uuid if found else "")


def twins_of(host: Host) -> list[Host]:
    """The same for a host of the inventory."""
    return [twin for twin in with_uuid(str(host.facts.get("host_uuid", ""))) if twin.pk != host.pk]


def with_uuid(uuid: str) -> list[Host]:
    wanted = [uuid.lower(), uuid.upper()]
    return list(Host.objects.filter(kind__in=XEN, facts__host_uuid__in=wanted).order_by("sort_name")) if uuid else []
