"""Reading hosts: many at once, in workers only. Every reading is kept; the host's row carries the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import Field, QuerySet
from django.utils import timezone

from hosts import comparing, connections
from hosts.facts.linux import Linux, LinuxBasics
from hosts.models import Contact, Host, HostReading, system_of
from opsportal.operations import side_by_side
from opsportal.operations.facts import FactError
from opsportal.transport import errors
from opsportal.transport.base import Transport
from opsportal.transport.ssh import SshTarget

AT_ONCE = 50
ANSWER_SECONDS = 18
"""For connecting, logging in and answering."""

EVERY = timedelta(minutes=15)
KEEP_UNCHANGED = timedelta(days=2)
KEEP_CHANGED = timedelta(days=365)

NEEDED = (
    "name", "address", "port", "username", "legacy", "contact", "facts", "claim", "credential",
)  # fmt: skip
"""Of a host, for reading it: fifty rows with everything take longer than fifty answers."""

GATHER_SECONDS = 0.1
"""Answers that come so soon after each other are stored together."""

CONTACTS: tuple[tuple[type[Exception], Contact], ...] = (
    (errors.HostKeyChanged, Contact.KEY_CHANGED),
    (errors.HostKeyUnknown, Contact.KEY_UNKNOWN),
    (errors.AuthenticationFailed, Contact.REFUSED),
    (errors.NoCommonAlgorithm, Contact.ALGORITHMS),
    (errors.TimedOut, Contact.SLOW),
    (errors.TransportError, Contact.UNREACHABLE),
    (FactError, Contact.UNREADABLE),
)


@dataclass(frozen=True)
class Answer:
    """How one attempt ended. `values` is set when `contact` is OK."""

    host: Host
    at: datetime
    contact: Contact
    message: str = ""
    values: dict[str, Any] | None = None


def basics(transport: Transport, seconds: float) -> Linux:
    """Raises `TransportError` and `FactError`."""
    fact = LinuxBasics("")
    return fact.parse(transport.ask(fact.command(), timeout=seconds))


def plain(facts: Linux) -> dict[str, Any]:
    """As stored: plain JSON."""
    stored: dict[str, Any] = LinuxBasics.adapter().dump_python(facts, mode="json")
    return stored


def contact_of(error: Exception) -> Contact:
    return next(contact for kind, contact in CONTACTS if isinstance(error, kind))


def ask(wanted: QuerySet[Host]) -> int:
    """Marks hosts as due now and says how many; `tasks.wake_reader` then tells a worker."""
    return wanted.update(next_read_at=timezone.now(), claim="")


def due() -> bool:
    """There is something to read."""
    return Host.objects.filter(next_read_at__lte=timezone.now()).exists()


def crowded() -> bool:
    """Other workers read as many hosts as one of them can at once: more workers would only keep operations waiting."""
    return Host.objects.filter(next_read_at__gt=timezone.now()).exclude(claim="").count() >= AT_ONCE


def claim(number: int) -> list[Host]:
    """Takes up to `number` due hosts, so that no other worker reads them now."""
    return list(connections.with_keys(side_by_side.claim(Host.objects.all(), number)).only(*NEEDED))


def read_slice() -> int:
    """Reads due hosts until none is due or the time is up; says how many."""
    return side_by_side.work(
        lambda free: _openable(claim(free)), lambda one: read(*one), store, at_once=AT_ONCE, at_least=AT_ONCE // 2, gather=GATHER_SECONDS
    )


def _openable(hosts: Iterable[Host]) -> list[tuple[Host, SshTarget]]:
    """Hosts with what opens them. One that cannot even be tried (no credential, no key pinned) is answered at once."""
    found = []
    for host in hosts:
        try:
            found.append((host, connections.ssh_target(host)))
        except errors.TransportError as error:
            store([_failed(host, error)])
    return found


def read(host: Host, target: SshTarget) -> Answer:
    """One host, in a thread. Never raises for what a host does."""
    try:
        with connections.opened(target) as transport:
            return Answer(host, timezone.now(), Contact.OK, values=plain(basics(transport, ANSWER_SECONDS)))
    except (errors.TransportError, FactError) as error:
        return _failed(host, error)


def _failed(host: Host, error: Exception) -> Answer:
    return Answer(host, timezone.now(), contact_of(error), str(error))


@transaction.atomic
def store(answers: Iterable[Answer]) -> None:
    """Keeps each reading and brings the host's row up to date. A claim that was lost in between is not overwritten.

    Hosts that were removed meanwhile are left out.
    """
    answers = list(answers)
    rows = Host.objects.select_for_update().order_by().filter(pk__in=[answer.host.pk for answer in answers])
    there = {pk: (claim, due) for pk, claim, due in rows.values_list("pk", "claim", "next_read_at")}
    answers = [answer for answer in answers if answer.host.pk in there]
    HostReading.objects.bulk_create([_reading(answer) for answer in answers])
    _update(
        ("contact", "contact_message", "contact_at", "claim", "next_read_at"),
        [_contact(answer, *there[answer.host.pk]) for answer in answers],
    )
    good = [(answer, answer.values) for answer in answers if answer.values is not None]
    _update(("facts", "facts_at", "system"), [(values, answer.at, system_of(values), answer.host.pk) for answer, values in good])


def _contact(answer: Answer, claim: str, due: datetime) -> tuple[object, ...]:
    claim, due = ("", answer.at + EVERY) if claim == answer.host.claim else (claim, due)
    return answer.contact, answer.message, answer.at, claim, due, answer.host.pk


def _update(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Sets the fields of each host; a row ends with the host's number. One statement for all: made anew for each host, it takes longer
    than asking the host.
    """
    fields = [cast("Field[Any, Any]", Host._meta.get_field(name)) for name in (*names, "id")]
    columns = ", ".join(f"{field.column} = %s" for field in fields[:-1])
    values = [[field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)] for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {Host._meta.db_table} SET {columns} WHERE id = %s", values)  # noqa: S608 # names of our own


def _reading(answer: Answer) -> HostReading:
    """An error counts as a change when the host answered before, or failed in another way."""
    changes = comparing.changes(answer.host.facts, answer.values) if answer.values is not None else []
    changed = bool(changes) or answer.host.contact != answer.contact
    return HostReading(
        host_id=answer.host.pk,
        at=answer.at,
        values=(answer.values if changed else _moving(answer.values)) if answer.values else {},
        error=answer.message,
        changes=changes,
        changed=changed,
    )


def _moving(values: dict[str, Any]) -> dict[str, Any]:
    """Of a reading that says nothing new only what always moves is kept: the rest is in the reading before."""
    free = {disk["mount"]: disk["free"] for disk in values["disks"]}
    return {"uptime": values["uptime"], "memory_free": values["memory_free"], "free": free}


def trim() -> int:
    """Forgets readings that say nothing new after two days, and all others after a year. Says how many."""
    now = timezone.now()
    dull, _ = HostReading.objects.filter(changed=False, at__lt=now - KEEP_UNCHANGED).delete()
    old, _ = HostReading.objects.filter(changed=True, at__lt=now - KEEP_CHANGED).delete()
    return dull + old
