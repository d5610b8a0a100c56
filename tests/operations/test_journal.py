"""The log store: what was printed comes back byte for byte, by line, by search and raw."""

from __future__ import annotations

import random
import secrets
import tracemalloc
import zlib
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given
from hypothesis import settings as quick
from hypothesis import strategies as st

from opsportal.operations import journal, stream
from opsportal.operations.models import LogChunk, Operation, Step
from tests.operations.logging_operations import described, logged

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("olga")


@pytest.fixture
def operation(user: User) -> Operation:
    return described(user)


@pytest.fixture
def step(operation: Operation) -> Step:
    return Step.objects.create(operation=operation, index=0, key="build", title="Build", target="local")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the viewers would get."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(stream, "publish", lambda operation, kind, payload: messages.append(payload))
    return messages


def numbered(count: int, begin: int = 0) -> bytes:
    return b"".join(b"line %d of the build\n" % number for number in range(begin, begin + count))


def test_what_is_appended_in_pieces_comes_back_whole(operation: Operation, step: Step) -> None:
    data = numbered(20_000)
    writer = journal.Writer(step, fence=0)
    position = 0
    while position < len(data):
        size = random.Random(position).randrange(1, 40_000)
        writer.append(writer.size, data[position : position + size])
        position += size
    operation.refresh_from_db()
    assert b"".join(journal.raw(operation)) == data
    assert (operation.log_lines, operation.log_bytes) == (20_000, len(data))
    assert [line.text for line in journal.lines(operation, 19_998, 10)] == ["line 19998 of the build", "line 19999 of the build"]


def test_full_chunks_are_compressed_and_at_most_64_kib(operation: Operation, step: Step) -> None:
    logged(step, numbered(20_000))
    chunks = list(LogChunk.objects.order_by("offset"))
    assert [chunk.size for chunk in chunks[:-1]] == [65536] * (len(chunks) - 1)
    assert all(chunk.packed and len(chunk.data) < 20_000 for chunk in chunks[:-1])
    assert zlib.decompress(chunks[0].data) == numbered(20_000)[:65536]


def test_every_chunk_says_which_lines_it_holds(operation: Operation, step: Step) -> None:
    logged(step, numbered(9_000), b"an open end")
    line = 0
    for chunk in LogChunk.objects.order_by("offset"):
        data = chunk.bytes()
        assert chunk.first_line == line
        assert chunk.last_line == line + data.count(b"\n") - data.endswith(b"\n")
        line += data.count(b"\n")


def test_a_second_writer_goes_on_in_the_middle_of_a_line(operation: Operation, step: Step) -> None:
    first = journal.Writer(step, fence=0)
    first.append(0, b"one\ntwo beg" + b"." * 9000)
    first.close()
    assert LogChunk.objects.get().packed
    second = journal.Writer(step, fence=0)
    second.append(second.size, b"ins\nthree\n")
    operation.refresh_from_db()
    assert operation.log_lines == 3
    assert [line.text for line in journal.lines(operation, 0, 9)][2] == "three"
    assert b"".join(journal.raw(operation)) == b"one\ntwo beg" + b"." * 9000 + b"ins\nthree\n"


def test_a_step_begins_on_a_line_of_its_own(operation: Operation, step: Step) -> None:
    other = Step.objects.create(operation=operation, index=1, key="other", title="Other", target="local")
    logged(step, b"no end")
    logged(other, b"beginning\n")
    operation.refresh_from_db()
    found = journal.lines(operation, 0, 10)
    assert [(line.number, line.step_index, line.text) for line in found] == [(0, 0, "no end"), (1, 1, "beginning")]
    assert operation.log_lines == 2
    other.refresh_from_db()
    assert other.first_line == 1
    assert b"".join(journal.raw(operation, other)) == b"beginning\n"
    assert b"".join(journal.raw(operation)) == b"no endbeginning\n"


def test_bytes_that_do_not_join_on_are_refused(operation: Operation, step: Step) -> None:
    writer = journal.Writer(step, fence=0)
    writer.append(0, b"one\n")
    with pytest.raises(journal.Gap):
        writer.append(9, b"two\n")
    late = journal.Writer(step, fence=0)
    writer.append(4, b"two\n")
    with pytest.raises(journal.Gap):
        late.append(4, b"two again\n")
    operation.refresh_from_db()
    assert b"".join(journal.raw(operation)) == b"one\ntwo\n"
    assert (operation.log_lines, operation.log_bytes) == (2, 8)


def test_a_worker_without_the_lease_writes_nothing(operation: Operation, step: Step) -> None:
    writer = journal.Writer(step, fence=0)
    writer.append(0, b"mine\n")
    Operation.objects.update(fence=1)
    with pytest.raises(journal.Fenced):
        writer.append(5, b"not any more\n")
    operation.refresh_from_db()
    step.refresh_from_db()
    assert (operation.log_bytes, step.log_bytes, operation.log_lines) == (5, 5, 1)
    assert b"".join(journal.raw(operation)) == b"mine\n"


def test_beyond_the_limit_bytes_are_counted_and_said_to_be_missing(operation: Operation, step: Step, settings: object) -> None:
    settings.LOG_CAP_BYTES = 10  # type: ignore[attr-defined]
    other = Step.objects.create(operation=operation, index=1, key="other", title="Other", target="local")
    logged(step, b"0123\n", b"567890123\n")
    assert journal.Writer(step, fence=0).size == 15
    settings.LOG_CAP_BYTES = 1000  # type: ignore[attr-defined]
    logged(step, b"after the hole\n")
    settings.LOG_CAP_BYTES = 10  # type: ignore[attr-defined]
    logged(other, b"more\n")
    operation.refresh_from_db()
    assert b"".join(journal.raw(operation)) == b"0123\n56789"
    assert (operation.log_bytes, operation.log_lines) == (35, 2)
    assert journal.marker(operation).startswith("Stored 10 of 35 bytes.")


def test_nothing_is_said_to_be_missing_when_nothing_is(operation: Operation, step: Step) -> None:
    logged(step, b"all of it\n")
    operation.refresh_from_db()
    assert journal.marker(operation) == ""


def test_a_long_line_is_cut_for_show_and_jumped_over(operation: Operation, step: Step, django_assert_max_num_queries: object) -> None:
    long = 5 * 1024 * 1024
    logged(step, b"before\n", b"x" * long + b"\n", b"after\n")
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        before, middle, after = journal.lines(operation, 0, 10)
    assert (before.text, after.text, after.number) == ("before", "after", 2)
    assert (len(middle.text), middle.cut, middle.bytes) == (4096, True, long)
    assert [line.text for line in journal.lines(operation, 2, 1)] == ["after"]


@pytest.mark.parametrize("length", [65535, 65536, 65537, 131071, 131072, 200_000])
@pytest.mark.parametrize("lead", [0, 1, 65530])
def test_the_length_of_a_line_is_right_wherever_its_end_falls(operation: Operation, step: Step, length: int, lead: int) -> None:
    begin = b"a" * (lead - 1) + b"\n" if lead else b""
    logged(step, begin + b"x" * length + b"\nafter\n")
    line, after = journal.lines(operation, 1 if lead else 0, 5)
    assert (line.bytes, line.text, after.text) == (length, "x" * 4096, "after")


def test_an_open_long_line_grows(operation: Operation, step: Step) -> None:
    logged(step, b"x" * 300_000, b"y" * 300_000)
    (line,) = journal.lines(operation, 0, 5)
    assert (line.bytes, line.ended, line.cut) == (600_000, False, True)


def test_letters_cut_in_two_are_not_shown_as_broken(operation: Operation, step: Step) -> None:
    logged(step, "grün".encode()[:3])
    assert journal.lines(operation, 0, 1)[0].text == "gr"
    logged(step, "grün".encode()[3:] + b"\n" + b"\xff\xfe bad\n")
    assert [line.text for line in journal.lines(operation, 0, 2)] == ["grün", "\ufffd\ufffd bad"]


def test_search_finds_each_line_once_and_over_the_end_of_a_chunk(operation: Operation, step: Step) -> None:
    data = b"." * 65531 + b"needle needle\n" + b"nothing\nNEEDLE\n"
    logged(step, data)
    assert journal.search(operation, "needle").lines == [0, 2]
    assert journal.search(operation, "needle", ignore_case=False).lines == [0]
    assert journal.search(operation, "needle", after=0).lines == [2]
    assert journal.search(operation, "a.e").lines == []


def test_search_sees_what_people_see(operation: Operation, step: Step) -> None:
    border = b"." * 65529 + b"x [\x1b[1;34mINFO\x1b[m] over the end of a chunk\n"
    logged(step, b"[\x1b[1;31mERROR\x1b[m] coloured\n" + b"." * 65000 + b"\n" + border)
    assert journal.search(operation, "[error] col").lines == [0]
    assert journal.search(operation, "x [INFO] over", ignore_case=False).lines == [2]
    assert journal.search(operation, "31m").lines == []


@pytest.mark.parametrize("cut", range(65520, 65540))
def test_search_sees_colours_that_a_chunk_cuts(operation: Operation, step: Step, cut: int) -> None:
    logged(step, b"." * cut + b"a\x1b[31mb\x1b[0mc\n")
    assert journal.search(operation, "abc").lines == [0]


def test_search_folds_the_case_of_other_letters(operation: Operation, step: Step) -> None:
    logged(step, "Größe ÄNDERN\n".encode())
    assert journal.search(operation, "änDERN").lines == [0]
    assert journal.search(operation, "GRÖß").lines == [0]
    assert journal.search(operation, "ä", ignore_case=False).lines == []


def test_search_goes_on_where_it_stopped(operation: Operation, step: Step) -> None:
    logged(step, numbered(30_000))
    found: list[int] = []
    answer = journal.search(operation, "7 of", limit=100)
    while answer.cursor:
        assert journal.valid_cursor(answer.cursor)
        found += answer.lines
        answer = journal.search(operation, "7 of", limit=100, cursor=answer.cursor)
    assert found + answer.lines == list(range(7, 30_000, 10))


def test_search_that_runs_out_of_time_still_gets_to_the_end(operation: Operation, step: Step) -> None:
    logged(step, numbered(20_000) + b"the last one\n")
    answers = [journal.search(operation, "last one", seconds=0)]
    while answers[-1].cursor:
        answers.append(journal.search(operation, "last one", seconds=0, cursor=answers[-1].cursor))
    assert [line for answer in answers for line in answer.lines] == [20_000]
    assert len(answers) > 3


def test_viewers_get_the_last_lines_and_an_open_line_again(operation: Operation, step: Step, told: list[dict[str, Any]]) -> None:
    writer = journal.Writer(step, fence=0)
    writer.append(0, b"one\ntw")
    writer.append(writer.size, b"o\n")
    writer.append(writer.size, numbered(10_000))
    assert [(one["first"], one["total"], one["next"]) for one in told] == [(0, 2, 1), (1, 2, 2), (9_502, 10_002, 10_002)]
    assert told[0]["lines"] == ["one", "tw"]
    assert told[1]["lines"] == ["two"]
    assert len(told[2]["lines"]) == 500
    assert told[2]["lines"][-1] == "line 9999 of the build"


def test_one_message_stays_small_whatever_is_printed(operation: Operation, step: Step, told: list[dict[str, Any]]) -> None:
    logged(step, (b"z" * 5000 + b"\n") * 500)
    assert 50 < len(told[0]["lines"]) < 70
    assert told[0]["lines"][0] == ["z" * 4096, 5000]


def test_a_line_of_many_megabytes_needs_little_memory(operation: Operation, step: Step) -> None:
    """A quarter of a megabyte at a time, as it is read from the target: stored, shown, searched and sent."""
    piece = random.Random(1).randbytes(128 * 1024).replace(b"\n", b"x") * 2
    writer = journal.Writer(step, fence=0)
    tracemalloc.start()
    try:
        for _ in range(100):
            writer.append(writer.size, piece)
        writer.append(writer.size, b"\nthe needle\n")
        long, last = journal.lines(operation, 0, 5)
        assert journal.search(operation, "the needle", seconds=60).lines == [1]
        assert sum(len(part) for part in journal.raw_line(operation, 0)) == long.bytes == 100 * len(piece)
        assert last.text == "the needle"
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


PIECES = st.builds(lambda text, times: text * times, st.binary(max_size=8) | st.just(b"ab\n"), st.sampled_from([1, 3, 9000, 30_000]))


@quick(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_cutting_of_any_bytes_reads_the_same(user: User, data: st.DataObject) -> None:
    """Against the plain definition: split what was printed at its line ends."""
    operation = described(user, secrets.token_hex(8))
    expected: list[bytes] = []
    for index in range(data.draw(st.integers(1, 3))):
        step = Step.objects.create(operation=operation, index=index, key="k", title="t", target="local")
        pieces = data.draw(st.lists(PIECES, max_size=4))
        for piece in pieces:
            logged(step, piece)
        printed = b"".join(pieces)
        expected += printed.split(b"\n")[: -1 if printed.endswith(b"\n") or not printed else None]
    operation.refresh_from_db()
    assert operation.log_lines == len(expected)
    first = data.draw(st.integers(0, max(0, len(expected) - 1)))
    found = journal.lines(operation, first, 50)
    wanted = list(enumerate(expected))[first : first + 50]
    assert [(line.number, line.bytes) for line in found] == [(number, len(text)) for number, text in wanted]
    assert [line.text[:900] for line in found if line.ended] == [
        text.decode(errors="replace")[:900] for (number, text), line in zip(wanted, found, strict=True) if line.ended
    ]
