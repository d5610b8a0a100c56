"""A cloud's CloudStack in a browser: connected by hand, read by a worker, for the eye, the keyboard and a screen reader."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Page, expect

from hosts.cloudstack import connecting, reading
from hosts.models import Cloud, CloudApi, Host, Kind, Pool
from opsportal.secrets import store
from opsportal.secrets.value import Secret
from tests.browser.conftest import Live, PageAs
from tests.cloudstack import stand_in
from tests.cloudstack.stand_in import KEY, SECRET, StandIn
from tests.hosts.cloudstack.conftest import CLUSTER, KVM, cluster, fill, host

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(autouse=True)
def keys(live: Live) -> None:
    if not settings.KEY_FILE.exists():
        store.make_keyring(settings.KEY_FILE)


@pytest.fixture
def cloudstack() -> Iterator[StandIn]:
    with stand_in.running() as running:
        fill(running, hosts(), [cluster(CLUSTER, "pool-a"), cluster(KVM, "kvm-1", "KVM", managed="Unmanaged")])
        yield running


def hosts() -> list[dict[str, Any]]:
    return [
        host(1),
        host(2, state="Alert"),
        host(3, resource="PrepareForMaintenance"),
        host(4, KVM, name="kvm4", hypervisor="KVM", hypervisorversion="", version="4.7.1", state="Disconnected", lastpinged=""),
    ]


def made(live: Live, cloudstack: StandIn) -> CloudApi:
    """Connected and read, beside an inventory that knows two of its hosts and one that it does not have."""
    cloud = Cloud.objects.create(name=f"cloud-{secrets.token_hex(4)}")
    pool = Pool.objects.create(name="pool-a", cloud=cloud)
    for number in (1, 2, 9):
        place = f"10.77.{secrets.randbelow(250)}.{secrets.randbelow(250)}" if number == 9 else f"xen{number}.{cloud.name}.example.org"
        Host.objects.create(name=f"{cloud.name}-{number}", address=place, cloud=cloud, pool=pool, kind=Kind.XENSERVER)
    api = CloudApi(cloud=cloud, url=cloudstack.url, api_key=KEY)
    connecting.save(api, Secret(SECRET), live.person())
    reading.store([reading.read(reading.Asked(CloudApi.objects.get(pk=api.pk), Secret(SECRET)))])
    return api


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing(live: Live, page_as: PageAs, cloudstack: StandIn, look: dict[str, Any]) -> None:
    api, page, found = made(live, cloudstack), page_as("administrator", "operator", **look), {}
    pool = Pool.objects.get(cloud=api.cloud)
    places = [f"clouds/{api.cloud_id}/cloudstack/", f"clouds/{api.cloud_id}/cloudstack/edit/", f"pools/{pool.pk}/", "clouds/"]
    for url in (f"/hosts/{place}" for place in (*places, str(Host.objects.filter(pool=pool).first().pk))):  # type: ignore[union-attr]
        page.goto(f"{live.url}{url}")
        found[url] = [f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}" for one in Axe().run(page).response["violations"]]
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth"), f"{url} is wider than the window"
    assert not any(found.values()), found


def test_connected_by_hand_and_read_by_a_worker(live: Live, page_as: PageAs, cloudstack: StandIn) -> None:
    cloud = Cloud.objects.create(name=f"cloud-{secrets.token_hex(4)}")
    page: Page = page_as("administrator", "operator")
    page.goto(f"{live.url}/hosts/clouds/{cloud.pk}/cloudstack/")
    page.get_by_role("link", name="Connect CloudStack").click()
    page.get_by_label("Address of the API").fill(cloudstack.url.removesuffix("/client/api"))
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("Secret key").fill("not-the-secret")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("Compare the API key and the secret key")).to_be_visible(timeout=30_000)
    assert "not-the-secret" not in page.content()

    page.get_by_role("link", name="Change connection").click()
    page.get_by_label("Secret key").fill("secret")
    cloudstack.secret = "secret"
    page.get_by_role("button", name="Save and try it").click()
    expect(page.get_by_text("xen2 is in Alert.")).to_be_visible(timeout=30_000)
    page.get_by_label("Show").select_option("trouble")
    expect(page.get_by_role("row", name="xen1")).to_have_count(0)

    fill(cloudstack, [host(2)])
    page.get_by_role("button", name="Read again").click()
    expect(page.get_by_text("xen2 is in Alert.")).to_have_count(0, timeout=30_000)
