"""Downloading what builds left, from real files."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import FileResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from releases.models import Artefact, Build
from tests.releases import made

pytestmark = pytest.mark.django_db

DATA = bytes(range(256)) * 9000  # more than two pieces


@pytest.fixture
def build(settings: Any, tmp_path: Path) -> Build:
    settings.STATE_DIR = tmp_path
    return made.build(made.source())


@pytest.fixture
def package(build: Build) -> Artefact:
    return made.artefact(build, data=DATA)


def body(response: Any) -> bytes:
    assert not isinstance(response, FileResponse)  # which would be read whole under ASGI
    return b"".join(response)


def test_a_viewer_gets_the_very_file(package: Artefact, viewer: Client) -> None:
    response = viewer.get(reverse("artefact", args=[package.pk]))
    assert response.status_code == 200 and body(response) == DATA
    assert response["Content-Length"] == str(len(DATA))
    assert response["Content-Type"] == "application/x-rpm"
    assert response["Content-Disposition"] == f'attachment; filename="{package.file}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["ETag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'


@pytest.mark.django_db(transaction=True)
def test_under_asgi_it_comes_in_pieces(package: Artefact) -> None:
    client = AsyncClient()
    client.force_login(made.operator_named())

    async def download() -> list[bytes]:
        response = await client.get(reverse("artefact", args=[package.pk]))
        assert isinstance(response, StreamingHttpResponse)
        return [piece async for piece in response]

    pieces = async_to_sync(download)()
    assert len(pieces) == 3 and b"".join(pieces) == DATA


def test_what_a_browser_has_it_does_not_get_again(package: Artefact, viewer: Client) -> None:
    response = viewer.get(reverse("artefact", args=[package.pk]), headers={"If-None-Match": f'"x", "{package.sha256}"'})
    assert response.status_code == 304 and not response.content


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, len(DATA) - 1),
        ("bytes=-10", len(DATA) - 10, len(DATA) - 1),
        ("bytes=5-99999999", 5, len(DATA) - 1),
    ],
)
def test_a_download_goes_on_where_it_broke_off(asked: str, first: int, last: int, package: Artefact, viewer: Client) -> None:
    response = viewer.get(reverse("artefact", args=[package.pk]), headers={"Range": asked})
    assert response.status_code == 206 and body(response) == DATA[first : last + 1]
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert response["Content-Length"] == str(last - first + 1)


def test_a_part_of_another_file_is_not_mixed_in(package: Artefact, viewer: Client) -> None:
    headers = {"Range": "bytes=100-", "If-Range": '"another"'}
    response = viewer.get(reverse("artefact", args=[package.pk]), headers=headers)
    assert response.status_code == 200 and body(response) == DATA


@pytest.mark.parametrize("asked", [f"bytes={len(DATA)}-", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused(asked: str, package: Artefact, viewer: Client) -> None:
    response = viewer.get(reverse("artefact", args=[package.pk]), headers={"Range": asked})
    assert response.status_code == 416 and response["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"])
def test_what_is_no_range_gets_the_whole(asked: str, package: Artefact, viewer: Client) -> None:
    assert body(viewer.get(reverse("artefact", args=[package.pk]), headers={"Range": asked})) == DATA


def test_asking_for_the_head_reads_nothing(package: Artefact, viewer: Client) -> None:
    response = viewer.head(reverse("artefact", args=[package.pk]))
    assert response["Content-Length"] == str(len(DATA)) and response["ETag"] == f'"{package.sha256}"'


def test_one_that_is_gone_says_since_when_and_why(package: Artefact, viewer: Client) -> None:
    Build.objects.update(artefacts_gone_at=timezone.now())
    response = viewer.get(reverse("artefact", args=[package.pk]))
    page = response.content.decode()
    assert response.status_code == 410
    assert "was removed from the portal&#x27;s store" in page or "was removed from the portal's store" in page
    assert "20 newest successful builds" in page and package.sha256 in page


def test_one_that_was_only_listed_is_not_there(build: Build, viewer: Client) -> None:
    listed = made.artefact(build, stored=False)
    response = viewer.get(reverse("artefact", args=[listed.pk]))
    assert response.status_code == 404 and "not taken into the store" in response.content.decode()


def test_a_file_that_was_changed_behind_our_back_is_not_handed_out(package: Artefact, settings: Any, viewer: Client) -> None:
    path = settings.STATE_DIR / "artefacts" / str(package.build.operation_id) / package.file
    path.write_bytes(b"something else")
    response = viewer.get(reverse("artefact", args=[package.pk]))
    assert response.status_code == 410 and "changed outside of the portal" in response.content.decode()
    path.unlink()
    assert "not in the store" in viewer.get(reverse("artefact", args=[package.pk])).content.decode()


def test_neither_a_link_nor_a_path_leads_out_of_the_store(package: Artefact, settings: Any, viewer: Client) -> None:
    secret = settings.STATE_DIR / "keys"
    secret.write_bytes(DATA)
    path = settings.STATE_DIR / "artefacts" / str(package.build.operation_id) / package.file
    path.unlink()
    path.symlink_to(secret)
    assert viewer.get(reverse("artefact", args=[package.pk])).status_code == 410
    Artefact.objects.update(file="../../keys")
    assert viewer.get(reverse("artefact", args=[package.pk])).status_code == 410


def test_a_name_cannot_break_the_header(build: Build, viewer: Client) -> None:
    odd = made.artefact(build, file='a"b;c\u00e9.deb', data=b"x")
    assert viewer.get(reverse("artefact", args=[odd.pk]))["Content-Disposition"] == "attachment; filename*=utf-8''a%22b%3Bc%C3%A9.deb"


def test_the_sums_are_what_sha256sum_takes(build: Build, viewer: Client, settings: Any) -> None:
    made.artefact(build, data=b"one")
    made.artefact(build, file="cloudstack-common_4.8.0.16_all.deb", data=b"two")
    text = viewer.get(reverse("build_sums", args=[build.pk])).content
    folder = settings.STATE_DIR / "artefacts" / str(build.operation_id)
    checked = subprocess.run(["sha256sum", "--check", "--strict"], input=text, cwd=folder, capture_output=True)
    assert checked.returncode == 0 and checked.stdout.count(b": OK") == 2


def test_the_page_lists_them_with_true_names(build: Build, package: Artefact, viewer: Client) -> None:
    page = viewer.get(build.get_absolute_url()).content.decode()
    for said in ("cloudstack-management", "1.el7", "x86_64", "2.3 MB", package.sha256, f'download="{package.file}"'):
        assert said in page
