"""Reading networks of hosts, many at once, in workers only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from hosts import connections
from hosts.models import Host, Kind
from networking.models import HostNetwork
from networking.seen import Seen, look
from opsportal.operations.facts import FactError
from opsportal.transport.errors import TransportError
from opsportal.transport.ssh import SshTarget

AT_ONCE = 20
SLICE_SECONDS = 45
STOP_CLAIMING = 25
ANSWER_SECONDS = 20
EVERY = timedelta(minutes=15)
CLAIMED_FOR = timedelta(minutes=2)
"""After this a claim is void: the worker that made it is dead."""

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


def claim(number: int) -> list[HostNetwork]:
    now, token = timezone.now(), secrets.token_hex(16)
    wanted = HostNetwork.objects.filter(next_read_at__lte=now).order_by("next_read_at").values_list("pk", flat=True)[:number]
    HostNetwork.objects.filter(pk__in=list(wanted), next_read_at__lte=now).update(claim=token, next_read_at=now + CLAIMED_FOR)
    return list(HostNetwork.objects.filter(claim=token))


def read_slice(seconds: float = SLICE_SECONDS, stop_claiming: float = STOP_CLAIMING) -> int:
    """Reads what is due side by side until nothing is or the time is up; says how many. Threads only talk to hosts."""
    started, pending, number = time.monotonic(), set[Future[Answer]](), 0
    crew = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="network")
    try:
        while time.monotonic() - started < seconds:
            if time.monotonic() - started < stop_claiming and (free := AT_ONCE - len(pending)):
                pending |= {crew.submit(read, network, target) for network, target in _openable(claim(free))}
            if not pending:
                break
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            number += len(done)
            store([future.result() for future in done])
    finally:
        crew.shutdown(wait=False, cancel_futures=True)
    return number


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
