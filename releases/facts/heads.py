"""Where a branch stands at the address that merges are pushed to, and whether the portal may push there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror

LOOK = (
    git.MIRROR
    + """\
branch=$3 commit=$4
if ! said=$(safe ls-remote -- "$url" "refs/heads/$branch" 2>ls.err); then
  echo "unreachable"
  tail -c 400 ls.err
  exit 0
fi
echo "head $(printf '%s\\n' "$said" | cut -f1)"
if ! safe cat-file -e "$commit^{commit}" 2>/dev/null; then echo "absent"; exit 0; fi
if safe push --dry-run -q -- "$url" "$commit:refs/opsportal/may-push" 2>push.err; then
  echo "may"
else
  echo "may-not"
  tail -c 400 push.err
fi
"""
)


@dataclass(frozen=True)
class Head:
    """`commit` is "" when there is no such branch. `refused` is "" when the portal may push, else what git said."""

    commit: str
    refused: str


@dataclass(frozen=True)
class PushHead(Fact[Head]):
    """Asked anew before every run. Whether one may push is tried with `git push --dry-run`: it logs in for writing, and writes nothing."""

    source: int
    url: str
    branch: str
    commit: str
    timeout: ClassVar[float] = 120

    def command(self) -> Command:
        return git.script(LOOK, mirror(self.target, self.source), self.url, self.branch, self.commit)

    def parse(self, result: Result) -> Head:
        first, _, rest = result.out.partition("\n")
        word, _, commit = first.partition(" ")
        answer, _, said = rest.partition("\n")
        if word != "head" or result.exit:
            reason = " ".join((rest or result.err).split())[-300:] or "git gave no reason"
            raise FactError(f"{self.url}, where merges are pushed to, did not answer: {reason}. Check the address and the network.")
        if answer == "absent":
            raise FactError(f"The commit {self.commit[:12]} is not in the portal's mirror. Read the facts again.")
        return Head(commit.strip(), "" if answer == "may" else " ".join(said.split())[-300:] or "git gave no reason")
