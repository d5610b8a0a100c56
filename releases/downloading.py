"""Artefacts over HTTP: from the portal's store, in pieces, with the parts of a file that a browser asks for."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified, StreamingHttpResponse
from django.utils.http import content_disposition_header

from releases.models import Artefact, Build

PIECE = 1024 * 1024
RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
TYPES = {Artefact.Kind.RPM.value: "application/x-rpm", Artefact.Kind.DEB.value: "application/vnd.debian.binary-package"}


class Missing(Exception):
    """The store does not have the file as the record says. The message says what is wrong."""


def folder(build: Build) -> Path:
    """Where the artefacts of a build are stored."""
    return Path(settings.STATE_DIR) / "artefacts" / str(build.operation_id)


def open_artefact(artefact: Artefact) -> BinaryIO:
    """Raises `Missing`. Neither a link nor a name with a slash leads out of the build's own folder."""
    path = folder(artefact.build) / artefact.file
    if path.parent != folder(artefact.build):
        raise Missing("The record names a file outside of the store.")
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise Missing(f"The file is not in the store: {error.strerror}. Somebody removed it outside of the portal.") from None
    if (size := os.fstat(file.fileno()).st_size) != artefact.size:
        file.close()
        raise Missing(
            f"The file has {size:,} bytes now and had {artefact.size:,} when it was stored: it was changed outside of the portal."
        )
    return file


def content(sha256: str) -> bytes | None:
    """The bytes of an artefact, compared with its sum, for a step that sends it to a server; None when there is no such artefact."""
    for artefact in Artefact.objects.filter(sha256=sha256, stored=True, build__artefacts_gone_at=None).select_related("build"):
        try:
            with open_artefact(artefact) as file:
                data = file.read()
        except Missing:
            continue
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    return None


def respond(request: HttpRequest, artefact: Artefact) -> HttpResponseBase:
    """The file or the asked part of it. Raises `Missing`."""
    kind = TYPES.get(artefact.kind, "application/octet-stream")
    response = answer(request, lambda: open_artefact(artefact), artefact.size, f'"{artefact.sha256}"', kind)
    response["Content-Disposition"] = content_disposition_header(True, artefact.file) or "attachment"
    return response


def answer(request: HttpRequest, opened: Callable[[], BinaryIO], size: int, tag: str, kind: str) -> HttpResponseBase:
    """A file of `size` bytes, the asked part of it, or that it has not changed. `opened` is called only when bytes are needed."""
    if tag in (one.strip() for one in request.headers.get("If-None-Match", "").split(",")):
        return _headed(HttpResponseNotModified(), tag)
    wanted = request.headers.get("Range", "") if request.headers.get("If-Range", tag) == tag else ""
    part = _part(wanted, size)
    if part is None:
        return _headed(HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"}), tag)
    file, (first, length) = opened(), part
    whole = length == size
    response = StreamingHttpResponse(_pieces(file, first, length), status=200 if whole else 206, content_type=kind)
    if request.method == "HEAD":
        file.close()  # Django sends no content for it, and so never asks for a piece
    response["Content-Length"] = str(length)
    if not whole:
        response["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    return _headed(response, tag)


def _headed(response: HttpResponseBase, tag: str) -> HttpResponseBase:
    response["ETag"] = tag
    response["Accept-Ranges"] = "bytes"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """First byte and length; the whole for what is no single range, None for one that the file does not have."""
    match = RANGE.fullmatch(wanted)
    if not match:
        return 0, size
    if match[3]:
        length = min(int(match[3]), size)
        return (size - length, length) if length else None
    first, last = int(match[1]), min(int(match[2] or size), size - 1)
    if match[2] and int(match[2]) < first:
        return 0, size
    return (first, last - first + 1) if first < size else None


async def _pieces(file: BinaryIO, first: int, length: int) -> AsyncIterator[bytes]:
    """Piece by piece, so that a package of a gigabyte never is in memory."""
    pieces = _read(file, first, length)
    following = sync_to_async(lambda: next(pieces, b""), thread_sensitive=False)
    try:
        while piece := await following():
            yield piece
    finally:
        file.close()


def _read(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    file.seek(first)
    while length > 0 and (piece := file.read(min(PIECE, length))):
        length -= len(piece)
        yield piece


def sums(build: Build) -> str:
    """The text of a SHA256SUMS file, as `sha256sum --check` takes it."""
    return "".join(f"{artefact.sha256}  {artefact.file}\n" for artefact in build.artefacts.all())
