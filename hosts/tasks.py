"""Celery entry points. Losing a message costs one round of `read_due`: what is asked for stands in the database."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from django.db import transaction

from hosts import adding, reading, scanning
from hosts.cloudstack import reading as clouds
from hosts.models import Host, HostDraft
from hosts.tails import following, keeping, listing
from hosts.xen import reading as pools
from opsportal.celery import app

logger = logging.getLogger(__name__)


@shared_task(queue="ssh")  # type: ignore[untyped-decorator] # celery has no annotations
def go_on(draft_id: str) -> None:
    """Does for a draft what it waits for."""
    if draft := HostDraft.objects.select_related("credential").filter(pk=draft_id).first():
        adding.scan(draft)
        adding.log_in(draft) if draft.state == HostDraft.State.READING else None


@shared_task(queue="ssh")  # type: ignore[untyped-decorator] # celery has no annotations
def scan_host(host_id: int) -> None:
    """Reads the keys that a host shows now, for a person to compare."""
    if host := Host.objects.filter(pk=host_id).first():
        scanning.scan(host)


@shared_task(queue="ssh", soft_time_limit=90)  # type: ignore[untyped-decorator] # celery has no annotations
def read_due() -> None:
    """One slice of reading; asks for the next one when there is more. Also picks up what lost its message, and pools that are due."""
    pools.hurry()
    if pools.due() and not pools.crowded():
        wake_pools()
    clouds.hurry()
    if clouds.due():
        wake_clouds()
    for draft in adding.waiting():
        go_on(str(draft.pk))
    for host in scanning.waiting():
        scanning.scan(host)
    if not reading.crowded() and reading.read_slice() and reading.due():
        wake_reader()
    reading.trim()
    adding.trim()
    keeping.trim()


@shared_task(queue="ssh", soft_time_limit=60)  # type: ignore[untyped-decorator] # celery has no annotations
def follow_logs() -> None:
    """One look at every log that is due, and a message for the next. The schedule begins anew what lost its message."""
    for host_id in listing.waiting():
        listing.look(host_id)
    following.look_at_due(wake_tails)


@shared_task(queue="ssh", soft_time_limit=60)  # type: ignore[untyped-decorator] # celery has no annotations
def list_logs(host_id: int) -> None:
    """Finds which logs a host has."""
    listing.look(host_id)


@shared_task(queue="ssh", soft_time_limit=90)  # type: ignore[untyped-decorator] # celery has no annotations
def read_pools() -> None:
    """One slice of reading XenServer pools; asks for the next one when there is more."""
    if not pools.crowded() and pools.read_slice() and pools.due():
        wake_pools()
    pools.trim()


@shared_task(queue="ssh", soft_time_limit=90)  # type: ignore[untyped-decorator] # celery has no annotations
def read_clouds() -> None:
    """One slice of reading what CloudStack says; asks for the next one when there is more."""
    if clouds.read_slice() and clouds.due():
        wake_clouds()


def wake_draft(draft: HostDraft) -> None:
    _send("go_on", str(draft.pk))


def wake_scan(host: Host) -> None:
    _send("scan_host", host.pk)


def wake_reader() -> None:
    _send("read_due")


def wake_pools() -> None:
    _send("read_pools")


def wake_clouds() -> None:
    _send("read_clouds")


def wake_log_list(host: Host) -> None:
    _send("list_logs", host.pk)


def wake_tails(seconds: float = 0) -> None:
    _send("follow_logs", seconds=seconds)


def _send(task: str, *args: Any, seconds: float = 0) -> None:
    """Once the transaction commits. A broker that is away is no error: the schedule picks it up."""

    def send() -> None:
        try:
            app.send_task(f"hosts.tasks.{task}", args=list(args), queue="ssh", retry=False, countdown=seconds or None)
        except Exception as error:  # whatever the broker's client raises
            logger.warning("%s was not sent to a worker: %s", task, error)

    transaction.on_commit(send)
