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
        for name, text in self.files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        words = [self._inside(word) for word in command.words()]
        words[0] = str(self._tools() / words[0])
        done = subprocess.run(words, capture_output=True, text=True, env={"PATH": str(self._tools())}, timeout=seconds)
        return Result(done.returncode, done.stdout, done.stderr)

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
        xe = tools / "xe"
        xe.write_text(f'#!/bin/sh\ncase "$*" in\n{self.answers}\nesac\n')
        xe.chmod(0o755)
        return tools
