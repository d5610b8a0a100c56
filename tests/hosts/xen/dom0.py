"""A dom0 in a directory: its files, and an `xe` that answers what a test wants. Runs the portal's scripts in a real shell."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from opsportal.transport.base import Result
from opsportal.transport.command import Command
from tests.hosts.xen.samples import sample

TOOLS = ("sh", "cat", "sed", "grep", "sleep", "hostname", "tr", "printf", "env")


@dataclass
class Dom0:
    """`answers` is the body of a shell `case` over all arguments of xe."""

    root: Path
    answers: str = ""
    timeout: bool = True
    """Whether it has coreutils' `timeout`, as all but XenServer 6.2 have."""
    files: dict[str, str] = field(default_factory=lambda: {"etc/xensource-inventory": sample(64), "etc/xensource/pool.conf": "master"})

    def run(self, command: Command, *, seconds: float = 30) -> Result:
        self.made()
        words = [self._inside(word) for word in command.words()]
        words[0] = str(self._tools() / words[0])
        done = subprocess.run(words, capture_output=True, text=True, env={"PATH": str(self._tools())}, timeout=seconds)
        return Result(done.returncode, done.stdout, done.stderr)

    def made(self) -> Dom0:
        """Writes everything, but only what is not there yet: another thread may be running it."""
        for name, text in self.files.items():
            written(self.root / name, text)
        written(self._tools() / "xe", f'#!/bin/sh\ncase "$*" in\n{self.answers}\nesac\n').chmod(0o755)
        return self

    def _inside(self, word: str) -> str:
        for top in ("/etc/", "/var/"):
            word = word.replace(f" {top}", f" {self.root}{top}").replace(f'"{top}', f'"{self.root}{top}')
        return word

    def _tools(self) -> Path:
        tools = self.root / "bin"
        tools.mkdir(parents=True, exist_ok=True)
        for name in TOOLS + ("timeout",) * self.timeout:
            if not (tools / name).exists() and (real := shutil.which(name)):
                (tools / name).symlink_to(real)
        return tools


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path
