"""Reading networks of hosts, many at once, in workers only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from hosts import connections
from hosts.models import Host, Kind
from networking.models import HostNetwork
from networking.seen import Seen, look
from opsportal.operations import side_by_side
from opsportal.operations.facts import FactError
from opsportal.transport.errors import TransportError
from opsportal.transport.ssh import SshTarget

AT_ONCE = 20
ANSWER_SECONDS = 20
EVERY = timedelta(minutes=15)

SERVICES = {"openvswitch", "openvswitch-switch", "ovs-vswitchd"}


@dataclass(frozen=True)
class Answer:
    network: HostNetwork
    at: datetime
    seen: Seen | None = None
    problem: str = ""


def ask(host: Host) -> HostNetwork:
    """Marks it as due now; `tasks.wake_reader` then tells a worker."""
    network, _ = HostNetwork.objects.get_or_create(host=host)
    HostNetwork.objects.filter(pk=network.pk, claim="").update(next_read_at=timezone.now())
    network.refresh_from_db()
    return network


def adopt() -> None:
    """Hosts that were read and have no row yet. Those with Open vSwitch, and hypervisors, are read on the schedule from now on."""
    fresh = Host.objects.filter(network=None).exclude(facts_at=None)[:500]
    rows = [HostNetwork(host=host, next_read_at=timezone.now() if switched(host) else None) for host in fresh]
    HostNetwork.objects.bulk_create(rows, ignore_conflicts=True)


def switched(host: Host) -> bool:
    """It is a hypervisor or has Open vSwitch, as far as the inventory knows. A XenServer's networks are its pool's own."""
    services = {service["name"] for service in host.facts.get("services", ())}
    return host.kind == Kind.KVM or (bool(services & SERVICES) and host.kind not in (Kind.XENSERVER, Kind.XCP_NG))


def due() -> bool:
    return HostNetwork.objects.filter(next_read_at__lte=timezone.now()).exists()


def read_slice() -> int:
    """Reads what is due until nothing is or the time is up; says how many."""
    return side_by_side.work(
        lambda free: _openable(side_by_side.claim(HostNetwork.objects.all(), free)), lambda one: read(*one), store, at_once=AT_ONCE
    )


def _openable(networks: Iterable[HostNetwork]) -> list[tuple[HostNetwork, SshTarget]]:
    by_host = {network.host_id: network for network in networks}
    found = []
    for host in connections.with_keys(Host.objects.filter(pk__in=by_host)):
        try:
            found.append((by_host[host.pk], connections.ssh_target(host)))
        except TransportError as error:
            store([Answer(by_host[host.pk], timezone.now(), problem=str(error))])
    return found


def read(network: HostNetwork, target: SshTarget) -> Answer:
    """One host, in a thread. Never raises for what a host does."""
    try:
        with connections.opened(target) as transport:
            return Answer(network, timezone.now(), look(transport, ANSWER_SECONDS))
    except (TransportError, FactError) as error:
        return Answer(network, timezone.now(), problem=str(error))


@transaction.atomic
def store(answers: Iterable[Answer]) -> None:
    """A claim that was lost in between is not overwritten. Hosts without Open vSwitch leave the schedule."""
    for answer in answers:
        mine = HostNetwork.objects.filter(pk=answer.network.pk, claim=answer.network.claim)
        later = answer.at + EVERY if answer.seen is None or answer.seen.switches else None
        if answer.seen is None:
            mine.update(problem=answer.problem, tried_at=answer.at, claim="", next_read_at=later)
        else:
            mine.update(seen=answer.seen.dump(), seen_at=answer.at, tried_at=answer.at, problem="", claim="", next_read_at=later)
