"""What a checkout is: looked at, never assumed. All of it comes from one commit in the portal's mirror."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError, Reader
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import git
from releases.facts.mirror import mirror

VERSION_SCRIPT = "tools/build/setnextversion.sh"
PACKAGE_SCRIPT = "packaging/package.sh"
DEB_SCRIPT = "packaging/build-deb.sh"
CHANGELOG = "debian/changelog"
DATABASE = re.compile(r"setup/db/.*|engine/schema/(?!pom\.xml$).*|(?:.*/)?schema-[^/]*\.sql")
"""What an upgrade of the database is made of: facts on CloudStack, section 2."""


@dataclass(frozen=True)
class Tree:
    """`profile` is "cloudstack" (has the version script), "cosmic", "maven" or "none" (no pom).

    `checker` says how the source's own upgrade checker reads numbers: "three" parts, "four" parts, or "" when there is none;
    `upgrades` are the versions that it can upgrade to, in its order. `debian` is "script" (build-deb.sh), "plain" (a debian
    folder) or "". `carriers` is the number of files that carry the version text. `java` is the level the root pom asks for.
    """

    profile: str
    version: str
    long_options: bool
    distributions: tuple[str, ...]
    package_script: bool
    debian: str
    checker: str
    upgrades: tuple[str, ...]
    modules: int
    carriers: int
    java: str
    base_tag: str
    database_files: tuple[str, ...]

    @property
    def version_script(self) -> bool:
        return self.profile == "cloudstack"


LOOK = (
    git.SAFE
    + """\
cd "$1"
safe cat-file -e "$2^{commit}"
echo "== paths"; safe ls-tree -r -z --name-only --full-tree "$2" | tr '\\0' '\\n' \\
  | grep -E -e '^(.*/)?pom.xml$' -e '^tools/build/setnextversion.sh$' -e '^packaging/' \\
    -e '^debian/(control|rules|changelog)$' -e 'DatabaseUpgradeChecker.java$' || :
echo "== pom"; safe cat-file blob "$2:pom.xml" 2>/dev/null | head -c 200000 || :
echo; echo "== script"; safe cat-file blob "$2:tools/build/setnextversion.sh" 2>/dev/null | head -c 50000 || :
echo; echo "== checker"
path=$(safe ls-tree -r --name-only --full-tree "$2" | grep 'DatabaseUpgradeChecker\\.java$' | grep -v /test/ | head -n 1)
[ -z "$path" ] || safe cat-file blob "$2:$path" | head -c 500000
echo; echo "== tag"
tag=$(safe describe --tags --abbrev=0 "$2" 2>/dev/null) || tag=
echo "$tag"
[ -z "$tag" ] || safe diff --name-only --no-renames "$tag^{commit}" "$2" -- \\
  | grep -E '(^|/)(setup/db/|engine/schema/|schema-[^/]*\\.sql)' || :
echo "== end"
"""
)

COUNT = git.SAFE + 'cd "$1"; safe grep -lFI -e "$3" "$2" -- | wc -l\n'


@dataclass(frozen=True)
class Checkout(Fact[Tree]):
    """What the tree of one commit holds. The commit names its content, so one reading is enough."""

    source: int
    commit: str
    pinned: ClassVar[bool] = True
    timeout: ClassVar[float] = 120

    def command(self) -> Command:
        return git.script(LOOK, mirror(self.target, self.source), self.commit)

    def read(self, reader: Reader) -> Tree:
        tree = self.parse(reader.run(self.target, self.command(), timeout=self.timeout))
        if not tree.version:
            return tree
        count = reader.run(
            self.target, git.script(COUNT, mirror(self.target, self.source), self.commit, tree.version), timeout=self.timeout
        )
        return Tree(**{**tree.__dict__, "carriers": int(count.out.strip() or 0)})

    def parse(self, result: Result) -> Tree:
        parts = _sections(result.out)
        if result.exit or "end" not in parts:
            raise FactError(f"The commit {self.commit[:12]} could not be looked at: {result.err.strip()[-300:]}")
        paths = set(parts["paths"].splitlines())
        tag, *touched = [*parts["tag"].splitlines(), ""][:200]
        pom = Pom(parts["pom"])
        checker, upgrades = upgrade_targets(parts["checker"])
        return Tree(
            profile=_profile(paths, pom),
            version=pom.version,
            long_options="--version" in parts["script"],
            distributions=tuple(sorted(path.split("/")[1] for path in paths if re.fullmatch(r"packaging/[^/]+/cloud\.spec", path))),
            package_script=PACKAGE_SCRIPT in paths,
            debian="script" if DEB_SCRIPT in paths else "plain" if {"debian/control", "debian/rules"} <= paths else "",
            checker=checker,
            upgrades=upgrades,
            modules=sum(path == "pom.xml" or path.endswith("/pom.xml") for path in paths),
            carriers=0,
            java=pom.java,
            base_tag=tag,
            database_files=tuple(path for path in touched if path),
        )


def _sections(text: str) -> dict[str, str]:
    pieces = re.split(r"(?m)^== (paths|pom|script|checker|tag|end)\n", text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _profile(paths: set[str], pom: Pom) -> str:
    if VERSION_SCRIPT in paths:
        return "cloudstack"
    if "pom.xml" not in paths:
        return "none"
    return "cosmic" if "cosmic" in pom.group else "maven"


class Pom:
    """The few things of a root pom that matter, by text: a pom of foreign code is not given to an XML parser."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        self.properties: dict[str, str] = dict(re.findall(r"<([A-Za-z][\w.-]*)>\s*([^<>\s][^<>]*?)\s*</\1>", _first(text, "properties")))
        outer = text
        for part in ("parent", "properties", "dependencyManagement", "dependencies", "build", "profiles", "repositories", "reporting"):
            outer = re.sub(rf"<{part}>.*?</{part}>", "", outer, flags=re.DOTALL)
        self.version = _value(outer, "version") or _value(_first(text, "parent"), "version")
        self.group = _value(outer, "groupId") or _value(_first(text, "parent"), "groupId")

    @property
    def java(self) -> str:
        """The level that the compiler is told, such as "1.7" or "11"; "" when the pom does not say."""
        for name in ("cs.jdk.version", "maven.compiler.release", "maven.compiler.source", "java.version"):
            if name in self.properties:
                return self.properties[name]
        return ""


def _first(text: str, name: str) -> str:
    match = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return match[1] if match else ""


def _value(text: str, name: str) -> str:
    match = re.search(rf"<{name}>\s*([^<>\s]+)\s*</{name}>", text)
    return match[1] if match else ""


def upgrade_targets(java: str) -> tuple[str, tuple[str, ...]]:
    """From the text of DatabaseUpgradeChecker.java: its era and the versions it knows, in its order.

    Up to 4.9.0 it holds a map `put("from", … Upgrade…)`; later a chain of `.next("from", …)`, compared with four parts.
    """
    if nodes := re.findall(r'\.next\(\s*"([0-9.]+)"', java):
        return "four", tuple(dict.fromkeys(nodes))
    if nodes := re.findall(r'\.put\(\s*"([0-9.]+)"', java):
        return "three", tuple(dict.fromkeys(nodes))
    if "CloudStackVersion" in java:
        return "four", ()
    return ("three" if java.strip() else ""), ()
