"""From workers to browsers: publish by Redis, one hub in each web process, and the database as the net below both.

A message is a hint. What it says was committed before; what is lost with Redis is found by the hub's look at the database.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from django.db import connections, transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

KINDS = frozenset({"log", "step", "operation", "progress", "end", "alive"})
PREFIX = "opsportal.operation."
LOOK_EVERY = 1.0
"""Seconds between two looks at the database."""

PACE = 0.03
"""Seconds between two pieces for one viewer. The first after a silence goes out at once."""

KEEP_ALIVE = 15.0
RECHECK = 5.0
MAX_QUEUE = 200
PAUSE_AFTER_FAILURE = 1.0


class _Publisher:
    """One lazy client. redis-py's pool opens new connections after a fork."""

    def __init__(self) -> None:
        self.client: redis.Redis | None = None
        self.url = ""
        self.quiet_until = 0.0

    def send(self, channel: str, message: str) -> None:
        url = settings.REDIS_URL
        if not url or time.monotonic() < self.quiet_until:
            return
        try:
            if self.client is None or self.url != url:
                self.client = redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=1, retry=Retry(NoBackoff(), 1))
                self.url = url
            self.client.publish(channel, message)
        except (redis.RedisError, OSError) as error:
            self.quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
            logger.debug("not published: %s", error)


_publisher = _Publisher()


def publish(number: int, kind: str, payload: dict[str, Any], prefix: str = PREFIX) -> None:
    """Tell the viewers once the surrounding transaction is committed. Never raises; without Redis it is dropped."""
    message = json.dumps([kind, payload])
    transaction.on_commit(lambda: _publisher.send(f"{prefix}{number}", message), robust=True)


def frame(kind: str, payload: dict[str, Any]) -> bytes:
    """One server-sent event. JSON in ASCII on one line, so nothing that a command prints can end or forge an event."""
    if kind not in KINDS:
        raise ValueError(kind)
    number = f"id: {int(payload['next'])}\n" if kind == "log" else ""
    return f"{number}event: {kind}\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()


@dataclass
class Seen:
    """What the viewers of an operation were told. `next` is the first line that may still change, `bytes` counts the log's."""

    bytes: int = 0
    next: int = 0
    total: int = 0
    state: str = ""
    steps: dict[int, str] = field(default_factory=dict)

    def note(self, kind: str, payload: dict[str, Any]) -> bool:
        """Remember it; False when it is old news."""
        if kind == "log":
            if payload["bytes"] <= self.bytes:
                return False
            self.bytes, self.next, self.total = int(payload["bytes"]), int(payload["next"]), int(payload["total"])
        elif kind == "operation":
            self.state = payload.get("state", self.state)
        elif kind == "step" and "state" in payload:
            self.steps = self.steps | {payload["index"]: payload["state"]}
        return True


@dataclass(eq=False)
class Viewer:
    """One open page. Its queue is bounded: who lags is told only how long the log is, and fetches what is visible.

    `has` is the length in bytes of the log that it was sent.
    """

    operation_id: int
    has: int = 0
    queue: deque[tuple[int, bytes]] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    lagged: bool = False
    ended: bool = False

    def put(self, size: int, data: bytes) -> None:
        if len(self.queue) >= MAX_QUEUE:
            self.queue.clear()
            self.lagged = True
        self.queue.append((size, data))
        self.ready.set()

    def take(self) -> bytes:
        """All that waits, without what this viewer already has. `size` is the log's length in bytes, 0 for what is not log."""
        self.ready.clear()
        fresh = b"".join(data for size, data in self.queue if not size or size > self.has)
        self.has = max([self.has, *(size for size, _ in self.queue)])
        self.queue.clear()
        return fresh


class Hub:
    """Of one event loop: a Redis subscription and a look at the database while anybody is watching, nothing otherwise.

    Other things than operations that have a log derive from it: with a prefix of their own, and `news` of their own.
    """

    prefix = PREFIX

    def news(self, told: dict[int, Seen]) -> list[tuple[int, str, dict[str, Any]]]:
        """What the database says that the viewers were not told: number, kind and payload. Called in a thread."""
        from opsportal.operations import news

        return news.since(told)

    def __init__(self) -> None:
        self.viewers: dict[int, set[Viewer]] = {}
        self.seen: dict[int, Seen] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.database = ThreadPoolExecutor(1, thread_name_prefix="stream")

    def join(self, viewer: Viewer) -> None:
        self.viewers.setdefault(viewer.operation_id, set()).add(viewer)
        if not self.tasks:
            self.tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look_again())]

    def greet(self, viewer: Viewer, summary: dict[str, Any], log: dict[str, Any]) -> None:
        """The viewer gets this snapshot by itself; what was published meanwhile and is part of it is not sent again."""
        viewer.has = log["bytes"]
        if viewer.operation_id not in self.seen:
            steps = {step["index"]: step["state"] for step in summary["steps"]}
            self.seen[viewer.operation_id] = Seen(log["bytes"], log["next"], log["total"], summary["state"], steps)

    def leave(self, viewer: Viewer) -> None:
        watching = self.viewers.get(viewer.operation_id, set())
        watching.discard(viewer)
        if not watching:
            self.viewers.pop(viewer.operation_id, None)
            self.seen.pop(viewer.operation_id, None)
        if not self.viewers:
            for task in self.tasks:
                task.cancel()
            self.tasks = []
            self.database.submit(connections.close_all)

    def tell(self, operation_id: int, kind: str, payload: dict[str, Any]) -> None:
        """To every viewer of the operation; the event is encoded once."""
        if not self.seen.setdefault(operation_id, Seen()).note(kind, payload):
            return
        data, size = frame(kind, payload), payload["bytes"] if kind == "log" else 0
        for viewer in self.viewers.get(operation_id, ()):
            viewer.put(size, data)
            viewer.ended |= kind == "end"

    async def _listen(self) -> None:
        """Forward what is published. Redis may come and go."""
        while settings.REDIS_URL:
            client = redis.asyncio.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), health_check_interval=10)
            try:
                async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.psubscribe(f"{self.prefix}*")
                    while True:
                        if message := await subscription.get_message(timeout=10):
                            self._receive(message)
            except (redis.RedisError, OSError) as error:
                logger.debug("subscription ended: %s", error)
            finally:
                await client.aclose()
            await asyncio.sleep(PAUSE_AFTER_FAILURE)

    def _receive(self, message: dict[str, Any]) -> None:
        number = message["channel"].decode().removeprefix(self.prefix)
        if not number.isdigit() or int(number) not in self.viewers:
            return
        try:
            kind, payload = json.loads(message["data"])
            self.tell(int(number), kind, payload)
        except (ValueError, KeyError, TypeError):
            logger.warning("a message on %s was not understood", self.prefix + number)

    async def _look_again(self) -> None:
        """Finds what Redis lost, and the end. One look costs two small queries for all operations together."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            told = {number: replace(seen) for number, seen in self.seen.items() if number in self.viewers}
            try:
                missed = await loop.run_in_executor(self.database, self.news, told)
            except Exception:
                logger.exception("the database could not be asked for news")
                self.database.submit(connections.close_all)
                continue
            for number, kind, payload in missed:
                # What arrived while the database was asked is newer than its answer.
                if self.seen.get(number) == told[number]:
                    self.tell(number, kind, payload)
                    told[number] = replace(self.seen[number])


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[type[Hub], Hub]] = WeakKeyDictionary()


def hub(kind: type[Hub] = Hub) -> Hub:
    """The one of the running event loop: a web process has one loop."""
    hubs = _hubs.setdefault(asyncio.get_running_loop(), {})
    return hubs.setdefault(kind, kind())


async def watch(viewer: Viewer, centre: Hub | None = None) -> AsyncIterator[bytes]:
    """What happens, as it happens, until the operation ended; b"" after each second of silence, so that the caller can look around."""
    centre, sent = centre or hub(), 0.0
    while True:
        try:
            await asyncio.wait_for(viewer.ready.wait(), 1.0)
        except TimeoutError:
            yield b""
            continue
        await asyncio.sleep(sent + PACE - time.monotonic())
        sent = time.monotonic()
        lagged, viewer.lagged = viewer.lagged, False
        data = viewer.take()
        seen = centre.seen.get(viewer.operation_id)
        if lagged and seen:
            data = _hint(seen) + data
        yield data
        if viewer.ended:
            return


def _hint(seen: Seen) -> bytes:
    """For who lagged: so long is the log, fetch what you show."""
    return frame("log", {"first": seen.total, "lines": [], "total": seen.total, "next": seen.next, "bytes": seen.bytes})
