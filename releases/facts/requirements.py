"""What a source's own packaging says that it needs: Build-Depends of its debian/control, BuildRequires of its specs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror

Groups = tuple[tuple[str, ...], ...]
"""Of each group one package is enough."""

CONTROL = "debian/control"
NAME = re.compile(r"/?[A-Za-z0-9](?:[A-Za-z0-9+._/-]{0,120}[A-Za-z0-9+])?")
"""Foreign text that becomes an argument of a package manager: no options, no versions, and no dash at the end, which means remove."""

SHOW = git.SAFE + 'cd "$1"; shift; commit=$1; shift; for path; do safe cat-file blob "$commit:$path" || exit 3; done\n'


@dataclass(frozen=True)
class Requirements(Fact[Groups]):
    """Of one file: debian/control or packaging/DISTRIBUTION/cloud.spec."""

    source: int
    commit: str
    path: str
    pinned: ClassVar[bool] = True

    def command(self) -> Command:
        return git.script(SHOW, mirror(self.target, self.source), self.commit, self.path)

    def parse(self, result: Result) -> Groups:
        if result.exit:
            raise FactError(f"There is no {self.path} in this commit.")
        return build_depends(result.out) if self.path == CONTROL else build_requires(result.out)


def build_depends(control: str) -> Groups:
    """Groups of alternatives. Versions, architectures and build profiles are left out: dpkg-checkbuilddeps judges those."""
    match = re.search(r"(?m)^Build-Depends:((?:.*\n?)(?:^[ \t].*\n?)*)", control)
    items = re.sub(r"#.*", "", match[1]).split(",") if match else []
    return _clean([re.sub(r"\(.*?\)|\[.*?\]|<.*?>|:[a-z]+", " ", one).split("|") for one in items])


def build_requires(spec: str) -> Groups:
    """Rich dependencies with `or` give alternatives. What a macro stands for is not known here, so those are left out."""
    groups: list[list[str]] = []
    for text in re.findall(r"(?mi)^BuildRequires:\s*(.+)$", spec):
        if text.startswith("("):
            groups.append(re.split(r"\s+or\s+", text.strip("() \t")))
        else:
            groups += [[name] for name in re.sub(r"[<>=]+\s*\S+", " ", text).replace(",", " ").split()]
    return _clean(groups)


def _clean(groups: list[list[str]]) -> Groups:
    named = (tuple(name.split()[0] for name in group if name.split()) for group in groups)
    return tuple(dict.fromkeys(group for group in named if group and all(NAME.fullmatch(name) for name in group)))
