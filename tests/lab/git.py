"""Git as the tests use it: nobody's settings, a fixed committer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from opsportal.lab.practice_source import clean_git_environment

IDENTITY = {
    "GIT_COMMITTER_NAME": "Portal",
    "GIT_COMMITTER_EMAIL": "portal@practice.example",
    "GIT_AUTHOR_NAME": "Portal",
    "GIT_AUTHOR_EMAIL": "portal@practice.example",
}


def attempt(folder: Path, *argv: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**clean_git_environment(), **IDENTITY}
    return subprocess.run(["git", *argv], cwd=folder, input=stdin, capture_output=True, env=environment, timeout=60)


def run(folder: Path, *argv: str, stdin: bytes | None = None) -> str:
    done = attempt(folder, *argv, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    return done.stdout.decode(errors="replace")
