"""The Celery application. A message carries an operation's id and nothing else."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from celery import Celery, bootsteps
from celery.signals import task_received
from celery.utils.nodenames import worker_direct
from celery.worker import state as requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

logger = logging.getLogger(__name__)

app = Celery("opsportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task(name="opsportal.canary")  # type: ignore[untyped-decorator] # celery has no annotations
def canary() -> None:
    """Receiving it is the proof of life."""


class Watchdog(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no annotations
    """Ends a worker that no longer consumes, as happens after a reconnect to Redis; whoever started it starts a new one.

    The worker sends a message to itself, through the broker, by the queue that only it reads. What it does on targets goes on.
    """

    requires = {"celery.worker.components:Pool"}
    every = 15.0
    patience = 60.0
    """Seconds for which a message that was sent may go unreceived while the worker has nothing to do."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.stopping = threading.Event()
        self.unanswered_since: float | None = None

    def start(self, parent: Any) -> None:
        task_received.connect(self._received, weak=False)
        threading.Thread(target=self._watch, args=[parent.hostname], daemon=True, name="watchdog").start()

    def stop(self, _parent: Any) -> None:
        self.stopping.set()

    def _received(self, **_request: Any) -> None:
        self.unanswered_since = None

    def _watch(self, hostname: str) -> None:
        while not self.stopping.wait(self.every):
            self.ask(hostname)
            since = self.unanswered_since
            if since and time.monotonic() - since > self.patience and not (requests.active_requests or requests.reserved_requests):
                logger.critical("this worker has received nothing for %.0f s although the broker takes messages: ending it", self.patience)
                logging.shutdown()
                os._exit(75)  # a clean stop would wait for the part that hangs

    def ask(self, hostname: str) -> None:
        """Noted before it is sent, because the answer may be here before `send_task` returns."""
        self.unanswered_since = self.unanswered_since or time.monotonic()
        try:
            app.send_task("opsportal.canary", queue=worker_direct(hostname), retry=False)
        except Exception:  # the broker is away: that says nothing about the worker
            self.unanswered_since = None


app.steps["worker"].add(Watchdog)
