"""What the tree of a commit holds, on every branch of the practice source, and on texts made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from releases.facts.checkout import DATABASE, Checkout, Pom, Tree, upgrade_targets
from releases.facts.mirror import Resolved
from releases.models import Source
from tests.releases import practice


def tree(source: Source, ref: str) -> Tree:
    commit = practice.read(Resolved("local", source.pk, source.url, ref)).commit
    return practice.read(Checkout("local", source.pk, commit))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ref", "wanted"),
    [
        ("4.8", {"profile": "cloudstack", "version": "4.8.0", "long_options": False, "distributions": ("centos63", "centos7"),
                 "debian": "plain", "checker": "three", "package_script": True, "base_tag": "4.8.0"}),
        ("main", {"profile": "cloudstack", "long_options": True, "distributions": ("el8", "suse15"), "debian": "script", "checker": "four",
                  "package_script": True}),
        ("cosmic", {"profile": "cosmic", "distributions": (), "debian": "", "package_script": False}),
        ("plain", {"profile": "maven", "distributions": (), "debian": "", "checker": "", "package_script": False}),
    ],
)  # fmt: skip
def test_profiles_are_found_in_the_checkout(source: Source, ref: str, wanted: dict[str, Any]) -> None:
    found = tree(source, ref)
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert found.modules > 1
    assert found.carriers >= found.modules - 1
    assert found.version_script is (found.profile == "cloudstack")


@pytest.mark.django_db(transaction=True)
def test_the_upgrades_that_a_checker_knows(source: Source) -> None:
    assert tree(source, "4.8").upgrades[-1] == "4.7.1"
    assert tree(source, "main").upgrades


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_is_not_there(source: Source) -> None:
    practice.fetched(source)
    said = practice.error_of(lambda: practice.read(Checkout("local", source.pk, "d" * 40)), FactError)
    assert "The commit dddddddddddd could not be looked at" in said


def test_a_cut_answer_is_an_error() -> None:
    with pytest.raises(FactError, match="could not be looked at"):
        Checkout("local", 1, "d" * 40).parse(Result(0, "== paths\npom.xml\n== pom\n<project/>\n"))


def test_nothing_to_build_without_a_pom() -> None:
    text = "== paths\nREADME\n== pom\n\n== script\n\n== checker\n\n== tag\n\n== end\n"
    found = Checkout("local", 1, "d" * 40).parse(Result(0, text))
    assert (found.profile, found.version, found.modules) == ("none", "", 0)


POM = """\
<project>
  <!-- <version>0.0.1</version> -->
  <parent><groupId>org.parent</groupId><version>16</version></parent>
  <groupId>org.apache.cloudstack</groupId>
  <version>
    4.8.0-SNAPSHOT
  </version>
  <properties><cs.jdk.version>1.7</cs.jdk.version><maven.compiler.source>1.5</maven.compiler.source></properties>
  <dependencies><dependency><version>9</version></dependency></dependencies>
  <build><plugins><plugin><version>8</version></plugin></plugins></build>
</project>
"""


def test_the_projects_own_version_among_all_others() -> None:
    pom = Pom(POM)
    assert (pom.version, pom.group, pom.java) == ("4.8.0-SNAPSHOT", "org.apache.cloudstack", "1.7")


def test_a_pom_that_inherits() -> None:
    pom = Pom("<project><parent><groupId>com.cosmic</groupId><version>5.1.0.1</version></parent></project>")
    assert (pom.version, pom.group, pom.java) == ("5.1.0.1", "com.cosmic", "")
    assert Pom("no xml at all <<<").version == ""


@pytest.mark.parametrize(
    ("java", "era", "nodes"),
    [
        ('.next("4.8.0", new Upgrade480to481())\n.next( "4.8.1", x).next("4.8.1", y)', "four", ("4.8.0", "4.8.1")),
        ('_upgradeMap.put("4.7.1", new DbUpgrade[] {});_upgradeMap.put("4.7.0", z)', "three", ("4.7.1", "4.7.0")),
        ("final CloudStackVersion db = CloudStackVersion.parse(x);", "four", ()),
        ("class DatabaseUpgradeChecker {}", "three", ()),
        ("", "", ()),
    ],
)
def test_eras_of_the_upgrade_checker(java: str, era: str, nodes: tuple[str, ...]) -> None:
    assert upgrade_targets(java) == (era, nodes)


@pytest.mark.parametrize(
    ("path", "touches"),
    [("setup/db/db/schema-471to480.sql", True), ("engine/schema/src/x/Upgrade.java", True), ("x/META-INF/db/schema-4.sql", True),
     ("engine/schemas/x", False), ("docs/setup/db/x", False), ("schema-a.sql.txt", False)],
)  # fmt: skip
def test_what_is_of_the_database(path: str, touches: bool) -> None:
    assert bool(DATABASE.fullmatch(path)) is touches
