"""What the portal knows of repositories: their keys, and what their channels hold."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader
from releases import downloading, publishing
from releases.models import Build, Repository
from releases.publishing import Channel, Place

TOOLS = {"createrepo_c": "createrepo-c", "apt-ftparchive": "apt-utils", "gpg": "gnupg", "gpgv": "gpgv"}
"""Program to Debian package."""


@dataclass(frozen=True)
class TheRepository(OfThePortal, Fact[Place]):
    """The repository and its public key"""

    repository: int

    def read(self, reader: Reader) -> Place:
        row = Repository.objects.filter(pk=self.repository).first()
        if row is None:
            raise FactError("Choose a repository. If there is none yet, make one under Repositories.")
        return Place(row.pk, row.name, row.slug, row.public, row.fingerprint, row.expired)


@dataclass(frozen=True)
class ChannelNow(OfThePortal, Fact[Channel]):
    """What the channel holds"""

    repository: int
    channel: str

    def read(self, reader: Reader) -> Channel:
        row = Repository.objects.filter(pk=self.repository).first()
        if row is None:
            raise FactError("Choose a repository.")
        try:
            return publishing.current(row.slug, self.channel)
        except (OSError, ValueError) as error:
            raise FactError(f"What {self.channel} of {row} holds cannot be read: {error}. Somebody changed its folder by hand.") from None


@dataclass(frozen=True)
class StoredIn(OfThePortal, Fact[str]):
    """The folder of the portal's store that has the build's packages"""

    build: int

    def read(self, reader: Reader) -> str:
        row = Build.objects.filter(pk=self.build).first()
        if row is None:
            raise FactError("Choose a build.")
        return str(downloading.folder(row))


@dataclass(frozen=True)
class PublishingTools(OfThePortal, Fact[tuple[str, ...]]):
    """Programs for repositories that this machine lacks

    Volatile: installing one is no reason to approve a plan again.
    """

    volatile = True

    def read(self, reader: Reader) -> tuple[str, ...]:
        return tuple(name for name in TOOLS if not shutil.which(name))
