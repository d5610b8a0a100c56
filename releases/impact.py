"""What a build would change on servers: its packages and pull requests against what each of them runs. Pure, but for `of`.

Servers with the same packages are one group: a cloud has a few kinds of them, and may have thousands of each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db.models import Q

from hosts.models import Host, Kind
from releases.models import Artefact, Build

KINDS = (Kind.MANAGEMENT, Kind.KVM)
OURS = ("cloudstack-", "cosmic-", "practice-")
"""How the names of packages begin that a release brings."""

NAMED = 12
"""Servers of a group that are named; the others are counted."""

Change = Literal["up", "down", "same", "other", "stays"]


@dataclass(frozen=True)
class Server:
    """`packages` by name, None where the host was not read, or could not say."""

    pk: int
    name: str
    kind: str
    packages: dict[str, str] | None
    read_at: datetime | None


@dataclass(frozen=True)
class Package:
    """`becomes` is "" for a package that the build does not have."""

    name: str
    was: str
    becomes: str

    @property
    def change(self) -> Change:
        if not self.becomes:
            return "stays"
        if self.was == self.becomes:
            return "same"
        was, becomes = numbers(self.was), numbers(self.becomes)
        return "other" if was == becomes else "up" if becomes > was else "down"


@dataclass(frozen=True)
class Patch:
    """A pull request. `changed` says that the build has it with other bytes."""

    number: str
    title: str
    changed: bool = False


@dataclass(frozen=True)
class Group:
    """Servers that run the same. `runs` is the build that made their packages, None where that is not known.

    `dropped` are pull requests of that build which the new one does not have; `added` the other way round.
    """

    servers: tuple[Server, ...]
    packages: tuple[Package, ...]
    runs: Build | None = None
    added: tuple[Patch, ...] = ()
    dropped: tuple[Patch, ...] = ()
    changed: tuple[Patch, ...] = ()

    @property
    def named(self) -> tuple[Server, ...]:
        return self.servers[:NAMED]

    @property
    def more(self) -> int:
        return len(self.servers) - NAMED

    @property
    def oldest(self) -> datetime | None:
        """When the one that was read first was read."""
        return min((one.read_at for one in self.servers if one.read_at), default=None)

    @property
    def nothing(self) -> bool:
        return all(one.change in ("same", "stays") for one in self.packages)


@dataclass(frozen=True)
class Impact:
    """`unread` are servers that nobody has read yet, `bare` those without a package of a release."""

    groups: tuple[Group, ...]
    unread: tuple[Server, ...] = ()
    bare: tuple[Server, ...] = ()

    @property
    def dropping(self) -> tuple[Group, ...]:
        return tuple(one for one in self.groups if one.dropped)


def numbers(version: str) -> tuple[int, ...]:
    """All numbers of a version in their order: enough to tell up from down among the versions of one package."""
    return tuple(int(one) for one in re.findall(r"\d+", version.partition("~")[0]))


def patches(running: Build, new: Build) -> tuple[tuple[Patch, ...], tuple[Patch, ...], tuple[Patch, ...]]:
    """Added, dropped, and those that both have with other bytes."""
    old, mine = ({str(one.get("number", "")): one for one in build.patches} for build in (running, new))
    added = tuple(_patch(one) for number, one in mine.items() if number not in old)
    dropped = tuple(_patch(one) for number, one in old.items() if number not in mine)
    both = [(number, one) for number, one in mine.items() if number in old]
    return added, dropped, tuple(_patch(one, True) for number, one in both if one.get("sha256") != old[number].get("sha256"))


def _patch(one: Mapping[str, Any], changed: bool = False) -> Patch:
    return Patch(str(one.get("number", "")), str(one.get("title", "")), changed)


@dataclass
class Known:
    """What the portal's builds made: the build by the name and version of a package."""

    builds: dict[tuple[str, str], Build] = field(default_factory=dict)

    def of(self, packages: Mapping[str, str]) -> Build | None:
        """The one build that made all of these packages that any build made; None when they come from several, or from none."""
        found = {build.pk: build for name, version in packages.items() if (build := self.builds.get((name, version)))}
        return next(iter(found.values())) if len(found) == 1 else None


def judged(new: Build, offers: Mapping[str, str], servers: Iterable[Server], known: Known) -> Impact:
    """`offers` are the build's packages: version by name."""
    alike: dict[tuple[tuple[str, str], ...], list[Server]] = defaultdict(list)
    unread, bare = [], []
    for one in servers:
        if one.packages is None:
            unread.append(one)
        elif not one.packages:
            bare.append(one)
        else:
            alike[tuple(sorted(one.packages.items()))].append(one)
    groups = [_group(new, offers, dict(key), tuple(members), known) for key, members in alike.items()]
    groups.sort(key=lambda one: (not one.dropped, one.nothing, -len(one.servers)))
    return Impact(tuple(groups), tuple(unread), tuple(bare))


def _group(new: Build, offers: Mapping[str, str], packages: dict[str, str], servers: tuple[Server, ...], known: Known) -> Group:
    rows = tuple(Package(name, was, offers.get(name, "")) for name, was in packages.items())
    runs = known.of(packages)
    added, dropped, changed = patches(runs, new) if runs else ((), (), ())
    return Group(servers, rows, runs, added, dropped, changed)


# From the database.


def full(artefact: Artefact) -> str:
    """The version as its package manager writes it."""
    return f"{artefact.version}-{artefact.release}" if artefact.release else artefact.version


def servers(cloud: int | None = None) -> list[Server]:
    """Management servers and KVM hosts, with what their newest good reading says."""
    rows = Host.objects.filter(kind__in=KINDS).order_by("kind", "sort_name", "pk")
    rows = rows.filter(cloud=cloud) if cloud else rows
    found = rows.values_list("pk", "name", "kind", "facts__packages", "facts_at")
    return [Server(pk, name, kind, _ours(packages), at) for pk, name, kind, packages, at in found]


def _ours(packages: Any) -> dict[str, str] | None:
    if not isinstance(packages, list):
        return None
    return {str(one["name"]): str(one["version"]) for one in packages if str(one.get("name", "")).startswith(OURS)}


def known(found: Iterable[Server]) -> Known:
    """By one question, however many servers there are: whichever build made a package last."""
    wanted = {(name, version) for one in found for name, version in (one.packages or {}).items()}
    names = {name for name, _ in wanted}
    versions = {part for _, version in wanted for part in (version, version.partition("-")[0])}
    rows = Artefact.objects.filter(Q(name__in=names), Q(version__in=versions), build__operation__state="succeeded")
    made = {}
    for one in rows.select_related("build__source").order_by("pk"):
        if (one.name, full(one)) in wanted:
            made[(one.name, full(one))] = one.build
    return Known(made)


def of(build: Build, cloud: int | None = None) -> Impact:
    found = servers(cloud)
    offers = {one.name: full(one) for one in build.artefacts.all() if one.kind in (Artefact.Kind.DEB, Artefact.Kind.RPM)}
    kinds = {one.name: {other.kind for other in build.artefacts.all() if other.name == one.name} for one in build.artefacts.all()}
    return judged(build, _fitting(build, offers, kinds, found), found, known(found))


def _fitting(build: Build, offers: dict[str, str], kinds: dict[str, set[str]], found: list[Server]) -> dict[str, str]:
    """Of a build with RPM and Debian packages the versions in the writing that the servers use: with a release, or without."""
    both = {name for name, has in kinds.items() if {"rpm", "deb"} <= has}
    if not both:
        return offers
    rpm = any("-" in version for one in found for name, version in (one.packages or {}).items() if name in both)
    wanted = Artefact.Kind.RPM if rpm else Artefact.Kind.DEB
    return offers | {one.name: full(one) for one in build.artefacts.all() if one.name in both and one.kind == wanted}
