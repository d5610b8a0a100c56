"""Version numbers as CloudStack's upgrade checker reads them. Pure, but for `taken`.

Two eras of the checker exist: up to 4.8.1 and 4.9.0 it trims code and database version to three parts; from 4.8.2.0 and
4.9.1.0 on (apache/cloudstack pull request 1654) it compares all four and drops a suffix that begins with a dash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering

from releases.rules import VERSION


@total_ordering
@dataclass(frozen=True)
class Version:
    """`numbers` as written: three or four. `suffix` without its dash. Ordered by four numbers; the suffix does not count."""

    numbers: tuple[int, ...]
    suffix: str = ""

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers)) + (f"-{self.suffix}" if self.suffix else "")

    def __lt__(self, other: Version) -> bool:
        return self.four < other.four

    @property
    def base(self) -> str:
        """The first three parts: all that the older checker looks at."""
        return ".".join(map(str, self.numbers[:3]))

    @property
    def four(self) -> tuple[int, int, int, int]:
        """A missing fourth part counts as 0."""
        major, minor, patch, security = (*self.numbers, 0)[:4]
        return major, minor, patch, security

    @property
    def snapshot(self) -> bool:
        return self.suffix == "SNAPSHOT" or self.suffix.endswith("-SNAPSHOT")

    @property
    def brand(self) -> str:
        """The suffix without Maven's own word."""
        return self.suffix.removesuffix("SNAPSHOT").removesuffix("-")


def parse(text: str) -> Version:
    """Raises `ValueError` for what is not three or four numbers with an optional suffix."""
    match = VERSION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not three or four numbers with dots and an optional -NAME")
    return Version(tuple(map(int, match[1].split("."))), (match[2] or "")[1:])


def readable(texts: Iterable[str]) -> list[Version]:
    """Those that are versions; anything else in a history is passed over."""
    return [parse(text) for text in texts if VERSION.fullmatch(text)]


def next_free(base: str, taken: Iterable[str]) -> str:
    """The number after the highest of this base (three parts) that is taken, from 1 on: 4.8.0.16 after 4.8.0.15.

    A brand goes on: after 4.8.0.15-acme comes 4.8.0.16-acme.
    """
    first = parse(base)
    same = sorted(one for one in readable(taken) if one.base == first.base)
    suffix = same[-1].brand if same else first.brand
    number = (same[-1].four[3] if same else first.four[3]) + 1
    return str(Version((*first.numbers[:3], number), suffix))


def taken(source_id: int, workspace: str = "") -> list[str]:
    """Versions that were built of this source in other workspaces, whatever became of the build: a failed one may have left packages."""
    from releases.models import Build

    return list(Build.objects.filter(source=source_id).exclude(workspace=workspace).values_list("version", flat=True).distinct())
