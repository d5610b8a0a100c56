"""Readings made by hand, for guards and tables: a tree, a toolbox, an offer, a commit."""

from __future__ import annotations

from typing import Any

from opsportal.packages.offers import Offer
from releases.facts.checkout import Tree
from releases.facts.mirror import Commit
from releases.facts.patches import Pull
from releases.facts.portal import SourceData
from releases.facts.tools import Jdk, Toolbox
from releases.mailbox import Patch

COMMIT = "a" * 40
JDK17 = Jdk("/usr/lib/jvm/java-17", "17.0.15")
ALL = (
    "git", "mvn", "perl", "flock", "setpriv", "bwrap", "gcc", "genisoimage", "rpmbuild", "dpkg-buildpackage", "dh", "dch", "fakeroot",
)  # fmt: skip
"""Every tool that some build calls."""


def tree(**fields: Any) -> Tree:
    """CloudStack 4.8, unless told otherwise."""
    given: dict[str, Any] = {
        "profile": "cloudstack", "version": "4.8.0-SNAPSHOT", "long_options": False, "distributions": ("centos63", "centos7"),
        "package_script": True, "debian": "plain", "checker": "three", "upgrades": ("4.7.1",), "modules": 125, "carriers": 126,
        "java": "1.7", "base_tag": "4.7.1", "database_files": (),
    }  # fmt: skip
    return Tree(**{**given, **fields})


def modern(**fields: Any) -> Tree:
    """CloudStack 4.20: four parts count, options are long."""
    given: dict[str, Any] = {
        "version": "4.20.1.0", "long_options": True, "distributions": ("el8", "suse15"), "debian": "script", "checker": "four",
        "upgrades": ("4.19.0.0", "4.20.0.0"), "java": "11", "base_tag": "4.20.0.0",
    }  # fmt: skip
    return tree(**{**given, **fields})


def toolbox(*jdks: Jdk, without: tuple[str, ...] = (), **fields: Any) -> Toolbox:
    """Debian 12 with every tool, run as root."""
    given: dict[str, Any] = {
        "os": "debian", "os_version": "12", "family": "debian", "cpus": 4, "user": "root", "sudo": "root",
        "tools": {name: f"/usr/bin/{name}" for name in ALL if name not in without}, "versions": {"git": "2.39.5", "mvn": "3.8.7"},
        "jdks": jdks or (JDK17,), "sandbox": True,
    }  # fmt: skip
    return Toolbox(**{**given, **fields})


def offer(*candidates: str, **fields: Any) -> Offer:
    return Offer(**{"manager": "apt", "lists": True, "installed": (), "candidates": candidates, **fields})


def source(**fields: Any) -> SourceData:
    given: dict[str, Any] = {
        "pk": 1, "name": "CloudStack", "url": "https://github.com/apache/cloudstack", "default_branch": "4.8", "pulls": "patch",
        "pulls_url": "https://github.com/apache/cloudstack/pull", "push_url": "git@github.com:acme/cloudstack.git", "brand": "",
    }  # fmt: skip
    return SourceData(**{**given, **fields})


def commit(kind: str = "branch", name: str = COMMIT) -> Commit:
    return Commit(name, kind, "Add a thing", "Ada", "2016-01-20T10:00:00+00:00")


def pull(number: str, *files: str) -> Pull:
    patch = Patch("Add a thing", "Ada", "ada@practice.example", "Wed, 20 Jan 2016 10:00:00 +0000", files, 3, 1)
    return Pull(number, number.zfill(64), 100, (patch,))
