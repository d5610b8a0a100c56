"""What a machine has for building: tools, JDKs, a sandbox, room on the disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases.workspace import Workspace

SCRIPT = """\
. /etc/os-release 2>/dev/null || :
echo "os ${ID:-} ${VERSION_ID:-} ${ID_LIKE:-}"
[ -e /etc/os-release ] || sed 's/^/os redhat /;q' /etc/redhat-release 2>/dev/null
echo "cpus $(getconf _NPROCESSORS_ONLN)"
echo "user $(id -un)"
if [ "$(id -u)" = 0 ]; then echo "sudo root"; elif sudo -n true 2>/dev/null; then echo "sudo yes"; else echo "sudo no"; fi
for tool in git mvn perl flock setpriv bwrap gcc python3 node npm javac genisoimage mkisofs \\
  rpmbuild createrepo_c dpkg-buildpackage dh dch fakeroot; do
  path=$(command -v "$tool") && echo "tool $tool $path"
done
echo "version git $(git --version 2>/dev/null | cut -d' ' -f3)"
core=$(readlink -f "$(dirname "$(readlink -f "$(command -v mvn)")" 2>/dev/null)"/../lib/maven-core-*.jar 2>/dev/null | tail -n 1)
maven=$(echo "$core" | sed -n 's/.*maven-core-\\([0-9]*[.][0-9][0-9.]*\\)[.]jar/\\1/p')
[ -n "$maven" ] || maven=$(mvn -B -v 2>/dev/null | sed -n 's/.*Apache Maven \\([0-9][0-9.]*\\).*/\\1/p')
echo "version mvn $maven"
echo "version node $(node --version 2>/dev/null)"
echo "version perl $(perl -e 'printf "%vd", $^V' 2>/dev/null)"
echo "version gcc $(gcc -dumpfullversion 2>/dev/null)"
echo "version rpmbuild $(rpmbuild --version 2>/dev/null | sed 's/.* //')"
echo "version dpkg-buildpackage $(dpkg-buildpackage --version 2>/dev/null | sed -n 's/.* \\([0-9][0-9.]*[0-9]\\)[.]$/\\1/p;q')"
for javac in /usr/lib/jvm/*/bin/javac /opt/*/bin/javac /usr/java/*/bin/javac; do
  home=${javac%/bin/javac}
  [ -x "$javac" ] && [ ! -L "$home" ] || continue
  said=$(sed -n 's/^JAVA_VERSION="\\(.*\\)"/\\1/p' "$home/release" 2>/dev/null)
  [ -n "$said" ] || said=$("$javac" -version 2>&1 | sed 's/^javac //;q')
  echo "jdk $home $said"
done
user=--unshare-user
[ "$(id -u)" != 0 ] || user=
if bwrap $user --unshare-pid --ro-bind / / --dev /dev --proc /proc true 2>/dev/null; then echo "sandbox yes"; else echo "sandbox no"; fi
echo end
"""


@dataclass(frozen=True)
class Jdk:
    home: str
    version: str

    @property
    def level(self) -> int:
        """7 for 1.7.0_80, 17 for 17.0.15."""
        numbers = [int(part) for part in re.findall(r"[0-9]+", self.version)]
        return numbers[1] if numbers[:1] == [1] and len(numbers) > 1 else numbers[0] if numbers else 0


@dataclass(frozen=True)
class Toolbox:
    """`tools` maps a program to its path. `family` is "debian", "redhat" or "". `sudo` is "root", "yes" or "no"."""

    os: str
    os_version: str
    family: str
    cpus: int
    user: str
    sudo: str
    tools: dict[str, str]
    versions: dict[str, str]
    jdks: tuple[Jdk, ...]
    sandbox: bool


@dataclass(frozen=True)
class Tools(Fact[Toolbox]):
    timeout: ClassVar[float] = 60

    def command(self) -> Command:
        return Command(script=SCRIPT)

    def parse(self, result: Result) -> Toolbox:
        lines = [line.split(" ", 1) for line in result.out.splitlines() if " " in line]
        if not result.out.rstrip().endswith("end"):
            raise FactError(f"What {self.target} has for building could not be read: {result.err.strip()[-300:]}")
        one = dict(lines)
        ident, version, like = [*one.get("os", "").split(" ", 2), "", ""][:3]
        pairs = [tuple(rest.split(" ", 1)) for word, rest in lines if word == "tool"]
        versions = [tuple(rest.split(" ", 1)) for word, rest in lines if word == "version" and " " in rest.strip()]
        return Toolbox(
            os=ident,
            os_version=version,
            family=_family(f"{ident} {like}"),
            cpus=int(one["cpus"]),
            user=one["user"],
            sudo=one["sudo"],
            tools=dict(pairs),  # type: ignore[arg-type]
            versions=dict(versions),  # type: ignore[arg-type]
            jdks=tuple(Jdk(*rest.split(" ", 1)) for word, rest in lines if word == "jdk" and " " in rest.strip()),
            sandbox=one["sandbox"] == "yes",
        )


def _family(words: str) -> str:
    if {"debian", "ubuntu"} & set(words.split()):
        return "debian"
    return "redhat" if {"rhel", "centos", "fedora", "redhat", "rocky", "almalinux"} & set(words.split()) else ""


@dataclass(frozen=True)
class Space(Fact[int]):
    """Free disk space in KiB where a target's workspaces are."""

    volatile: ClassVar[bool] = True

    def command(self) -> Command:
        base = str(Workspace(self.target, "", 0).base)
        return Command(script='mkdir -p "$1" && df -P -k "$1" | awk \'NR == 2 { print $4 }\'', argv=(base,))

    def parse(self, result: Result) -> int:
        if not result.out.strip().isdigit():
            raise FactError(f"The free space on {self.target} could not be read: {result.err.strip()[-300:]}")
        return int(result.out)
