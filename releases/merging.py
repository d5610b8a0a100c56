"""The steps of merging a pull request that builds do not have: the push, its proof, and what is tidied up. Pure."""

from __future__ import annotations

import re
from typing import Any

from opsportal.operations.steps import CannotUndo, Condition, Effect, RunCommand, Step
from opsportal.transport.base import Result
from releases import git
from releases.build_steps import Site
from releases.facts.mirror import FETCH

ACCESS = (
    "The portal pushes as the user that its build worker runs as, over ssh without a passphrase: that user's key must be allowed to "
    "write there (a deploy key with write access). Over http(s) it knows no password."
)

AT = git.SAFE + 'safe ls-remote -- "$1" "refs/heads/$2" | cut -f1\n'

HOLDS = (
    git.SAFE
    + """\
cd "$1/src"
at=$(safe ls-remote -- "$2" "refs/heads/$3" | cut -f1)
if [ "$at" != "$4" ] && [ -n "$at" ] && safe fetch -q --no-tags --no-write-fetch-head -- "$2" "refs/heads/$3" 2>/dev/null \\
  && safe merge-base --is-ancestor "$4" "$at"; then at=$4; fi
echo "$at"
"""
)
"""Also true when somebody has pushed on top of it since."""

PUSH = (
    git.SAFE
    + """\
cd "$1/src"
url=$2 branch=$3 old=$4 new=$5
if [ "$(safe rev-parse HEAD)" != "$new" ]; then
  echo "The checkout is not at $new any more. Nothing was pushed."
  exit 4
fi
safe log --format='%h %s%n  %an <%ae>' "$old..$new" --
safe push --porcelain --no-verify --force-with-lease="refs/heads/$branch:$old" -- "$url" "$new:refs/heads/$branch" 2>&1
"""
)

REMOVE = """\
case $1 in */merge-*) rm -rf -- "$1" ;; *) exit 4 ;; esac
"""


def still_at(result: Result, wants: str) -> str:
    """Judges the answer of `AT`. `wants` is the commit that the plan was made for."""
    at = result.out.strip()
    if result.exit or result.err.strip():
        return f"the repository did not answer: {' '.join(result.err.split())[-300:] or 'git gave no reason'}"
    if not at:
        return "the branch is not there any more"
    return "" if at == wants else f"it is at {at[:12]} now: somebody pushed to it. Make a new plan, which starts from there"


def expect_at(site: Site, branch: str, commit: str) -> Condition:
    command = git.script(AT, site.source.push_url, branch)
    return Condition(f"{branch} is still at {commit[:12]} where it is pushed to", command, "releases.merging.still_at", commit, timeout=60)


def push(site: Site, branch: str, old: str, new: str, number: str) -> Step:
    """The only step that leaves this machine."""
    url = site.source.push_url
    proof = Condition(
        f"{branch} at {url} has {new[:12]}", git.script(HOLDS, site.top, url, branch, new), judge="equals", wants=new, timeout=120
    )
    return Step(
        key="push",
        target=site.workspace.target,
        title=f"Push to {branch} of {site.source.name}",
        why=f"Moves {branch} from {old[:12]} to {new[:12]}. Refused there if somebody pushed in between: nothing of theirs can be lost.",
        action=RunCommand(git.script(PUSH, site.top, url, branch, old, new), timeout=600),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(expect_at(site, branch, old),),
        probe=(proof,),
        undo=CannotUndo(
            f"Others may have fetched it already. What pull request {number} brought is taken back by a new commit: "
            f"git revert {old[:12]}..{new[:12]}, as a pull request of its own."
        ),
        danger=True,
        progress="releases.merging.PushProgress",
    )


def tidy(site: Site) -> tuple[Step, Step]:
    """The mirror knows the new commits; the workspace is not needed any more."""
    refresh = git.script(FETCH, str(site.workspace.mirror), site.source.url, "0", "0")
    return (
        site.step(
            "mirror",
            "Fetch the new commits into the portal's mirror",
            "So that the next build finds them at once. If it cannot be reached now, the next build fetches it.",
            RunCommand(refresh, timeout=git.WAIT),
        ),
        site.step(
            "workspace",
            "Remove the workspace",
            "Everything in it is in the repository now.",
            RunCommand(git.script(REMOVE, site.top), timeout=300),
        ),
    )


REFUSALS = (
    (re.compile(r"\(stale info\)|\(fetch first\)|\(non-fast-forward\)"), "Somebody pushed to the branch meanwhile. Make a new plan."),
    (re.compile(r"\[remote rejected\].*\((.+)\)"), "The repository refused it: {}."),
    (re.compile(r"Permission .*denied|could not read Username|Authentication failed|access denied", re.IGNORECASE), ACCESS),
)


class PushProgress:
    """Says why a push was refused, from what git printed."""

    def __init__(self) -> None:
        self.text = ""

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PushProgress:
        reader = cls()
        reader.text = state["text"]
        return reader

    def feed(self, data: bytes, now: float) -> None:
        self.text = (self.text + data.decode("utf-8", "replace"))[-4000:]

    def state(self) -> dict[str, Any]:
        kept = {"text": self.text}
        for pattern, sentence in REFUSALS:
            if match := pattern.search(self.text):
                return {**kept, "error": sentence.format(*match.groups())}
        return kept
