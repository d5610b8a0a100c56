"""The rulebook on version numbers and patches: facts on CloudStack, section 2c, as guards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from releases import versions
from releases.facts.checkout import DATABASE, Tree
from releases.facts.portal import Taken
from releases.planning import checkout, pulls, tried
from releases.versions import Version

if TYPE_CHECKING:
    from releases.runbooks.build_release import BuildParams

CHECKER = "CloudStack: DatabaseUpgradeChecker.java and CloudStackVersion.java, as summarised in the facts on CloudStack 2a and 2b"


def _both(params: BuildParams, facts: FactSet) -> tuple[Version, Version, Tree] | None:
    """The wished number and the source's own, when a new number is asked for and both can be read."""
    if params.numbering != "new" or not params.version or not params.ref:
        return None
    tree = checkout(params, facts)
    try:
        return versions.parse(params.version), versions.parse(tree.version), tree
    except ValueError:
        return None


@guard(
    "version.form",
    title="A version is three or four numbers",
    reason="CloudStack's management server refuses to start with anything else, and RPM does not take a dash in its Version.",
    source=CHECKER,
)
def form(params: BuildParams, _facts: FactSet) -> Iterator[Finding]:
    if params.numbering == "new" and params.version:
        try:
            versions.parse(params.version)
        except ValueError:
            yield Finding(Level.BLOCK, f"{params.version} is not three or four numbers with an optional -NAME.", "version")


@guard(
    "version.base",
    title="The first three numbers are the source's",
    reason="The upgrade checker walks to the code's first three numbers through the source's own list of upgrades. "
    "With other numbers there is no way from any database, and the management server does not start.",
    source=CHECKER,
)
def base(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if (both := _both(params, facts)) and both[0].base != both[1].base:
        wished, own, _ = both
        message = f"The source is {own}, so its own number begins with {own.base}. {wished} begins with {wished.base}."
        yield Finding(Level.BLOCK, message, "version", override=True)


@guard(
    "version.fourth",
    title="What a fourth number of one's own does",
    reason="Up to 4.8.1 and 4.9.0 the checker looks at three numbers: an own fourth one is invisible to the database. Later it counts, is "
    "written into the version table and stays: an official security release with a lower number then refuses to start.",
    source=CHECKER,
)
def fourth(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    both = _both(params, facts)
    if not both or not both[0].four[3]:
        return
    wished, own, tree = both
    if tree.checker == "four" and not wished.suffix and wished.four != own.four:
        better = f"{'.'.join(map(str, own.four))}-NAME"
        yield Finding(
            Level.WARN,
            f"The database will record {wished} for good, which blocks official releases below it and counts as an upgrade: all "
            f"management servers stop, one starts alone. A suffix instead ({better}) is ignored by the checker.",
            "version",
        )
    elif tree.checker == "three":
        yield Finding(
            Level.NOTE,
            f"The database will go on saying {wished.base}: only the log line, the API and the packages tell that {wished} runs.",
            "version",
        )


@guard(
    "version.rising",
    title="Numbers rise",
    reason="A package manager takes a lower number for a downgrade. From 4.8.2 and 4.9.1 on the management server refuses it: "
    "the database is then newer than the code.",
    source=CHECKER,
)
def rising(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    both = _both(params, facts)
    if not both:
        return
    wished, _, tree = both
    taken = facts(Taken("portal", params.source, params.workspace))
    same = [one for one in versions.readable(taken) if one.base == wished.base]
    if not same or max(same) < wished:
        return
    free = versions.next_free(wished.base, taken)
    message = f"{max(same)} was built already; the next free number is {free}."
    if str(wished) in taken:
        message = f"{wished} was built already, and two builds of one number cannot be told apart. The next free number is {free}."
    four = tree.checker == "four"
    yield Finding(Level.BLOCK if four else Level.WARN, message, "version", override=four)


@guard(
    "version.schema",
    title="Changes of the database",
    reason="With equal numbers the checker does nothing: what a patch adds to the schema of this release is never run on a database that "
    "has the release already.",
    source=CHECKER,
)
def schema(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if not params.patches or not params.ref:
        return
    tree = checkout(params, facts)
    for pull in pulls(params, facts):
        if touched := [path for path in pull.files if DATABASE.fullmatch(path)]:
            fate = (
                "they run only if the version number moves, and only once"
                if tree.checker == "four"
                else "they will not run on a database that says this version already"
            )
            names = ", ".join(touched[:3]) + (" …" if len(touched) > 3 else "")
            yield Finding(Level.WARN, f"Pull request {pull.number} changes the database ({names}): {fate}.", "patches")


@guard(
    "version.unfinished",
    title="A branch under way",
    reason="A branch between two releases may carry a half-finished upgrade of the database. Built under a release's number, the database "
    "is marked as that release and what is added to the upgrade later never runs.",
    source=CHECKER,
)
def unfinished(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    both = _both(params, facts)
    if both and both[1].snapshot and both[2].database_files:
        tree = both[2]
        yield Finding(
            Level.WARN,
            f"{tree.version} is not released yet, and {len(tree.database_files)} files of the database differ from {tree.base_tag}.",
            "version",
        )


@guard(
    "version.path",
    title="The way through the upgrades",
    reason="From 4.8.2 and 4.9.1 on, a number that the source's list of upgrades does not know is reached from the nearest lower one, "
    "and that upgrade is run again; then a row with the own number is written.",
    source=CHECKER,
)
def path(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    both = _both(params, facts)
    if not both or both[2].checker != "four" or not both[2].upgrades:
        return
    wished, _, tree = both
    nodes = sorted(versions.readable(tree.upgrades))
    if nodes and wished.four[3] and wished.four not in {node.four for node in nodes} and not wished.suffix:
        below = [node for node in nodes if node <= wished]
        nearest = below[-1] if below else nodes[0]
        yield Finding(
            Level.NOTE,
            f"{wished} is not in the source's list of upgrades. A database at {wished.base}.0 is taken through the step that begins at "
            f"{nearest} once more. Try it on a copy of the database first.",
            "version",
        )


@guard(
    "version.suffix-rpm",
    title="A suffix in an old RPM",
    reason="The packaging script of the 4.8 era understands no suffix but -SNAPSHOT: any other goes into the RPM's Version, where a dash "
    "is not allowed.",
    source="packaging/package.sh of 4.8, facts on CloudStack 3a",
)
def suffix_rpm(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if params.rpm and (both := _both(params, facts)) and both[0].brand and not both[2].long_options:
        yield Finding(Level.BLOCK, f"This source's packaging cannot make RPMs of {both[0]}. Use four numbers without a suffix.", "version")


@guard(
    "patches.conflict",
    title="The patches apply in this order",
    reason="They were applied one after the other to the pinned commit in a scratch checkout, as the build will.",
    source="git am in the portal's mirror",
)
def conflict(params: BuildParams, facts: FactSet) -> Iterator[Finding]:
    if not params.patches or not params.ref or not (found := tried(params, facts).conflict):
        return
    other = f"PR {found.with_}" if found.with_ else "the branch"
    where = ", ".join(found.files) or "a file that git does not name"
    yield Finding(
        Level.BLOCK, f"PR {found.number} conflicts with {other} in {where}. Take one of them out, or change the order.", "patches"
    )


@guard(
    "patches.twice",
    title="Each pull request once",
    reason="A patch that is applied already does not apply again.",
    source="git am",
)
def twice(params: BuildParams, _facts: FactSet) -> Iterator[Finding]:
    if double := sorted({one for one in params.patches if params.patches.count(one) > 1}):
        yield Finding(Level.BLOCK, f"{', '.join(double)} is in the list more than once.", "patches")


RULES = (form, base, fourth, rising, schema, unfinished, path, suffix_rpm, conflict, twice)
