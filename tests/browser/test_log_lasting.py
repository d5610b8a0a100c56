"""What viewers keep when connections, the web process or Redis go away in the middle of a log."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import expect

from opsportal.operations import approval, journal, planning
from opsportal.operations.models import Operation
from tests.browser.conftest import Live, PageAs
from tests.browser.reading import Reader
from tests.browser.test_log import connection, line, numbered, opened, prints, running
from tests.chaos.stack import Stack, wait_for

pytestmark = pytest.mark.browser

SECOND = 1000


@pytest.fixture(scope="module")
def portal_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own: its processes are killed here."""
    runbooks = "tests.operations.books.Ledger,tests.bench.printing.Printing"
    stack = Stack(tmp_path_factory.mktemp("portal") / "state", OPSPORTAL_RUNBOOKS=runbooks)
    try:
        stack.start()
        stack.start_web()
        yield stack
    finally:
        stack.stop()


def printing(live: Live, rate: float, seconds: float) -> Operation:
    """A worker drives it, from the file a command writes to the stream."""
    user = live.person("", "operator")
    params = {"program": "stamped", "arguments": [str(rate), str(seconds)]}
    operation = planning.create("bench.printing", user=user, token=secrets.token_hex(8), params=params)
    wait_for(lambda: not Operation.objects.get(pk=operation.pk).planning, "the plan")
    operation.refresh_from_db()
    approval.submit(operation, user=user)
    return operation


def reader(live: Live, operation: Operation) -> Reader:
    return Reader(live.url, operation.pk, live.session(live.person("", "viewer")))


def stored(operation: Operation) -> list[str]:
    return b"".join(journal.raw(operation)).decode().splitlines()


def ended(operation: Operation) -> bool:
    operation.refresh_from_db()
    return operation.final


def begun(operation: Operation) -> bool:
    operation.refresh_from_db()
    return operation.started_at is not None


def test_a_hundred_lost_connections_lose_and_double_nothing(live: Live) -> None:
    operation, chance = printing(live, 1500, 10), random.Random(3)
    viewer = reader(live, operation)
    for _ in range(100):
        viewer.read(chance.uniform(0.005, 0.1))
        time.sleep(chance.uniform(0, 0.05))
    wait_for(lambda: ended(operation), "the end")
    assert viewer.read(10), "the stream of an operation that is over ends by itself"
    assert viewer.kinds[-1] == "end"
    assert viewer.state == "succeeded"
    assert viewer.text() == stored(operation)
    assert len(viewer.lines) == 15_000


def test_the_script_loses_and_doubles_nothing_either(live: Live, page_as: PageAs) -> None:
    """The page's own modules, their connection closed and opened again a hundred times."""
    operation = printing(live, 1000, 8)
    wait_for(lambda: begun(operation), "the start")  # at which a page that was opened before is loaded again
    page = opened(page_as("viewer"), operation)
    found: Any = page.evaluate(
        """async ([pk, seed]) => {
          const { Lines } = await import("/static/js/log-lines.js");
          const { Stream } = await import("/static/js/log-stream.js");
          const at = (rest) => `/operations/${pk}/${rest}`;
          const lines = new Lines(at("log"), () => {});
          let over = false;
          const event = (kind, payload) => { if (kind === "log") lines.take(payload); over ||= kind === "end"; };
          const stream = new Stream({ events: at("events"), lines: at("log") }, { after: () => lines.next, event, state: () => {} });
          const pause = (ms) => new Promise((done) => setTimeout(done, ms));
          for (let count = 0; count < 100 && !over; count++) {
            stream.open();
            seed = (seed * 48271) % 2147483647;
            await pause(5 + (seed % 120));
          }
          while (!over) await pause(50);
          const texts = [];
          while (texts.length < lines.total) {
            const known = lines.get(texts.length);
            if (known !== undefined) texts.push(known);
            else texts.push(...(await lines.range(texts.length, 200)).lines);
          }
          return texts.slice(0, lines.total);
        }""",
        [operation.pk, 7],
    )
    wait_for(lambda: ended(operation), "the end")
    assert found == stored(operation)
    assert len(found) == 8000


def test_the_page_lives_through_a_restart_of_the_web_process(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    writer = prints(operation, numbered(100))
    page = opened(page_as("viewer"), operation)
    expect(connection(page)).to_have_text("Live")
    live.stack.kill("web")
    expect(connection(page)).to_contain_text("Not connected since")
    writer.append(writer.size, numbered(1000, 101))
    live.stack.start_web()
    expect(connection(page)).to_have_text("Live", timeout=15 * SECOND)
    expect(line(page, 1100)).to_be_in_viewport()
    writer.append(writer.size, b"after the restart\n")
    expect(line(page, 1101)).to_have_text("after the restart")
    page.evaluate("location.hash = '#L500'")
    expect(line(page, 500)).to_have_text("line 500 of the build")


def test_without_redis_lines_come_from_the_database(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    writer = prints(operation, b"with Redis\n")
    page = opened(page_as("viewer"), operation)
    expect(line(page, 1)).to_have_text("with Redis")
    live.stack.kill("redis")
    try:
        for number in range(2, 6):
            writer.append(writer.size, b"line %d without Redis\n" % number)
            expect(line(page, number)).to_have_text(f"line {number} without Redis", timeout=3 * SECOND)
        expect(connection(page)).to_have_text("Live")
    finally:
        live.stack.start_redis()
    time.sleep(2.5)  # both sides look for Redis once a second
    began = time.monotonic()
    writer.append(writer.size, b"with Redis again\n")
    expect(line(page, 6)).to_have_text("with Redis again")
    assert time.monotonic() - began < 0.7


@pytest.mark.parametrize("how", ["signed out", "deactivated", "without a role"])
def test_a_stream_ends_within_ten_seconds_of_losing_the_right_to_it(live: Live, how: str) -> None:
    operation = running(live)
    user = live.person("", "viewer")
    viewer = Reader(live.url, operation.pk, live.session(user))

    def lose() -> None:
        if how == "signed out":
            SessionStore(viewer.session).delete()
        elif how == "deactivated":
            User.objects.filter(pk=user.pk).update(is_active=False)
        else:
            user.groups.clear()

    stream = viewer.connect()
    lose()
    began = time.monotonic()
    assert viewer.read_on(*stream, 15), "the server did not end the stream"
    assert time.monotonic() - began < 10
    assert viewer.kinds[-1] == "end"
    prints(operation, b"not for you\n")
    assert viewer.status() != 200
