"""Pull requests: what they bring, and whether they apply, one after the other, tried in a scratch checkout."""

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations import store
from opsportal.operations.facts import Fact, FactError, Reader
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror
from releases.mailbox import NotAMailbox, Patch, parse, unsafe_path
from releases.workspace import Workspace

LIMIT = 20 * 1024 * 1024
"""Bytes of one mailbox. The largest of CloudStack's pull requests are a few megabytes."""

DIFF_LIMIT = 100_000


@dataclass(frozen=True)
class Pull:
    """A pull request as it was when it was planned. The mailbox itself is stored under its SHA-256."""

    number: str
    sha256: str
    size: int
    patches: tuple[Patch, ...]

    @property
    def title(self) -> str:
        return self.patches[0].subject

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path for patch in self.patches for path in patch.files))


@dataclass(frozen=True)
class Mailbox(Fact[Pull]):
    """The patches of one pull request, pinned by content. `kind` and `url` are the source's: a mailbox over HTTP, or a head ref.

    `commit` is what a head ref is compared with; "" for a mailbox.
    """

    source: int
    kind: str
    url: str
    number: str
    commit: str = ""
    pinned: ClassVar[bool] = True
    timeout: ClassVar[float] = git.WAIT

    SCRIPT: ClassVar[str] = (
        git.MIRROR
        + """\
number=$3 commit=$4
fetch -- "$url" "+refs/pull/$number/head:refs/opsportal/pulls/$number" || { echo gone; exit 0; }
base=$(safe merge-base "$commit" "refs/opsportal/pulls/$number")
exec git format-patch --stdout --no-signature --no-stat --binary --full-index "$base..refs/opsportal/pulls/$number" -- | base64
"""
    )

    def command(self) -> Command:
        return git.script(self.SCRIPT, mirror(self.target, self.source), self.url, self.number, self.commit)

    def read(self, reader: Reader) -> Pull:
        if self.kind == "patch":
            return self.pull(reader.fetch(f"{self.url}/{self.number}.patch", limit=LIMIT))
        return self.parse(reader.run(self.target, self.command(), timeout=self.timeout))

    def parse(self, result: Result) -> Pull:
        if result.exit or result.out.startswith("gone"):
            raise FactError(f"Pull request {self.number} is not in the repository: {result.err.strip()[-200:]}")
        return self.pull(base64.b64decode(result.out))

    def pull(self, data: bytes) -> Pull:
        """Raises `FactError` for what is no mailbox, or reaches outside the checkout."""
        try:
            patches = parse(data)
        except NotAMailbox as error:
            raise FactError(f"Pull request {self.number}: {error}") from None
        if bad := [path for patch in patches for path in patch.files if unsafe_path(path)]:
            raise FactError(f"Pull request {self.number} writes to {bad[0]!r}, outside the checkout. It is not applied.")
        return Pull(self.number, store.put(data), len(data), patches)


@dataclass(frozen=True)
class Applied:
    """One pull request after it was applied: the commit the checkout then stands at, its new commits, and what it changed."""

    number: str
    head: str
    commits: tuple[str, ...]
    files: tuple[str, ...]
    insertions: int
    deletions: int
    diff: str
    """Unified, cut at `DIFF_LIMIT` characters."""


@dataclass(frozen=True)
class Conflict:
    """Where it stopped. `with_` is the number of the earlier pull request that touched the same file, or "" for the branch itself."""

    number: str
    files: tuple[str, ...]
    with_: str
    said: str


@dataclass(frozen=True)
class Tried:
    """`head` is the commit after all that applied."""

    head: str
    applied: tuple[Applied, ...]
    conflict: Conflict | None


APPLY = """\
apply() { # NUMBER FILE: applies a mailbox as the committer's alias does, or leaves everything as it was
  number=$1
  before=$(safe rev-parse HEAD)
  if ! safe am -q -s --keep-cr --no-gpg-sign --committer-date-is-author-date "$2" >"$2.said" 2>&1; then
    safe am --abort
    return 1
  fi
  message=$(safe log -1 --format=%B)
  date=$(safe log -1 --format=%ad --date=raw)
  printf '%s\\n\\nThis closes #%s\\n' "$message" "$number" \\
    | GIT_COMMITTER_DATE="$date" safe commit -q --amend --no-verify --no-gpg-sign --allow-empty --cleanup=verbatim -F -
}
"""
"""The dates come from the patch, so that the trial and the real run make the same commits, name by name."""

TRIAL = (
    git.SAFE
    + APPLY
    + """\
mirror=$1 commit=$2
shift 2
work=$(mktemp -d "$mirror.trial.XXXXXX")
trap 'rm -rf "$work"' EXIT
export GIT_ALLOW_PROTOCOL=file
git clone -q --shared --no-checkout --no-tags -- "$mirror" "$work/src"
cd "$work/src"
safe checkout -q --detach "$commit"
while read -r number text; do
  printf '%s' "$text" | base64 -d >"$work/$number.patch"
  before=$(safe rev-parse HEAD)
  echo "== try $number"
  if apply "$number" "$work/$number.patch"; then
    echo "head $(safe rev-parse HEAD)"
    safe rev-list --reverse "$before..HEAD" -- | sed 's/^/commit /'
    safe diff --numstat --no-renames "$before" HEAD -- | sed 's/^/file /'
    echo "== diff"
    safe diff --no-renames --no-ext-diff "$before" HEAD -- | head -c 100000
  else
    echo "== conflict"
    cat "$work/$number.patch.said"
    break
  fi
done
safe push -q "$mirror" "HEAD:refs/opsportal/trials/$(safe rev-parse HEAD)"
echo
echo "== end $(safe rev-parse HEAD)"
"""
)


@dataclass(frozen=True)
class Trial(Fact[Tried]):
    """Applies pull requests, given as (number, sha256) in order, on a commit in a scratch checkout."""

    source: int
    commit: str
    pulls: tuple[tuple[str, str], ...]
    pinned: ClassVar[bool] = True
    timeout: ClassVar[float] = 240

    def command(self) -> Command:
        lines = "".join(f"{number} {base64.b64encode(store.get(sha256)).decode()}\n" for number, sha256 in self.pulls)
        script = git.script(TRIAL, mirror(self.target, self.source), self.commit, extra=git.committer())
        return Command(script=script.script, argv=script.argv, env=script.env, stdin=lines)

    def parse(self, result: Result) -> Tried:
        parts = re.split(r"(?m)^== (try [0-9]+|diff|conflict|end [0-9a-f]+)$", result.out)
        pairs = list(zip(parts[1::2], parts[2::2], strict=True))
        if result.exit or not pairs or not pairs[-1][0].startswith("end "):
            raise FactError(f"The patches could not be tried: {(result.err or result.out).strip()[-300:]}")
        applied: list[Applied] = []
        conflict = None
        for (name, body), (after, text) in itertools.pairwise(pairs):
            if not name.startswith("try "):
                continue
            number = name.removeprefix("try ")
            if after == "conflict":
                conflict = _conflict(number, text, applied)
            else:
                applied.append(_applied(number, body, text))
        return Tried(pairs[-1][0].removeprefix("end "), tuple(applied), conflict)


def _applied(number: str, body: str, diff: str) -> Applied:
    head, commits, files, plus, minus = "", [], [], 0, 0
    for line in body.splitlines():
        word, _, rest = line.partition(" ")
        if word == "head":
            head = rest
        elif word == "commit":
            commits.append(rest)
        elif word == "file":
            added, removed, path = rest.split("\t", 2)
            files.append(path)
            plus, minus = plus + _count(added), minus + _count(removed)
    return Applied(number, head, tuple(commits), tuple(files), plus, minus, diff.strip("\n")[:DIFF_LIMIT])


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 0


FAILED = re.compile(
    r"^error: (?:patch failed: (?P<a>.+):[0-9]+|(?P<b>.+?): (?:patch does not apply|does not exist in index|already exists in .+))$", re.M
)


def _conflict(number: str, said: str, applied: list[Applied]) -> Conflict:
    files = tuple(dict.fromkeys(match["a"] or match["b"] for match in FAILED.finditer(said)))
    others = [one.number for one in reversed(applied) if set(one.files) & set(files)]
    return Conflict(number, files, others[0] if others else "", said.strip()[-2000:])


def patch_path(workspace: Workspace, index: int, number: str) -> str:
    """Beside the checkout, never in it: the version script removes what git does not know."""
    return str(workspace.patch(index, number))
