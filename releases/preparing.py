"""What a build host lacks for a source, and which packages bring it. Pure: from facts to names, rows and steps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from opsportal.operations.steps import Condition, RunCommand, Step
from opsportal.packages import installing
from opsportal.packages.offers import Effects, Offer
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import needs
from releases.facts.checkout import Tree
from releases.facts.requirements import Groups
from releases.facts.tools import SCRIPT as TOOLS
from releases.facts.tools import Jdk as Installed
from releases.facts.tools import Toolbox, Tools

PACKAGES: dict[str, dict[str, str]] = {
    # Tool: the package that has it, by family.
    "git": {"debian": "git", "redhat": "git"},
    "mvn": {"debian": "maven", "redhat": "maven"},
    "perl": {"debian": "perl", "redhat": "perl"},
    "flock": {"debian": "util-linux", "redhat": "util-linux"},
    "bwrap": {"debian": "bubblewrap", "redhat": "bubblewrap"},
    "gcc": {"debian": "gcc", "redhat": "gcc"},
    "genisoimage": {"debian": "genisoimage", "redhat": "/usr/bin/mkisofs"},
    "rpmbuild": {"debian": "rpm", "redhat": "rpm-build"},
    "dpkg-buildpackage": {"debian": "dpkg-dev", "redhat": "dpkg-dev"},
    "dh": {"debian": "debhelper", "redhat": "debhelper"},
    "dch": {"debian": "devscripts", "redhat": "devscripts"},
    "fakeroot": {"debian": "fakeroot", "redhat": "fakeroot"},
}
SAME = {"genisoimage": ("genisoimage", "mkisofs")}
"""Either will do."""

STANDS_FOR = {"debhelper-compat": "debhelper"}
"""Names in build dependencies that are no packages, and what brings them."""

LEVELS = (7, 8, 11, 17, 21, 25)
WHY = {
    "git": "checkouts and patches",
    "mvn": "builds",
    "perl": "the source's version script",
    "flock": "one fetch of a mirror at a time",
    "bwrap": "a fence around foreign code",
    "gcc": "native parts",
    "genisoimage": "the system VM's disc",
    "rpmbuild": "RPM packages",
    "dpkg-buildpackage": "Debian packages",
    "dh": "Debian packages",
    "dch": "the changelog of Debian packages",
    "fakeroot": "Debian packages",
}


def jdk_package(level: int, family: str) -> str:
    if family == "debian":
        return f"openjdk-{level}-jdk-headless" if level > 7 else f"openjdk-{level}-jdk"
    return f"java-{level}-openjdk-devel" if level > 8 else f"java-1.{level}.0-openjdk-devel"


def tools(tree: Tree | None, *, rpm: bool, deb: bool) -> tuple[str, ...]:
    """Programs that the work needs, and a sandbox, without which foreign code runs unfenced."""
    wanted = needs.tools(rpm=rpm, deb=deb, deb_script=bool(tree and tree.debian == "script"))
    native = ("gcc", "genisoimage") if tree and tree.profile == "cloudstack" else ()
    return (*wanted, "bwrap", *native)


def has(tool: str, box: Toolbox) -> str:
    """The path, or ""."""
    return next((box.tools[name] for name in SAME.get(tool, (tool,)) if name in box.tools), "")


def asked(family: str, groups: Groups) -> tuple[str, ...]:
    """Every package name whose fate at the package manager matters."""
    if not family:
        return ()
    names = {by[family] for by in PACKAGES.values()} | {jdk_package(level, family) for level in LEVELS}
    return tuple(sorted(names | {_real(name) for group in groups for name in group}))


def _real(name: str) -> str:
    return STANDS_FOR.get(name, name)


@dataclass(frozen=True)
class Jdk:
    """`wanted` are levels, best first; empty when anything will do. `found` is the version that is there, "" for none.

    `level` is what to install, 0 for nothing. `lacks` says in words what cannot be had here, "" when nothing.
    """

    wanted: tuple[int, ...]
    found: str
    level: int
    lacks: str = ""


def jdk(tree: Tree | None, box: Toolbox, offer: Offer) -> Jdk:
    """The best level that is there or offered; one that only compiles the pom's level before none."""
    need, lowest = (needs.jdk(tree), needs.level(tree)) if tree else (None, 0)
    best = (needs.best_jdk(tree, box) if tree else None) or (None if tree else next(iter(box.jdks), None))
    wanted = need.levels if need else ()
    found = best.version if best else ""
    if best and (not wanted or best.level in wanted):
        return Jdk(wanted, found, 0)
    offered = [level for level in LEVELS if jdk_package(level, box.family or "debian") in offer.candidates]
    if level := next((level for level in wanted if level in offered), 0):
        return Jdk(wanted, found, level)
    if best:
        return Jdk(wanted, found, 0)
    fitting = [level for level in offered if needs.compiles(Installed("", str(level)), lowest)]
    chosen = fitting[0 if lowest else -1] if fitting else 0
    what = " or ".join(map(str, wanted)) or (f"that compiles level {lowest}" if lowest else "of any version")
    there = ", ".join(map(str, offered)) or "none"
    return Jdk(wanted, "", chosen, "" if chosen else f"a JDK {what}: its package manager offers {there}")


@dataclass(frozen=True)
class Lack:
    """`install` are package names; `nowhere` says what is missing and cannot be installed."""

    tools: tuple[str, ...]
    jdk: Jdk
    install: tuple[str, ...]
    nowhere: tuple[str, ...]


def lack(tree: Tree | None, box: Toolbox, offer: Offer, groups: Groups, *, rpm: bool, deb: bool) -> Lack:
    """What is missing, and what of it the package manager has."""
    missing = tuple(tool for tool in tools(tree, rpm=rpm, deb=deb) if not has(tool, box))
    java = jdk(tree, box, offer)
    install: list[str] = [jdk_package(java.level, box.family)] if java.level else []
    nowhere = [java.lacks] if java.lacks else []
    wanted = [(tool, [PACKAGES[tool].get(box.family, "")]) for tool in missing]
    wanted += [(" or ".join(group), [_real(name) for name in group]) for group in groups]
    for what, names in wanted:
        if not set(names) & {*offer.installed, *install} or what in missing:
            chosen = next((name for name in names if _can(name, offer)), "")
            (install if chosen else nowhere).append(chosen or what)
    return Lack(missing, java, tuple(dict.fromkeys(install)), tuple(dict.fromkeys(nowhere)))


def _can(package: str, offer: Offer) -> bool:
    """Without lists nothing is known: then it is tried."""
    return bool(package) and (package in offer.candidates or not offer.lists)


APT_INSTALL = """\
set -eu
export DEBIAN_FRONTEND=noninteractive
if [ -n "$(dpkg --audit)" ]; then
  echo "Finishing an installation that was cut off earlier."
  dpkg --configure -a
fi
exec apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold -- "$@"
"""

APT_REMOVE = """\
export DEBIAN_FRONTEND=noninteractive
exec apt-get remove -q -y -o DPkg::Lock::Timeout=120 -- "$@"
"""


def nothing_missing(result: Result, wants: str) -> str:
    """Judges what `facts.tools` reads. `wants` is JSON: tools, jdk (a level, 0 for none)."""
    wish = json.loads(wants)
    box = Tools("").parse(result)
    still = [tool for tool in wish["tools"] if not has(tool, box)]
    if wish["jdk"] and wish["jdk"] not in {one.level for one in box.jdks}:
        still.append(f"JDK {wish['jdk']}")
    return f"still missing: {', '.join(still)}" if still else ""


def steps(target: str, box: Toolbox, offer: Offer, found: Lack, effects: Effects | None) -> Iterable[Step]:
    """Lists first where the package manager needs that, then one installation of everything."""
    if offer.manager == "apt":
        yield installing.lists(target)
    yield _install(target, offer, found, effects, sudo=box.sudo != "root")


def _install(target: str, offer: Offer, found: Lack, effects: Effects | None, *, sudo: bool) -> Step:
    apt = offer.manager == "apt"
    command = Command(script=APT_INSTALL, argv=found.install, sudo=sudo) if apt else _rpm(offer, "install", found.install, sudo=sudo)
    new = effects.new if effects else found.install
    back = Command(script=APT_REMOVE, argv=new, sudo=sudo) if apt else _rpm(offer, "remove", new, sudo=sudo)
    return installing.step(
        target,
        "install",
        f"Install {', '.join(found.install)}"[:200],
        "The machine's own package manager does it, with what else each of them needs. It waits up to two minutes for another one to end.",
        RunCommand(command, timeout=3600),
        probe=(_tools_proof(found), installing.installed(found.install)),
        undo=RunCommand(back, timeout=1800),
    )


def _tools_proof(found: Lack) -> Condition:
    came = [tool for tool in found.tools if tool not in found.nowhere]
    wish, says = json.dumps({"tools": came, "jdk": found.jdk.level}), "every tool that was missing is found now"
    return Condition(says, Command(script=TOOLS), "releases.preparing.nothing_missing", wish, timeout=60)


def _rpm(offer: Offer, verb: str, names: tuple[str, ...], *, sudo: bool) -> Command:
    weak = ("--setopt=install_weak_deps=False",) if offer.manager == "dnf" and verb == "install" else ()
    return Command((offer.manager, verb, "-y", *weak, *names), sudo=sudo)
