"""Celery entry points. Losing a message costs one round of `read_due`: what is asked for stands in the database."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import transaction

from hosts.models import Host
from networking import reading
from opsportal.celery import app
from opsportal.operations.models import Operation

logger = logging.getLogger(__name__)


@shared_task(queue="ssh", soft_time_limit=90)  # type: ignore[untyped-decorator] # celery has no annotations
def read_due() -> None:
    """One slice of reading; asks for the next one when there is more."""
    reading.adopt()
    if reading.read_slice() and reading.due():
        wake_reader()


def read_again(operation_id: int) -> None:
    """The networks that an operation may have changed: those of the hosts that it had for itself."""
    locks = Operation.objects.get(pk=operation_id).locks
    for host in Host.objects.filter(pk__in=[int(name.removeprefix("host:")) for name in locks if name.startswith("host:")]):
        reading.ask(host)
    wake_reader()


def wake_reader() -> None:
    """Once the transaction commits. A broker that is away is no error: the schedule picks it up."""

    def send() -> None:
        try:
            app.send_task("networking.tasks.read_due", queue="ssh", retry=False)
        except Exception as error:  # whatever the broker's client raises
            logger.warning("the reader of networks was not woken: %s", error)

    transaction.on_commit(send)
