"""What a management server says: its packages, its database, the rows of its version table, and who else is up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from releases import servers
from releases.upgrading import Row

NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
"""Of a database."""

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^_-]*")
"""Names, versions and architectures of packages."""


@dataclass(frozen=True)
class Login(Fact[bool]):
    """Whether commands for root need sudo there."""

    def command(self) -> Command:
        return Command(script='[ "$(id -u)" = 0 ] && echo root || sudo -n true && echo sudo', gist="whether root's commands need sudo")

    def parse(self, result: Result) -> bool:
        said = result.out.split()
        if "sudo" not in said and "root" not in said:
            raise FactError(f"{self.target}: the login is not root and has no sudo without a password: {result.err.strip()[-200:]}")
        return "root" not in said


@dataclass(frozen=True)
class Installed:
    """`version` as the package manager writes it: "4.8.0.16" of Debian, "4.8.0.16-1.el7" of RPM."""

    name: str
    version: str
    architecture: str

    @property
    def words(self) -> str:
        return f"{self.name}={self.version}={self.architecture}"


@dataclass(frozen=True)
class Database:
    """Where it is, by db.properties. `password` is "plain", "encrypted" or "file" (an option file of the operator's)."""

    host: str
    port: str
    name: str
    user: str
    usage: str
    password: str

    @property
    def names(self) -> tuple[str, ...]:
        """What an upgrade changes, the one with the version table first."""
        return (self.name, self.usage) if self.usage and self.usage != self.name else (self.name,)


@dataclass(frozen=True)
class Server:
    """`unit` is the service, `family` "deb" or "rpm"; `wars` are the places of a web application that are there."""

    unit: str
    family: str
    packages: tuple[Installed, ...]
    java: str
    log: str
    wars: tuple[str, ...]
    name: str
    addresses: tuple[str, ...]
    database: Database | None

    def package(self, name: str) -> Installed | None:
        return next((one for one in self.packages if one.name == name), None)

    @property
    def version(self) -> str:
        """Of the package with the service, "" where it was not installed by packages."""
        return self.serving.version if self.serving else ""

    @property
    def serving(self) -> Installed | None:
        """The package with the service: its name ends as that of the unit does."""
        ending = self.unit.rpartition("-")[2]
        return next((one for one in self.packages if one.name.endswith(f"-{ending}")), None)


@dataclass(frozen=True)
class ServerLook(Fact[Server]):
    """What is installed and where its database is

    `agent`: of a KVM host, which has no database of its own.
    """

    sudo: bool
    agent: bool = False

    def command(self) -> Command:
        units, log = (servers.AGENT, servers.AGENT_LOG) if self.agent else (servers.MANAGEMENT, servers.LOG)
        places = "" if self.agent else " ".join(servers.WAR_PLACES)
        return servers.run(servers.LOOK, servers.CONF, log, places, " ".join(units), sudo=self.sudo, gist="what is installed")

    def parse(self, result: Result) -> Server:
        found = _lines(result, self.target)
        units = found.get("unit", [])
        if not units:
            what = "agent: CloudStack's agent is not installed there" if self.agent else "management: it is no management server"
            raise FactError(f"{self.target} has no service cloudstack-{what}.")
        return Server(
            unit=units[0],
            family=(found.get("family") or [""])[0],
            packages=tuple(sorted(_packages(found.get("package", [])), key=lambda one: one.name)),
            java=_java((found.get("java") or [""])[0]),
            log=(found.get("log") or [servers.AGENT_LOG if self.agent else servers.LOG])[0],
            wars=tuple(found.get("war", [])),
            name=(found.get("name") or [""])[0],
            addresses=tuple((found.get("addresses") or [""])[0].split()),
            database=_database(found, self.target),
        )


def _lines(result: Result, target: str) -> dict[str, list[str]]:
    """By the first word of each line. Raises when the answer was cut off."""
    lines = result.out.splitlines()
    if lines[-1:] != ["end"]:
        raise FactError(f"{target} gave no whole answer: {result.err.strip()[-300:] or f'exit code {result.exit}'}")
    found: dict[str, list[str]] = {}
    for line in lines[:-1]:
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest.strip())
    return found


def _packages(lines: list[str]) -> list[Installed]:
    parts = [line.split() for line in lines]
    return [Installed(*three) for three in parts if len(three) == 3 and all(WORD.fullmatch(one) for one in three)]


def _java(line: str) -> str:
    match = re.search(r'version "([^"]+)"', line)
    return match[1] if match else ""


def _database(found: dict[str, list[str]], target: str) -> Database | None:
    if "password" not in found:
        return None
    host, port, name, user, usage = ((found.get(key) or [""])[0] for key in (
        "cloud.host", "cloud.port", "cloud.name", "cloud.username", "usage.name"))  # fmt: skip
    name = name or "cloud"
    if wrong := [one for one in (name, usage) if one and not NAME.fullmatch(one)]:
        raise FactError(f"db.properties of {target} names the database {wrong[0]!r}, which is no name.")
    return Database(host, port or "3306", name, user, usage, found["password"][0])


@dataclass(frozen=True)
class Moment:
    """`said` is the newest line of the log with the versions of database and code. `free_kib` where backups go."""

    runs: bool
    since: str
    said: str
    free_kib: int


@dataclass(frozen=True)
class ServerMoment(Fact[Moment]):
    """Whether it runs, since when, and the room for a backup"""

    sudo: bool
    unit: str
    log: str
    folder: str
    volatile: ClassVar[bool] = True

    def command(self) -> Command:
        return servers.run(servers.MOMENT, self.unit, self.log, self.folder, sudo=self.sudo, gist=f"whether {self.unit} runs")

    def parse(self, result: Result) -> Moment:
        found = _lines(result, self.target)
        free = (found.get("free") or [""])[0]
        if not free.isdigit():
            raise FactError(f"How much room there is in {self.folder} on {self.target} is not known: {result.err.strip()[-200:]}")
        since, said = ((found.get(key) or [""])[0] for key in ("since", "said"))
        return Moment((found.get("runs") or ["no"])[0] == "yes", since, said, int(free))


def answers(result: Result, target: str, number: int) -> list[list[list[str]]]:
    """Rows of columns for each query."""
    parts = re.split(r"(?m)^== (?:end)?\n", result.out)[1:]
    if result.exit or len(parts) != number + 1:
        said = result.err.strip()[-400:] or f"exit code {result.exit}"
        raise FactError(f"The database could not be asked from {target}: {said}")
    return [[line.split("\t") for line in part.splitlines()] for part in parts[:number]]


@dataclass(frozen=True)
class Versions:
    """Rows of `version` by id, and the system VM templates that are registered."""

    rows: tuple[Row, ...]
    templates: tuple[str, ...]


@dataclass(frozen=True)
class DbVersions(Fact[Versions]):
    """The version table and the registered system VM templates"""

    sudo: bool
    name: str

    def command(self) -> Command:
        return servers.query(servers.CONF, self.name, servers.VERSIONS, servers.TEMPLATES, sudo=self.sudo)

    def parse(self, result: Result) -> Versions:
        rows, templates = answers(result, self.target, 2)
        return Versions(tuple(Row(*row) for row in rows if len(row) == 2), tuple(sorted(row[0] for row in templates)))


@dataclass(frozen=True)
class Peer:
    """A row of `mshost`. `age` is the seconds since it last said that it lives; a server that is up says so every few seconds."""

    name: str
    address: str
    state: str
    version: str
    age: int

    @property
    def up(self) -> bool:
        return self.state.lower() == "up" and self.age < 300


@dataclass(frozen=True)
class Peers:
    """All management servers that the database knows, and its size in bytes."""

    servers: tuple[Peer, ...]
    size: int


@dataclass(frozen=True)
class DbPeers(Fact[Peers]):
    """Every management server by the database, and how large that is"""

    sudo: bool
    names: tuple[str, ...]
    volatile: ClassVar[bool] = True

    def command(self) -> Command:
        return servers.query(servers.CONF, self.names[0], servers.SERVERS, *map(servers.SIZE.format, self.names), sudo=self.sudo)

    def parse(self, result: Result) -> Peers:
        rows, *sizes = answers(result, self.target, 1 + len(self.names))
        peers = [Peer(row[0], row[1], row[2], row[3], _seconds(row[4])) for row in rows if len(row) == 5]
        return Peers(tuple(peers), sum(int(size[0][0]) for size in sizes if size and size[0][0].isdigit()))


def _seconds(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 10**9


@dataclass(frozen=True)
class Former(Fact[tuple[tuple[str, str], ...]]):
    """From where each package that is installed could be had again

    Name and one of "cache", "repository", "repack" or "nowhere".
    """

    sudo: bool
    packages: tuple[str, ...]
    timeout: ClassVar[float] = 120

    def command(self) -> Command:
        return servers.run(servers.FORMER, *self.packages, sudo=self.sudo, gist="where the packages of now could be had again")

    def parse(self, result: Result) -> tuple[tuple[str, str], ...]:
        found = _lines(result, self.target)
        return tuple((name, where[0]) for name, where in sorted(found.items()))
