"""Repositories with real createrepo_c, apt-ftparchive and gpg: published, promoted, withdrawn, undone, and served."""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from opsportal.operations import approval, followers, journal, planning, registry
from opsportal.operations.models import AuditEntry, Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.secrets import store
from releases import publishing, signing
from releases.facts.repositories import TOOLS
from releases.models import Build, Repository
from releases.signing import Pair
from tests.operations.driving import draft, run
from tests.releases import made, management

MISSING = [name for name in (*TOOLS, "dpkg-deb", "rpmbuild") if not shutil.which(name)]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(MISSING), reason=f"NO REPOSITORIES: not installed: {', '.join(MISSING)}"),
]

SPEC = """\
Name: practice-agent
Version: {version}
Release: 1
Summary: A package
License: None
BuildArch: noarch
%description
A package.
%files
"""


@lru_cache
def pair() -> Pair:
    """Making one takes a second."""
    return signing.make("Tests packages")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("packages")
    versions = ("4.8.0.16", "4.8.0.17")
    return {version: [management.package(folder, "cloudstack-common", version), _rpm(folder, version)] for version in versions}


def _rpm(folder: Path, version: str) -> Path:
    spec = folder / f"{version}.spec"
    spec.write_text(SPEC.format(version=version))
    subprocess.run(["rpmbuild", "-bb", "--define", f"_topdir {folder / version}", str(spec)], check=True, capture_output=True)
    return next((folder / version / "RPMS").rglob("*.rpm"))


class Desk:
    """What a test publishes with."""

    def __init__(self, olga: User, paul: User, repository: Repository, builds: dict[str, Build]) -> None:
        self.olga, self.paul, self.repository, self.builds = olga, paul, repository, builds

    def draft(self, book: str, version: str, **more: Any) -> Operation:
        given = {"build": self.builds[version].pk, "repository": self.repository.pk, "token": secrets.token_hex(6), **more}
        return draft(book, self.olga, **given)

    def go(self, operation: Operation) -> Operation:
        approval.submit(operation, user=self.olga)
        operation.refresh_from_db()
        if operation.state == S.AWAITING_APPROVAL:
            approval.approve(operation, user=self.paul, digest=operation.digest)
        return run(operation)

    def publish(self, version: str, channel: str = "testing") -> Operation:
        return self.go(self.draft("publish-build", version, channel=channel))

    def undo(self, operation: Operation) -> Operation:
        back = followers.undo(operation, user=self.olga, token=secrets.token_hex(6))
        planning.work(back.pk)
        back.refresh_from_db()
        return self.go(back)

    def holds(self, channel: str) -> list[str]:
        return [one.version for one in publishing.current(self.repository.slug, channel).builds]

    def folder(self, channel: str) -> Path:
        return publishing.root(self.repository.slug) / channel


@pytest.fixture
def desk(settings: Any, tmp_path: Path, person: Callable[..., User], packages: dict[str, list[Path]]) -> Iterator[Desk]:
    settings.STATE_DIR, settings.KEY_FILE = tmp_path / "state", tmp_path / "keys"
    settings.SECRET_KEY = secrets.token_hex(32)
    store.make_keyring(settings.KEY_FILE)
    registry.runbooks.cache_clear()
    olga, paul = person("olga", "operator"), person("paul", "approver")
    repository = Repository.objects.create(name="Ours", slug="ours", access="open")
    signing.give(repository, pair(), olga)
    source = made.source()
    yield Desk(olga, paul, repository, {version: _build(source, version, files) for version, files in packages.items()})


def _build(source: Any, version: str, files: list[Path]) -> Build:
    build = made.build(source, version)
    for path in files:
        kind = path.suffix.removeprefix(".")
        name = path.name.split("_")[0] if kind == "deb" else path.name.rsplit("-", 2)[0]
        made.artefact(build, path.name, path.read_bytes(), name=name, release="" if kind == "deb" else "1", architecture="all", kind=kind)
    return build


def why(operation: Operation) -> str:
    return f"{operation.outcome}\n" + "\n".join(f"{step.key} {step.state} {step.message}" for step in operation.steps.all())


def messages(operation: Operation) -> str:
    return "\n".join(f"{one['level']}: {one['message']}" for one in operation.findings)


def test_a_build_is_published_promoted_withdrawn_and_every_state_is_signed(desk: Desk, settings: Any) -> None:
    done = desk.publish("4.8.0.16")
    assert done.state == S.SUCCEEDED, why(done)
    assert desk.holds("testing") == ["4.8.0.16"] and desk.holds("stable") == []
    assert not (Path(settings.STATE_DIR) / "signing").exists() or not list((Path(settings.STATE_DIR) / "signing").iterdir())
    assert "PRIVATE KEY" not in done.plan and not Restoration.objects.filter(state="open").exists()
    promoted = desk.go(desk.draft("promote-build", "4.8.0.16"))
    assert promoted.state == S.SUCCEEDED and promoted.approvals_needed == 1, why(promoted)
    assert desk.publish("4.8.0.17").state == S.SUCCEEDED
    assert desk.holds("testing") == ["4.8.0.16", "4.8.0.17"] and desk.holds("stable") == ["4.8.0.16"]
    text = (desk.folder("testing") / "deb/Packages").read_text()
    assert text.count("Package: cloudstack-common") == 2
    assert "has 4.8.0.17 already" in desk.draft("publish-build", "4.8.0.17", channel="testing").frozen().because
    gone = desk.go(desk.draft("withdraw-build", "4.8.0.16", channel="testing"))
    assert gone.state == S.SUCCEEDED, why(gone)
    assert desk.holds("testing") == ["4.8.0.17"] and desk.holds("stable") == ["4.8.0.16"]


def test_an_undo_moves_the_channel_back(desk: Desk) -> None:
    assert desk.publish("4.8.0.16").state == S.SUCCEEDED
    second = desk.publish("4.8.0.17")
    back = desk.undo(second)
    assert back.state == S.SUCCEEDED, why(back)
    assert desk.holds("testing") == ["4.8.0.16"]


def test_a_changed_byte_is_refused_before_anything_is_shown(desk: Desk, settings: Any) -> None:
    operation = desk.draft("publish-build", "4.8.0.16", channel="testing")
    file = next((Path(settings.STATE_DIR) / "artefacts").rglob("*_4.8.0.16_*.deb"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    failed = desk.go(operation)
    assert failed.state == S.FAILED and "is not the file that was built" in why(failed) + _log(failed), why(failed)
    assert desk.holds("testing") == [] and not desk.folder("testing").exists()


def _log(operation: Operation) -> str:
    return b"".join(journal.raw(operation)).decode()


@pytest.mark.parametrize("name", ["deb/InRelease", "deb/Packages", "rpm/repodata/repomd.xml"])
def test_the_proof_notices_a_changed_byte_of_an_index(desk: Desk, name: str) -> None:
    done = desk.publish("4.8.0.16")
    step = next(step for step in done.frozen().steps if step.key == "switch")
    command = step.probe[1].command
    file = desk.folder("testing") / name
    data = bytearray(file.read_bytes())
    place = len(data) // 3
    data[place] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    asked = subprocess.run(["sh", "-c", command.script, "sh", *command.argv], capture_output=True, check=False)
    assert asked.returncode


def test_what_may_not_be_published(desk: Desk, settings: Any) -> None:
    assert "testing does not have this build. Publish it there first." in messages(desk.draft("promote-build", "4.8.0.16"))
    assert desk.publish("4.8.0.17").state == S.SUCCEEDED
    assert "testing has 4.8.0.17, which is higher" in messages(desk.draft("publish-build", "4.8.0.16", channel="testing"))
    other = _build(desk.builds["4.8.0.17"].source, "4.8.0.17", [])
    name = desk.builds["4.8.0.17"].artefacts.filter(kind="deb").get().file
    made.artefact(other, name, b"another", name="cloudstack-common", release="", architecture="all", kind="deb")
    desk.builds["twin"] = other
    assert f"block: testing has another file called {name}" in messages(desk.draft("publish-build", "twin", channel="testing"))
    Repository.objects.update(fingerprint="", secret="")
    assert "block: Ours has no key yet" in messages(desk.draft("publish-build", "4.8.0.16", channel="stable"))


class TestServed:
    def url(self, path: str, channel: str = "testing") -> str:
        return reverse("repository_file", args=["ours", channel, path])

    def test_to_everybody_in_parts_and_only_what_is_in_it(self, desk: Desk, client: Client) -> None:
        assert client.get(self.url("deb/Release")).status_code == 404
        desk.publish("4.8.0.16")
        answer = client.get(self.url("deb/InRelease"))
        assert answer.status_code == 200 and b"BEGIN PGP SIGNED MESSAGE" in b"".join(answer)
        assert client.get(self.url("deb/InRelease"), headers={"If-Modified-Since": answer["Last-Modified"]}).status_code == 304
        assert client.get(self.url("deb/InRelease"), headers={"If-None-Match": answer["ETag"]}).status_code == 304
        part = client.get(self.url("deb/InRelease"), headers={"Range": "bytes=0-4"})
        assert part.status_code == 206 and b"".join(part) == b"-----"
        assert b"BEGIN PGP PUBLIC KEY" in b"".join(client.get(self.url("key.asc")))
        for bad in ("manifest.json", "deb/../manifest.json", "deb/%2e%2e/manifest.json", "deb", "deb//Release", "../stable/deb/Release"):
            assert client.get(f"/releases/packages/ours/testing/{bad}").status_code == 404, bad
        assert client.post(self.url("deb/InRelease")).status_code == 405

    def test_never_through_a_link(self, desk: Desk, client: Client, tmp_path: Path) -> None:
        desk.publish("4.8.0.16")
        (desk.folder("testing") / "deb/secret").symlink_to("/etc/passwd")
        assert client.get(self.url("deb/secret")).status_code == 404

    def test_with_a_password_that_is_shown_once(self, desk: Desk, client: Client, logged_in: Callable[..., Client]) -> None:
        desk.publish("4.8.0.16")
        Repository.objects.update(access="token")
        assert client.get(self.url("deb/Release")).status_code == 401
        administrator = logged_in("administrator")
        administrator.post(reverse("repository_password", args=[desk.repository.pk]))
        page = administrator.get(desk.repository.get_absolute_url()).content.decode()
        password = page.split("shown this once:</strong> ")[1].split(">")[1].split("<")[0]
        assert password not in administrator.get(desk.repository.get_absolute_url()).content.decode()
        for given, status in ((password, 200), ("wrong", 401)):
            word = base64.b64encode(f"packages:{given}".encode()).decode()
            assert client.get(self.url("deb/Release"), headers={"Authorization": f"Basic {word}"}).status_code == status
        Repository.objects.update(access="off")
        assert client.get(self.url("deb/Release")).status_code == 404


class TestKeys:
    def test_made_and_imported(self, desk: Desk, logged_in: Callable[..., Client]) -> None:
        administrator, other = logged_in("administrator"), Repository.objects.create(name="Other", slug="other")
        administrator.post(reverse("repository_key", args=[other.pk]), {"private": pair().private.reveal()})
        other.refresh_from_db()
        assert other.fingerprint == pair().fingerprint and "PRIVATE" not in other.public and "PRIVATE" not in other.secret
        assert base64.b64decode(signing.named(str(other.pk)).reveal()).startswith(b"-----BEGIN PGP PRIVATE KEY BLOCK")
        assert "PRIVATE" not in administrator.get(other.get_absolute_url()).content.decode()
        assert AuditEntry.objects.filter(action="repository.key").count() == 2
        assert signing.seal_all_again() == 2

    @pytest.mark.parametrize("text", ["nonsense", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nxx\n-----END PGP PRIVATE KEY BLOCK-----"])
    def test_what_is_no_key_is_said(self, desk: Desk, logged_in: Callable[..., Client], text: str) -> None:
        page = logged_in("administrator").post(reverse("repository_key", args=[desk.repository.pk]), {"private": text}, follow=True)
        assert "Paste the private key" in page.content.decode() or "gpg refused it" in page.content.decode()
        desk.repository.refresh_from_db()
        assert desk.repository.fingerprint == pair().fingerprint


def test_pages_show_what_is_where(desk: Desk, operator: Client, logged_in: Callable[..., Client]) -> None:
    desk.publish("4.8.0.16")
    page = operator.get(desk.repository.get_absolute_url()).content.decode()
    assert "4.8.0.16" in page and "Promote" in page and "Signed-By: /etc/apt/keyrings/ours.asc" in page
    assert "4.8.0.16" in operator.get(reverse("repositories")).content.decode()
    refused = logged_in("administrator").post(reverse("repository_remove", args=[desk.repository.pk]))
    assert refused.status_code == 422 and Repository.objects.exists()
