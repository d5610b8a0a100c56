"""What the portal itself knows, as facts, so that planners stay pure: sources, numbers that are taken, build hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader
from releases import versions
from releases.models import Source
from releases.rules import NUMBER


@dataclass(frozen=True)
class SourceData:
    """A source as it is registered. `pulls` is "patch" or "ref"."""

    pk: int
    name: str
    url: str
    default_branch: str
    pulls: str
    pulls_url: str
    push_url: str
    brand: str

    def number(self, text: str) -> str:
        """The number of a pull request given by number or address. Raises `FactError` for another repository's."""
        if NUMBER.fullmatch(text):
            return text
        base, _, number = text.rstrip("/").rpartition("/")
        if base != self.pulls_url.rstrip("/") or not NUMBER.fullmatch(number):
            raise FactError(f"{text} is not a pull request of {self.name}: those are {self.pulls_url}/NUMBER.")
        return number

    def pull_address(self, number: str) -> str:
        return f"{self.pulls_url.rstrip('/')}/{number}" if self.pulls_url else ""


@dataclass(frozen=True)
class Registered(OfThePortal, Fact[SourceData]):
    source: int

    def read(self, reader: Reader) -> SourceData:
        row = Source.objects.filter(pk=self.source).first()
        if row is None:
            raise FactError("Choose a source. If there is none yet, register one under Releases, Sources.")
        return SourceData(
            row.pk, row.name, row.url, row.default_branch, row.pulls, row.pulls_url.rstrip("/"), row.push_url, row.brand
        )  # fmt: skip


@dataclass(frozen=True)
class Taken(OfThePortal, Fact[tuple[str, ...]]):
    """Versions that were built of a source, in other workspaces than this: a build stands neither in its own way nor in its retry's."""

    source: int
    workspace: str = ""
    volatile: ClassVar[bool] = True

    def read(self, reader: Reader) -> tuple[str, ...]:
        return tuple(versions.taken(self.source, self.workspace))


@dataclass(frozen=True)
class BuildPlace:
    target: str
    name: str


@dataclass(frozen=True)
class BuildPlaces(OfThePortal, Fact[tuple[BuildPlace, ...]]):
    """This machine and the inventory's build hosts."""

    volatile: ClassVar[bool] = True

    def read(self, reader: Reader) -> tuple[BuildPlace, ...]:
        from hosts.models import Host, Kind

        rows = Host.objects.filter(kind=Kind.BUILD).values_list("pk", "name")[:500]
        return (BuildPlace("local", "This machine"), *(BuildPlace(f"host:{pk}", name) for pk, name in rows))
