"""Reading facts, in workers only: runs the planner until nothing is missing."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, TypeVar

from django.conf import settings
from django.db import connection

from opsportal.operations import targets
from opsportal.operations.errors import PortalFault
from opsportal.operations.facts import Fact, FactError, FactSet, Missing, Reading
from opsportal.transport.base import Result, Transport
from opsportal.transport.command import Command
from opsportal.transport.errors import NoExitStatus, TransportError

T = TypeVar("T")

_ROUNDS = 60
_AT_ONCE = 8


class TargetReader:
    """Reads through the transports of `targets`."""

    def run(self, target: str, command: Command, *, timeout: float = 30) -> Result:
        try:
            transport = targets.connect(target)
            try:
                return answered(transport, command, timeout)
            finally:
                transport.close()
        except TransportError as error:
            raise FactError(f"{target} could not be asked: {error}") from error

    def fetch(self, url: str, *, limit: int, timeout: float = 20) -> bytes:
        opener = urllib.request.build_opener(_AllowedRedirects)
        request = urllib.request.Request(allowed(url), headers={"User-Agent": "opsportal"})  # noqa: S310 - `allowed` admits http(s) only
        try:
            with opener.open(request, timeout=timeout) as answer:
                data: bytes = answer.read(limit + 1)
        except urllib.error.HTTPError as error:
            raise FactError(f"{url} answered {error.code} {error.reason}.") from error
        except (OSError, HTTPException) as error:
            raise FactError(f"{url} could not be fetched: {error}. Check the network from the portal to this address.") from error
        if len(data) > limit:
            raise FactError(f"{url} is larger than {limit:,} bytes.")
        return data


def answered(transport: Transport, command: Command, timeout: float) -> Result:
    """The answer to a reading command. One that was cut off is asked once more: reading changes nothing."""
    try:
        return transport.run(command, timeout=timeout)
    except NoExitStatus:
        return transport.run(command, timeout=timeout)


def allowed(url: str) -> str:
    """The URL, if its scheme and host are on the list of `settings.GIT_HOSTS`; raises `FactError`."""
    parts = urllib.parse.urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    if base in settings.GIT_HOSTS or (parts.scheme == "https" and parts.netloc in settings.GIT_HOSTS):
        return url
    raise FactError(f"{base} is not on the list of allowed hosts. An administrator can add it to OPSPORTAL_GIT_HOSTS.")


class _AllowedRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        return super().redirect_request(req, fp, code, msg, headers, allowed(newurl))


def gather(work: Callable[[FactSet], T], readings: dict[str, Reading], reader: Any = None) -> tuple[T, FactSet]:
    """Calls `work` with the facts so far, reads what it misses, and again. `readings` collects every answer."""
    reader = reader or TargetReader()
    for _ in range(_ROUNDS):
        facts = FactSet(readings)
        try:
            return work(facts), facts
        except Missing as missing:
            readings.update(_read_all(missing.facts, reader))
    raise PortalFault(f"the planner still asks for new facts after {_ROUNDS} rounds")


def _read_all(facts: tuple[Fact[Any], ...], reader: Any) -> dict[str, Reading]:
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return dict(zip((fact.key() for fact in facts), pool.map(lambda fact: _read_aside(fact, reader), facts), strict=True))


def _read_aside(fact: Fact[Any], reader: Any) -> Reading:
    """In a thread of its own, which looked its target up on a database connection of its own."""
    try:
        return _read(fact, reader)
    finally:
        connection.close()


def _read(fact: Fact[Any], reader: Any) -> Reading:
    """A fact that cannot be read is an error, never a default."""
    try:
        return Reading(value=fact.adapter().dump_python(fact.read(reader), mode="json"), pinned=fact.pinned)
    except FactError as error:
        return Reading(error=str(error))
