"""What the portal knows for a delivery: the build with what is in it, and the servers of a cloud."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.models import Cloud, Host, Kind
from opsportal.operations import store
from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader
from opsportal.operations.models import StoredFile
from releases import impact, mailbox
from releases.facts.checkout import DATABASE
from releases.models import Artefact, Build


@dataclass(frozen=True)
class PackageFile:
    """An artefact that is in the portal's store. `version` as its package manager writes it, with RPM's release."""

    kind: str
    file: str
    name: str
    version: str
    architecture: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PatchData:
    """`database` are files of it that change the database, None when the patch is not kept any more."""

    number: str
    title: str
    sha256: str
    database: tuple[str, ...] | None


@dataclass(frozen=True)
class BuildData:
    """A build that succeeded."""

    pk: int
    source: int
    source_name: str
    version: str
    ref: str
    commit: str
    files: tuple[PackageFile, ...]
    patches: tuple[PatchData, ...]

    def packages(self, kind: str) -> dict[str, PackageFile]:
        return {one.name: one for one in self.files if one.kind == kind}


@dataclass(frozen=True)
class TheBuild(OfThePortal, Fact[BuildData]):
    """The build and its artefacts"""

    build: int

    def read(self, reader: Reader) -> BuildData:
        row = Build.objects.select_related("source", "operation").filter(pk=self.build).first()
        if row is None:
            raise FactError("Choose a build.")
        if row.operation.state != "succeeded":
            raise FactError(f"The build {row} did not succeed: {row.operation.get_state_display().lower()}.")
        if row.artefacts_gone_at:
            raise FactError(f"The artefacts of {row} were removed to save space. Build it again, or choose another one.")
        files = tuple(file_of(one) for one in row.artefacts.filter(stored=True))
        patches = tuple(_patch(one) for one in row.patches)
        return BuildData(row.pk, row.source_id, row.source.name, row.version, row.ref, row.commit, files, patches)


def file_of(one: Artefact) -> PackageFile:
    version = f"{one.version}-{one.release}" if one.release else one.version
    return PackageFile(one.kind, one.file, one.name, version, one.architecture, one.size, one.sha256)


def _patch(said: dict[str, str]) -> PatchData:
    sha256 = str(said.get("sha256", ""))
    return PatchData(str(said.get("number", "")), str(said.get("title", "")), sha256, _touched(sha256))


def _touched(sha256: str) -> tuple[str, ...] | None:
    try:
        patches = mailbox.parse(store.get(sha256))
    except (StoredFile.DoesNotExist, mailbox.NotAMailbox):
        return None
    return tuple(dict.fromkeys(path for patch in patches for path in patch.files if DATABASE.fullmatch(path)))


@dataclass(frozen=True)
class ServerRow:
    pk: int
    name: str
    address: str

    @property
    def target(self) -> str:
        return f"host:{self.pk}"


@dataclass(frozen=True)
class CloudData:
    """A cloud and its hosts of one kind, in the order of their names."""

    name: str
    rows: tuple[ServerRow, ...]


@dataclass(frozen=True)
class CloudHosts(OfThePortal, Fact[CloudData]):
    """The cloud's servers in the inventory

    `kind` as in `hosts.models.Kind`.
    """

    cloud: int
    kind: str

    def read(self, reader: Reader) -> CloudData:
        cloud = Cloud.objects.filter(pk=self.cloud).first()
        if cloud is None:
            raise FactError("Choose a cloud.")
        rows = Host.objects.filter(cloud=cloud, kind=self.kind).order_by("sort_name", "pk")
        found = tuple(ServerRow(row.pk, row.name, row.address) for row in rows)
        if not found:
            called = Kind(self.kind).label
            raise FactError(f"{cloud} has no host of the kind “{called}” in the inventory. Add each of them under Hosts, in this cloud.")
        return CloudData(cloud.name, found)


@dataclass(frozen=True)
class Kept(OfThePortal, Fact[tuple[PackageFile, ...]]):
    """Which of these packages are in the portal's own store

    NAME=VERSION=ARCHITECTURE each; the way back then needs nobody else.
    """

    kind: str
    packages: tuple[str, ...]

    def read(self, reader: Reader) -> tuple[PackageFile, ...]:
        names = [one.split("=")[0] for one in self.packages]
        rows = Artefact.objects.filter(kind=self.kind, name__in=names, stored=True, build__artefacts_gone_at=None).order_by("-pk")
        found: dict[str, PackageFile] = {}
        for one in map(file_of, rows):
            words = f"{one.name}={one.version}={one.architecture}"
            if words in self.packages:
                found.setdefault(words, one)
        return tuple(found.values())


@dataclass(frozen=True)
class RunningBuild(OfThePortal, Fact[tuple[PatchData, ...] | None]):
    """The pull requests in what runs there

    By the build of this portal that made these packages, NAME=VERSION=ARCHITECTURE each; None where no single one did.
    """

    packages: tuple[str, ...]

    def read(self, reader: Reader) -> tuple[PatchData, ...] | None:
        installed = {name: version for name, version, *_ in (one.split("=") for one in self.packages)}
        server = impact.Server(0, "", "", installed, None)
        build = impact.known([server]).of(installed)
        return tuple(_patch(one) for one in build.patches) if build else None
