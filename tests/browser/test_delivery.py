"""A release on its way to the servers, in a browser: its repositories, what it would change, and the wizards that bring it there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from hosts.models import Cloud, Host, Kind
from opsportal.secrets import store
from releases import signing
from releases.models import Build, Repository, Source
from tests.browser.conftest import Live, PageAs
from tests.browser.test_pool_master import keep
from tests.browser.test_pools import PHONE, complaints
from tests.releases import made

pytestmark = pytest.mark.browser
SOON = 60_000
NAMES = ("cloudstack-management", "cloudstack-common", "cloudstack-agent")
LOOKS = pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark", **PHONE}], ids=["wide-light", "phone-dark"])


@pytest.fixture(autouse=True)
def keys(live: Live) -> Iterator[None]:
    if not settings.KEY_FILE.exists():
        store.make_keyring(settings.KEY_FILE)
    yield


def build(mark: str, version: str, *numbers: int) -> Build:
    source = Source.objects.filter(name=f"CloudStack {mark}").first() or made.source(f"CloudStack {mark}")
    patches = [{**made.PATCH, "number": str(one), "sha256": f"{one:02x}" * 32, "title": f"Keep snapshots {one}"} for one in numbers]
    one = made.build(source, version, patches=patches)
    for name in NAMES:
        made.artefact(one, f"{name}_{version}_all.deb", f"{name}{version}".encode(), name=name, version=version, release="", kind="deb")
    return one


def server(name: str, cloud: Cloud, kind: Kind, version: str) -> Host:
    runs = NAMES[:2] if kind == Kind.MANAGEMENT else NAMES[1:]
    facts = {"packages": [{"name": one, "version": version} for one in runs]} if version else {}
    read = timezone.now() if version else None
    address = f"10.{78 + secrets.randbelow(100)}.{secrets.randbelow(250)}.{secrets.randbelow(250)}"
    return Host.objects.create(name=name, address=address, kind=kind, cloud=cloud, facts=facts, facts_at=read)


class Delivery:
    """A build, an older one that runs on servers and has more in it, and a repository with a key. Names that no other test uses."""

    def __init__(self, live: Live) -> None:
        mark = secrets.token_hex(3)
        self.cloud = Cloud.objects.create(name=f"cloud-{mark}")
        self.old, self.new = build(mark, "4.8.0.15", 7, 9), build(mark, "4.8.0.16", 9, 12)
        for number in (1, 2):
            server(f"ms{number}-{mark}", self.cloud, Kind.MANAGEMENT, "4.8.0.15")
        self.kvm = server(f"kvm1-{mark}", self.cloud, Kind.KVM, "4.8.0.16")
        server(f"kvm2-{mark}", self.cloud, Kind.KVM, "")
        self.repository = Repository.objects.create(name=f"Ours {mark}", slug=f"ours-{mark}", access="open")
        signing.give(self.repository, signing.make("Ours packages"), live.person())

    def pages(self) -> list[str]:
        repository = f"/releases/repositories/{self.repository.pk}/"
        return [
            self.new.get_absolute_url(), f"{self.new.get_absolute_url()}servers/", "/releases/repositories/", "/releases/repositories/new/",
            repository, f"{repository}edit/", f"{repository}remove/",
        ]  # fmt: skip


def sideways(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@LOOKS
def test_axe_finds_nothing(live: Live, page_as: PageAs, look: dict[str, Any]) -> None:
    page, found = page_as("administrator", "operator", **look), {}
    for url in Delivery(live).pages():
        page.goto(url)
        found[url] = [*complaints(page), *(["it scrolls sideways"] if sideways(page) else [])]
    assert not {url: said for url, said in found.items() if said}


@LOOKS
@pytest.mark.parametrize("link", ["Publish", "Upgrade servers", "Upgrade agents"])
def test_every_way_out_of_a_build_begins_with_a_page_that_everybody_can_use(
    live: Live, page_as: PageAs, look: dict[str, Any], link: str
) -> None:
    delivery, page = Delivery(live), page_as("operator", **look)
    page.goto(delivery.new.get_absolute_url())
    page.get_by_role("link", name=link, exact=True).click()
    page.get_by_role("button", name="Start a draft").click()
    expect(page.locator("main form").first).to_be_visible(timeout=SOON)
    expect(page.get_by_role("main")).not_to_contain_text("Server error")
    keep(page, f"delivery-{link.lower().replace(' ', '-')}")
    assert not complaints(page) and not sideways(page)


@LOOKS
def test_adding_a_kvm_host_begins_with_what_is_wrong_with_it(live: Live, page_as: PageAs, look: dict[str, Any]) -> None:
    """The cloud has no connection and the host no credential: both are said, and nothing else is asked for."""
    delivery, page = Delivery(live), page_as("operator", **look)
    page.goto(f"/runbooks/add-host-to-cloud/?cloud={delivery.cloud.pk}&host={delivery.kvm.pk}")
    page.get_by_role("button", name="Start a draft").click()
    expect(page.get_by_role("main").get_by_text("no connection").first).to_be_visible(timeout=SOON)
    keep(page, "delivery-add-kvm")
    assert not complaints(page) and not sideways(page)


def test_what_would_be_dropped_is_seen_first(live: Live, page_as: PageAs) -> None:
    delivery, page = Delivery(live), page_as("viewer")
    page.goto(delivery.new.get_absolute_url())
    page.get_by_role("link", name="What would it change?").click()
    keep(page, "delivery-servers")
    dropped = page.get_by_text("Would be dropped").first
    expect(dropped).to_be_in_viewport()
    expect(page.get_by_role("main")).to_contain_text("Keep snapshots 7")
    page.get_by_label("Cloud").select_option(label=delivery.cloud.name)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Would be dropped").first).to_be_visible()
