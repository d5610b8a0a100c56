"""Build a release: source, patches, version, Maven, packages, artefacts, each proved."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import Page, Queue, Risk, Runbook
from opsportal.operations.steps import Step
from releases import build_steps, building, host_guards, maven, needs, planning, version_guards, versions
from releases.build_forms import BuildForm, PatchesForm, SourceForm, VersionForm
from releases.build_steps import Site
from releases.facts.checkout import Tree
from releases.facts.mirror import Refs
from releases.facts.packages import DebPackages, RpmPackages
from releases.facts.patches import Mailbox, Pull
from releases.facts.portal import BuildPlaces, Taken
from releases.facts.tools import Space, Tools
from releases.versions import Version
from releases.workspace import Workspace


@dataclass(frozen=True)
class BuildParams:
    """`patches` are numbers or addresses of pull requests in order; `target` is "local" or "host:ID"; `schedule` is 0 for none."""

    source: int = 0
    ref: str = ""
    offline: bool = False
    patches: tuple[str, ...] = ()
    numbering: str = "new"
    version: str = ""
    profiles: str = "systemvm"
    skip_tests: bool = False
    threads: str = ""
    arguments: str = ""
    jdk: str = ""
    workspace: str = ""
    warm: bool = True
    rpm: str = ""
    noredist: bool = False
    release_number: int = 1
    deb: bool = False
    target: str = "local"
    schedule: int = 0


class BuildRelease(Runbook[BuildParams]):
    name = "build-release"
    title = "Build a release"
    summary = "Checks out a source, applies pull requests, sets the version, builds with Maven and makes packages."
    when = "For an own release of CloudStack or any Maven project: a daily build, a private long-term line, one fix on top of a release."
    goes_wrong = (
        "A patch that does not apply is found before anything runs. A failing test stops the build before packages are made. "
        "A script that says Done without packages is a failed build here."
    )
    afterwards = "The packages are listed with their true names and versions, can be downloaded, and every patch in them is on record."
    risk = Risk.ROUTINE
    approvals = 0
    queue = Queue.BUILD
    params = BuildParams
    pages = (
        Page("source", "Source", SourceForm, template="releases/wizard_source.html"),
        Page("patches", "Patches", PatchesForm, template="releases/wizard_patches.html"),
        Page("version", "Version", VersionForm, template="releases/wizard_version.html"),
        Page("build", "Build", BuildForm, template="releases/wizard_build.html"),
    )
    guards = (*version_guards.RULES, *host_guards.RULES)
    plan_template = "releases/_build_progress.html"

    def fresh(self) -> dict[str, Any]:
        return {"workspace": f"build-{secrets.token_hex(6)}", "schedule": 0}

    def subject(self, params: BuildParams) -> str:
        return building.subject(params)

    def locks(self, params: BuildParams) -> Iterable[str]:
        """A warm workspace shares Maven's repository, into which every build installs: one at a time."""
        yield f"workspace:{params.workspace}"
        if params.warm and params.source:
            yield f"maven-repository:{params.source}@{params.target}"

    def look(self, page: str, params: BuildParams, facts: FactSet) -> dict[str, Any]:
        shows = {"source": _source, "patches": _patches, "version": _version, "build": _build, "review": _review}
        return shows[page](params, facts) if params.source else {}

    def plan(self, params: BuildParams, facts: FactSet) -> Iterable[Step]:
        commit, tree = planning.commit(params, facts).commit, planning.checkout(params, facts)
        site = _site(params, facts)
        yield build_steps.checkout(site, commit)
        head = commit
        if params.patches:
            found = planning.tried(params, facts)
            if found.conflict:
                raise FactError(f"Pull request {found.conflict.number} does not apply: see the findings.")
            for index, (pull, applied) in enumerate(zip(planning.pulls(params, facts), found.applied, strict=True), 1):
                yield from build_steps.patch(site, index, pull, applied, head)
                head = applied.head
        text = params.version if params.numbering == "new" else tree.version
        if text != tree.version:
            yield build_steps.set_version(site, text, tree, head)
        words = maven.build(params.profiles, skip_tests=params.skip_tests, threads=params.threads, arguments=params.arguments)
        yield build_steps.build(site, words)
        yield from _packages(params, facts, site, tree, _parsed(text))

    def submitted(self, operation_id: int) -> None:
        building.submitted(operation_id)

    def finished(self, operation_id: int, state: str) -> None:
        building.finished(operation_id, state)


def _parsed(text: str) -> Version:
    try:
        return versions.parse(text)
    except ValueError as error:
        raise FactError(f"The version cannot be used: {error}.") from None


def _site(params: BuildParams, facts: FactSet) -> Site:
    facts.need(Tools(params.target))
    box, tree = facts(Tools(params.target)), planning.checkout(params, facts)
    chosen = next((one for one in box.jdks if one.home == params.jdk), None) if params.jdk else needs.best_jdk(tree, box)
    workspace = Workspace(params.target, params.workspace, params.source, params.warm)
    source = planning.registered(params, facts)
    return Site(workspace, source, box.sandbox, chosen.home if chosen else "", chosen.level if chosen else 0)


def _packages(params: BuildParams, facts: FactSet, site: Site, tree: Tree, version: Version) -> Iterable[Step]:
    commit, kinds = planning.commit(params, facts).commit, []
    if params.rpm:
        names = facts(RpmPackages("local", params.source, commit, params.rpm)).of(noredist=params.noredist)
        yield build_steps.rpm(site, params.rpm, names, version, params.release_number, tree, noredist=params.noredist)
        kinds.append("rpm")
    if params.deb:
        names = facts(DebPackages("local", params.source, commit)).names
        yield build_steps.deb(site, names, version, tree, noredist=params.noredist)
        kinds.append("deb")
    yield from build_steps.collect(site, tuple(kinds) or ("file",), str(version))


def _source(params: BuildParams, facts: FactSet) -> dict[str, Any]:
    source = planning.registered(params, facts)
    names = facts(Refs("local", source.pk, source.url, params.offline))
    shown = {"default_branch": source.default_branch, "names": [*names.branches, *names.tags][:500], "fetched": names.fetched}
    if not params.ref:
        return shown
    tree = planning.checkout(params, facts)
    return {**shown, "commit": asdict(planning.commit(params, facts)), "tree": {**asdict(tree), "database_files": len(tree.database_files)}}


def _patches(params: BuildParams, facts: FactSet) -> dict[str, Any]:
    """Each pull request by itself, so that one that is gone does not hide the others; then the trial of all."""
    source = planning.registered(params, facts)
    wanted: list[tuple[str, Mailbox | FactError]] = []
    for text in params.patches:
        try:
            wanted.append((text, planning.mailboxes(_only(params, text), facts)[0]))
        except FactError as error:
            wanted.append((text, error))
    facts.need(*(one for _, one in wanted if not isinstance(one, FactError)))
    rows = []
    for text, one in wanted:
        pull = one if isinstance(one, FactError) else _try(one, facts)
        rows.append({"text": text, "error": str(pull)} if isinstance(pull, FactError) else building.pull_row(pull, source))
    if not rows or any("error" in row for row in rows):
        return {"pulls": rows}
    return {"pulls": rows, **building.trial_rows(planning.tried(params, facts))}


def _try(mailbox: Mailbox, facts: FactSet) -> Pull | FactError:
    found = facts.try_(mailbox)
    return found


def _only(params: BuildParams, text: str) -> BuildParams:
    return BuildParams(source=params.source, ref=params.ref, offline=params.offline, patches=(text,))


def _version(params: BuildParams, facts: FactSet) -> dict[str, Any]:
    tree, source = planning.checkout(params, facts), planning.registered(params, facts)
    taken = facts(Taken("portal", params.source, params.workspace))
    own = versions.readable([tree.version])
    return {
        "own": tree.version,
        "suggested": building.suggestion(own[0], taken, tree, source.brand) if own else "",
        "checker": tree.checker,
        "base_tag": tree.base_tag,
        "database_files": list(tree.database_files),
        "carriers": tree.carriers,
        "script": tree.version_script,
        "taken": sorted(taken, key=lambda text: (versions.readable([text]) or [Version((0,))])[0], reverse=True)[:20],
    }


def _build(params: BuildParams, facts: FactSet) -> dict[str, Any]:
    tree, places = planning.checkout(params, facts), facts(BuildPlaces("portal"))
    facts.need(Tools(params.target), Space(params.target))
    box, free = facts(Tools(params.target)), facts(Space(params.target))
    need, best = needs.jdk(tree), needs.best_jdk(tree, box)
    return {
        "distributions": list(tree.distributions) if tree.package_script else [],
        "debian": tree.debian,
        "places": [asdict(place) for place in places],
        "jdks": [asdict(one) for one in box.jdks],
        "best_jdk": best.version if best else "",
        "jdk_levels": list(need.levels) if need else [],
        "free_kib": free,
        "cpus": box.cpus,
        "sandbox": box.sandbox,
        "versions": box.versions,
    }


def _review(params: BuildParams, facts: FactSet) -> dict[str, Any]:
    tree = planning.checkout(params, facts)
    files = sorted({path for pull in planning.pulls(params, facts) for path in pull.files}) if params.patches else []
    return {"files": files[:500], "carriers": tree.carriers if params.numbering == "new" else 0}
