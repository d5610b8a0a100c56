"""How packages must be called, by version and era, and what a spec and a control file promise."""

from __future__ import annotations

import re

import pytest

from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from releases import packaging
from releases.facts.packages import DebPackages, RpmPackages, spec_packages
from releases.versions import parse
from tests.releases import practice


@pytest.mark.parametrize(
    ("version", "long", "release", "good", "bad"),
    [
        (
            "4.8.0.16",
            False,
            1,
            [("4.8.0.16", "1"), ("4.8.0.16", "1.el7.centos")],
            [("4.8.0.15", "1"), ("4.8.0.16", "11"), ("4x8.0.16", "1")],
        ),
        ("4.8.0-SNAPSHOT", False, 2, [("4.8.0", "SNAPSHOT2"), ("4.8.0", "SNAPSHOT2.el7")], [("4.8.0", "2"), ("4.8.0-SNAPSHOT", "2")]),
        ("4.20.1.0", True, 3, [("4.20.1.0", "3"), ("4.20.1.0", "3.el8")], [("4.20.1.0", "1")]),
        ("4.20.1.0-acme", True, 1, [("4.20.1.0", "acme.1"), ("4.20.1.0", "acme.1.el8")], [("4.20.1.0", "1"), ("4.20.1.0", "acmeX1")]),
        (
            "4.20.1.0-SNAPSHOT",
            True,
            1,
            [("4.20.1.0", "SNAPSHOT"), ("4.20.1.0", "SNAPSHOT.1"), ("4.20.1.0", "1")],
            [("4.20.1.0", "2"), ("4.20.1.0", "acme.SNAPSHOT")],
        ),
        ("4.20.1.0-acme-SNAPSHOT", True, 1, [("4.20.1.0", "acme.SNAPSHOT")], [("4.20.1.0", "SNAPSHOT")]),
    ],
)
def test_version_and_release_of_an_rpm(
    version: str, long: bool, release: int, good: list[tuple[str, str]], bad: list[tuple[str, str]]
) -> None:
    wanted = packaging.rpm_wanted(parse(version), release, long_options=long)

    def fits(pair: tuple[str, str]) -> bool:
        return bool(re.fullmatch(wanted.version, pair[0]) and re.fullmatch(wanted.release, pair[1]))

    assert [fits(pair) for pair in good] == [True] * len(good)
    assert [fits(pair) for pair in bad] == [False] * len(bad)


def test_version_of_a_debian_package() -> None:
    wanted = packaging.deb_wanted(parse("4.20.1.0"))
    assert [bool(re.fullmatch(wanted.version, text)) for text in ("4.20.1.0", "4.20.1.0~bookworm", "4.20.1.01", "4.20.1.0.1")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_only_short_options_which_every_era_understands() -> None:
    assert packaging.rpm_options("centos7", noredist=True, release=2) == ["-d", "centos7", "-p", "noredist", "-r", "2"]
    assert packaging.rpm_options("el8", noredist=False, release=1) == ["-d", "el8", "-r", "1"]


SPEC = """\
Name:      cloudstack
%package management
%if "%{_ossnoss}" == "noredist"
%files mysql-ha
%endif
%files management
%defattr(-,root,root,-)
%files common -f list
%files -n %{name}-ui
%if 0%{?fedora}
%files fedora-only
%endif
%files
%post common
"""


def test_a_spec_promises_a_package_for_every_list_of_files() -> None:
    found = spec_packages(SPEC)
    assert found.names == ("cloudstack", "cloudstack-common", "cloudstack-management", "cloudstack-ui")
    assert found.noredist == ("cloudstack-mysql-ha",)
    assert found.of(noredist=True)[-2:] == ("cloudstack-mysql-ha", "cloudstack-ui")
    assert "cloudstack-mysql-ha" not in found.of(noredist=False)


def test_a_control_file_names_its_packages() -> None:
    text = "Source: cloudstack\n\nPackage: cloudstack-common\nDepends: x\n\nPackage:cloudstack-agent\n"
    assert DebPackages("local", 1, "a" * 40).parse(Result(0, text)).names == ("cloudstack-agent", "cloudstack-common")


def test_a_commit_without_them_says_so() -> None:
    spec = RpmPackages("local", 1, "a" * 40, "el8")
    assert practice.error_of(lambda: spec.parse(Result(128, "")), FactError) == "There is no packaging/el8/cloud.spec in this commit."
    assert "no debian/control" in practice.error_of(lambda: DebPackages("local", 1, "a" * 40).parse(Result(128, "")), FactError)
