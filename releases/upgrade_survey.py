"""The chain of facts for an upgrade of management servers: the build, every server, the database, and the way through its upgrades."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hosts.models import Kind
from opsportal.operations.facts import FactError, FactSet
from releases import upgrading
from releases.facts.delivery import BuildData, CloudData, CloudHosts, Kept, PackageFile, ServerRow, TheBuild
from releases.facts.servers import (
    Database,
    DbPeers,
    DbVersions,
    Former,
    Installed,
    Login,
    Moment,
    Peer,
    Peers,
    Server,
    ServerLook,
    ServerMoment,
    Versions,
)
from releases.facts.upgrades import Upgrades
from releases.upgrading import Checker, Way


@dataclass(frozen=True)
class UpgradeParams:
    """`how` is "copy" (packages of the build), "repository" (the server's own package manager) or "war" (one file replaced).

    `first` is the host that starts alone, 0 for the first by name. `file` is the artefact that is dropped on `place`.
    """

    cloud: int = 0
    build: int = 0
    how: str = "copy"
    first: int = 0
    file: str = ""
    place: str = ""
    folder: str = "/var/backups/cloudstack"
    trial: bool = True
    token: str = ""

    @property
    def whole(self) -> bool:
        return bool(self.cloud and self.build)

    @property
    def backup(self) -> str:
        return f"{self.folder.rstrip('/')}/opsportal-{self.token}"

    @property
    def room(self) -> str:
        """Of the packages on each server: new ones, and those of before."""
        return f"/var/tmp/opsportal-{self.token}"  # noqa: S108 # its maker is asked for: see `servers.ROOM`


@dataclass(frozen=True)
class Seen:
    """One server. `new` are the build's packages for it, `lacks` installed packages that the build has not got."""

    row: ServerRow
    sudo: bool
    server: Server
    moment: Moment
    new: tuple[PackageFile, ...]
    lacks: tuple[str, ...]

    @property
    def was(self) -> tuple[Installed, ...]:
        """What the new packages replace."""
        names = {one.name for one in self.new}
        return tuple(one for one in self.server.packages if one.name in names)


@dataclass(frozen=True)
class Survey:
    """`seen` begins with the server that starts first: it is also asked about the database."""

    cloud: CloudData
    build: BuildData
    seen: tuple[Seen, ...]
    database: Database
    versions: Versions
    peers: Peers
    checker: Checker
    way: Way

    @property
    def first(self) -> Seen:
        return self.seen[0]

    @property
    def version(self) -> str:
        return upgrading.current(self.versions.rows)

    @property
    def strangers(self) -> list[Peer]:
        """Management servers that are up by the database and are none of the cloud's in the inventory."""
        ours = {word for one in self.seen for word in (one.row.address, one.row.name, one.server.name, *one.server.addresses)}
        return [peer for peer in self.peers.servers if peer.up and not {peer.address, peer.name} & ours]


def survey(params: UpgradeParams, facts: FactSet) -> Survey:
    """Raises `FactError` with a sentence for the operator when something cannot be read."""
    if not params.whole:
        raise FactError("Choose a cloud and a build.")
    facts.need(CloudHosts("portal", params.cloud, Kind.MANAGEMENT), TheBuild("portal", params.build))
    cloud, build = facts(CloudHosts("portal", params.cloud, Kind.MANAGEMENT)), facts(TheBuild("portal", params.build))
    rows = sorted(cloud.rows, key=lambda row: row.pk != params.first)
    seen = tuple(_seen(rows, build, params, facts))
    database, sudo = seen[0].server.database, seen[0].sudo
    if database is None:
        raise FactError(f"{seen[0].row.name} has no db.properties: nobody knows which database it works on.")
    target = seen[0].row.target
    wanted = DbVersions(target, sudo, database.name), DbPeers(target, sudo, database.names), Upgrades("local", build.source, build.commit)
    facts.need(*wanted)
    versions, peers, checker = facts(wanted[0]), facts(wanted[1]), facts(wanted[2])
    return Survey(cloud, build, seen, database, versions, peers, checker, upgrading.way(checker, versions.rows, build.version))


def _seen(rows: list[ServerRow], build: BuildData, params: UpgradeParams, facts: FactSet) -> Iterator[Seen]:
    """All servers side by side, one question after the other."""
    facts.need(*(Login(row.target) for row in rows))
    sudo = {row: facts(Login(row.target)) for row in rows}
    facts.need(*(ServerLook(row.target, sudo[row]) for row in rows))
    looks = {row: facts(ServerLook(row.target, sudo[row])) for row in rows}
    moments = {row: ServerMoment(row.target, sudo[row], looks[row].unit, looks[row].log, params.folder) for row in rows}
    facts.need(*moments.values())
    for row, look in looks.items():
        offered = build.packages(look.family)
        new = tuple(offered[one.name] for one in look.packages if one.name in offered) if params.how != "war" else ()
        lacks = tuple(one.name for one in look.packages if one.name not in offered)
        yield Seen(row, sudo[row], look, facts(moments[row]), new, lacks)


def kept(one: Seen, facts: FactSet) -> tuple[tuple[PackageFile, ...], tuple[tuple[Installed, str], ...]]:
    """The packages of before: those in the portal's store, and the others with where they could be had."""
    words = tuple(was.words for was in one.was)
    if not words:
        return (), ()
    ours = facts(Kept("portal", one.server.family, words))
    names = {file.name for file in ours}
    rest = tuple(was for was in one.was if was.name not in names)
    if not rest:
        return ours, ()
    found = facts(Former(one.row.target, one.sudo, tuple(was.words for was in rest)))
    places = dict(found)
    return ours, tuple((was, places.get(was.name, "nowhere")) for was in rest)


def offered(one: Seen, facts: FactSet) -> list[str]:
    """New packages that the server's own package manager does not offer in this version."""
    words = tuple(f"{new.name}={new.version}={new.architecture}" for new in one.new)
    found = facts(Former(one.row.target, one.sudo, words)) if words else ()
    places = dict(found)
    return [f"{new.name} {new.version}" for new in one.new if places.get(new.name) not in ("repository", "cache")]
