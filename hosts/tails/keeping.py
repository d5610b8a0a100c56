"""What was fetched of a followed log: append whole lines, read them by number, search, read raw. Lines are counted from 0."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hosts.tails import telling
from hosts.tails.models import Tail, TailChunk
from opsportal.operations.journal import COLOUR, HEAD, PUBLISHED_LINES, SEARCH_SECONDS, Found, Line, newest, shown

CHUNK = 64 * 1024
PACK = 4096
KEEP = timedelta(days=1)
"""After its end a tail can still be read and searched for so long."""


class NotOurs(Exception):
    """Another worker looks after this tail now, or it ended; nothing was written."""


def room(tail: Tail) -> int:
    """Bytes that may still be kept."""
    return max(0, settings.TAIL_CAP_BYTES - tail.log_bytes)


def append(tail: Tail, text: bytes, **fields: Any) -> None:
    """Stores whole lines and `fields` of the tail in one transaction, then tells the viewers. Raises `NotOurs`."""
    number = text.count(b"\n")
    before, first = tail.log_bytes, tail.log_lines
    with transaction.atomic():
        ours = Tail.objects.filter(pk=tail.pk, claim=tail.claim, log_bytes=before, state=Tail.State.FOLLOWING)
        if not ours.update(log_bytes=before + len(text), log_lines=first + number, **fields):
            raise NotOurs(f"Tail {tail.pk} is looked after by another worker, or it ended.")
        if text:
            _store(tail, text, number)
    for name, value in fields.items():
        setattr(tail, name, value)
    tail.log_bytes, tail.log_lines = before + len(text), first + number
    if text:
        telling.publish(tail.pk, "log", _news(text, first, tail))


def _store(tail: Tail, text: bytes, number: int) -> None:
    """Small pieces are joined until a chunk is full."""
    last = TailChunk.objects.filter(tail=tail).order_by("-first_line").first()
    if last is not None and not last.packed and last.size + len(text) <= CHUNK:
        last.data, last.size, last.lines = last.bytes() + text, last.size + len(text), last.lines + number
        last.save(update_fields=["data", "size", "lines"])
        return
    packed = zlib.compress(text, 1) if len(text) > PACK and len(text) > CHUNK // 2 else text
    smaller = len(packed) < len(text)
    TailChunk.objects.create(
        tail=tail, first_line=tail.log_lines, lines=number, size=len(text), packed=smaller, data=packed if smaller else text
    )


def _news(text: bytes, first: int, tail: Tail) -> dict[str, Any]:
    pieces = text.split(b"\n")[:-1]
    begin = max(0, len(pieces) - PUBLISHED_LINES)
    kept = newest([_line(first + begin + index, piece) for index, piece in enumerate(pieces[begin:])])
    return {**telling.sized(tail), "first": kept[0].number if kept else tail.log_lines, "lines": [line.json() for line in kept]}


def _line(number: int, piece: bytes) -> Line:
    text, cut = shown(piece[:HEAD], len(piece), ended=True)
    return Line(number, 0, text, cut, len(piece))


def _chunks(tail: Tail, first: int) -> Iterator[TailChunk]:
    """From the one with line `first` on."""
    found = TailChunk.objects.filter(tail=tail, first_line__gt=first - F("lines")).order_by("first_line")
    for pk in list(found.values_list("pk", flat=True)):  # one at a time: neither all of them in memory nor a query held open
        if chunk := TailChunk.objects.filter(pk=pk).first():
            yield chunk


def _pieces(tail: Tail, first: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line from `first` on."""
    for chunk in _chunks(tail, first):
        for number, piece in enumerate(chunk.bytes().split(b"\n")[:-1], chunk.first_line):
            if number >= first:
                yield number, piece


def lines(tail: Tail, first: int, count: int) -> list[Line]:
    """At most `count` lines from number `first` on."""
    found = []
    for number, piece in _pieces(tail, max(0, first)) if count > 0 else ():
        found.append(_line(number, piece))
        if len(found) == count:
            break
    return found


def search(tail: Tail, needle: str, *, after: int, ignore_case: bool, limit: int = 1000, seconds: float = SEARCH_SECONDS) -> Found:
    """Lines behind number `after` that contain the text. The cursor is the number of the line to go on behind, "" at the end."""
    pattern = re.compile(re.escape(needle.encode(errors="replace")), re.IGNORECASE if ignore_case else 0)
    if ignore_case and not needle.isascii():
        return _search_text(tail, needle, after, limit, seconds)
    end, found = time.monotonic() + seconds, list[int]()
    for chunk in _chunks(tail, after + 1):
        data = chunk.bytes()
        if pattern.search(COLOUR.sub(b"", data)):
            pieces = enumerate(data.split(b"\n")[:-1], chunk.first_line)
            found += [number for number, piece in pieces if number > after and pattern.search(COLOUR.sub(b"", piece))]
        if len(found) >= limit or time.monotonic() > end:
            return Found(found, str(chunk.first_line + chunk.lines - 1))
    return Found(found, "")


def _search_text(tail: Tail, needle: str, after: int, limit: int, seconds: float) -> Found:
    """Letters outside ASCII are compared as text: their two cases are different bytes."""
    end, found, wanted = time.monotonic() + seconds, list[int](), needle.lower()
    for number, piece in _pieces(tail, after + 1):
        if wanted in COLOUR.sub(b"", piece).decode("utf-8", "replace").lower():
            found.append(number)
        if len(found) >= limit or time.monotonic() > end:
            return Found(found, str(number))
    return Found(found, "")


def raw(tail: Tail) -> Iterator[bytes]:
    """All that was stored, as it was fetched."""
    for chunk in _chunks(tail, 0):
        yield chunk.bytes()


def raw_line(tail: Tail, number: int) -> Iterator[bytes]:
    """The bytes of one line without its line end; nothing when there is no such line."""
    for found, piece in _pieces(tail, number):
        if found == number:
            yield piece
        return


def trim(now: datetime | None = None) -> None:
    """Forgets what ended a day ago."""
    Tail.objects.filter(state=Tail.State.ENDED, ended_at__lt=(now or timezone.now()) - KEEP).delete()
