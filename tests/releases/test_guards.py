"""The rulebook on builds and merges: each rule with a case that fires, in its words, and one that does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from opsportal.operations.facts import Fact
from opsportal.operations.guards import Guard
from releases import host_guards as host
from releases import merge_guards as merge
from releases import version_guards as version
from releases.facts.checkout import Checkout, Tree
from releases.facts.heads import Head, PushHead
from releases.facts.mirror import Resolved
from releases.facts.patches import Applied, Conflict, Mailbox, Pull, Trial, Tried
from releases.facts.portal import Registered, SourceData, Taken
from releases.facts.tools import Jdk, Space, Toolbox, Tools
from releases.runbooks.build_release import BuildParams, BuildRelease
from releases.runbooks.merge_pull_request import MergeParams, MergePullRequest
from tests.releases import practice, trees

FINE = Tried("d" * 40, (Applied("12", "d" * 40, ("d" * 40,), ("api/a.txt",), 3, 1, ""),), None)
OLD, NEW = trees.tree(), trees.modern()


def build(**fields: Any) -> BuildParams:
    """A new number on a 4.8 source."""
    return BuildParams(**{"source": 1, "ref": "4.8", "version": "4.8.0.16", **fields})


def known(
    params: BuildParams | MergeParams,
    tree: Tree = OLD,
    *,
    box: Toolbox | None = None,
    free: int = 10**9,
    taken: tuple[str, ...] = (),
    pull: Pull | None = None,
    trial: Tried = FINE,
    kind: str = "branch",
    head: Head | None = None,
    source: SourceData | None = None,
) -> list[tuple[Fact[Any], Any]]:
    """Every fact that a rule may ask for."""
    of, at, pull = source or trees.source(), trees.commit(kind), pull or trees.pull("12", "api/a.txt")
    facts: list[tuple[Fact[Any], Any]] = [
        (Registered("portal", 1), of),
        (Resolved("local", 1, of.url, params.ref), at),
        (Checkout("local", 1, at.commit), tree),
        (Tools("local"), box or trees.toolbox()),
        (Space("local"), free),
        (Taken("portal", 1, params.workspace), taken),
        (Mailbox("local", 1, "patch", of.pulls_url, "12"), pull),
        (Trial("local", 1, at.commit, (("12", pull.sha256),)), trial),
    ]
    return [*facts, (PushHead("local", 1, of.push_url, params.ref, at.commit), head or Head(at.commit, ""))]


def findings(rule: Guard, params: BuildParams | MergeParams, tree: Tree = OLD, **facts: Any) -> list[tuple[str, str, str, bool]]:
    found = rule.check(params, practice.given(*known(params, tree, **facts)))
    return [(one.level.value, one.message, one.field, one.override) for one in found]


Case = tuple[Guard, Any, Tree, dict[str, Any], tuple[str, str, bool], str]
CONFLICT = Tried("a" * 40, (), Conflict("12", ("api/a.txt", "b.txt"), "7", "error: patch failed"))
ALONE = dataclasses.replace(CONFLICT, conflict=Conflict("12", (), "", "error"))
SQL = trees.pull("12", "setup/db/db/schema-480to481.sql", "a", "engine/schema/B.java")
UNDER_WAY = trees.tree(database_files=("setup/db/x.sql",))
MERGE = MergeParams(source=1, ref="4.8", pull_request="12")
JDK21 = trees.toolbox(Jdk("/jvm/21", "21.0.2"))
JDK11 = trees.toolbox(Jdk("/jvm/11", "11.0.2"))
NO_PUSH = {"source": trees.source(push_url="")}

FIRES: list[Case] = [
    (version.form, build(version="4.8.0.16.1"), OLD, {}, ("block", "version", False), "4.8.0.16.1 is not three or four numbers"),
    (
        version.base,
        build(version="4.8.1.1"),
        OLD,
        {},
        ("block", "version", True),
        "its own number begins with 4.8.0. 4.8.1.1 begins with 4.8.1",
    ),
    (version.fourth, build(), OLD, {}, ("note", "version", False), "The database will go on saying 4.8.0"),
    (version.fourth, build(version="4.20.1.16"), NEW, {}, ("warn", "version", False), "A suffix instead (4.20.1.0-NAME) is ignored"),
    (
        version.rising,
        build(),
        OLD,
        {"taken": ("4.8.0.17",)},
        ("warn", "version", False),
        "4.8.0.17 was built already; the next free number is 4.8.0.18",
    ),
    (version.rising, build(), OLD, {"taken": ("4.8.0.16",)}, ("warn", "version", False), "two builds of one number cannot be told apart"),
    (
        version.rising,
        build(version="4.20.1.2"),
        NEW,
        {"taken": ("4.20.1.9",)},
        ("block", "version", True),
        "the next free number is 4.20.1.10",
    ),
    (
        version.schema,
        build(patches=("12",)),
        OLD,
        {"pull": SQL},
        ("warn", "patches", False),
        "they will not run on a database that says this",
    ),
    (
        version.schema,
        build(patches=("12",)),
        NEW,
        {"pull": SQL},
        ("warn", "patches", False),
        "only if the version number moves, and only once",
    ),
    (
        version.unfinished,
        build(),
        UNDER_WAY,
        {},
        ("warn", "version", False),
        "is not released yet, and 1 files of the database differ from 4.7.1",
    ),
    (
        version.path,
        build(version="4.20.1.16"),
        NEW,
        {},
        ("note", "version", False),
        "taken through the step that begins at 4.20.0.0 once more",
    ),
    (
        version.suffix_rpm,
        build(version="4.8.0.1-acme", rpm="centos7"),
        OLD,
        {},
        ("block", "version", False),
        "cannot make RPMs of 4.8.0.1-acme",
    ),
    (
        version.conflict,
        build(patches=("12",)),
        OLD,
        {"trial": CONFLICT},
        ("block", "patches", False),
        "PR 12 conflicts with PR 7 in api/a.txt, b.txt.",
    ),
    (
        version.conflict,
        build(patches=("12",)),
        OLD,
        {"trial": ALONE},
        ("block", "patches", False),
        "PR 12 conflicts with the branch in a file that",
    ),
    (version.twice, build(patches=("12", "7", "12")), OLD, {}, ("block", "patches", False), "12 is in the list more than once"),
    (host.buildable, build(), trees.tree(profile="none"), {}, ("block", "ref", False), "4.8 has no pom.xml in its root"),
    (
        host.tools,
        build(rpm="centos7"),
        OLD,
        {"box": trees.toolbox(without=("rpmbuild", "mvn"))},
        ("block", "target", False),
        "mvn, rpmbuild.",
    ),
    (host.jdk, build(), OLD, {"box": JDK21}, ("block", "jdk", False), "has not got a JDK that compiles level 7"),
    (host.jdk, build(jdk="/gone"), OLD, {}, ("block", "jdk", False), "has not got the JDK /gone"),
    (host.jdk, build(jdk="/jvm/21"), OLD, {"box": JDK21}, ("block", "jdk", True), "JDK 21.0.2 cannot compile level 7"),
    (host.jdk, build(), OLD, {"box": JDK11}, ("warn", "jdk", False), "is known to build with JDK 8 or 7"),
    (
        host.space,
        build(),
        OLD,
        {"free": 1048576},
        ("block", "target", True),
        "1.0 GiB are free where the build happens, and it takes about 5.0 GiB",
    ),
    (host.sandbox, build(), OLD, {"box": trees.toolbox(sandbox=False)}, ("warn", "target", False), "the build runs as root, unfenced"),
    (host.packaging, build(rpm="el8"), OLD, {}, ("block", "rpm", False), "no packaging for el8. It has: centos63, centos7."),
    (
        host.packaging,
        build(deb=True),
        trees.tree(debian=""),
        {},
        ("block", "deb", False),
        "neither packaging/build-deb.sh nor a debian folder",
    ),
    (host.second, build(rpm="el8", skip_tests=True), NEW, {}, ("note", "skip_tests", False), "packaging runs them again"),
    (merge.push_url, MERGE, OLD, NO_PUSH, ("block", "source", False), "CloudStack has no address to push merges to"),
    (merge.branch, MERGE, OLD, {"kind": "tag"}, ("block", "ref", False), "4.8 is a tag. Choose the branch"),
    (merge.moved, MERGE, OLD, {"head": Head("e" * 40, "")}, ("block", "ref", False), "4.8 is at eeeeeeeeeeee where it is pushed to"),
    (
        merge.moved,
        MERGE,
        OLD,
        {"head": Head("", "")},
        ("block", "ref", False),
        "There is no branch 4.8 at git@github.com:acme/cloudstack.git",
    ),
    (merge.access, MERGE, OLD, {"head": Head("a" * 40, "denied")}, ("block", "source", False), "does not let the portal push: denied"),
    (
        merge.conflict,
        MERGE,
        OLD,
        {"trial": CONFLICT},
        ("block", "pull_request", False),
        "PR 12 does not apply to 4.8: it conflicts in api/a.txt, b.txt.",
    ),
    (
        merge.empty,
        MERGE,
        OLD,
        {"trial": Tried("d" * 40, (Applied("12", "d" * 40, (), (), 0, 0, ""),), None)},
        ("warn", "pull_request", False),
        "PR 12 changes no file of 4.8",
    ),
]

SILENT: list[tuple[Guard, Any, Tree, dict[str, Any]]] = [
    (version.form, build(version="4.8.0.16-acme"), OLD, {}),
    (version.base, build(), OLD, {}),
    (version.base, build(numbering="rebuild", version="9.9.9"), OLD, {}),
    (version.fourth, build(version="4.8.0"), OLD, {}),
    (version.fourth, build(version="4.20.1.0-acme"), NEW, {}),
    (version.rising, build(), OLD, {"taken": ("4.8.0.15", "4.7.1.99", "junk")}),
    (version.schema, build(patches=("12",)), OLD, {}),
    (version.unfinished, build(), trees.tree(version="4.8.0", database_files=("x.sql",)), {}),
    (version.path, build(version="4.20.1.0-acme"), NEW, {}),
    (version.path, build(), OLD, {}),
    (version.suffix_rpm, build(version="4.20.1.0-acme", rpm="el8"), NEW, {}),
    (version.conflict, build(patches=("12",)), OLD, {}),
    (version.twice, build(patches=("12", "7")), OLD, {}),
    (host.buildable, build(), OLD, {}),
    (host.tools, build(rpm="centos7", deb=True), OLD, {}),
    (host.jdk, build(version="4.20.1.0-acme"), NEW, {}),
    (host.space, build(), OLD, {}),
    (host.sandbox, build(), OLD, {}),
    (host.packaging, build(rpm="centos7", deb=True), OLD, {}),
    (host.second, build(rpm="centos7", skip_tests=True), OLD, {}),
    (merge.push_url, MERGE, OLD, {}),
    (merge.branch, MERGE, OLD, {}),
    (merge.moved, MERGE, OLD, {}),
    (merge.access, MERGE, OLD, {}),
    (merge.access, MERGE, OLD, NO_PUSH),
    (merge.conflict, MERGE, OLD, {}),
    (merge.empty, MERGE, OLD, {}),
]


@pytest.mark.parametrize(("rule", "params", "tree", "facts", "wanted", "says"), FIRES)
def test_a_rule_fires(rule: Guard, params: Any, tree: Tree, facts: dict[str, Any], wanted: tuple[str, str, bool], says: str) -> None:
    ((level, message, field, override),) = findings(rule, params, tree, **facts)
    assert (level, field, override) == wanted
    assert says in message


@pytest.mark.parametrize(("rule", "params", "tree", "facts"), SILENT)
def test_a_rule_is_silent(rule: Guard, params: Any, tree: Tree, facts: dict[str, Any]) -> None:
    assert findings(rule, params, tree, **facts) == []


def test_every_rule_has_a_case_that_fires_and_one_that_does_not() -> None:
    every = {rule.ident for rule in (*BuildRelease.guards, *MergePullRequest.guards)}
    assert {case[0].ident for case in FIRES} == every
    assert {case[0].ident for case in SILENT} == every


@pytest.mark.parametrize("rule", [*BuildRelease.guards])
def test_a_page_that_is_still_empty_asks_for_nothing(rule: Guard) -> None:
    assert list(rule.check(BuildParams(), practice.given())) == []


@pytest.mark.parametrize("rule", [*MergePullRequest.guards])
def test_a_merge_that_is_still_empty_asks_for_nothing(rule: Guard) -> None:
    assert list(rule.check(MergeParams(), practice.given())) == []
