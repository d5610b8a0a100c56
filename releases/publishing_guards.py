"""The rulebook on what is published, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard
from releases.facts.delivery import TheBuild
from releases.facts.repositories import TOOLS, ChannelNow, PublishingTools, TheRepository

APT = "apt-secure(8); yum.conf(5), repo_gpgcheck"


class InARepository(Protocol):
    @property
    def repository(self) -> int: ...

    @property
    def build(self) -> int: ...


@guard(
    "repository.key",
    title="The repository has a key that is good",
    reason="Package managers refuse what nobody signed, and what was signed with a key that has expired.",
    source=APT,
)
def key(params: InARepository, facts: FactSet) -> Iterator[Finding]:
    if not params.repository:
        return
    place = facts(TheRepository("portal", params.repository))
    if not place.fingerprint:
        yield Finding(Level.BLOCK, f"{place.name} has no key yet. An administrator makes or imports one on its page.", "repository")
    elif place.expired:
        yield Finding(Level.BLOCK, f"The key of {place.name} has expired. Give it a new one; the servers need that, too.", "repository")


@guard(
    "repository.tools",
    title="The tools are installed",
    reason="Indexes are made by the tools that the package managers' own projects use.",
    source="createrepo_c(8), apt-ftparchive(1), gpg(1)",
)
def tools(params: InARepository, facts: FactSet) -> Iterator[Finding]:
    if missing := facts(PublishingTools("portal")):
        packages = " ".join(TOOLS[name] for name in missing)
        yield Finding(Level.BLOCK, f"{', '.join(missing)} is missing on the portal's machine. Install there: {packages}.", "repository")


def same_name(channel: str) -> Guard:
    """A rule for runbooks that put a build into this channel, or into that of the parameters when it is ""."""

    @guard(
        "repository.same-name",
        title="One name is one file",
        reason="A package manager that has a package by this name and version never looks at another one, and a cache refuses it.",
        source=APT,
    )
    def rule(params: InARepository, facts: FactSet) -> Iterator[Finding]:
        name = channel or getattr(params, "channel", "")
        if not (params.repository and params.build and name):
            return
        try:
            build, now = facts(TheBuild("portal", params.build)), facts(ChannelNow("portal", params.repository, name))
        except FactError:
            return
        there = now.files()
        for file in build.files:
            other = there.get(file.file)
            if other and other.sha256 != file.sha256 and now.build(build.pk) is None:
                message = f"{name} has another file called {file.file}. Build under a new number or release, or withdraw the other build."
                yield Finding(Level.BLOCK, message, "build")

    return rule


def upwards(channel: str) -> Guard:
    @guard(
        "repository.upwards",
        title="Servers go to the highest number",
        reason="A package manager installs the highest version that it is offered, whatever was published last.",
        source="Debian Policy 5.6.12; rpm's comparison of versions",
    )
    def rule(params: InARepository, facts: FactSet) -> Iterator[Finding]:
        name = channel or getattr(params, "channel", "")
        if not (params.repository and params.build and name):
            return
        try:
            build, now = facts(TheBuild("portal", params.build)), facts(ChannelNow("portal", params.repository, name))
        except FactError:
            return
        mine = _number(build.version)
        higher = [one for one in now.builds if one.build != build.pk and mine and (_number(one.version) or ()) > mine]
        if higher:
            names = ", ".join(one.version for one in higher)
            yield Finding(Level.WARN, f"{name} has {names}, which is higher: servers go on taking that.", "build")

    return rule


def _number(text: str) -> tuple[int, ...]:
    numbers = text.partition("-")[0].split(".")
    return tuple(int(one) for one in numbers) if all(one.isdigit() for one in numbers) else ()


COMMON: tuple[Guard, ...] = (key, tools)
