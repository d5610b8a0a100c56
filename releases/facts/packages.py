"""Which packages a commit's packaging should leave, from its own spec and control files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror

SHOW = git.SAFE + 'cd "$1"; safe cat-file blob "$2:$3"\n'


@dataclass(frozen=True)
class Expected:
    """Names of binary packages. `noredist` are those that only the noredist packaging makes."""

    names: tuple[str, ...]
    noredist: tuple[str, ...] = ()

    def of(self, *, noredist: bool) -> tuple[str, ...]:
        return tuple(sorted({*self.names, *(self.noredist if noredist else ())}))


@dataclass(frozen=True)
class RpmPackages(Fact[Expected]):
    """From `packaging/DISTRIBUTION/cloud.spec`: every package that has a %files section."""

    source: int
    commit: str
    distribution: str
    pinned: ClassVar[bool] = True

    def command(self) -> Command:
        path = f"packaging/{self.distribution}/cloud.spec"
        return git.script(SHOW, mirror(self.target, self.source), self.commit, path)

    def parse(self, result: Result) -> Expected:
        if result.exit:
            raise FactError(f"There is no packaging/{self.distribution}/cloud.spec in this commit.")
        return spec_packages(result.out)


def spec_packages(text: str) -> Expected:
    """Conditions on `_ossnoss` mark what only noredist has; what stands under another condition is not counted on."""
    base, always, noredist = "", [], []
    conditions: list[str] = []
    for line in text.splitlines():
        word = line.split()[:1]
        if match := re.fullmatch(r"Name:\s*(\S+)\s*", line):
            base = match[1]
        elif word and word[0].startswith("%if"):
            conditions.append(line)
        elif word == ["%endif"] and conditions:
            conditions.pop()
        elif match := re.fullmatch(r"%files(?:\s+-n\s+(\S+)|\s+([^-\s]\S*))?(?:\s+-f\s+\S+)?\s*", line):
            name = match[1] or (f"{base}-{match[2]}" if match[2] else base)
            name = name.replace("%{name}", base)
            if not conditions:
                always.append(name)
            elif all("ossnoss" in condition for condition in conditions):
                noredist.append(name)
    return Expected(tuple(sorted(always)), tuple(sorted(noredist)))


@dataclass(frozen=True)
class DebPackages(Fact[Expected]):
    """From `debian/control`: every binary package."""

    source: int
    commit: str
    pinned: ClassVar[bool] = True

    def command(self) -> Command:
        return git.script(SHOW, mirror(self.target, self.source), self.commit, "debian/control")

    def parse(self, result: Result) -> Expected:
        if result.exit:
            raise FactError("There is no debian/control in this commit.")
        return Expected(tuple(sorted(re.findall(r"(?m)^Package:\s*(\S+)", result.out))))
