"""Facts: what is read from a target, and the set that remembers which of them a planner looked at."""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, Never, Protocol, TypeVar, get_args

from pydantic import TypeAdapter

from opsportal.operations.plan import canonical
from opsportal.transport.base import Result
from opsportal.transport.command import Command

T = TypeVar("T")


class FactError(Exception):
    """A fact could not be read. The message says what was tried, what came back, and what to do."""


class Reader(Protocol):
    """What a fact may use. Nothing here changes a target."""

    def run(self, target: str, command: Command, *, timeout: float = 30) -> Result:
        """Run a read-only command; raises `FactError` when the target cannot be asked."""

    def fetch(self, url: str, *, limit: int, timeout: float = 20) -> bytes:
        """GET an allow-listed URL, at most `limit` bytes; raises `FactError`."""


@dataclass(frozen=True)
class Fact(ABC, Generic[T]):
    """One thing to read. The dataclass fields of a subclass say which one; `T` is what `parse` gives.

    `T` must be something pydantic can write as JSON and read back: a dataclass, tuple, str, int, bool or None of these.
    A `volatile` fact (free disk space, load) informs guards and people but is left out of the digest.
    A `pinned` fact answers what a moving name stood for when the plan was made (a branch's commit, a pull request's
    patches): the run, a retry and a repetition use that answer instead of asking again. "Read again" asks anew.
    """

    target: str
    volatile: ClassVar[bool] = False
    pinned: ClassVar[bool] = False
    timeout: ClassVar[float] = 30

    @abstractmethod
    def command(self) -> Command:
        """The read-only command that answers."""

    @abstractmethod
    def parse(self, result: Result) -> T:
        """Pure. Raises `FactError` for an answer that is not understood; never returns a default."""

    def read(self, reader: Reader) -> T:
        """Facts that need more than one command override this."""
        return self.parse(reader.run(self.target, self.command(), timeout=self.timeout))

    def key(self) -> str:
        """Names this fact: its class and its fields."""
        fields = {name: value for name, value in dataclasses.asdict(self).items() if name != "target"}
        return f"{type(self).__module__}.{type(self).__qualname__}@{self.target}{canonical(fields) if fields else ''}"

    @classmethod
    def adapter(cls) -> TypeAdapter[T]:
        return _adapter(cls)


@cache
def _adapter(kind: type[Fact[Any]]) -> TypeAdapter[Any]:
    """Made once for each kind: that takes longer than a reading."""
    for base in getattr(kind, "__orig_bases__", ()):
        if args := get_args(base):
            return TypeAdapter(args[0])
    raise TypeError(f"{kind.__name__} does not say what it reads: derive from Fact[...]")


class OfThePortal:
    """Mixed into a fact that is in the portal's own database, on the target "portal": it overrides `read`, no command reads it."""

    def command(self) -> Command:
        raise FactError("This fact is in the portal's own database.")

    def parse(self, result: Result) -> Never:
        raise FactError("This fact is in the portal's own database.")


@dataclass(frozen=True)
class Reading:
    """One answer. Either `value` (plain JSON) or `error` is set."""

    value: Any = None
    error: str = ""
    pinned: bool = False


class Missing(Exception):
    """The planner asked for facts that were not read yet."""

    def __init__(self, facts: Iterable[Fact[Any]]) -> None:
        self.facts = tuple(facts)
        super().__init__(", ".join(fact.key() for fact in self.facts))


class FactSet:
    """Gives facts to a planner and records which ones it used.

    The engine calls the planner, reads what it `Missing`s, and calls it again until nothing is missing: so the plan
    function itself says which facts it needs, and only those count in the digest.
    """

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self._readings = readings
        self.used: dict[str, str] = {}

    def __call__(self, fact: Fact[T]) -> T:
        """The value. Raises `Missing`, or `FactError` when it could not be read."""
        reading = self._take(fact)
        if reading.error:
            raise FactError(reading.error)
        return fact.adapter().validate_python(reading.value)

    def try_(self, fact: Fact[T]) -> T | FactError:
        """The value or the error, for a planner or page that can say something sensible about either."""
        reading = self._take(fact)
        return FactError(reading.error) if reading.error else fact.adapter().validate_python(reading.value)

    def need(self, *facts: Fact[Any]) -> None:
        """Ask for several at once, so that they are read side by side."""
        if missing := [fact for fact in facts if fact.key() not in self._readings]:
            raise Missing(missing)

    def _take(self, fact: Fact[Any]) -> Reading:
        key = fact.key()
        if key not in self._readings:
            raise Missing([fact])
        reading = self._readings[key]
        if not fact.volatile:
            text = canonical({"value": reading.value, "error": reading.error})
            self.used[key] = hashlib.sha256(text.encode()).hexdigest()
        return reading
