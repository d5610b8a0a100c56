"""Pools in a browser: for the eye, the keyboard and a screen reader, on paper, and while a worker reads."""

from __future__ import annotations

import itertools
import re
import secrets
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from hosts.models import Pool
from hosts.xen.state import HostVms, Pif, PoolState, Vm, VmTable, Voice
from tests.browser.conftest import Live, PageAs
from tests.hosts.read_pools import read
from tests.hosts.xen.samples import U1, U2, U3, VM1
from tests.hosts.xen.test_findings import BASICS, WELL, member, with_member

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
VMS = VmTable(31, (HostVms(U1, running=12), HostVms(U3, running=8)), (Vm(VM1, "r-12-VM", "running", U1, "restart", True),), 1)
NUMBERS = itertools.count(20)
PIF = Pif("p1", U1, "bond0", "00:16:3e:00:00:01", -1, True, True, True, ("eth0", "eth1"), True)


def ill() -> PoolState:
    """A host hangs, another is disabled and has lost the heartbeat SR, and nobody chose the timeout."""
    state = with_member(member(3, voice=Voice.HANGS, says_master="", says_ha=None, ha_armed=None))
    hosts = tuple(replace(host, enabled=host.uuid != U2) for host in state.hosts)
    assert state.storage is not None
    pbds = tuple(replace(pbd, attached=pbd.host != U2) for pbd in state.storage.pbds)
    storage = replace(state.storage, pbds=pbds)
    return replace(state, hosts=hosts, storage=storage, vms=VMS, pifs=(PIF,), basics=replace(BASICS, ha_timeout=None))


def made(state: PoolState) -> Pool:
    """Under names that no other test uses."""
    return read(state, f"pool-{secrets.token_hex(4)}", f"cloud-{secrets.token_hex(4)}", base=next(NUMBERS))


def complaints(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:3]}" for one in violations]


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing(live: Live, page_as: PageAs, look: dict[str, Any]) -> None:
    well, bad = made(replace(WELL, vms=VMS)), made(ill())
    page, found = page_as("operator", **look), {}
    for url in (
        f"/hosts/pools/{well.pk}/",
        f"/hosts/pools/{bad.pk}/",
        f"/hosts/pools/{bad.pk}/card/",
        f"/hosts/pools/{bad.pk}/history/",
        "/hosts/clouds/",
        "/",
    ):
        page.goto(url)
        page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        found[url] = complaints(page)
    assert not {url: said for url, said in found.items() if said}


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_nothing_scrolls_sideways(live: Live, page_as: PageAs, width: int) -> None:
    bad = made(ill())
    page = page_as("operator", viewport={"width": width, "height": 800})
    for url in (f"/hosts/pools/{bad.pk}/", f"/hosts/pools/{bad.pk}/card/", "/hosts/clouds/"):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0, url


def test_one_picture_for_each_width(live: Live, page_as: PageAs) -> None:
    bad = made(ill())
    wide, phone = page_as("viewer"), page_as("viewer", **PHONE)
    for page, shown, hidden in ((wide, ".wide", ".narrow"), (phone, ".narrow", ".wide")):
        page.goto(f"/hosts/pools/{bad.pk}/")
        expect(page.locator(f".pool-picture{shown} > svg")).to_be_visible()
        expect(page.locator(f".pool-picture{hidden} > svg")).to_be_hidden()
        expect(page.get_by_role("img", name=f"The pool {bad.name}")).to_have_count(1)


def test_the_picture_stays_within_its_frame(live: Live, page_as: PageAs) -> None:
    """No text of a host runs over the edge of its box, whatever the length of its name."""
    long = replace(ill(), members=(), hosts=tuple(replace(host, name=f"xenserver-of-rack-12-{host.name}") for host in WELL.hosts))
    bad = made(long)
    for page in (page_as("viewer"), page_as("viewer", **PHONE)):
        page.goto(f"/hosts/pools/{bad.pk}/")
        boxes = page.evaluate(
            "[...document.querySelectorAll('.pool-picture .host')].filter((host) => host.getBoundingClientRect().width).map((host) => "
            "[host.querySelector('rect'), ...host.querySelectorAll('text')].map((part) => part.getBoundingClientRect().right))"
        )
        assert boxes and all(max(texts) <= edge + 1 for edge, *texts in boxes)


def test_the_clock_answers_while_it_is_typed(live: Live, page_as: PageAs) -> None:
    pool = made(WELL)
    page = page_as("viewer")
    page.goto(f"/hosts/pools/{pool.pk}/")
    page.get_by_role("heading", name="The pool").evaluate("(heading) => { heading.dataset.same = 'yes'; }")
    page.get_by_label("Outage, seconds").fill("200")
    page.keyboard.press("Tab")
    clock = page.locator("#ha-clock")
    expect(clock).to_contain_text("Every host of the pool is fenced, between 180 and 195 s.")
    expect(page.get_by_label("What fails")).to_be_focused()
    page.get_by_label("What fails").select_option("network")
    expect(clock).to_contain_text("At 180 s every host but one is fenced.")
    expect(page.get_by_role("heading", name="The pool")).to_have_attribute("data-same", "yes")
    page.reload()
    expect(clock).to_contain_text("The network between the hosts fails for 200 s")


def test_the_clock_works_without_a_script(live: Live, page_as: PageAs) -> None:
    page = page_as("viewer", java_script_enabled=False)
    page.goto(f"/hosts/pools/{made(WELL).pk}/")
    page.get_by_label("HA timeout, seconds").fill("60")
    page.get_by_label("What fails").select_option("network")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#ha-clock")).to_contain_text("At 60 s every host but one is fenced.")


def test_a_worker_reads_it_again_and_the_page_shows_the_answer_by_itself(live: Live, page_as: PageAs) -> None:
    """Nobody can log in to these hosts: that is what the worker finds."""
    pool = made(WELL)
    page = page_as("operator")
    page.goto(f"/hosts/pools/{pool.pk}/")
    expect(page.get_by_text("Could not be read")).to_have_count(0)
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#pool-live")).to_contain_text("Could not be read", timeout=60_000)
    expect(page.locator("#pool-live")).to_contain_text(re.compile("xs1-[0-9]+: "))


def test_the_card_is_one_sheet_in_black_and_white(live: Live, page_as: PageAs) -> None:
    pool = made(WELL)
    page = page_as("viewer", color_scheme="dark")
    page.goto(f"/hosts/pools/{pool.pk}/card/")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    printed = page.pdf(prefer_css_page_size=True)
    assert re.findall(rb"/Count (\d+)", printed) == [b"1"]
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    colours = "[...document.querySelectorAll('.emergency *')].map((one) => getComputedStyle(one).color)"
    assert set(page.evaluate(colours)) == {"rgb(0, 0, 0)"}
    with page.expect_download() as download:
        page.emulate_media(media="screen")
        page.get_by_role("link", name="Plain text").click()
    assert download.value.suggested_filename.startswith("emergency-card-cloud-")
