"""A real server installs from a published repository with its own apt and dnf, and refuses it once a byte has changed."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.operations.states import OperationState as S
from releases import publishing
from tests.networking.ground import Ground, GroundHost, cannot, missing
from tests.releases.test_repositories import Desk, desk, packages, why

__all__ = ["desk", "packages"]

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]

REPO = """\
[ours]
name=Ours
baseurl={base}/rpm/
repo_gpgcheck=1
gpgcheck=0
gpgkey=file:///etc/ours.asc
"""
SOURCES = "Types: deb\nURIs: {base}/deb/\nSuites: ./\nSigned-By: /etc/apt/keyrings/ours.asc\n"
APT = "apt-get -q -y -o Acquire::Retries=0 -o APT::Sandbox::User=root -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
DNF = "dnf -y -q --setopt=install_weak_deps=False --setopt=cachedir=/tmp/dnf --setopt=metadata_expire=0 --disablerepo=* --enablerepo=ours"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Ground]:
    if why_not := cannot() or missing():
        if os.environ.get("CI") == "true" and not cannot():
            pytest.fail(f"NO TEST HOSTS: {why_not}.")
        pytest.skip(f"CANNOT HERE: {why_not}. Installing from a repository was not tested.")
    with Ground(1) as ground:
        ground.hosts[0].sh("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*; mkdir -p /etc/apt/keyrings /etc/yum.repos.d")
        yield ground


@pytest.fixture
def base(server: Ground, desk: Desk) -> Iterator[str]:
    """The channel testing with one build, over HTTP, and known to the server's package managers."""
    done = desk.publish("4.8.0.16")
    assert done.state == S.SUCCEEDED, why(done)
    folder = publishing.root(desk.repository.slug)
    address = f"198.18.{200 + server.instance}.1"
    with http.server.ThreadingHTTPServer((address, 0), functools.partial(Quiet, directory=str(folder))) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        at, host = f"http://{address}:{serving.server_address[1]}/testing", server.hosts[0]
        host.put("/etc/apt/keyrings/ours.asc", desk.repository.public.encode())
        host.put("/etc/ours.asc", desk.repository.public.encode())
        host.put("/etc/apt/sources.list.d/ours.sources", SOURCES.format(base=at).encode())
        host.put("/etc/yum.repos.d/ours.repo", REPO.format(base=at).encode())
        host.sh("rm -rf /var/lib/apt/lists/* /tmp/dnf /var/cache/apt/archives/*.deb; mkdir -p /var/lib/apt/lists/partial")
        yield at
        serving.shutdown()


def flipped(folder: Path, pattern: str) -> None:
    file = next(folder.resolve().glob(pattern))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.unlink()
    file.write_bytes(data)


def refused(host: GroundHost, script: str) -> str:
    return host.sh(f"({script}) 2>&1 && echo INSTALLED || :", timeout=120)


def test_apt_installs_what_was_published_and_an_upgrade_of_it(server: Ground, desk: Desk, base: str) -> None:
    host = server.hosts[0]
    host.sh(f"{APT} update && {APT} install cloudstack-common", timeout=120)
    assert host.sh("dpkg-query -W -f '${Version}' cloudstack-common") == "4.8.0.16"
    assert desk.publish("4.8.0.17").state == S.SUCCEEDED
    host.sh(f"{APT} update && {APT} install --only-upgrade cloudstack-common", timeout=120)
    assert host.sh("dpkg-query -W -f '${Version}' cloudstack-common") == "4.8.0.17"
    host.sh("dpkg --purge cloudstack-common")


@pytest.mark.parametrize("pattern", ["deb/InRelease", "deb/*.deb"])
def test_apt_refuses_a_changed_byte(server: Ground, desk: Desk, base: str, pattern: str) -> None:
    flipped(desk.folder("testing"), pattern)
    said = refused(server.hosts[0], f"{APT} -o APT::Update::Error-Mode=any update && {APT} install cloudstack-common")
    assert "INSTALLED" not in said, said
    assert any(word in said for word in ("NO_PUBKEY", "BADSIG", "not signed", "invalid", "Hash Sum mismatch", "Splitting up")), said


def test_dnf_reads_the_signed_index_and_takes_the_package(server: Ground, desk: Desk, base: str) -> None:
    host = server.hosts[0]
    host.sh(f"{DNF} makecache && {DNF} download --destdir /tmp/taken practice-agent || {DNF} repoquery practice-agent", timeout=180)
    assert "practice-agent-0:4.8.0.16-1.noarch" in host.sh(f"{DNF} repoquery practice-agent", timeout=120)


def test_dnf_refuses_a_changed_byte(server: Ground, desk: Desk, base: str) -> None:
    flipped(desk.folder("testing"), "rpm/repodata/repomd.xml")
    said = refused(server.hosts[0], f"{DNF} repoquery practice-agent | grep practice-agent-0")
    assert "INSTALLED" not in said, said
