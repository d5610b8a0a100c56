"""What building a source needs on a machine: the table by branch of the facts on CloudStack, section 3d. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from releases.facts.checkout import Tree
from releases.facts.tools import Jdk, Toolbox
from releases.versions import parse


@dataclass(frozen=True)
class JdkNeed:
    """Levels of JDK that the branch is known to build with, best first; `source` names where that is from."""

    levels: tuple[int, ...]
    source: str


TABLE: tuple[tuple[tuple[int, int], JdkNeed], ...] = (
    # From this major.minor on, in falling order.
    ((4, 21), JdkNeed((17, 11), "INSTALL.md and CI of 4.21 and later")),
    ((4, 20), JdkNeed((17, 11), "the spec of el8, which takes both")),
    ((4, 14), JdkNeed((11,), "the documentation of 4.14 to 4.19")),
    ((4, 11), JdkNeed((8,), "the documentation of 4.11 to 4.13")),
    ((4, 9), JdkNeed((8, 7), "the pom of 4.9")),
    ((0, 0), JdkNeed((8, 7), "the spec of 4.8 and its debian/control")),
)
LOWEST_LEVEL = {8: 1, 9: 6, 10: 6, 11: 6, 12: 7, 17: 7, 20: 8, 21: 8, 25: 8}
"""The oldest language level that a JDK still compiles, from that JDK on."""


def jdk(tree: Tree) -> JdkNeed | None:
    """None for a source that is not CloudStack's: then only the level in its pom counts."""
    if tree.profile != "cloudstack" or not tree.version:
        return None
    try:
        numbers = parse(tree.version).numbers
    except ValueError:
        return None
    return next(need for since, need in TABLE if numbers[:2] >= since)


def level(tree: Tree) -> int:
    """The language level that the root pom asks for: 8 for "1.8", 0 when it does not say."""
    text = tree.java.removeprefix("1.")
    return int(text) if text.isdigit() else 0


def compiles(one: Jdk, wanted: int) -> bool:
    """Can this JDK compile that language level?"""
    lowest = max(value for since, value in LOWEST_LEVEL.items() if since <= max(one.level, 8))
    return not wanted or lowest <= wanted <= one.level


def best_jdk(tree: Tree, box: Toolbox) -> Jdk | None:
    """The installed JDK that fits best: from the table first, then the one nearest to the level that the pom asks for."""
    need, wanted = jdk(tree), level(tree)
    for one_level in need.levels if need else ():
        for one in box.jdks:
            if one.level == one_level:
                return one
    fitting = sorted((one for one in box.jdks if compiles(one, wanted)), key=lambda one: one.level)
    return fitting[0 if need or wanted else -1] if fitting else None


def tools(*, rpm: bool, deb: bool, deb_script: bool) -> tuple[str, ...]:
    """Programs that a build calls."""
    wanted = ["git", "mvn", "perl", "flock"]
    wanted += ["rpmbuild"] if rpm else []
    wanted += ["dpkg-buildpackage", "dh", "fakeroot"] if deb else []
    wanted += ["dch"] if deb and deb_script else []
    return tuple(wanted)


def kib(tree: Tree, *, packages: bool) -> int:
    """Free KiB that a build should find: a full CloudStack build and packaging takes several gigabytes."""
    gib = 1024 * 1024
    if tree.modules < 40:
        return gib // 2
    return (12 if packages else 5) * gib
