"""From workers to viewers: nothing forged, nothing old told twice, nobody's queue without end, and the views of the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from hypothesis import given
from hypothesis import strategies as st

from opsportal.operations import journal, log_views, news, stream
from opsportal.operations.models import LogChunk, Operation, Step
from tests.operations.logging_operations import described, logged

T = TypeVar("T")

NASTY = [
    "data: forged\n\nevent: end\ndata: {}\n\n",
    "\r\n\r\nid: 0\nretry: 0\n",
    "<script>alert(1)</script>",
    "\x00\x1b[2J\u2028\u2029\ufeff",
    "\ud800",
]


def parsed(data: bytes) -> list[dict[str, Any]]:
    """Events as a browser understands them: fields by line, an empty line ends one."""
    events = []
    for block in data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        fields = [line.partition(": ")[::2] for line in block.split("\n") if line]
        if any(name == "data" for name, _ in fields):
            events.append({name: json.loads(value) if name == "data" else value for name, value in fields})
    return events


@pytest.fixture
def user(db: None) -> User:
    user = User.objects.create_user("vera")
    user.groups.add(Group.objects.get_or_create(name="viewer")[0])
    return user


@pytest.fixture
def operation(user: User) -> Operation:
    return described(user)


@pytest.fixture
def step(operation: Operation) -> Step:
    return Step.objects.create(operation=operation, index=0, key="build", title="Build", target="local")


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("text", NASTY)
def test_no_output_can_end_or_forge_an_event(text: str) -> None:
    payload = {"first": 3, "lines": [text], "total": 4, "next": 4, "bytes": 9}
    (event,) = parsed(stream.frame("log", payload) + b"")
    assert event == {"id": "4", "event": "log", "data": payload}


@given(st.lists(st.text(), max_size=4))
def test_any_text_is_one_event(lines: list[str]) -> None:
    payload = {"first": 0, "lines": lines, "total": 4, "next": 4, "bytes": 9}
    data = stream.frame("log", payload)
    assert data.isascii()
    assert [event["data"] for event in parsed(data)] == [payload]


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="end\nevent"):
        stream.frame("end\nevent: log", {})


def test_what_was_told_is_not_told_again() -> None:
    seen = stream.Seen()
    assert seen.note("log", {"bytes": 10, "next": 1, "total": 1})
    assert not seen.note("log", {"bytes": 10, "next": 1, "total": 1})
    assert seen.note("log", {"bytes": 11, "next": 1, "total": 2})


def log_payload(number: int) -> dict[str, Any]:
    return {"first": number, "lines": [f"line {number}"], "total": number + 1, "next": number + 1, "bytes": number + 1}


def alone(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: Playwright's loop runs in this one for as long as the session lasts."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_a_viewer_who_lags_is_told_only_how_long_the_log_is() -> None:
    async def watched() -> list[dict[str, Any]]:
        viewer, hub = stream.Viewer(7), stream.hub()
        hub.viewers[7] = {viewer}
        for number in range(stream.MAX_QUEUE + 10):
            hub.tell(7, "log", log_payload(number))
        hub.tell(7, "end", {"state": "succeeded"})
        return [event async for data in stream.watch(viewer) for event in parsed(data)]

    events = alone(watched())
    assert events[0]["data"]["lines"] == []
    assert events[0]["data"]["total"] == stream.MAX_QUEUE + 10
    assert len(events) < 20
    assert events[-1]["event"] == "end"


def test_a_viewer_gets_what_came_after_its_snapshot_and_nothing_twice() -> None:
    async def watched() -> list[dict[str, Any]]:
        viewer, hub = stream.Viewer(7), stream.hub()
        hub.viewers[7] = {viewer}
        hub.tell(7, "log", log_payload(4))
        hub.tell(7, "log", log_payload(5))
        hub.greet(viewer, {"state": "running", "steps": []}, log_payload(4))
        hub.tell(7, "end", {"state": "failed"})
        return [event async for data in stream.watch(viewer) for event in parsed(data)]

    events = alone(watched())
    assert [event["data"].get("lines") for event in events] == [["line 5"], None]


def test_a_quiet_log_is_told_at_once_and_a_busy_one_in_turns() -> None:
    async def pieces() -> list[bytes]:
        viewer, hub = stream.Viewer(7), stream.hub()
        hub.viewers[7] = {viewer}
        taken: list[bytes] = []

        async def read() -> None:
            async for data in stream.watch(viewer):
                taken.append(data)

        reading = asyncio.create_task(read())
        for number in range(20):
            hub.tell(7, "log", log_payload(number))
            await asyncio.sleep(0.002)
        hub.tell(7, "end", {})
        await reading
        return taken

    taken = alone(pieces())
    assert len(parsed(taken[0])) <= 2
    assert len(taken) < 10
    assert [event["data"].get("first") for data in taken for event in parsed(data)] == [*range(20), None]


def test_publishing_without_redis_is_quick_and_silent(settings: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(stream, "_publisher", stream._Publisher())
    stream.publish(1, "log", {"bytes": 1})


def test_news_says_what_the_viewers_were_not_told(operation: Operation, step: Step) -> None:
    logged(step, b"one\ntwo\nthr")
    seen = stream.Seen(bytes=4, next=1, total=1, state="running", steps={0: "pending"})
    Step.objects.update(state="running")
    told = news.since({operation.pk: seen})
    assert [(kind, payload.get("lines") or payload) for _, kind, payload in told] == [
        ("log", ["two", "thr"]),
        ("step", {"index": 0, "state": "running"}),
    ]
    assert told[0][2]["next"] == 2
    assert news.since({operation.pk: stream.Seen(11, 2, 3, "running", {0: "running"})}) == []


def test_news_of_an_operation_that_is_over_ends_the_stream(operation: Operation) -> None:
    Operation.objects.update(state="failed")
    told = news.since({operation.pk: stream.Seen(state="running")})
    assert [(kind, payload) for _, kind, payload in told] == [("operation", {"state": "failed"}), ("end", {"state": "failed"})]


def first_events(user: User, operation: Operation, address: str = "", **headers: str) -> list[dict[str, Any]]:
    """What a stream begins with."""

    async def read() -> bytes:
        client = AsyncClient()
        await client.aforce_login(user, backend="django.contrib.auth.backends.ModelBackend")
        response = await client.get(f"/operations/{operation.pk}/events{address}", headers=headers)
        assert isinstance(response, StreamingHttpResponse)
        assert response["Content-Type"] == "text/event-stream"
        assert "no-cache" in response["Cache-Control"]
        content: AsyncIterator[bytes] = response.streaming_content
        return await anext(content)

    return parsed(async_to_sync(read)())


def test_a_stream_begins_with_everything_a_page_must_know(user: User, operation: Operation, step: Step) -> None:
    logged(step, b"one\ntwo\nopen")
    summary, log = first_events(user, operation)
    assert (summary["event"], summary["data"]["state"], summary["data"]["steps"][0]["first"]) == ("operation", "running", 0)
    assert (log["event"], log["id"], log["data"]["lines"]) == ("log", "2", ["one", "two", "open"])


def test_a_browser_that_comes_back_gets_what_it_does_not_have(user: User, operation: Operation, step: Step) -> None:
    logged(step, b"one\ntwo\nthree\n")
    assert first_events(user, operation, "?after=0", **{"Last-Event-ID": "2"})[1]["data"]["lines"] == ["three"]
    assert first_events(user, operation, "?after=1")[1]["data"]["lines"] == ["two", "three"]
    assert first_events(user, operation, "?after=3")[1]["data"]["lines"] == []
    assert first_events(user, operation, **{"Last-Event-ID": "-5; drop"})[1]["data"]["first"] == 0


def test_lines_come_by_number(client: Client, operation: Operation, step: Step) -> None:
    logged(step, b"".join(b"line %d\n" % number for number in range(3000)) + b"z" * 5000 + b"\nopen")
    answer = client.get(f"/operations/{operation.pk}/log?first=1500&count=2").json()
    assert answer == {"first": 1500, "lines": ["line 1500", "line 1501"], "total": 3002, "open": False}
    end = client.get(f"/operations/{operation.pk}/log?first=3000&count=9").json()
    assert end["lines"] == [["z" * 4096, 5000], "open"]
    assert end["open"] is True
    assert len(client.get(f"/operations/{operation.pk}/log?first=0&count=99999").json()["lines"]) == 1000
    assert client.get(f"/operations/{operation.pk}/log?first=99999").json()["lines"] == []


def test_a_browser_without_a_stream_asks_for_the_same(client: Client, operation: Operation, step: Step) -> None:
    logged(step, b"one\ntwo\n")
    answer = client.get(f"/operations/{operation.pk}/log?after=1").json()
    assert answer["log"]["lines"] == ["two"]
    assert answer["operation"]["steps"][0]["title"] == "Build"


def test_search_answers_with_numbers_and_refuses_nonsense(client: Client, operation: Operation, step: Step) -> None:
    logged(step, b"one\nTwo\ntwo\n")
    address = f"/operations/{operation.pk}/log/search"
    assert client.get(address, {"q": "two"}).json() == {"lines": [1, 2], "cursor": ""}
    assert client.get(address, {"q": "two", "case": "1"}).json()["lines"] == [2]
    assert client.get(address, {"q": "two", "after": "1"}).json()["lines"] == [2]
    assert client.get(address, {"q": "x" * 1001}).status_code == 400
    assert client.get(address, {"q": "two", "cursor": "1; drop"}).status_code == 400


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_the_raw_log_is_a_file_and_never_a_page(client: Client, operation: Operation, step: Step) -> None:
    logged(step, b"<script>alert(1)</script>\n\xff\xfe" + b"y" * 300_000 + b"\nlast\n")
    response = client.get(f"/operations/{operation.pk}/log/raw")
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert b"".join(response) == b"".join(journal.raw(operation))


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_one_line_can_be_loaded_whole(client: Client, operation: Operation, step: Step) -> None:
    other = Step.objects.create(operation=operation, index=1, key="other", title="Other", target="local")
    logged(step, b"before\n", b"y" * 300_000 + b"\n", b"open end")
    logged(other, b"after\n")

    def line(number: int) -> bytes:
        return b"".join(client.get(f"/operations/{operation.pk}/log/raw?line={number}"))

    assert [line(number) for number in range(5)] == [b"before", b"y" * 300_000, b"open end", b"after", b""]
    assert b"".join(client.get(f"/operations/{operation.pk}/log/raw?step=1")) == b"after\n"


def test_without_script_the_log_is_read_page_by_page(client: Client, operation: Operation, step: Step) -> None:
    logged(step, b"".join(b"line %d\n" % number for number in range(2500)) + b"<b>\x1b[31mred\x1b[0m\x1b[2J\n")
    first = client.get(f"/operations/{operation.pk}/log/page").content.decode()
    assert "line 999\n" in first and "line 1000" not in first
    last = client.get(f"/operations/{operation.pk}/log/page?first=2000").content.decode()
    assert "&lt;b&gt;red&lt;ESC&gt;[2J" in last


def test_reading_far_away_costs_the_same_queries(operation: Operation, step: Step, django_assert_max_num_queries: Any) -> None:
    logged(step, b"".join(b"line %d of the build\n" % number for number in range(100_000)))
    assert LogChunk.objects.count() > 20
    for first in (0, 50_000, 99_800):
        with django_assert_max_num_queries(4):
            assert journal.lines(operation, first, 200)[0].text == f"line {first} of the build"


def test_the_right_to_look_is_asked_again(user: User, client: Client) -> None:
    key = client.session.session_key
    assert log_views.still_admitted(key)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not log_views.still_admitted(key)
    User.objects.filter(pk=user.pk).update(is_active=True)
    user.groups.clear()
    assert not log_views.still_admitted(key)
    client.logout()
    assert not log_views.still_admitted(key)
