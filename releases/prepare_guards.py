"""The rulebook on preparing a build host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.packages.offers import Effects, Offer, Offered, Simulated
from releases import needs
from releases.facts.requirements import CONTROL, Groups, Requirements
from releases.facts.tools import Jdk, Space, Toolbox, Tools
from releases.planning import checkout, commit
from releases.preparing import Lack, asked, lack

if TYPE_CHECKING:
    from releases.facts.checkout import Tree
    from releases.runbooks.prepare_build_host import PrepareParams

PACKAGE_SPACE = 2 * 1024 * 1024
"""KiB for packages: a JDK and Maven with all they bring along."""


def tree(params: PrepareParams, facts: FactSet) -> Tree | None:
    return checkout(params, facts) if params.source and params.ref else None


def groups(params: PrepareParams, facts: FactSet, family: str) -> Groups:
    """What the source's own packaging asks for, where this machine's packages can answer it."""
    if not (of := tree(params, facts)):
        return ()
    at = commit(params, facts).commit
    found: Groups = ()
    if params.deb and family == "debian" and of.debian:
        found += facts(Requirements("local", params.source, at, CONTROL))
    if params.rpm and family == "redhat" and (spec := _spec(of.distributions, facts(Tools(params.target)).os_version)):
        found += facts(Requirements("local", params.source, at, f"packaging/{spec}/cloud.spec"))
    return found


def _spec(distributions: tuple[str, ...], version: str) -> str:
    """The spec made for this Enterprise Linux; that of 8 serves all later ones."""
    major = int(version.partition(".")[0]) if version.partition(".")[0].isdigit() else 0
    wanted = (f"el{major}", f"centos{major}", "el8" if major > 8 else "")
    return next((name for name in wanted if name in distributions), "")


def offer(params: PrepareParams, facts: FactSet, box: Toolbox) -> Offer:
    return facts(Offered(params.target, asked(box.family, groups(params, facts, box.family))))


def lacking(params: PrepareParams, facts: FactSet) -> Lack:
    box = facts(Tools(params.target))
    of = tree(params, facts)
    return lack(of, box, offer(params, facts, box), groups(params, facts, box.family), rpm=params.rpm, deb=params.deb)


def effects(params: PrepareParams, facts: FactSet) -> Effects | None:
    """None where the package manager does not say beforehand."""
    found, there = lacking(params, facts), offer(params, facts, facts(Tools(params.target)))
    if there.manager != "apt" or not there.lists or not found.install:
        return None
    return facts(Simulated(params.target, found.install))


@guard(
    "prepare.manager",
    title="The machine has a package manager that is known here",
    reason="Packages are installed by apt, dnf or yum only: it keeps up to date only what it knows.",
    source="Debian's and Red Hat's package managers",
)
def manager(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    box = facts(Tools(params.target))
    if not box.family or offer(params, facts, box).manager == "none":
        name = f"{box.os} {box.os_version}".strip() or "of an unknown kind"
        yield Finding(Level.BLOCK, f"The machine is {name}: neither apt nor dnf nor yum. Install by hand what the table names.", "target")


@guard(
    "prepare.rights",
    title="Installing needs root",
    reason="The portal never types a password for sudo: it could be read where it does.",
    source="sudo -n",
)
def rights(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    box = facts(Tools(params.target))
    if box.sudo == "no" and lacking(params, facts).install:
        message = f"{box.user} is not root there, and sudo asks for a password. Let {box.user} run apt-get, dpkg, dnf and yum without one"
        yield Finding(Level.BLOCK, f"{message}, or use a login that may.", "target")


@guard(
    "prepare.offered",
    title="The distribution has what is missing",
    reason="A distribution has few JDKs: Debian 12 has 17 only. Other packages than its own are not installed from here.",
    source="apt-cache policy, dnf provides",
)
def offered(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    box, found = facts(Tools(params.target)), lacking(params, facts)
    if box.family and found.nowhere:
        name = f"{box.os} {box.os_version}".strip()
        hint = " Put a JDK under /usr/lib/jvm or /opt by hand." if found.jdk.lacks else ""
        message = f"{name} does not offer: {'; '.join(found.nowhere)}.{hint} The rest can be installed."
        yield Finding(Level.BLOCK, message, "target", override=True)


@guard(
    "prepare.jdk",
    title="The JDK is the one that the branch was made for",
    reason="Each branch was made for certain JDKs. Another one may compile it, and its tests may fail.",
    source="Facts on CloudStack 3d: the table by branch",
)
def jdk(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    java = lacking(params, facts).jdk
    levels = " or ".join(map(str, java.wanted))
    if java.wanted and java.level and java.level not in java.wanted:
        yield Finding(
            Level.WARN, f"{params.ref} is known to build with JDK {levels}, which is not offered here: {java.level} is the nearest."
        )
    elif java.wanted and java.found and not java.level and Jdk("", java.found).level not in java.wanted:
        message = (
            f"{params.ref} is known to build with JDK {levels}, which is not offered here. {java.found} is there and compiles its level."
        )
        yield Finding(Level.WARN, message)


@guard(
    "prepare.side-effects",
    title="Nothing else changes",
    reason="An installation may bring other versions of packages that are in use, or remove what stands in its way.",
    source="apt-get --simulate",
)
def side_effects(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    found = effects(params, facts)
    if found and found.removed:
        yield Finding(Level.BLOCK, f"The installation would remove {', '.join(found.removed[:10])}.", "target", override=True)
    if found and found.changed:
        yield Finding(
            Level.WARN, f"The installation also changes the version of {', '.join(found.changed[:10])}; undo does not change it back."
        )


@guard(
    "prepare.lists",
    title="What can be installed is known",
    reason="A machine that was set up a moment ago has no package lists.",
    source="/var/lib/apt/lists",
)
def lists(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    if not offer(params, facts, facts(Tools(params.target))).lists:
        yield Finding(Level.NOTE, "The machine has no package lists yet. The first step fetches them; only then it shows what is offered.")


@guard(
    "prepare.space",
    title="There is room on the disk",
    reason="A disk that fills up during an installation leaves half packages. A build needs more still.",
    source="Facts on CloudStack 3a",
)
def space(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    free, of = facts(Space(params.target)), tree(params, facts)
    if free < PACKAGE_SPACE:
        yield Finding(Level.BLOCK, f"Only {free / 1048576:.1f} GiB are free there. Make room first.", "target", override=True)
    elif of and free < (wanted := needs.kib(of, packages=params.rpm or params.deb)):
        yield Finding(
            Level.WARN, f"{free / 1048576:.1f} GiB are free there; a build of {params.ref} takes about {wanted / 1048576:.1f} GiB."
        )


@guard(
    "prepare.sandbox",
    title="The sandbox works",
    reason="A build runs foreign code. bubblewrap fences it, if the kernel lets it make namespaces.",
    source="bubblewrap; kernel.unprivileged_userns_clone, user.max_user_namespaces",
)
def sandbox(params: PrepareParams, facts: FactSet) -> Iterator[Finding]:
    box = facts(Tools(params.target))
    if "bwrap" in box.tools and not box.sandbox:
        message = "bubblewrap is installed and may not make namespaces. Builds run unfenced until an administrator allows user namespaces"
        yield Finding(Level.WARN, f"{message} (user.max_user_namespaces, kernel.unprivileged_userns_clone, or AppArmor's restriction).")


RULES = (manager, rights, offered, jdk, side_effects, lists, space, sandbox)
