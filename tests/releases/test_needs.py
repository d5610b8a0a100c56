"""What building a source needs: the table by branch, and which JDK of those installed fits best."""

from __future__ import annotations

import pytest

from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from releases import needs
from releases.facts.tools import Jdk, Tools
from tests.releases import practice, trees


@pytest.mark.parametrize(
    ("version", "levels"),
    [
        ("4.8.0-SNAPSHOT", (8, 7)), ("4.9.2", (8, 7)), ("4.11.3.0", (8,)), ("4.13.1.0", (8,)), ("4.14.0.0", (11,)), ("4.19.3.0", (11,)),
        ("4.20.1.0", (17, 11)), ("4.21.0.0", (17, 11)), ("4.22.0.0", (17, 11)), ("5.0.0", (17, 11)), ("3.0.0", (8, 7)),
    ],
)  # fmt: skip
def test_the_table_by_branch(version: str, levels: tuple[int, ...]) -> None:
    need = needs.jdk(trees.tree(version=version))
    assert need is not None
    assert need.levels == levels


@pytest.mark.parametrize("fields", [{"profile": "maven"}, {"profile": "cosmic", "version": "6.10.8"}, {"version": ""}, {"version": "next"}])
def test_other_sources_are_not_in_the_table(fields: dict[str, str]) -> None:
    assert needs.jdk(trees.tree(**fields)) is None


@pytest.mark.parametrize(("java", "level"), [("1.7", 7), ("1.8", 8), ("11", 11), ("", 0), ("${jdk}", 0)])
def test_the_level_that_a_pom_asks_for(java: str, level: int) -> None:
    assert needs.level(trees.tree(java=java)) == level


@pytest.mark.parametrize(
    ("jdk", "level", "can"),
    [("1.7.0_80", 7, True), ("1.8.0_412", 7, True), ("17.0.15", 7, True), ("21.0.2", 7, False), ("21.0.2", 8, True), ("11.0.2", 17, False),
     ("17.0.15", 0, True), ("12", 6, False), ("11", 6, True)],
)  # fmt: skip
def test_which_levels_a_jdk_compiles(jdk: str, level: int, can: bool) -> None:
    assert needs.compiles(Jdk("/x", jdk), level) is can


def best(tree: object, *versions: str) -> str:
    found = needs.best_jdk(tree, trees.toolbox(*(Jdk(f"/jvm/{one}", one) for one in versions)))  # type: ignore[arg-type]
    return found.version if found else ""


def test_the_best_of_those_installed() -> None:
    assert best(trees.tree(), "17.0.1", "1.8.0_412", "1.7.0_80") == "1.8.0_412"
    assert best(trees.tree(), "17.0.1", "11.0.1", "21.0.1") == "11.0.1"
    assert best(trees.tree(), "21.0.1") == ""
    assert best(trees.modern(), "21.0.1", "11.0.1", "17.0.1") == "17.0.1"
    assert best(trees.tree(profile="maven", java=""), "11.0.1", "17.0.1") == "17.0.1"
    assert best(trees.tree(profile="maven", java="11"), "21.0.1", "17.0.1", "1.8.0_1") == "17.0.1"


def test_the_tools_of_each_way_to_pack() -> None:
    assert needs.tools(rpm=False, deb=False, deb_script=False) == ("git", "mvn", "perl", "flock")
    assert "rpmbuild" in needs.tools(rpm=True, deb=False, deb_script=False)
    assert {"dpkg-buildpackage", "dh", "fakeroot"} <= set(needs.tools(rpm=False, deb=True, deb_script=False))
    assert "dch" in needs.tools(rpm=False, deb=True, deb_script=True)


def test_a_large_source_needs_gigabytes() -> None:
    assert needs.kib(trees.tree(), packages=True) == 12 * 1024 * 1024
    assert needs.kib(trees.tree(modules=10), packages=True) == 512 * 1024


# --- what a machine says --------------------------------------------------------------------------------------------------------

SAID = "\n".join([
    "os debian 12 ", "cpus 8", "user builder", "sudo yes", "tool git /usr/bin/git", "tool mvn /opt/maven/bin/mvn", "version git 2.39.5",
    "version mvn ", "version node ", "jdk /usr/lib/jvm/java-17-openjdk-amd64 17.0.15", "sandbox no", "end\n",
])  # fmt: skip


def test_a_machine_as_it_answers() -> None:
    box = Tools("local").parse(Result(0, SAID))
    assert (box.os, box.os_version, box.family, box.cpus, box.user, box.sudo, box.sandbox) == (
        "debian", "12", "debian", 8, "builder", "yes", False,
    )  # fmt: skip
    assert box.tools == {"git": "/usr/bin/git", "mvn": "/opt/maven/bin/mvn"}
    assert box.versions == {"git": "2.39.5"}
    assert box.jdks[0].level == 17


@pytest.mark.parametrize(
    ("line", "family"),
    [("rocky 9.4 rhel centos fedora", "redhat"), ("ubuntu 24.04 debian", "debian"),
     ("centos 7 rhel fedora", "redhat"), ("redhat CentOS release 6.10", "redhat"),
     ("alpine 3.20 ", "")],
)  # fmt: skip
def test_families(line: str, family: str) -> None:
    assert Tools("local").parse(Result(0, SAID.replace("debian 12 ", line))).family == family


def test_half_an_answer_is_an_error() -> None:
    said = practice.error_of(lambda: Tools("host:3").parse(Result(0, SAID.replace("end\n", ""), "Killed")), FactError)
    assert said == "What host:3 has for building could not be read: Killed"
