"""What lies between two commits of a source, from the portal's mirror."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror

LISTED = 300
"""Commits that are listed; all are counted."""

SCRIPT = (
    git.SAFE
    + """\
cd "$1"
for commit in "$2" "$3"; do
  safe cat-file -e "$commit^{commit}" 2>/dev/null || { echo "missing $commit"; exit 0; }
done
echo "count $(safe rev-list --left-right --count "$2...$3" --)"
echo "files $(safe diff --shortstat "$2" "$3" --)"
safe log -n "$4" --left-right --date-order --format='%m%x1f%H%x1f%an%x1f%aI%x1f%s' "$2...$3" --
"""
)


@dataclass(frozen=True)
class Commit:
    """`date` is the author's, in ISO 8601."""

    commit: str
    author: str
    date: str
    subject: str


@dataclass(frozen=True)
class History:
    """`came` are commits of the newer one only, `went` of the older one only (another branch, or history was rewritten); newest first.

    `files`, `added` and `removed` are git's count of the difference between both trees.
    """

    came: tuple[Commit, ...]
    went: tuple[Commit, ...]
    came_count: int
    went_count: int
    files: int
    added: int
    removed: int


@dataclass(frozen=True)
class Between(Fact[History]):
    source: int
    older: str
    newer: str
    timeout: ClassVar[float] = 60

    def command(self) -> Command:
        return git.script(SCRIPT, mirror(self.target, self.source), self.older, self.newer, str(LISTED))

    def parse(self, result: Result) -> History:
        lines = result.out.splitlines()
        if lines and lines[0].startswith("missing "):
            gone = lines[0].split()[1][:12]
            raise FactError(
                f"The portal's mirror does not have the commit {gone} any more: the branch was rewritten, or the mirror was made anew."
            )
        if result.exit or len(lines) < 2 or not lines[0].startswith("count "):
            raise FactError(f"The history could not be read from the portal's mirror: {result.err.strip()[-300:]}")
        went_count, came_count = (int(number) for number in lines[0].split()[1:3])
        commits = [line.split("\x1f", 4) for line in lines[2:] if line.count("\x1f") >= 4]
        listed = {
            side: tuple(Commit(one, author[:200], date, text[:300]) for mark, one, author, date, text in commits if mark == side)
            for side in "<>"
        }
        files, added, removed = (_number(lines[1], word) for word in ("file", "insertion", "deletion"))
        return History(listed[">"], listed["<"], came_count, went_count, files, added, removed)


def _number(line: str, word: str) -> int:
    """Of `3 files changed, 12 insertions(+), 1 deletion(-)`; what git does not name is 0."""
    match = re.search(rf"(\d+) {word}", line)
    return int(match[1]) if match else 0
