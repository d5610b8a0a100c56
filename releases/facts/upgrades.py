"""The upgrades of the database that a source's commit knows, read from its own code in the portal's mirror."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror
from releases.upgrading import Checker, Node

LOOK = (
    git.SAFE
    + """\
cd "$1"
safe cat-file -e "$2^{commit}"
echo "== checker"
path=$(safe ls-tree -r --name-only --full-tree "$2" | grep 'DatabaseUpgradeChecker\\.java$' | grep -v /test/ | head -n 1)
[ -z "$path" ] || safe cat-file blob "$2:$path" | head -c 500000
echo; echo "== classes"
safe grep -E -e 'getUpgradedVersion|getUpgradableVersionRange|"[0-9]+[.][0-9.]+"|"systemvm-' "$2" -- '*/upgrade/dao/Upgrade*.java' \\
  | head -c 2000000 || :
echo; echo "== end"
"""
)

VERSION = re.compile(r'"([0-9]+(?:\.[0-9]+){1,3})"')


@dataclass(frozen=True)
class Upgrades(Fact[Checker]):
    """The list of upgrades of one commit. The commit names its content, so one reading is enough."""

    source: int
    commit: str
    pinned: ClassVar[bool] = True
    timeout: ClassVar[float] = 120

    def command(self) -> Command:
        return git.script(LOOK, mirror(self.target, self.source), self.commit, gist="the upgrades that the source knows")

    def parse(self, result: Result) -> Checker:
        parts = re.split(r"(?m)^== (?:checker|classes|end)\n", result.out)
        if result.exit or len(parts) != 4:
            raise FactError(
                f"The source's list of upgrades could not be read at {self.commit[:12]}: {result.err.strip()[-300:] or 'no answer'}. "
                "The portal's mirror of the source has the commit as long as the build is on record: look at the source's page."
            )
        return checker(parts[1], parts[2])


def checker(java: str, classes: str) -> Checker:
    """From the text of DatabaseUpgradeChecker.java and the lines of the classes that it names ("COMMIT:PATH:LINE")."""
    java = re.sub(r"/\*.*?\*/|//[^\n]*", "", java, flags=re.DOTALL)
    ends, templates = _classes(classes)
    if chain := re.findall(r'\.next\(\s*"([0-9.]+)"\s*,\s*new\s+(\w+)\s*\(', java):
        begins = [version for version, _ in chain]
        nodes = [
            Node(version, name, ends.get(name) or next((one for one in begins[at + 1 :] if one != version), ""), templates.get(name, ()))
            for at, (version, name) in enumerate(chain)
        ]
        return Checker("four", tuple(nodes))
    lists = re.findall(r'\.put\(\s*"([0-9.]+)"\s*,\s*new\s+DbUpgrade\s*\[\s*\]\s*\{(.*?)\}', java, re.DOTALL)
    found = [(version, name) for version, text in lists for name in re.findall(r"new\s+(\w+)\s*\(", text)]
    era = "three" if lists or (java.strip() and "CloudStackVersion" not in java) else "four" if java.strip() else ""
    return Checker(era, tuple(Node(version, name, ends.get(name, ""), templates.get(name, ())) for version, name in found))


def _classes(text: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """What each class leads to, and the system VM templates that it names."""
    ends: dict[str, str] = {}
    ranges: dict[str, str] = {}
    templates: dict[str, list[str]] = {}
    waits = ""
    for line in text.splitlines():
        match = re.fullmatch(r"[0-9a-f]+:(?:.*/)?(\w+)\.java:(.*)", line)
        if not match:
            continue
        name, code = match[1], match[2]
        templates.setdefault(name, []).extend(re.findall(r'"(systemvm-[A-Za-z0-9.-]+)"', code))
        if "getUpgradedVersion" in code:
            waits = name
        found = VERSION.findall(code)
        if waits == name and found:
            ends.setdefault(name, found[0])
            waits = ""
        elif len(found) == 2 and "String[]" in code:
            ranges.setdefault(name, found[1])
    return {**ranges, **ends}, {name: tuple(dict.fromkeys(found)) for name, found in templates.items()}
