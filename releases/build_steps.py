"""The steps of a build, one function each. Pure: from paths, commits and options to `Step`s.

Every step of a build may be done again: each begins by putting the checkout back to the commit it starts from, or by removing
what it makes. So a machine that was switched off in the middle costs time and nothing else.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from opsportal.operations.steps import Action, Condition, Effect, FetchFiles, NothingToUndo, PutStored, RunCommand, Step
from opsportal.transport.command import Command
from releases import evidence, git, maven, packaging
from releases.facts.checkout import Tree
from releases.facts.patches import APPLY, Applied, Pull
from releases.facts.portal import SourceData
from releases.packaging import Wanted
from releases.versions import Version
from releases.workspace import Workspace, foreign

BRANCH = "opsportal"
"""The branch that is built, in a checkout of its own."""

HOUR = 3600
PROGRESS = "releases.progress.MavenProgress"

CHECKOUT = (
    """\
set -eu
mkdir -p "$4"
top=$(cd "$4" && pwd)
"""
    + git.MIRROR
    + """\
commit=$3 branch=$5 maven=$6
if ! safe cat-file -e "$commit^{commit}" 2>/dev/null; then
  echo "fetching $url"
  fetch -- "$url" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*'
fi
if ! safe cat-file -e "$commit^{commit}" 2>/dev/null; then
  echo "The commit $commit is not in the repository any more: somebody rewrote the branch. Make a new plan."
  exit 4
fi
rm -rf "$top"
mkdir -p "$top/patches" "$top/tmp" "$top/home"
export GIT_ALLOW_PROTOCOL=file
git clone -q --no-hardlinks --no-checkout --no-tags -- "$(pwd)" "$top/src"
if [ -n "$maven" ]; then mkdir -p "$top/home/.m2" && cp "$maven" "$top/home/.m2/settings.xml"; fi
cd "$top/src"
git remote remove origin
git -c core.hooksPath=/dev/null checkout -q -b "$branch" "$commit"
git log -1 --format='%H%n%an, %ad%n%s'
"""
)

PATCH = (
    git.SAFE
    + APPLY
    + """\
top=$(cd "$1" && pwd)
cd "$top/src"
safe am --abort >/dev/null 2>&1 || :
safe reset -q --hard "$4"
if ! apply "$2" "$top/patches/$3"; then
  cat "$top/patches/$3.said"
  echo "Pull request $2 does not apply. The checkout is as it was before."
  exit 9
fi
safe log --stat --format='%h %s%n  %an <%ae>' "$4..HEAD" --
"""
)

SET_VERSION = (
    """\
export MAVEN_OPTS="-Dmaven.repo.local=$M2 $OPSPORTAL_MAVEN_OPTS"
version=$1 branch=$2 base=$3 way=$4
git checkout -q -B "$branch" "$base"
git reset -q --hard "$base"
if [ "$way" = script ]; then
  echo "Warming Maven's help plugin: the script would take its download lines for the version."
  mvn -B -ntp -q """
    + maven.HELP
    + """:evaluate -Dexpression=project.version >/dev/null
  exec bash tools/build/setnextversion.sh -v "$version" -b "$branch" -s "$PWD/"
fi
mvn -B -ntp org.codehaus.mojo:versions-maven-plugin:2.16.2:set -DnewVersion="$version" -DgenerateBackupPoms=false -DprocessAllModules=true
git commit -q -a -s -m "Updating pom.xml version numbers for release $version"
git log -1 --stat --format='%h %s' | tail -n 5
"""
)

MAVEN = """\
export MAVEN_OPTS="-Dmaven.repo.local=$M2 $OPSPORTAL_MAVEN_OPTS"
touch "$TMPDIR/start-maven"
exec "$@"
"""

MANIFEST = """\
look=$1 version=$2
shift 2
for kind; do sh -c "$look" sh "$kind" "$version"; done
"""

SAYS = {"rpm": "rpm -qp dist/rpmbuild/RPMS/*/*.rpm", "deb": "dpkg-deb --show ../*.deb", "file": "ls */target/*.jar */target/*.war"}

FIND = """\
cd "$1"
find "$PWD/src/dist/rpmbuild/RPMS" -type f -name '*.rpm' -newer tmp/start-rpm 2>/dev/null || :
[ ! -e tmp/start-deb ] || find "$PWD" -maxdepth 1 -type f -name '*.deb' -newer tmp/start-deb
"""

FIND_FILES = """\
cd "$1"
find "$PWD/src" -path '*/target/*' -type f \\( -name '*.jar' -o -name '*.war' \\) -newer tmp/start-maven \\
  ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name '*-tests.jar' ! -name 'original-*' ! -path '*/target/*/*'
"""


@dataclass(frozen=True)
class Site:
    """Where a build happens, and what all its steps share. `jdk` is a JAVA_HOME or ""; `level` its number, such as 17."""

    workspace: Workspace
    source: SourceData
    sandbox: bool
    jdk: str
    level: int

    @property
    def top(self) -> str:
        return str(self.workspace.home)

    def fenced(self, script: str, *argv: str, gist: str, extra: tuple[tuple[str, str], ...] = ()) -> Command:
        """Foreign code: the source's own scripts, Maven and what it runs."""
        env = (*git.committer(), *maven.environment(self.jdk, self.level), *extra)
        return foreign(self.workspace, script, *argv, sandbox=self.sandbox, env=env, gist=gist)

    def step(
        self,
        key: str,
        title: str,
        why: str,
        action: Action,
        probe: Iterable[Condition] = (),
        *,
        progress: str = "",
        record: str = "",
    ) -> Step:
        """All of them are repeatable, may be stopped, and leave nothing outside the workspace."""
        return Step(
            key=key,
            target=self.workspace.target,
            title=title,
            why=why,
            action=action,
            effect=Effect.IDEMPOTENT,
            interruptible=True,
            expect=(),
            probe=tuple(probe),
            undo=NothingToUndo(),
            progress=progress,
            record=record,
        )


def checkout(site: Site, commit: str) -> Step:
    argv = (str(site.workspace.mirror), site.source.url, commit, site.top, BRANCH, settings.MAVEN_SETTINGS)
    gist = shlex.join(["git", "clone", site.source.url, "src"]) + f"\ngit checkout -b {BRANCH} {commit}"
    return site.step(
        "checkout",
        "Make a workspace and check out the commit",
        "A checkout of its own, from the mirror: nothing of an earlier build is in it.",
        RunCommand(git.script(CHECKOUT, *argv, gist=gist), timeout=2 * HOUR),
        [head_is(site, commit)],
    )


def head_is(site: Site, commit: str) -> Condition:
    command = git.script('cd "$1/src" && git -c core.fsmonitor=false rev-parse HEAD', site.top, gist="git rev-parse HEAD")
    return Condition(f"the checkout is at {commit[:12]}", command, judge="equals", wants=commit)


def patch(site: Site, index: int, pull: Pull, applied: Applied, before: str) -> Iterable[Step]:
    """Two steps: the mailbox as it was pinned, then the committer's alias. `before` is the commit it starts from."""
    path = site.workspace.patch(index, pull.number)
    stored = PutStored(str(path), pull.sha256, pull.size, f"Pull request {pull.number}: {pull.title}")
    yield site.step(
        f"patch-{index}-file",
        f"Place the patches of pull request {pull.number}",
        "Exactly those that were shown: the pull request may have changed since.",
        stored,
    )
    gist = f"git am -s --keep-cr {path.name}\ngit commit --amend  # its last message then ends in: This closes #{pull.number}"
    command = git.script(PATCH, site.top, pull.number, path.name, before, extra=git.committer(), gist=gist)
    yield site.step(
        f"patch-{index}",
        f"Apply pull request {pull.number}: {pull.title}"[:200],
        f"{len(pull.patches)} commits, signed off by the portal's identity; the last one says This closes #{pull.number}.",
        RunCommand(command, timeout=600),
        [head_is(site, applied.head)],
    )


def set_version(site: Site, version: str, tree: Tree, before: str) -> Step:
    way = "script" if tree.version_script else "plugin"
    wish = {
        "version": version,
        "base": before,
        "branch": BRANCH,
        "subject": f"Updating pom.xml version numbers for release {version}",
        "changelog": tree.version_script and bool(tree.debian),
        "setup": tree.version_script,
    }
    look = site.fenced(
        evidence.VERSION_COMMIT, before, tree.version, gist=f"git log; git show HEAD:pom.xml; git grep -F '>{tree.version}<'"
    )
    proof = Condition(
        f"one commit changes {tree.version} to {version} everywhere",
        look,
        "releases.evidence.version_commit",
        json.dumps(wish),
        timeout=120,
    )
    gist = shlex.join(["mvn", "versions:set", f"-DnewVersion={version}"]) + f"\ngit commit -a -s -m '{wish['subject']}'"
    if tree.version_script:
        gist = shlex.join(["tools/build/setnextversion.sh", "-v", version, "-b", BRANCH, "-s", "."])
    why = "The source's own script does it" if tree.version_script else "Maven's versions plugin does it: this source has no script for it"
    return site.step(
        "version",
        f"Set the version to {version}",
        f"{why}. About {tree.carriers} files carry {tree.version}. Its exit code proves nothing, so the commit is looked at afterwards.",
        RunCommand(site.fenced(SET_VERSION, version, BRANCH, before, way, gist=gist), timeout=HOUR),
        [proof],
        record="releases.records.version",
    )


def build(site: Site, words: list[str]) -> Step:
    return site.step(
        "maven",
        "Build with Maven",
        "Compiles every module, runs the unit tests, and stops here if one fails: packages are made only of what passes.",
        RunCommand(site.fenced(MAVEN, *words, gist=shlex.join(words)), timeout=8 * HOUR),
        progress=PROGRESS,
        record="releases.records.maven",
    )


def package_condition(site: Site, kind: str, names: tuple[str, ...], wanted: Wanted) -> Condition:
    wish = {"kind": kind, "names": list(names), "version": wanted.version, "release": wanted.release, "says": wanted.says}
    says = f"every {kind} package is there, newer than the start, as {wanted.says}"
    look = site.fenced(evidence.PACKAGES, kind, "", gist=SAYS[kind])
    return Condition(says, look, "releases.evidence.package_set", json.dumps(wish), timeout=300)


def rpm(site: Site, distribution: str, names: tuple[str, ...], version: Version, release: int, tree: Tree, *, noredist: bool) -> Step:
    options = packaging.rpm_options(distribution, noredist=noredist, release=release)
    wanted = packaging.rpm_wanted(version, release, long_options=tree.long_options)
    return site.step(
        "rpm",
        f"Make RPM packages for {distribution}",
        "The source's packaging/package.sh; it compiles everything once more inside rpmbuild.",
        RunCommand(site.fenced(packaging.RPM, *options, gist=f"cd packaging\n{shlex.join(['./package.sh', *options])}"), timeout=8 * HOUR),
        [package_condition(site, "rpm", names, wanted)],
        progress=PROGRESS,
    )


def deb(site: Site, names: tuple[str, ...], version: Version, tree: Tree, *, noredist: bool) -> Step:
    script = packaging.DEB_SCRIPT if tree.debian == "script" else packaging.DEB_PLAIN
    extra = (("ACS_BUILD_OPTS", "-Dnoredist -Dnonoss"),) if noredist else ()
    gist = "packaging/build-deb.sh" if tree.debian == "script" else "dpkg-buildpackage -uc -us -b"
    command = site.fenced(script, gist=gist, extra=extra)
    return site.step(
        "deb",
        "Make Debian packages",
        "packaging/build-deb.sh" if tree.debian == "script" else "dpkg-buildpackage, unsigned; the packages appear beside the checkout.",
        RunCommand(command, timeout=8 * HOUR),
        [package_condition(site, "deb", names, packaging.deb_wanted(version))],
        progress=PROGRESS,
    )


def collect(site: Site, kinds: tuple[str, ...], version: str) -> Iterable[Step]:
    """What was left, by name, size and SHA-256 as the packages themselves say; then into the portal's store, compared."""
    gist = "\n".join(SAYS[kind] for kind in kinds) + "\nsha256sum"
    yield site.step(
        "manifest",
        "Read what each package says of itself",
        "Name and version are read from the packages, not from their file names.",
        RunCommand(site.fenced(MANIFEST, evidence.PACKAGES, version, *kinds, gist=gist), timeout=HOUR),
        record="releases.records.manifest",
    )
    find = FIND_FILES if kinds == ("file",) else FIND
    yield site.step(
        "fetch",
        "Take the artefacts into the portal's store",
        "They can be downloaded from here, whatever becomes of the workspace.",
        FetchFiles(Command(script=find, argv=(site.top,), gist="find the files of the list above"), within=site.top),
        record="releases.records.stored",
    )
