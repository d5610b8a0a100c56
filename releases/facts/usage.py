"""How much disk builds take on a target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases.workspace import Workspace

SCRIPT = """\
for folder in "$@"; do
  printf '== %s\\n' "$folder"
  [ ! -d "$folder" ] || du -k -d 1 -- "$folder" 2>/dev/null
done
echo "== end"
"""


@dataclass(frozen=True)
class Used:
    """Bytes on disk, by the name of the folder: mirrors as "3.git", Maven's repositories as "3", workspaces by their name."""

    mirrors: dict[str, int]
    repositories: dict[str, int]
    workspaces: dict[str, int]


@dataclass(frozen=True)
class DiskUsage(Fact[Used]):
    volatile: ClassVar[bool] = True
    timeout: ClassVar[float] = 280

    @property
    def folders(self) -> tuple[PurePosixPath, PurePosixPath, PurePosixPath]:
        place = Workspace(self.target, "", 0)
        return place.mirror.parent, place.base / "m2", place.base

    def command(self) -> Command:
        return Command(script=SCRIPT, argv=tuple(str(folder) for folder in self.folders))

    def parse(self, result: Result) -> Used:
        if not result.out.endswith("== end\n"):
            raise FactError(
                f"The space that builds take on {self.target} could not be measured: {result.err.strip()[-300:] or 'no answer'}"
            )
        mirrors, repositories, workspaces = (_children(result.out, str(folder)) for folder in self.folders)
        ours = {path.name for path in self.folders[:2]}
        return Used(mirrors, repositories, {name: size for name, size in workspaces.items() if name not in ours})


def _children(text: str, folder: str) -> dict[str, int]:
    """The folders right under one, from its part of what du printed: kilobytes, a tab, the path."""
    part = text.partition(f"== {folder}\n")[2].partition("\n== ")[0]
    found = {}
    for line in part.splitlines():
        kilobytes, _, path = line.partition("\t")
        if kilobytes.isdigit() and path.startswith(f"{folder}/"):
            found[path.removeprefix(f"{folder}/")] = int(kilobytes) * 1024
    return found
