"""What a source's repository has: its branches and tags, and the commit that a name stands for now."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.workspace import Workspace

FRESH = 30
"""Seconds within which a second look uses the same fetch."""

FETCH = (
    git.MIRROR
    + """\
offline=$3 fresh=$4
last=$(cat opsportal-fetched 2>/dev/null || echo 0)
if [ "$offline" = 0 ] && [ $(($(date +%s) - last)) -ge "$fresh" ]; then
  if fetch -- "$url" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' 2>fetch.err; then
    date +%s >opsportal-fetched
  else
    echo "failed $last"
    tail -c 500 fetch.err
    exit 0
  fi
fi
echo "fetched $(cat opsportal-fetched 2>/dev/null || echo 0)"
"""
)


def mirror(target: str, source: int) -> str:
    return str(Workspace(target, "", source).mirror)


def checked(result: Result, url: str) -> list[str]:
    """The lines after "fetched N". Raises `FactError` when the repository could not be reached; says how old the mirror is."""
    first, _, rest = result.out.partition("\n")
    word, _, stamp = first.partition(" ")
    if word == "fetched":
        return [first, *rest.splitlines()]
    said = (rest or result.err).strip()[-300:]
    age = ""
    if word == "failed" and stamp != "0":
        age = f" The portal's mirror of it was fetched {_ago(int(stamp))} ago: tick “use the mirror as it is” to build from that."
    raise FactError(f"{url} could not be fetched: {said or 'git gave no reason'}. Check the address and the network.{age}")


def _ago(stamp: int) -> str:
    minutes = max(0, int(time.time()) - stamp) // 60
    hours, days = minutes // 60, minutes // 1440
    return f"{days} days" if days > 1 else f"{hours} h" if hours else f"{minutes} min"


@dataclass(frozen=True)
class Names:
    """`fetched` in seconds since 1970: how old the mirror is. Tags newest first."""

    branches: tuple[str, ...]
    tags: tuple[str, ...]
    fetched: int


@dataclass(frozen=True)
class Refs(Fact[Names]):
    """Branches and tags of a repository, after fetching it into the portal's mirror."""

    source: int
    url: str
    offline: bool = False
    volatile: ClassVar[bool] = True
    timeout: ClassVar[float] = git.WAIT

    def command(self) -> Command:
        text = FETCH + "safe for-each-ref --sort=-creatordate --format='%(refname)' refs/heads refs/tags\n"
        return git.script(text, mirror(self.target, self.source), self.url, str(int(self.offline)), str(FRESH))

    def parse(self, result: Result) -> Names:
        first, *names = checked(result, self.url)
        heads = [name.removeprefix("refs/heads/") for name in names if name.startswith("refs/heads/")]
        tags = [name.removeprefix("refs/tags/") for name in names if name.startswith("refs/tags/")]
        return Names(tuple(sorted(heads)), tuple(tags), int(first.split()[1]))


@dataclass(frozen=True)
class Commit:
    """What a branch or tag stood for. `kind` is "branch" or "tag"; `date` as ISO 8601."""

    commit: str
    kind: str
    subject: str
    author: str
    date: str


@dataclass(frozen=True)
class Resolved(Fact[Commit]):
    """The commit of a branch or tag. Pinned: a branch that moves after planning does not change what is built."""

    source: int
    url: str
    ref: str
    offline: bool = False
    pinned: ClassVar[bool] = True
    timeout: ClassVar[float] = git.WAIT

    SCRIPT: ClassVar[str] = (
        FETCH
        + """\
for kind in heads tags; do
  safe show-ref --verify --quiet -- "refs/$kind/$5" || continue
  commit=$(safe rev-parse --verify --quiet --end-of-options "refs/$kind/$5^{commit}") || continue
  safe update-ref "refs/opsportal/pins/$commit" "$commit"
  echo "$kind"
  exec git log -1 --format='%H%n%s%n%an%n%aI' "$commit" --
done
echo none
safe for-each-ref --format='%(refname:strip=2)' refs/heads refs/tags
"""
    )

    def command(self) -> Command:
        return git.script(self.SCRIPT, mirror(self.target, self.source), self.url, str(int(self.offline)), str(FRESH), self.ref)

    def parse(self, result: Result) -> Commit:
        lines = checked(result, self.url)[1:]
        if result.exit or not lines:
            raise FactError(f"{self.url} could not be read: {result.err.strip()[-300:]}")
        if lines[0] == "none":
            near = difflib.get_close_matches(self.ref, lines[1:], 5, 0.4)
            hint = f" There are: {', '.join(near)}." if near else f" It has {len(lines) - 1} branches and tags."
            raise FactError(f"{self.url} has no branch or tag named {self.ref}.{hint}")
        kind, commit, subject, author, date = (lines + [""] * 5)[:5]
        return Commit(commit, "branch" if kind == "heads" else "tag", subject[:300], author[:200], date)
