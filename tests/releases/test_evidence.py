"""What a step left behind, judged: exit codes and the word Done prove nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsportal.transport.base import Result
from releases import evidence

BASE, HEAD = "b" * 40, "c" * 40
GOOD = {
    "branch": "opsportal", "head": HEAD, "commits": "1", "parent": BASE, "subject": "Updating pom.xml version numbers for release 4.8.0.16",
    "files": "126", "dirty": "", "left": "", "changelog": "cloudstack (4.8.0.16) unstable; urgency=low", "setup": "VERSION = '4.8.0.16'",
}  # fmt: skip
WISH = {
    "version": "4.8.0.16", "base": BASE, "branch": "opsportal", "changelog": True, "setup": True,
    "subject": "Updating pom.xml version numbers for release 4.8.0.16",
}  # fmt: skip


def printed(pom: str = "4.8.0.16", **changed: str) -> str:
    lines = [f"{name} {value}" for name, value in {**GOOD, **changed}.items()]
    return "\n".join([*lines, "pom", f"<project><version>{pom}</version></project>"])


def commit(pom: str = "4.8.0.16", wish: dict[str, Any] | None = None, **changed: str) -> str:
    return evidence.version_commit(Result(0, printed(pom, **changed)), json.dumps({**WISH, **(wish or {})}))


def test_a_version_commit_as_it_should_be() -> None:
    assert commit() == ""
    assert evidence.version_facts(printed())["files"] == "126"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"branch": "master"}, "the checkout is on master instead of opsportal: something switched it"),
        ({"branch": ""}, "the checkout is on no branch instead of opsportal"),
        ({"commits": "0"}, "there are 0 new commits instead of one"),
        ({"commits": "2"}, "there are 2 new commits instead of one"),
        ({"parent": "d" * 40}, "instead of one on top of bbbbbbbbbbbb"),
        ({"subject": "oops"}, "the last commit says 'oops'"),
        ({"changelog": "cloudstack (4.8.0) unstable"}, "the packages would carry another number"),
        ({"setup": "VERSION = '4.8.0'"}, "tools/marvin/setup.py says"),
        ({"left": "HEAD:tools/checkstyle/pom.xml"}, "the old version is still in HEAD:tools/checkstyle/pom.xml"),
        ({"dirty": " M api/pom.xml"}, "changes are left uncommitted:"),
    ],
)
def test_a_script_that_ended_with_0_and_did_something_else(changed: dict[str, Any], says: str) -> None:
    assert says in commit(**changed)


def test_a_pom_with_another_version_and_one_without() -> None:
    assert "the root pom says 4.8.0 instead of 4.8.0.16" in commit("4.8.0")
    assert "the root pom says no version" in commit("")


def test_what_a_source_does_not_have_is_not_asked_for() -> None:
    assert commit(wish={"changelog": False, "setup": False, "subject": ""}, changelog="", setup="", subject="anything") == ""


def test_a_checkout_that_cannot_be_looked_at_proves_nothing() -> None:
    assert "could not be looked at: fatal: not a git repository" in evidence.version_commit(
        Result(128, "", "fatal: not a git repository"), json.dumps(WISH)
    )


# --- packages -------------------------------------------------------------------------------------------------------------------


def line(name: str, version: str = "4.8.0.16", release: str = "1.el7", *, kind: str = "rpm", file: str = "") -> str:
    path = f"src/dist/rpmbuild/RPMS/x86_64/{file or f'{name}-{version}-{release}.x86_64.rpm'}"
    return "\t".join([kind, path, name, version, release, "x86_64", "1024", "e" * 64])


RPMS = {"kind": "rpm", "names": ["cs-agent", "cs-common"], "version": r"4\.8\.0\.16", "release": r"1(\..*)?", "says": "4.8.0.16-1"}


def judged(*lines: str, **wish: Any) -> str:
    return evidence.package_set(Result(0, "\n".join(lines)), json.dumps({**RPMS, **wish}))


def test_the_expected_set_with_the_requested_version_and_release() -> None:
    assert judged(line("cs-agent"), line("cs-common"), line("cs-extra")) == ""


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "no rpm package newer than the start of this step was left behind, whatever the script printed"),
        ([line("cs-agent")], "missing: cs-common"),
        ([line("cs-agent"), line("cs-common", "4.8.0.15")], "cs-common-4.8.0.15-1.el7.x86_64.rpm is 4.8.0.15-1.el7 instead of 4.8.0.16-1"),
        ([line("cs-agent"), line("cs-common", release="2.el7")], "instead of 4.8.0.16-1"),
        ([line("cs-agent"), line("cs-common", "", "", file="cs-common.rpm")], "cs-common.rpm is no readable version instead of"),
    ],
)
def test_packages_that_are_not_what_was_asked_for(lines: list[str], says: str) -> None:
    assert says in judged(*lines)


def test_debian_packages_have_no_release() -> None:
    deb = {"kind": "deb", "names": ["cs-agent"], "release": "", "version": r"4\.8\.0\.16([~+-].*)?"}
    assert judged(line("cs-agent", "4.8.0.16~bookworm", "", kind="deb"), **deb) == ""
    assert "no deb package" in judged(line("cs-agent"), **deb)


@pytest.mark.parametrize(
    "bad",
    [
        "rpm\tx\ty",
        line("a").replace("1024", "many"),
        line("a").replace("e" * 64, "E" * 64),
        line("a", file="-rf.rpm"),
        line("a", file="a b.rpm"),
        line("a", file="a\x1b[31m.rpm"),
    ],
)
def test_lines_that_no_package_makes_are_left_out(bad: str) -> None:
    assert evidence.packages(bad) == []
