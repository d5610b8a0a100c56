"""The rulebook on the machine that builds and on what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from releases import needs
from releases.facts.checkout import Tree
from releases.facts.tools import Space, Toolbox, Tools
from releases.planning import checkout

if TYPE_CHECKING:
    from releases.runbooks.build_release import BuildParams

PREPARE = "“Prepare a build host” installs what is missing."


def _tree_and_tools(params: BuildParams, facts: FactSet) -> tuple[Tree, Toolbox] | None:
    return (checkout(params, facts), facts(Tools(params.target))) if params.ref else None


@guard(
    "source.buildable",
    title="There is something to build",
    reason="Without a pom.xml in its root Maven has nothing to do.",
    source="Maven",
)
def buildable(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if params.ref and checkout(params, facts).profile == "none":
        yield Finding(Level.BLOCK, f"{params.ref} has no pom.xml in its root: this is no Maven project.", "ref")


@guard(
    "host.tools",
    title="The tools are installed",
    reason="A build that stops after an hour because rpmbuild is missing is an hour lost.",
    source="The source's own scripts; facts on CloudStack 3a to 3c",
)
def tools(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := _tree_and_tools(params, facts)):
        return
    tree, box = both
    wanted = needs.tools(rpm=bool(params.rpm), deb=params.deb, deb_script=tree.debian == "script")
    if missing := [name for name in wanted if name not in box.tools]:
        yield Finding(Level.BLOCK, f"Missing on the build machine: {', '.join(missing)}. {PREPARE}", "target")


@guard(
    "host.jdk",
    title="The JDK fits the source",
    reason="Each branch was made for certain JDKs: an older one cannot compile it, a newer one may refuse its language level or break "
    "its tests.",
    source="Facts on CloudStack 3d: the table by branch",
)
def jdk(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if not (both := _tree_and_tools(params, facts)):
        return
    tree, box = both
    chosen = next((one for one in box.jdks if one.home == params.jdk), None) if params.jdk else needs.best_jdk(tree, box)
    wanted, need = needs.level(tree), needs.jdk(tree)
    if chosen is None:
        what = f"the JDK {params.jdk}" if params.jdk else f"a JDK that compiles level {wanted}" if wanted else "a JDK"
        yield Finding(Level.BLOCK, f"The build machine has not got {what}. {PREPARE}", "jdk")
    elif not needs.compiles(chosen, wanted):
        yield Finding(Level.BLOCK, f"JDK {chosen.version} cannot compile level {wanted}, which the pom asks for.", "jdk", override=True)
    elif need and chosen.level not in need.levels:
        levels = " or ".join(map(str, need.levels))
        yield Finding(Level.WARN, f"{tree.version} is known to build with JDK {levels} ({need.source}); this is {chosen.version}.", "jdk")


@guard(
    "host.space",
    title="There is room on the disk",
    reason="Packaging copies the whole tree twice. A full disk in the middle leaves half packages and a result that cannot be written.",
    source="Facts on CloudStack 3a",
)
def space(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if not params.ref:
        return
    wanted = needs.kib(checkout(params, facts), packages=bool(params.rpm or params.deb))
    free = facts(Space(params.target))
    if free < wanted:
        message = f"{free / 1048576:.1f} GiB are free where the build happens, and it takes about {wanted / 1048576:.1f} GiB."
        yield Finding(Level.BLOCK, message + " Remove old workspaces, or build elsewhere.", "target", override=True)


@guard(
    "host.sandbox",
    title="Foreign code is fenced",
    reason="A pull request's code runs during the build. In a sandbox it sees the system read-only and its own workspace only.",
    source="Maven's security model: Maven does not isolate what it builds",
)
def sandbox(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if (both := _tree_and_tools(params, facts)) and not both[1].sandbox:
        yield Finding(Level.WARN, f"bubblewrap does not work on the build machine: the build runs as {both[1].user}, unfenced.", "target")


@guard(
    "packaging.there",
    title="The checkout can make these packages",
    reason="Which packages can be made is a matter of the checkout, not of the product's name: Cosmic removed its packaging in 2016.",
    source="Facts on CloudStack 3a and 4",
)
def packaging(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if not params.ref:
        return
    tree = checkout(params, facts)
    if params.rpm and not (tree.package_script and params.rpm in tree.distributions):
        there = ", ".join(tree.distributions) if tree.package_script else ""
        yield Finding(Level.BLOCK, f"This checkout has no packaging for {params.rpm}. It has: {there or 'none'}.", "rpm")
    if params.deb and not tree.debian:
        yield Finding(Level.BLOCK, "This checkout has neither packaging/build-deb.sh nor a debian folder.", "deb")


@guard(
    "packaging.second",
    title="Packaging builds once more",
    reason="rpmbuild and dpkg-buildpackage compile everything again. From 4.11 on they also run the unit tests and fetch files from the "
    "Internet, so that two builds of one commit may differ.",
    source="Facts on CloudStack 3a and 3b",
)
def second(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if params.ref and (params.rpm or params.deb) and params.skip_tests and checkout(params, facts).long_options:
        yield Finding(Level.NOTE, "“Skip tests” holds for the first build only: this source's packaging runs them again.", "skip_tests")


RULES = (buildable, tools, jdk, space, sandbox, packaging, second)
