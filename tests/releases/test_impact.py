"""What a build would change on servers: packages up and down, pull requests added and dropped, and what is not known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from hosts.models import Cloud, Host, Kind
from releases import impact
from releases.facts.delivery import RunningBuild
from releases.impact import Package
from releases.models import Build, Source
from tests.releases import made, practice

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("was", "becomes", "change"),
    [
        ("4.8.0.15", "4.8.0.16", "up"),
        ("4.8.0.9", "4.8.0.16", "up"),
        ("4.8.0.16-1.el7", "4.8.0.15-1.el7", "down"),
        ("4.8.0.16", "4.8.0.16", "same"),
        ("4.8.0-shapeblue", "4.8.0-ours", "other"),
        ("4.8.0.16", "", "stays"),
    ],
)
def test_up_and_down(was: str, becomes: str, change: str) -> None:
    assert Package("cloudstack-management", was, becomes).change == change


def patch(number: int, sha: str = "ab") -> dict[str, Any]:
    return {"number": str(number), "title": f"Title {number}", "sha256": sha * 32}


def build(version: str, *patches: dict[str, Any], **more: Any) -> Build:
    source = Source.objects.first() or made.source()
    one = made.build(source, version, patches=list(patches), **more)
    for name in ("cloudstack-management", "cloudstack-common"):
        made.artefact(one, f"{name}_{version}_all.deb", f"{name}{version}".encode(), name=name, version=version, release="", kind="deb")
    return one


def server(name: str, version: str | None, cloud: Cloud, kind: str = Kind.MANAGEMENT) -> Host:
    packages = [{"name": one, "version": version} for one in ("cloudstack-common", "cloudstack-management")] if version else []
    facts = {"packages": [*packages, {"name": "openssh-server", "version": "1"}]}
    return Host.objects.create(name=name, address=name, kind=kind, cloud=cloud, facts=facts, facts_at=timezone.now())


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.objects.create(name="Production")


def test_what_runs_in_production_and_would_be_dropped_comes_first_and_loud(cloud: Cloud, viewer: Client) -> None:
    old = build("4.8.0.15", patch(7), patch(8), patch(9))
    new = build("4.8.0.16", patch(8, "cd"), patch(9), patch(12))
    for name in ("ms1", "ms2"):
        server(name, "4.8.0.15", cloud)
    server("kvm1", "4.8.0.16", cloud, Kind.KVM)
    found = impact.of(new)
    first, second = found.groups
    assert [one.name for one in first.servers] == ["ms1", "ms2"] and first.runs == old
    assert [one.number for one in first.dropped] == ["7"] and [one.number for one in first.added] == ["12"]
    assert [one.number for one in first.changed] == ["8"] and {one.change for one in first.packages} == {"up"}
    assert second.runs == new and second.nothing and not second.dropped
    page = viewer.get(reverse("build_servers", args=[new.pk])).content.decode()
    assert "Would be dropped" in page and "#7" in page and "Nothing changes" in page
    assert "would it change?" in viewer.get(new.get_absolute_url()).content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_knows_the_pull_requests_of_what_runs() -> None:
    build("4.8.0.15", patch(7), patch(8))
    running = practice.read(RunningBuild("portal", ("cloudstack-management=4.8.0.15=all", "cloudstack-common=4.8.0.15=all")))
    assert [one.number for one in running or ()] == ["7", "8"]


def test_what_is_not_known_is_said(cloud: Cloud, viewer: Client) -> None:
    new = build("4.8.0.16", patch(12))
    server("ms1", "4.7.1.3", cloud)
    server("kvm9", None, cloud, Kind.KVM)
    Host.objects.create(name="ms3", address="ms3", kind=Kind.MANAGEMENT, cloud=cloud)
    found = impact.of(new)
    assert found.groups[0].runs is None and not found.dropping
    assert [one.name for one in found.unread] == ["ms3"] and [one.name for one in found.bare] == ["kvm9"]
    page = viewer.get(reverse("build_servers", args=[new.pk])).content.decode()
    assert "which pull requests run there is not known" in page and "Nobody has read" in page


def test_packages_of_two_builds_are_no_build(cloud: Cloud) -> None:
    build("4.8.0.15", patch(7))
    new = build("4.8.0.16", patch(7))
    mixed = server("ms1", "4.8.0.15", cloud)
    mixed.facts["packages"][0]["version"] = "4.8.0.16"
    mixed.save()
    assert impact.of(new).groups[0].runs is None


def test_one_cloud_and_nothing_else(cloud: Cloud, operator: Client) -> None:
    new = build("4.8.0.16")
    server("ms1", "4.8.0.15", cloud)
    far = server("far", "4.8.0.15", Cloud.objects.create(name="Other"))
    assert [one.name for group in impact.of(new, cloud.pk).groups for one in group.servers] == ["ms1"]
    Host.objects.update(next_read_at=timezone.now() + timedelta(hours=1))
    operator.post(reverse("build_servers_read", args=[new.pk]), {"cloud": cloud.pk})
    far.refresh_from_db()
    assert far.next_read_at > timezone.now() and Host.objects.get(name="ms1").next_read_at <= timezone.now()


def test_as_many_questions_for_a_thousand_servers_as_for_ten(cloud: Cloud, viewer: Client) -> None:
    new, counts = build("4.8.0.16", patch(1)), []
    build("4.8.0.15", patch(1))
    for number in (10, 1000):
        facts = server(f"first-{number}", "4.8.0.15", cloud).facts
        Host.objects.bulk_create(
            Host(name=f"h{number}-{one}", address=f"h{number}-{one}", kind=Kind.KVM, cloud=cloud, facts=facts, facts_at=timezone.now())
            for one in range(number)
        )
        with CaptureQueriesContext(connection) as asked:
            assert viewer.get(reverse("build_servers", args=[new.pk])).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]
