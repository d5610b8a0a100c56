"""The rulebook on upgrades of management servers: facts on CloudStack, section 2c, and what an upgrade needs besides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from releases import upgrade_survey, upgrading, versions
from releases.facts.delivery import BuildData, RunningBuild
from releases.upgrade_survey import Seen, Survey, UpgradeParams

CHECKER = "CloudStack: DatabaseUpgradeChecker.java of the build's own source, as summarised in the facts on CloudStack 2a and 2b"
DOCS = "CloudStack's upgrade instructions: stop all management servers, back up the database, upgrade one, then the others"
SPARE_KIB = 512 * 1024


def _found(params: UpgradeParams, facts: FactSet) -> Survey | None:
    return upgrade_survey.survey(params, facts) if params.whole else None


@guard(
    "upgrade.way",
    title="The code can come from this database's version",
    reason="At its start a management server walks through its own list of upgrades. Where that has no way to its own version, or the "
    "database is newer, it refuses to start, and all servers are down by then.",
    source=CHECKER,
)
def way(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    if found.way.kind == "refused":
        yield Finding(Level.BLOCK, f"{found.build.version} would not start on this database. {found.way.says}", "build")
    elif not found.checker.era:
        yield Finding(Level.BLOCK, "The source has no DatabaseUpgradeChecker: what it would do is not known.", "build", override=True)
    else:
        yield Finding(Level.NOTE, f"Database {found.version}, code {found.build.version}: {found.way.says}", "build")
    if again := [stage for stage in found.way.stages if stage.again]:
        names = ", ".join(stage.upgrade for stage in again)
        yield Finding(
            Level.WARN,
            f"{found.version} is not in the source's list, so {names} runs once more on a database that had it. "
            "That has failed on duplicate keys: try it on a copy of the database first.",
            "build",
        )


@guard(
    "upgrade.half-done",
    title="No upgrade was cut off before",
    reason="Each upgrade writes its row first and completes it last. One that is not complete means half a schema, which the code refuses.",
    source=CHECKER,
)
def half_done(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if (found := _found(params, facts)) and (half := upgrading.half_done(found.versions.rows)):
        names = ", ".join(half)
        yield Finding(Level.BLOCK, f"The row of {names} is not complete. Restore the backup that was taken before that upgrade.", "cloud")


@guard(
    "upgrade.downgrade",
    title="Versions rise",
    reason="Older code on a newer database does not start, or works on a schema that it does not know.",
    source=CHECKER,
)
def downgrade(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    for one in found.seen:
        was = versions.readable([one.server.version.split("-")[0].split("~")[0]])
        if was and versions.parse(found.build.version) < was[0]:
            message = f"{one.row.name} has {one.server.version}, and {found.build.version} is older."
            yield Finding(Level.BLOCK, f"{message} To go back, undo the upgrade that brought it.", "build", override=True)


@guard(
    "upgrade.sticky",
    title="A fourth number of one's own stays",
    reason="From 4.8.2 and 4.9.1 on the checker writes the code's four numbers into the version table when its list does not have them. "
    "An official release below that number refuses to start for ever after.",
    source=CHECKER,
)
def sticky(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    found = _found(params, facts)
    if found and any(stage.empty for stage in found.way.stages) and versions.parse(found.build.version).four[3]:
        yield Finding(
            Level.WARN,
            f"The version table will say {found.way.ends} for good: official releases up to that number do not start on it any more.",
            "build",
        )


@guard(
    "upgrade.cluster",
    title="All management servers are in the plan",
    reason="While one server upgrades the database, another one works on a schema that changes under it. From 4.20.3 on the code refuses "
    "to start when another one is up; older code does not look.",
    source="CloudStack: pull request 12140 and its upgrade instructions",
)
def cluster(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if (found := _found(params, facts)) and (strangers := found.strangers):
        names = ", ".join(f"{peer.name} ({peer.address})" for peer in strangers)
        yield Finding(
            Level.BLOCK,
            f"By the database {names} is up, and is no management server of {found.cloud.name} in the inventory. Add it under Hosts.",
            "cloud",
        )


@guard(
    "upgrade.templates",
    title="The system VM template is registered",
    reason="An upgrade that needs a new system VM template ends with an exception when nobody registered it before. From 4.16 on the "
    "code registers the one that is in its packages.",
    source="CloudStack's upgrade instructions: register the template first; the source's own Upgrade classes",
)
def templates(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)) or not found.way.stages:
        return
    missing = [name for name in found.way.templates if name not in found.versions.templates]
    if missing and versions.parse(found.build.version).four < (4, 16, 0, 0):
        names = ", ".join(missing)
        message = f"The upgrades on the way ask for {names}; not registered under this name. Register what your hypervisors need first."
        yield Finding(Level.BLOCK, message, "build", override=True)
    elif any(not stage.empty for stage in found.way.stages):
        yield Finding(Level.WARN, "System VMs and virtual routers keep running their old template: restart them afterwards.", "build")


@guard(
    "upgrade.patches",
    title="What patches change in the database",
    reason="With equal numbers the checker does nothing: what a patch adds to the schema is never run, and the code then misses it.",
    source=CHECKER,
)
def patches(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    for patch in found.build.patches:
        if patch.database:
            fate = "they do not run on this database" if found.way.kind == "nothing" else "they run if they belong to an upgrade on the way"
            yield Finding(
                Level.WARN, f"Pull request {patch.number} changes the database ({', '.join(patch.database[:3])}): {fate}.", "build"
            )


@guard(
    "upgrade.dropped",
    title="No patch that runs in production is lost",
    reason="A pull request that was in the release before and is not in this one is gone after the upgrade, and so is what it mended.",
    source="The portal's own record of builds, by the names and versions of the installed packages",
)
def dropped(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if found := _found(params, facts):
        yield from lost_patches(found.build, found.seen, facts)


def lost_patches(build: BuildData, seen: Iterable[Seen], facts: FactSet) -> Iterator[Finding]:
    """By what the portal knows of the builds that run there."""
    mine = {patch.number for patch in build.patches}
    lost = {
        patch.number: patch.title
        for one in seen
        for patch in facts(RunningBuild("portal", tuple(was.words for was in one.server.packages))) or ()
        if patch.number not in mine
    }
    if lost:
        names = "; ".join(f"#{number} {title}" for number, title in lost.items())
        message = f"These pull requests run there now and are not in this build: {names}."
        yield Finding(Level.BLOCK, f"{message} If the branch has them by now, say so in the reason.", "build", True)


@guard(
    "upgrade.space",
    title="There is room for the backups",
    reason="A dump that fills the disk is no backup, and a full disk stops more than the dump.",
    source=DOCS,
)
def space(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    need, free = found.peers.size // 1024 + SPARE_KIB, found.first.moment.free_kib
    if free < need:
        yield Finding(
            Level.BLOCK,
            f"{free / 1048576:.1f} GiB are free for {params.folder} on {found.first.row.name}. The database has "
            f"{found.peers.size / 1024**3:.1f} GiB and is dumped twice, compressed: {need / 1048576:.1f} GiB are wanted.",
            "folder",
            override=True,
        )


@guard(
    "upgrade.packages",
    title="The build has what the servers run",
    reason="Each of CloudStack's packages wants the others in exactly its own version, so all are upgraded together.",
    source="packaging/*/cloud.spec and debian/control",
)
def packages(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)) or params.how == "war":
        return
    for one in found.seen:
        if not any(new.name.endswith("-management") for new in one.new):
            kind = {"deb": "Debian packages", "rpm": "RPMs"}.get(one.server.family, "packages")
            message = f"{found.build.version} has no {kind} for {one.row.name}, or nothing is installed there by packages."
            yield Finding(Level.BLOCK, f"{message} Build them, or replace the war.", "how")
        elif one.lacks:
            yield Finding(Level.WARN, f"{one.row.name} also has {', '.join(one.lacks)}, which the build has not got.", "build")
        if params.how == "repository" and (gone := upgrade_survey.offered(one, facts)):
            names = ", ".join(gone)
            message = f"The package manager of {one.row.name} does not offer {names}. Publish the build, and add the repository there."
            yield Finding(Level.BLOCK, message, "how", override=True)


@guard(
    "upgrade.back",
    title="There is a way back",
    reason="The packages of before have to be at hand when the new ones fail: a repository may have dropped them.",
    source=DOCS,
)
def back(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    yield from lost_packages(found.seen, "cloud", facts)
    if found.way.stages:
        yield Finding(
            Level.WARN,
            "The way back is the packages of before and the backup. It loses everything that CloudStack did since: machines made after the "
            "upgrade then run without CloudStack knowing them.",
            "build",
        )
    if not params.trial:
        yield Finding(
            Level.WARN, "The backup is not read back before anything stops: whether it can be restored is then not known.", "trial"
        )


def lost_packages(seen: Iterable[Seen], field: str, facts: FactSet) -> Iterator[Finding]:
    """Of those that are installed now and could not be had again."""
    for one in seen:
        _, rest = upgrade_survey.kept(one, facts)
        if lost := ", ".join(was.name for was, where in rest if where == "nowhere"):
            message = f"{lost} of {one.row.name} is in no cache, no repository and not in the portal: there would be no way back."
            yield Finding(Level.BLOCK, message, field, override=True)


@guard(
    "upgrade.war",
    title="What is replaced is there",
    reason="A file that is dropped where nothing is read from changes nothing.",
    source="CloudStack 4.8: tomcat's webapps/client",
)
def war(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if params.how != "war" or not (found := _found(params, facts)):
        return
    files = [file.file for file in found.build.files if file.kind == "file"]
    if params.file not in files:
        names = ", ".join([file for file in files if file.endswith(".war")][:5]) or "no war"
        yield Finding(Level.BLOCK, f"The build has no file {params.file or 'of that name'}. It has: {names}.", "file")
    for one in found.seen:
        if params.place not in one.server.wars:
            there = ", ".join(one.server.wars) or "none of the usual places"
            yield Finding(Level.WARN, f"{params.place or 'No place'} is none of those known on {one.row.name}; there: {there}.", "place")


@guard(
    "upgrade.usage",
    title="The usage server writes, too",
    reason="It works on the same databases and knows their schema.",
    source=DOCS,
)
def usage(params: UpgradeParams, facts: FactSet) -> Iterator[Finding]:
    if found := _found(params, facts):
        for one in found.seen:
            if one.server.package("cloudstack-usage"):
                yield Finding(
                    Level.WARN, f"cloudstack-usage is installed on {one.row.name}: stop it before, and start it at the end.", "cloud"
                )


RULES = (way, half_done, downgrade, sticky, cluster, templates, patches, dropped, space, packages, back, war, usage)
