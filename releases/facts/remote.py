"""What a Git address answers before the portal has a mirror of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git

LISTED = 2000
"""Names of a kind that are kept; Apache CloudStack has some 300 branches and 200 tags."""


@dataclass(frozen=True)
class Answer:
    """`default` is the branch that the repository itself calls its default, "" when it does not say."""

    default: str
    branches: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Remote(Fact[Answer]):
    """Branches and tags as the repository lists them now. Nothing is copied."""

    url: str
    volatile: ClassVar[bool] = True
    timeout: ClassVar[float] = 60

    def command(self) -> Command:
        text = git.SAFE + "exec git ls-remote --symref -- \"$1\" HEAD 'refs/heads/*' 'refs/tags/*'\n"
        return git.script(text, self.url)

    def parse(self, result: Result) -> Answer:
        if result.exit:
            said = " ".join(result.err.split())[-300:] or "git gave no reason"
            raise FactError(f"{self.url} did not answer as a Git repository: {said}. Check the address, and the portal's way to it.")
        default, names = "", []
        for line in result.out.splitlines():
            left, _, name = line.partition("\t")
            if left.startswith("ref: refs/heads/") and name == "HEAD":
                default = left.removeprefix("ref: refs/heads/")
            elif not name.endswith("^{}"):
                names.append(name)
        return Answer(default, _under("refs/heads/", names), _under("refs/tags/", names))


def _under(prefix: str, names: list[str]) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))[:LISTED])
