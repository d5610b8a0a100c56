"""Changes that a host is going to take back, because nobody confirmed them yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking
from opsportal.operations.facts import Fact
from opsportal.transport.base import Result
from opsportal.transport.command import Command

FOLDER = "/var/lib/opsportal/guard"
"""One folder for each guarded change, in a place that outlives a reboot."""

SCRIPT = f"""{asking.PRELUDE}
part armed; root grep -lsx armed {FOLDER}/*/fate
part end
"""


@dataclass(frozen=True)
class ArmedGuards(Fact[tuple[str, ...]]):
    """Names of the folders of changes that are armed and neither confirmed nor taken back."""

    timeout: ClassVar[float] = 20

    def command(self) -> Command:
        return Command(script=SCRIPT, gist=f"grep -lx armed {FOLDER}/*/fate")

    def parse(self, result: Result) -> tuple[str, ...]:
        found = asking.parts(result)["armed"]
        return tuple(sorted(line.removeprefix(f"{FOLDER}/").partition("/")[0] for line in found if line.startswith(FOLDER)))
