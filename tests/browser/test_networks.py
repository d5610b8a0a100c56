"""Networks, designs and the map of tunnels in a browser: for the eye and a screen reader, and on narrow screens."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from playwright.sync_api import expect

from hosts.models import Cloud, Host, Kind, Pool
from networking.design import Design, Vlan
from networking.models import NetworkDesign
from tests.browser.conftest import Live, PageAs
from tests.browser.test_pool_master import keep
from tests.browser.test_pools import PHONE, complaints
from tests.networking.stored import seen, stored
from tests.networking.test_designs import bare, nic
from tests.networking.test_together import host, tunnel

pytestmark = pytest.mark.browser


def pages() -> list[str]:
    """Of a cloud with tunnels, hosts that differ, and a design that one of them can have, under names that no other test uses."""
    mark = secrets.token_hex(3)
    cloud = Cloud.objects.create(name=f"cloud-{mark}")
    pool = Pool.objects.create(name=f"pool-{mark}", cloud=cloud, kind=Pool.Kind.KVM)
    found = {
        "a": host("192.0.2.1", tunnel("192.0.2.2"), tunnel("192.0.2.3", name="vx1"), tunnel("203.0.113.9", "7", "gre", "gre0")),
        "b": host("192.0.2.2", tunnel("192.0.2.1")), "c": seen(), "d": bare(nic("eth4"), nic("eth5"), nic("eth0", "192.0.2.3/24")),
    }  # fmt: skip
    for name, one in found.items():
        stored(f"{name}-{mark}", one)
    Host.objects.filter(name__endswith=mark).update(cloud=cloud, pool=pool, kind=Kind.KVM)
    wanted = Design("cloudbr0", ("eth4", "eth5"), "br-int", vlans=(Vlan("mgmt0", 100),), management="mgmt0")
    design = NetworkDesign.objects.create(name=f"design-{mark}", cloud=cloud, wanted=wanted.dump())
    drawn = Host.objects.get(name=f"c-{mark}")
    return [
        "/networks/", f"/networks/{drawn.pk}/", f"/networks/clouds/{cloud.pk}/", f"/networks/pools/{pool.pk}/", "/networks/designs/",
        f"/networks/designs/{design.pk}/", f"/networks/designs/{design.pk}/edit/", "/networks/designs/new/",
    ]  # fmt: skip


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing(live: Live, page_as: PageAs, look: dict[str, Any]) -> None:
    page, found = page_as("operator", **look), {}
    for number, url in enumerate(pages(), 1):
        page.goto(url)
        found[url] = complaints(page)
        keep(page, f"networks-{number}")
    assert not {url: said for url, said in found.items() if said}


@pytest.mark.parametrize("width", [320, 768, 1440])
def test_nothing_scrolls_sideways(live: Live, page_as: PageAs, width: int) -> None:
    page = page_as("operator", viewport={"width": width, "height": 800})
    for url in pages():
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0, url


def test_from_a_design_to_a_draft_with_its_hosts(live: Live, page_as: PageAs) -> None:
    """What differs is chosen already; a draft says at the field that the host has no credential."""
    *_, design, _edit, _new = pages()
    page = page_as("operator")
    page.goto(design)
    page.get_by_role("link", name="Bring 1 host to it").click()
    page.get_by_role("main").get_by_role("button").last.click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    expect(page.locator("fieldset, .field").get_by_text("has no credential").first).to_be_visible()


def test_a_host_is_asked_again_only_while_somebody_looks(live: Live, page_as: PageAs) -> None:
    page = page_as("operator")
    page.goto(pages()[1])
    network = page.locator("#network")
    expect(network).to_have_attribute("hx-trigger", "every 10s")

    def asked() -> bool:
        """Whether a request of this part would go on now."""
        return bool(network.evaluate("it => it.dispatchEvent(new CustomEvent('htmx:beforeRequest', { bubbles: true, cancelable: true }))"))

    assert asked()
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    assert not asked()
