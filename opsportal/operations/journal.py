"""The log of an operation: append bytes at an offset, read lines by number, search, read raw.

Lines are counted from 0 over the whole operation. A step always begins on a line of its own.
"""

from __future__ import annotations

import codecs
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery

from opsportal.operations import stream
from opsportal.operations.models import LogChunk, Operation, Step

CHUNK = 64 * 1024
SHOWN = 4096
"""Characters of a line that are shown; the raw log has the rest."""

HEAD = 4 * SHOWN
"""Bytes that hold at least SHOWN characters of UTF-8."""

PUBLISHED_LINES = 500
PUBLISHED_CHARACTERS = 256 * 1024
PACK_TAIL = 4096
READ_AT_ONCE = 16
SEARCH_SECONDS = 0.5
COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
"""Searched is what people see: without colours."""

BETWEEN = 512
"""Bytes of colours that a match over the end of a chunk may have in it."""


class Gap(Exception):
    """The bytes do not begin where the stored output of the step ends."""


class Fenced(Exception):
    """Another worker drives the operation; nothing was written."""


@dataclass(frozen=True)
class Line:
    """`bytes` is the length of the whole line without its line end; `cut` says that `text` is only its beginning.

    `ended` is false for a last line that may still grow.
    """

    number: int
    step_index: int
    text: str
    cut: bool
    bytes: int
    ended: bool = True

    def json(self) -> str | list[str | int]:
        """The text, or text and full length when it was cut."""
        return [self.text, self.bytes] if self.cut else self.text


@dataclass(frozen=True)
class Found:
    """Numbers of the lines with a match, and where to go on; `cursor` is "" when the end was reached."""

    lines: list[int]
    cursor: str


def shown(head: bytes, length: int, *, ended: bool) -> tuple[str, bool]:
    """The text of a line from its first bytes, and whether it is only a part of it."""
    whole = length <= len(head)
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head, final=whole and ended)
    return text[:SHOWN], len(text) > SHOWN or not whole


class Writer:
    """Appends one step's output. Not for several threads; memory stays within a few times one append."""

    def __init__(self, step: Step, *, fence: int) -> None:
        self.step, self.fence = step, fence
        operation = Operation.objects.only("log_lines", "log_bytes").get(pk=step.operation_id)
        self.size, first = Step.objects.values_list("log_bytes", "first_line").get(pk=step.pk)
        self.first_line = operation.log_lines if first is None else first
        self.total = operation.log_bytes
        last = LogChunk.objects.filter(step=step).order_by("-offset").first()
        self.whole = self.size == (last.offset + last.size if last else 0)
        """False once bytes were left out: what comes after a hole is never stored."""
        self.tail: LogChunk | None = None
        self.tail_data = b""
        self.line = operation.log_lines
        """The line that the next byte belongs to."""
        self.open_head, self.open_length = b"", 0
        if last is not None and last.last_line + 1 == operation.log_lines:
            self._resume(operation, last)

    def _resume(self, operation: Operation, last: LogChunk) -> None:
        data = last.bytes()
        if last.size < CHUNK:
            self.tail, self.tail_data = last, data
        if not data.endswith(b"\n"):
            self.line = last.last_line
            open_line = next(_heads(operation, self.line))
            self.open_head, self.open_length = open_line.head, open_line.length

    def append(self, offset: int, data: bytes) -> None:
        """Store what comes at `offset` of the step's output and tell the viewers. All of it or nothing is stored."""
        if offset != self.size:
            raise Gap(f"Bytes from {offset} were offered, the stored output of the step ends at {self.size}.")
        if not data:
            return
        kept = data[: max(0, settings.LOG_CAP_BYTES - self.total)] if self.whole else b""
        tail, fresh = self._chunks(kept)
        with transaction.atomic():
            self._count(offset, data, self._line_after(kept) + self._opens(kept))
            if tail is not None:
                tail.save(update_fields=["size", "last_line", "packed", "data"])
            LogChunk.objects.bulk_create(fresh, batch_size=64)
        first, lines = self._news(kept)
        self._moved_on(kept, tail, fresh, len(data))
        payload = {"first": first, "lines": lines, "total": self.line + bool(self.open_length), "next": self.line, "bytes": self.total}
        stream.publish(self.step.operation_id, "log", payload | {"step": self.step.index, "begins": self.first_line})

    def close(self) -> None:
        """Compress the last chunk. A later writer may still extend it."""
        if self.tail is None or self.tail.packed or len(self.tail_data) < PACK_TAIL:
            return
        packed = zlib.compress(self.tail_data, 1)
        # Only while nobody extended it: the data of a chunk never changes except by growing.
        LogChunk.objects.filter(pk=self.tail.pk, size=len(self.tail_data), packed=False).update(packed=True, data=packed)
        self.tail.packed, self.tail.data = True, packed

    def _count(self, offset: int, data: bytes, lines: int) -> None:
        """The conditional half of the transaction: still ours, and nothing between."""
        mine = Operation.objects.filter(pk=self.step.operation_id, fence=self.fence)
        if not mine.update(log_bytes=F("log_bytes") + len(data), log_lines=lines):
            raise Fenced(f"Operation {self.step.operation_id} is driven by another worker.")
        unchanged = Step.objects.filter(pk=self.step.pk, log_bytes=offset)
        if not unchanged.update(log_bytes=offset + len(data), first_line=self.first_line):
            raise Gap(f"The stored output of the step no longer ends at {offset}.")

    def _line_after(self, kept: bytes) -> int:
        return self.line + kept.count(b"\n")

    def _opens(self, kept: bytes) -> bool:
        """Is the last line without its end, after these bytes?"""
        return not kept.endswith(b"\n") if kept else self.open_length > 0

    def _chunks(self, kept: bytes) -> tuple[LogChunk | None, list[LogChunk]]:
        """The last chunk as it grows, and the new ones. The writer's own state stays as it was, in case the commit fails."""
        tail, fresh, line, position = None, [], self.line, 0
        if self.tail is not None and kept:
            position = CHUNK - len(self.tail_data)
            line += kept.count(b"\n", 0, position)
            data = self.tail_data + kept[:position]
            old = self.tail
            tail = self._chunk(old.offset, old.first_line, data)
            tail.pk, tail._state.adding = old.pk, False
        while position < len(kept):
            data = kept[position : position + CHUNK]
            fresh.append(self._chunk(self.size + position, line, data))
            line += data.count(b"\n")
            position += CHUNK
        return tail, fresh

    def _chunk(self, offset: int, first_line: int, data: bytes) -> LogChunk:
        last_line = first_line + data.count(b"\n") - data.endswith(b"\n")
        stored = zlib.compress(data, 1) if len(data) == CHUNK else data
        packed = len(stored) < len(data)
        return LogChunk(
            operation_id=self.step.operation_id,
            step_id=self.step.pk,
            offset=offset,
            size=len(data),
            first_line=first_line,
            last_line=last_line,
            packed=packed,
            data=stored if packed else data,
        )

    def _moved_on(self, kept: bytes, tail: LogChunk | None, fresh: list[LogChunk], length: int) -> None:
        self.size += length
        self.total += length
        self.whole = self.whole and len(kept) == length
        if not kept:
            return
        last = fresh[-1] if fresh else tail
        self.tail = last if last and last.size < CHUNK else None
        self.tail_data = self.tail.bytes() if self.tail else b""
        end = kept.rfind(b"\n") + 1
        if end:
            self.open_head, self.open_length = b"", 0
        self.open_head = (self.open_head + kept[end : end + HEAD])[:HEAD]
        self.open_length += len(kept) - end
        self.line += kept.count(b"\n")

    def _news(self, kept: bytes) -> tuple[int, list[str | list[str | int]]]:
        """The newest lines of these bytes as the viewers get them, and the number of the first of them."""
        begin = len(kept) - kept.endswith(b"\n")
        for _ in range(PUBLISHED_LINES):
            begin = kept.rfind(b"\n", 0, begin)
            if begin < 0:
                break
        begin += 1
        number = self.line + kept.count(b"\n", 0, begin)
        pieces = kept[begin:].split(b"\n") if kept else []
        if pieces and not pieces[-1]:
            pieces.pop()
        lines: list[Line] = []
        for index, piece in enumerate(pieces):
            head, length = piece[:HEAD], len(piece)
            if index == 0 and begin == 0:
                head, length = (self.open_head + head)[:HEAD], length + self.open_length
            ended = index < len(pieces) - 1 or kept.endswith(b"\n")
            lines.append(Line(number + index, self.step.index, *shown(head, length, ended=ended), length))
        left = newest(lines)
        return (left[0].number if left else self.line), [line.json() for line in left]


def newest(lines: list[Line]) -> list[Line]:
    """As many of the last lines as one message may carry."""
    room = PUBLISHED_CHARACTERS
    for index in range(len(lines) - 1, -1, -1):
        room -= len(lines[index].text)
        if room < 0:
            return lines[index + 1 :]
    return lines


@dataclass
class _Head:
    """A line's first bytes and its length so far. `offset` is where it begins in the step's output."""

    number: int
    step_index: int
    offset: int
    head: bytes = b""
    length: int = 0
    ended: bool = False

    def line(self) -> Line:
        return Line(self.number, self.step_index, *shown(self.head, self.length, ended=self.ended), self.length, self.ended)


def lines(operation: Operation, first: int, count: int) -> list[Line]:
    """At most `count` lines from number `first` on."""
    found = []
    if count > 0:
        for head in _heads(operation, max(0, first)):
            found.append(head.line())
            if len(found) == count:
                break
    return found


LAST = 50
"""Lines from the end in which the last words of a step are looked for: a trap may print empty ones."""


def last_words(operation: Operation, step: Step, limit: int = 300) -> str:
    """The last line with something on it that the step printed, for people; "" when it printed nothing."""
    total = Operation.objects.values_list("log_lines", flat=True).get(pk=operation.pk)
    said = [COLOUR.sub(b"", one.text.encode()).decode() for one in lines(operation, total - LAST, LAST) if one.step_index == step.index]
    printed = ("".join(mark if mark.isprintable() else " " for mark in text).strip() for text in reversed(said))
    text = next(filter(None, printed), "")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _rows(operation: Operation) -> QuerySet[LogChunk]:
    return LogChunk.objects.filter(operation=operation).order_by("last_line", "id").select_related("step")


def _after(operation: Operation, chunk: LogChunk) -> LogChunk | None:
    """The next chunk, in the same step or in the next one that said something."""
    following = _rows(operation).filter(step=chunk.step_id, offset=chunk.offset + chunk.size).first()
    return following or _rows(operation).filter(step__index__gt=chunk.step.index, last_line__gt=chunk.last_line).first()


def _over(operation: Operation, chunk: LogChunk) -> LogChunk:
    """From a chunk inside a long line to the one where that line ends."""
    rows = _rows(operation).filter(step=chunk.step_id)
    return rows.filter(last_line__gt=chunk.last_line).first() or rows.order_by("-offset")[:1].get()


def _heads(operation: Operation, first: int) -> Iterator[_Head]:
    """Lines from number `first` on. Of a long line, the chunks between its first two and its last are not read."""
    chunk = _rows(operation).filter(last_line__gte=first).first()
    line: _Head | None = None
    while chunk is not None:
        if line and (line.number != chunk.first_line or line.step_index != chunk.step.index):
            if line.step_index == chunk.step.index:
                line.length, line.ended = chunk.offset - 1 - line.offset, True
            yield line
            line = None
        found = _Split(chunk, line, first)
        yield from found
        line = found.open
        following = _after(operation, chunk)
        if line and following and following.step_id == chunk.step_id and following.first_line == following.last_line == line.number:
            line.head = (line.head + following.bytes().removesuffix(b"\n"))[:HEAD]
            following = _over(operation, following)
        chunk = following
    if line:
        yield line


@dataclass
class _Split:
    """Iterates over the lines that end in this chunk, from number `first` on; `open` is then the one that goes on after it."""

    chunk: LogChunk
    open: _Head | None
    first: int

    def __iter__(self) -> Iterator[_Head]:
        index, offset, line = self.chunk.step.index, self.chunk.offset, self.open
        data, number = self.chunk.bytes(), max(self.chunk.first_line, self.first)
        begin = len(data) - len(data.split(b"\n", number - self.chunk.first_line)[-1])
        while begin < len(data):
            end = data.find(b"\n", begin)
            stop = len(data) if end < 0 else end
            line = line or _Head(number, index, offset + begin)
            if line.offset + len(line.head) == offset + begin:
                line.head = (line.head + data[begin : min(stop, begin + HEAD)])[:HEAD]
            line.length = offset + stop - line.offset
            self.open = line
            if end < 0:
                return
            line.ended, self.open = True, None
            yield line
            begin, number, line = end + 1, number + 1, None


def search(
    operation: Operation,
    needle: str,
    *,
    after: int = -1,
    limit: int = 1000,
    ignore_case: bool = True,
    cursor: str = "",
    seconds: float = SEARCH_SECONDS,
) -> Found:
    """Lines behind number `after` that contain the text, each once. Stops after `limit` lines or `seconds`; go on with its cursor."""
    scan = _Scan(needle, ignore_case=ignore_case, after=after)
    start = _rows(operation).filter(last_line__gt=after).first()
    if cursor:
        number, _, last = cursor.partition(".")
        scan.after = int(last)
        start = LogChunk.objects.filter(operation=operation, pk=int(number)).select_related("step").first()
    if start is None or not needle:
        return Found([], "")
    end = time.monotonic() + seconds
    for index, chunk in enumerate(_sequence(operation, start)):
        scan.take(chunk, limit)
        # The chunk is scanned again by the next call, so that a match over its end is not lost; the second makes it go on.
        if len(scan.found) >= limit or (index and time.monotonic() > end):
            return Found(scan.found, f"{chunk.pk}.{scan.after}")
    return Found(scan.found, "")


def valid_cursor(cursor: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}\.(-1|[0-9]{1,18})", cursor) is not None


@dataclass
class _Scan:
    """Looks for a text in chunk after chunk; `after` is the last line that is of no more interest."""

    needle: str
    ignore_case: bool
    after: int
    found: list[int] = field(default_factory=list)
    carry: bytes = b""
    step_id: int = 0

    def __post_init__(self) -> None:
        self.pattern = re.compile(b"".join(self._letter(letter) for letter in self.needle))
        self.border = 4 * len(self.needle) + BETWEEN

    def _letter(self, letter: str) -> bytes:
        """ASCII is folded in the chunk as a whole, which is faster than a pattern that does; other letters are listed."""
        if not self.ignore_case:
            return re.escape(letter.encode(errors="replace"))
        forms = sorted({form.encode(errors="replace") for form in (letter.lower(), letter.upper(), letter)})
        if letter.isascii():
            return re.escape(letter.lower().encode())
        return b"(?:" + b"|".join(re.escape(form.lower()) for form in forms) + b")"

    def take(self, chunk: LogChunk, limit: int) -> None:
        data = chunk.bytes()
        if self.ignore_case:
            data = data.lower()
        # A match has no line end in it, so what came before the chunk counts only up to its last line end.
        carry = self.carry[self.carry.rfind(b"\n") + 1 :] if self.step_id == chunk.step_id else b""
        raw = carry + data
        text = COLOUR.sub(b"", raw) if b"\x1b[" in raw else raw
        line, counted, position = chunk.first_line, 0, 0
        while len(self.found) < limit and (match := self.pattern.search(text, position)):
            line += text.count(b"\n", counted, match.start())
            counted = match.start()
            if line > self.after:
                self.found.append(line)
                self.after = line
            position = text.find(b"\n", match.end())
            if position < 0:
                break
        self.carry, self.step_id = raw[-self.border :], chunk.step_id


def _sequence(operation: Operation, start: LogChunk) -> Iterator[LogChunk]:
    """All chunks from this one on, read some at a time: neither all of them in memory nor a query held open."""
    offset = start.offset
    for step_id in operation.steps.filter(index__gte=start.step.index, log_bytes__gt=0).order_by("index").values_list("pk", flat=True):
        while batch := list(LogChunk.objects.filter(step_id=step_id, offset__gte=offset).order_by("offset")[:READ_AT_ONCE]):
            yield from batch
            offset = batch[-1].offset + batch[-1].size
        offset = 0


def raw(operation: Operation, step: Step | None = None) -> Iterator[bytes]:
    """The stored bytes exactly as they were printed: of one step, or of all in their order."""
    rows = LogChunk.objects.filter(step=step) if step else LogChunk.objects.filter(operation=operation)
    start = rows.order_by("step__index", "offset").select_related("step").first() if step else _rows(operation).first()
    if start is None:
        return
    for chunk in _sequence(operation, start):
        if step is not None and chunk.step_id != step.pk:
            return
        yield chunk.bytes()


def raw_line(operation: Operation, number: int) -> Iterator[bytes]:
    """The bytes of one line without its line end, however long it is; nothing when there is no such line."""
    start = _rows(operation).filter(last_line__gte=number).first()
    for chunk in _sequence(operation, start) if start else ():
        if start is None or chunk.step_id != start.step_id or chunk.first_line > number:
            return
        data = chunk.bytes()
        if chunk.first_line < number:
            data = data.split(b"\n", number - chunk.first_line)[-1]
        text, end, _ = data.partition(b"\n")
        if text:
            yield text
        if end:
            return


def stored(operation: Operation) -> int:
    """How many of the counted bytes are kept: less than `log_bytes` when the limit was reached."""
    last = LogChunk.objects.filter(step=OuterRef("pk")).order_by("-offset").annotate(end=F("offset") + F("size")).values("end")[:1]
    ends = operation.steps.filter(log_bytes__gt=0).annotate(end=Subquery(last, output_field=IntegerField()))
    return sum(end or 0 for end in ends.values_list("end", flat=True))


def marker(operation: Operation) -> str:
    """What to say when not everything is kept; "" when everything is."""
    if operation.log_bytes == (kept := stored(operation)):
        return ""
    return f"Stored {kept:,} of {operation.log_bytes:,} bytes. The rest is longer than what is kept of one operation's log."
