"""What a step left behind, as printed by fixed commands, and whether that is what was wanted. Pure.

Exit codes prove nothing here: CloudStack's older version script ends with 0 whatever failed, and its packaging can print
"Done" without a package (facts on CloudStack 1a, 1d, 3b).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from opsportal.transport.base import Result
from releases.facts.checkout import Pom

VERSION_COMMIT = """\
base=$1 old=$2
echo "branch $(git symbolic-ref --short -q HEAD)"
echo "head $(git rev-parse HEAD)"
echo "commits $(git rev-list --count "$base..HEAD" --)"
echo "parent $(git rev-parse -q --verify 'HEAD^')"
echo "subject $(git log -1 --format=%s)"
echo "files $(git diff --name-only "$base" HEAD -- | wc -l)"
echo "dirty $(git status --porcelain --untracked-files=no | head -n 5 | tr '\\n' ' ')"
echo "left $(git grep -lF ">$old<" HEAD -- '*pom.xml' | head -n 5 | tr '\\n' ' ')"
echo "changelog $(git show HEAD:debian/changelog 2>/dev/null | head -n 1)"
echo "setup $(git show HEAD:tools/marvin/setup.py 2>/dev/null | grep -m 1 -E '^ *(VERSION|version) *=')"
echo "pom"
git show HEAD:pom.xml
"""
"""Run in the checkout; its arguments are the commit built from and the version it had."""

PACKAGES = """\
cd "$TMPDIR/.."
export LC_ALL=C.UTF-8
sum() { sha256sum "$1" | cut -d' ' -f1; }
if [ "$1" = rpm ]; then
  find src/dist/rpmbuild/RPMS -type f -name '*.rpm' -newer tmp/start-rpm 2>/dev/null | sort | while read -r path; do
    says=$(rpm -qp --nosignature --qf '%{NAME}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}' "$path" 2>/dev/null) || says="$(printf '\\t\\t\\t')"
    printf 'rpm\\t%s\\t%s\\t%s\\t%s\\n' "$path" "$says" "$(stat -c %s "$path")" "$(sum "$path")"
  done
elif [ "$1" = deb ]; then
  find . -maxdepth 1 -type f -name '*.deb' -newer tmp/start-deb | sort | while read -r path; do
    says=$(dpkg-deb --show --showformat '${Package}\\t${Version}\\t\\t${Architecture}' "$path" 2>/dev/null) || says="$(printf '\\t\\t\\t')"
    printf 'deb\\t%s\\t%s\\t%s\\t%s\\n' "$path" "$says" "$(stat -c %s "$path")" "$(sum "$path")"
  done
else
  find src -path '*/target/*' -type f \\( -name '*.jar' -o -name '*.war' \\) -newer tmp/start-maven \\
    ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name '*-tests.jar' ! -name 'original-*' ! -path '*/target/*/*' \\
    | sort | while read -r path; do
    printf 'file\\t%s\\t%s\\t%s\\t\\t\\t%s\\t%s\\n' "$path" "$(basename "$path")" "$2" "$(stat -c %s "$path")" "$(sum "$path")"
  done
fi
"""
"""One line a package: kind, path in the workspace, name, version, release, architecture, bytes, SHA-256; tabs between."""

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,250}")


@dataclass(frozen=True)
class Package:
    kind: str
    path: str
    name: str
    version: str
    release: str
    architecture: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def packages(text: str) -> list[Package]:
    """Lines of `PACKAGES` that are whole; names that nobody would give a package are left out."""
    found = []
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == 8 and parts[6].isdigit() and re.fullmatch(r"[0-9a-f]{64}", parts[7]):
            kind, path, name, version, release, architecture, size, sha256 = parts
            package = Package(kind, path, name, version, release, architecture, int(size), sha256)
            if SAFE_NAME.fullmatch(package.file):
                found.append(package)
    return found


def version_facts(text: str) -> dict[str, str]:
    """The lines of `VERSION_COMMIT`, and the version that the root pom then has under "pom"."""
    head, _, pom = text.partition("\npom\n")
    found = {line.partition(" ")[0]: line.partition(" ")[2].strip() for line in head.splitlines()}
    return {**found, "pom": Pom(pom).version}


def version_commit(result: Result, wants: str) -> str:
    """Judges a version commit. `wants` is JSON: version, base, branch, subject ("" for any), changelog and setup (whether there is one)."""
    if result.exit:
        return f"the checkout could not be looked at: {result.err.strip()[-300:]}"
    wish: dict[str, Any] = json.loads(wants)
    found = version_facts(result.out)
    return "; ".join(_version_problems(found, wish))


def _version_problems(found: dict[str, str], wish: dict[str, Any]) -> list[str]:
    version, problems = wish["version"], []
    if found.get("branch") != wish["branch"]:
        problems.append(f"the checkout is on {found.get('branch') or 'no branch'} instead of {wish['branch']}: something switched it")
    if found.get("commits") != "1" or found.get("parent") != wish["base"]:
        problems.append(f"there are {found.get('commits', 'no')} new commits instead of one on top of {wish['base'][:12]}")
    if wish["subject"] and found.get("subject") != wish["subject"]:
        problems.append(f"the last commit says {found.get('subject')!r}")
    if found.get("pom") != version:
        problems.append(f"the root pom says {found.get('pom') or 'no version'} instead of {version}")
    if wish["changelog"] and f"({version})" not in found.get("changelog", ""):
        problems.append(f"debian/changelog begins with {found.get('changelog')!r}: the packages would carry another number")
    if wish["setup"] and version not in found.get("setup", version):
        problems.append(f"tools/marvin/setup.py says {found.get('setup')!r}")
    if found.get("left"):
        problems.append(f"the old version is still in {found['left']}: the build would look for artefacts that do not exist")
    if found.get("dirty"):
        problems.append(f"changes are left uncommitted: {found['dirty']}")
    return problems


def package_set(result: Result, wants: str) -> str:
    """Judges the packages that a step left. `wants` is JSON: kind, names, version (pattern), release (pattern), says."""
    wish: dict[str, Any] = json.loads(wants)
    found = [package for package in packages(result.out) if package.kind == wish["kind"]]
    if not found:
        return f"no {wish['kind']} package newer than the start of this step was left behind, whatever the script printed"
    problems = []
    for package in found:
        if not re.fullmatch(wish["version"], package.version, re.IGNORECASE) or not re.fullmatch(wish["release"], package.release):
            got = "-".join(part for part in (package.version, package.release) if part) or "no readable version"
            problems.append(f"{package.file} is {got} instead of {wish['says']}")
    if missing := sorted(set(wish["names"]) - {package.name for package in found}):
        problems.append(f"missing: {', '.join(missing)}")
    return "; ".join(problems)
