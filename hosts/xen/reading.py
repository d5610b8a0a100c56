"""Reading pools on a schedule and on demand: many at once, in workers only. Each reading is kept; the pool's row carries the newest."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from pydantic import ValidationError

from hosts import connections
from hosts.facts.portal import HostRow, PoolRow, row
from hosts.models import Host, Pool, PoolReading
from hosts.xen import changing, findings, twins
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolPifs, PoolStorage, PoolVms, SrSpace
from hosts.xen.state import HostVms, MemberState, PoolState, Vm, VmTable
from hosts.xen.survey import Seen, speaker
from opsportal.operations import side_by_side
from opsportal.operations.facts import Fact, FactError
from opsportal.operations.models import Operation
from opsportal.operations.reading import answered
from opsportal.operations.states import OperationState
from opsportal.transport.errors import TransportError
from opsportal.transport.ssh import SshTarget

logger = logging.getLogger(__name__)

T = TypeVar("T")

KINDS = (Pool.Kind.XENSERVER, Pool.Kind.XCP_NG)
AT_ONCE = 8
"""Pools. Each has its hosts asked side by side as well, and a hanging one costs nothing but time."""

HOSTS_AT_ONCE = 16
FACTS_AT_ONCE = 3
"""Questions to one dom0: each is an `xe` of its own, and the dom0 has other work."""

STOP_TAKING = 10
"""Seconds into a slice. A pool claimed at the last moment has the rest for its members (25 s when all of them hang) and the pool."""

VIEW_SECONDS = 30
LOOKED_AT = 100
"""Newest operations that are looked through for pools they touch."""

EVERY = timedelta(minutes=5)
UNWELL_EVERY = timedelta(minutes=1)
"""For a pool that nobody speaks for: it may come back, or have elected a master."""

BUSY_EVERY = timedelta(seconds=30)
"""While an operation works on the pool."""

KEEP_UNCHANGED = timedelta(days=2)
KEEP_CHANGED = timedelta(days=365)

OUR_FAULT = "The portal could not read this pool because of a fault of its own. It is in the portal's log."

PARTS: dict[str, type[Fact[Any]]] = {"storage": PoolStorage, "space": SrSpace, "vms": PoolVms, "pifs": PoolPifs}
"""What a reading can do without: the parts of `PoolState` by name."""


@dataclass(frozen=True)
class Asked:
    """A pool, and how each of its hosts is opened; a text stands for one that cannot even be tried."""

    pool: Pool
    hosts: tuple[tuple[HostRow, SshTarget | str], ...]

    @property
    def row(self) -> PoolRow:
        return PoolRow(self.pool.pk, self.pool.name, self.pool.uuid, self.pool.kind, "", tuple(host for host, _ in self.hosts))

    def target(self, host: HostRow) -> SshTarget | str:
        return next(target for one, target in self.hosts if one == host)


@dataclass(frozen=True)
class Answer:
    """`state` is None when not a single host could be read; `problem` then says why."""

    pool: Pool
    at: datetime
    state: PoolState | None
    problem: str = ""


def ask(wanted: QuerySet[Pool]) -> int:
    """Marks pools as due now and says how many; `tasks.wake_pools` then tells a worker."""
    return wanted.filter(kind__in=KINDS).update(next_read_at=timezone.now(), claim="")


def hurry() -> int:
    """Brings forward the pools that operations touch: while one runs, and once more when it has ended. Says how many."""
    now, wanted = timezone.now(), set[int]()
    read_at = dict(Pool.objects.filter(kind__in=KINDS).order_by().values_list("pk", "state_at"))
    for state, ended_at, locks in Operation.objects.order_by("-id").values_list("state", "ended_at", "locks")[:LOOKED_AT]:
        stale = now - BUSY_EVERY if state == OperationState.RUNNING else ended_at
        pools = {int(lock[5:]) for lock in locks if lock.startswith("pool:") and lock[5:].isdigit()} & read_at.keys()
        wanted |= {pk for pk in pools if stale and (at := read_at[pk]) and at < stale}
    return Pool.objects.filter(pk__in=wanted, claim="", next_read_at__gt=now).update(next_read_at=now) if wanted else 0


def due() -> bool:
    return Pool.objects.filter(kind__in=KINDS, next_read_at__lte=timezone.now()).exists()


def crowded() -> bool:
    """Another worker reads as many pools as one of them does at once."""
    return Pool.objects.filter(next_read_at__gt=timezone.now()).exclude(claim="").count() >= AT_ONCE


def claim(number: int) -> list[Pool]:
    """Takes up to `number` due pools, so that no other worker reads them now."""
    hosts = Prefetch("hosts", connections.with_keys(Host.objects.order_by("sort_name", "pk")))
    return list(side_by_side.claim(Pool.objects.filter(kind__in=KINDS), number).prefetch_related(hosts))


def read_slice() -> int:
    """Reads due pools until none is due or the time is up; says how many."""
    until = time.monotonic() + side_by_side.SLICE_SECONDS - 2
    return side_by_side.work(
        lambda free: _openable(claim(free)), lambda asked: read(asked, until), store, at_once=AT_ONCE, stop_taking=STOP_TAKING
    )


def _openable(pools: Iterable[Pool]) -> list[Asked]:
    """Pools with what opens their hosts. One without hosts is left alone until the next round."""
    asked = [Asked(pool, tuple((row(host), _target(host)) for host in pool.hosts.all())) for pool in pools]
    empty = [one.pool for one in asked if not one.hosts]
    Pool.objects.filter(pk__in=[pool.pk for pool in empty]).update(claim="", next_read_at=timezone.now() + EVERY)
    return [one for one in asked if one.hosts]


def _target(host: Host) -> SshTarget | str:
    try:
        return connections.ssh_target(host)
    except TransportError as error:
        return str(error)


def read(asked: Asked, until: float) -> Answer:
    """One pool, in a thread. Never raises: a fault of ours with one pool must not keep the others. `until` is `time.monotonic`'s."""
    try:
        return _read(asked, until)
    except Exception:
        logger.exception("reading the pool %s failed", asked.pool.pk)
        return Answer(asked.pool, timezone.now(), None, OUR_FAULT)


def _read(asked: Asked, until: float) -> Answer:
    """Its members, then the whole through one that answers."""
    with ThreadPoolExecutor(max_workers=HOSTS_AT_ONCE) as crew:
        seen = tuple(crew.map(lambda host: _view(host, asked.target(host), until), asked.row.hosts))
    at = timezone.now()
    members = tuple(MemberState(one.row.pk, one.row.name, one.row.address, one.view, one.error) for one in seen)
    if not any(one.view for one in seen):
        return Answer(asked.pool, at, None, " ".join(f"{one.row.name}: {one.error}" for one in seen))
    try:
        first = speaker(asked.row, seen)
        return Answer(asked.pool, at, _whole(asked, first, members, at, until))
    except FactError as error:
        return Answer(asked.pool, at, replace(before(asked.pool) or PoolState(()), members=members, silence=str(error)))


def _view(host: HostRow, target: SshTarget | str, until: float) -> Seen:
    answer = _ask(MemberView(host.target), target, min(until, time.monotonic() + VIEW_SECONDS))
    return Seen(host, None, str(answer)) if isinstance(answer, FactError) else Seen(host, answer)


def _ask(fact: Fact[T], target: SshTarget | str, until: float) -> T | FactError:
    if isinstance(target, str):
        return FactError(target)
    try:
        with connections.opened(target) as transport:
            return fact.parse(answered(transport, fact.command(), max(1.0, until - time.monotonic())))
    except TransportError as error:
        return FactError(str(error))
    except FactError as error:
        return error


def _whole(asked: Asked, first: HostRow, members: tuple[MemberState, ...], at: datetime, until: float) -> PoolState:
    """What the pool says through `first`. Raises `FactError` when it does not say who belongs to it."""
    wanted: dict[str, Fact[Any]] = {"basics": PoolBasics(first.target), "hosts": PoolHosts(first.target)}
    wanted |= {name: kind(first.target) for name, kind in PARTS.items()}
    target = asked.target(first)
    with ThreadPoolExecutor(max_workers=FACTS_AT_ONCE) as crew:
        answers = dict(zip(wanted, crew.map(lambda fact: _ask(fact, target, until), wanted.values()), strict=True))
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, FactError)}
    if wrong := errors.get("basics") or errors.get("hosts"):
        raise FactError(f"{first.name} answered, but not about the whole pool: {wrong}")
    given: dict[str, Any] = {name: answer for name, answer in answers.items() if name not in errors}
    if "vms" in given:
        given["vms"] = table(given["vms"])
    missing = {name: str(error) for name, error in errors.items()}
    return PoolState(members, whole_at=at.isoformat(), speaker=first.pk, missing=missing, **given)


def table(vms: Iterable[Vm]) -> VmTable:
    """Virtual machines in figures. A pool may have thousands, of which the ones with a restart priority matter by name."""
    vms = tuple(vms)
    counted = Counter((vm.host, vm.power) for vm in vms)
    hosts = sorted({host for host, _ in counted})
    by_host = tuple(
        HostVms(host, **{power: counted[host, power] for power in ("running", "paused", "suspended", "halted")}) for host in hosts
    )
    protected = tuple(vm for vm in vms if vm.protected)
    return VmTable(len(vms), by_host, protected[: VmTable.NAMED], len(protected))


def before(pool: Pool) -> PoolState | None:
    """The newest good reading; None for one that an older portal wrote in another form."""
    try:
        return PoolState.of(pool.state)
    except ValidationError:
        return None


def store(answers: Iterable[Answer]) -> None:
    """Keeps each reading, judges it, and brings the pool's row up to date. Pools that were removed meanwhile are left out."""
    answers = list(answers)
    known = twins.known() if any(answer.state for answer in answers) else {}
    _store(answers, known)


@transaction.atomic
def _store(answers: list[Answer], known: twins.Known) -> None:
    there = set(Pool.objects.select_for_update().filter(pk__in=[answer.pool.pk for answer in answers]).values_list("pk", flat=True))
    answers = [answer for answer in answers if answer.pool.pk in there]
    PoolReading.objects.bulk_create([_reading(answer) for answer in answers])
    for answer in answers:
        Pool.objects.filter(pk=answer.pool.pk).update(**_fields(answer, known))
        well = answer.state is not None and answer.state.answers
        again = {"claim": "", "next_read_at": answer.at + (EVERY if well else UNWELL_EVERY)}
        Pool.objects.filter(pk=answer.pool.pk, claim=answer.pool.claim).update(**again)


def _fields(answer: Answer, known: twins.Known) -> dict[str, Any]:
    if answer.state is None:
        return {"problem": answer.problem, "problem_at": answer.at}
    found = findings.judged(answer.pool, answer.state, twins.of(answer.pool.pk, answer.state, known))
    return {
        "state": answer.state.plain(),
        "state_at": answer.at,
        "uuid": answer.state.basics.uuid if answer.state.basics else answer.pool.uuid,
        "findings": found,
        "problem": "",
        "problem_at": None,
    }


def _reading(answer: Answer) -> PoolReading:
    """An error counts as a change when the pool was read before, or failed in another way."""
    old = before(answer.pool)
    changes = changing.changes(old, answer.state) if answer.state and old else []
    changed = bool(changes) or old is None or answer.problem != answer.pool.problem
    kept = answer.state.plain() if answer.state and changed else {}
    return PoolReading(pool_id=answer.pool.pk, at=answer.at, state=kept, error=answer.problem, changes=changes, changed=changed)


def trim() -> int:
    """Forgets readings that say nothing new after two days, and all others after a year. Says how many."""
    now = timezone.now()
    dull, _ = PoolReading.objects.filter(changed=False, at__lt=now - KEEP_UNCHANGED).delete()
    old, _ = PoolReading.objects.filter(changed=True, at__lt=now - KEEP_CHANGED).delete()
    return dull + old
