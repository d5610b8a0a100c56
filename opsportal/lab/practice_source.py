"""The practice source: a small Maven project with the script interfaces of CloudStack, as a real Git repository.

Branches: `4.8` (scripts of that era), `main` (scripts of today), `cosmic` (a fork without scripts, four-part versions),
`plain` (Maven only). Tags: 4.7.1, 4.8.0, 4.20.0.0, strato-5.1.0.0, ledger-1.3.0. Pull requests: refs/pull/N/head (`pulls.py`).
Commit ids are the same on every machine.

The 4.8 era's traps are built in: setnextversion.sh has short options only, ends with 0 whatever failed, leaves the branch it is
not told of, and takes Maven's download lines for a version when the help plugin is not there yet; package.sh drops long options,
cleans nothing, and then builds a stale spec; the .deb takes its version from debian/changelog and lands beside the checkout.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opsportal.lab.fast_import import Identity, Stamp, Stream
from opsportal.lab.practice_trees import Edit, Remove, Replace, Tree, edited, tree
from opsportal.lab.pulls import PULLS, Answer

NAME = "practice.git"
RELEASE_MANAGER = Identity("Practice Release Manager", "release@practice.example")
DAY = 86_400
FIRST = 1_443_780_000
"""2015-10-02, 10:00 UTC."""

SCHEMA = "engine/schema"
BEFORE_480: tuple[Edit, ...] = (
    Remove(f"{SCHEMA}/src/practice/upgrade/Upgrade471to480.java"),
    Remove("setup/db/db/schema-471to480.sql"),
    Replace(
        f"{SCHEMA}/src/practice/upgrade/DatabaseUpgradeChecker.java",
        "{new Upgrade470to471(), new Upgrade471to480()}",
        "{new Upgrade470to471()}",
    ),
    Replace(
        f"{SCHEMA}/src/practice/upgrade/DatabaseUpgradeChecker.java",
        '        _upgradeMap.put("4.7.1", new DbUpgrade[] {new Upgrade471to480()});\n',
        "",
    ),
    Remove(f"{SCHEMA}/test/practice/upgrade/DatabaseUpgradeCheckerTest.java"),
)
BEFORE_42010: tuple[Edit, ...] = (
    Remove(f"{SCHEMA}/src/main/java/practice/upgrade/Upgrade42000to42010.java"),
    Remove(f"{SCHEMA}/src/main/resources/META-INF/db/schema-42000to42010.sql"),
    Replace(
        f"{SCHEMA}/src/main/java/practice/upgrade/DatabaseUpgradeChecker.java",
        '            .next("4.20.0.0", new Upgrade42000to42010())\n',
        "",
    ),
    Remove(f"{SCHEMA}/src/test/java/practice/upgrade/DatabaseUpgradeCheckerTest.java"),
)
BEFORE_FIXES: tuple[Edit, ...] = (
    Replace("INSTALL.md", "`dpkg-buildpackage -uc -us`; they are one folder up", "`dpkg-buildpackage -uc -us`"),
    Replace("agent/src/practice/agent/AgentShell.java", "Duration.ofMinutes(5);", "Duration.ofMinutes(8);"),
    Replace("agent/src/practice/agent/AgentShell.java", "up to five minutes", "up to eight minutes"),
    Replace("agent/test/practice/agent/AgentShellTest.java", "Duration.ofMinutes(5)", "Duration.ofMinutes(8)"),
    Replace("agent/test/practice/agent/AgentShellTest.java", "UpToFiveMinutes", "UpToEightMinutes"),
)


@dataclass
class Line:
    """A branch while it is written: each commit is a day after the one before."""

    stream: Stream
    ref: str
    who: Identity
    seconds: int
    mark: int | None = None

    def commit(self, files: Tree, message: str, *, author: Identity | None = None) -> int:
        self.seconds += DAY
        stamp = Stamp(self.who, self.seconds)
        self.mark = self.stream.commit(self.ref, files, message, Stamp(author or self.who, self.seconds), stamp, self.mark)
        return self.mark

    def tag(self, name: str, message: str) -> None:
        assert self.mark is not None
        self.stream.tag(name, self.mark, message, Stamp(self.who, self.seconds + 3600))


def _changed(seconds: int) -> str:
    return email.utils.formatdate(seconds)


def _tree48(version: str, edits: Iterable[Edit] = ()) -> Tree:
    return edited(tree(("common", "4.8"), version, _changed(FIRST), old=True), edits)


def _tree_main(version: str, edits: Iterable[Edit] = ()) -> Tree:
    return edited(tree(("common", "main"), version, _changed(FIRST + 3300 * DAY)), edits)


def _write_48(stream: Stream, who: Identity) -> tuple[int, int, Tree]:
    """The branch 4.8: its commit for 4.7.1, its last commit, and the files of that one."""
    line = Line(stream, "refs/heads/4.8", who, FIRST)
    old = (*BEFORE_FIXES, *BEFORE_480)
    line.commit(_tree48("4.7.1-SNAPSHOT", old), "Gather the practice cloud in one tree\n")
    first = line.commit(_tree48("4.7.1", old), "Updating pom.xml version numbers for release 4.7.1\n")
    line.tag("4.7.1", "Practice Cloud 4.7.1\n")
    line.commit(_tree48("4.8.0-SNAPSHOT", BEFORE_FIXES), "Remember for each host when it was last seen\n")
    line.commit(_tree48("4.8.0", BEFORE_FIXES), "Updating pom.xml version numbers for release 4.8.0\n")
    line.tag("4.8.0", "Practice Cloud 4.8.0\n")
    line.commit(_tree48("4.8.0", BEFORE_FIXES[1:]), "Say where the Debian packages are\n")
    tip = line.commit(_tree48("4.8.0"), "Try the management server again after five minutes at most\n")
    return first, tip, _tree48("4.8.0")


def _write_main(stream: Stream, who: Identity, parent: int) -> tuple[int, Tree]:
    """The branch main: its last commit and its files."""
    line = Line(stream, "refs/heads/main", who, FIRST + 3300 * DAY, parent)
    line.commit(_tree_main("4.20.0.0", BEFORE_42010), "Move to the layout and the scripts of today\n")
    line.tag("4.20.0.0", "Practice Cloud 4.20.0.0\n")
    line.commit(_tree_main("4.20.1.0-SNAPSHOT", BEFORE_42010), "Updating pom.xml version numbers for release 4.20.1.0-SNAPSHOT\n")
    tip = line.commit(_tree_main("4.20.1.0-SNAPSHOT"), "Find machines by name quickly\n")
    return tip, _tree_main("4.20.1.0-SNAPSHOT")


def _write_others(stream: Stream, who: Identity, parent: int) -> None:
    fork = Line(stream, "refs/heads/cosmic", who, FIRST + 200 * DAY, parent)
    fork.commit(tree(("cosmic",), "5.1.0.0", ""), "Go our own way without the scripts\n")
    fork.tag("strato-5.1.0.0", "Strato 5.1.0.0\n")
    fork.commit(tree(("cosmic",), "5.1.0.1-SNAPSHOT", ""), "Open 5.1.0.1-SNAPSHOT\n")
    plain = Line(stream, "refs/heads/plain", who, FIRST + 400 * DAY)
    plain.commit(tree(("plain",), "1.3.0", ""), "Keep a ledger\n")
    plain.tag("ledger-1.3.0", "Ledger 1.3.0\n")
    plain.commit(tree(("plain",), "1.4.0-SNAPSHOT", ""), "Open 1.4.0-SNAPSHOT\n")


def _write_pulls(stream: Stream, bases: dict[str, tuple[int, Tree]]) -> None:
    for pull in PULLS:
        mark, files = bases[pull.base]
        ref = f"refs/pull/{pull.number}/head"
        if not pull.patches and pull.answer is not Answer.GONE:
            stream.point(ref, mark)
        for minute, patch in enumerate(pull.patches):
            files = edited(files, patch.edits)
            stamp = Stamp(patch.author, FIRST + 3400 * DAY + pull.number * DAY + minute * 60)
            mark = stream.commit(ref, files, patch.message(), stamp, stamp, mark)


def recipe(committer: Identity = RELEASE_MANAGER) -> bytes:
    """Everything the repository is made of, for `git fast-import`."""
    stream = Stream()
    first, tip48, files48 = _write_48(stream, committer)
    tip_main, files_main = _write_main(stream, committer, tip48)
    _write_others(stream, committer, first)
    _write_pulls(stream, {"4.8": (tip48, files48), "main": (tip_main, files_main)})
    return stream.render()


def clean_git_environment() -> dict[str, str]:
    """Git without anybody's settings: what it does must not depend on who runs it."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


def git(repository: Path, *argv: str, stdin: bytes | None = None) -> bytes:
    """What git prints. Raises CalledProcessError, with its stderr, when it fails."""
    command = ["git", "--git-dir", str(repository), *argv]
    return subprocess.run(command, input=stdin, capture_output=True, check=True, env=clean_git_environment()).stdout


def create(folder: Path, *, committer: Identity = RELEASE_MANAGER) -> Path:
    """The bare repository `practice.git` in the folder, made or brought up to date; answers its path.

    What others pushed stays, except on the branches that a newer recipe moves.
    """
    repository = folder / NAME
    stream = recipe(committer)
    digest = hashlib.sha256(stream).hexdigest()
    if not repository.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with _scratch(folder) as scratch:
            _fill(scratch, stream, digest)
            with contextlib.suppress(OSError):  # somebody else was quicker
                scratch.rename(repository)
    elif _digest(repository) != digest:
        _fill(repository, stream, digest)
    return repository


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix=".practice-", dir=folder))
    try:
        yield place / NAME
    finally:
        shutil.rmtree(place)


def _fill(repository: Path, stream: bytes, digest: str) -> None:
    git(repository, "init", "--quiet", "--bare", "--initial-branch=main", str(repository))
    git(repository, "fast-import", "--quiet", "--force", "--done", stdin=stream)
    git(repository, "config", "practice.recipe", digest)


def _digest(repository: Path) -> str:
    with contextlib.suppress(subprocess.CalledProcessError):
        return git(repository, "config", "practice.recipe").decode().strip()
    return ""


def mailbox(repository: Path, number: int, base: str) -> bytes:
    """The pull request's commits as `git am` takes them. Empty when it has none of its own."""
    head = f"refs/pull/{number}/head"
    fork = git(repository, "merge-base", base, head).decode().strip()
    options = ("--stdout", "--no-signature", "--full-index", "--no-color")
    return git(repository, "format-patch", *options, f"{fork}..{head}")
