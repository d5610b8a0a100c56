"""The lab page in a browser: plugs are pulled, the page follows by itself, and nothing shuts under the reader's hands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings

from opsportal.lab import control
from tests.browser.conftest import Live, PageAs
from tests.lab.machines.stage import Stage, running

pytestmark = pytest.mark.browser


@pytest.fixture
def stage(live: Live, settings: Settings) -> Iterator[Stage]:
    with running(live.stack.state, settings, speed=20) as made:
        control.reset("1")  # an earlier test may have left HA on there
        yield made


def complaints(page: Page) -> list[str]:
    return [f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}" for one in Axe().run(page).response["violations"]]


def test_a_plug_is_pulled_and_the_page_follows(live: Live, page_as: PageAs, stage: Stage) -> None:
    page = page_as(user=live.person("", "operator"), color_scheme="dark")
    page.goto("/lab/")
    assert not complaints(page)
    page.get_by_role("button", name="Pull the plug of xen-a1").click()
    expect(page.get_by_text("The plug of xen-a1 was pulled.")).to_be_visible()
    host = page.locator(".rack-host", has_text="xen-a1")
    expect(host.get_by_text("off", exact=True)).to_be_visible(timeout=10_000)
    expect(page.get_by_text("no master runs")).to_be_visible()
    page.get_by_role("button", name="Switch xen-a1 on").press("Enter")
    expect(host.get_by_text("runs", exact=True)).to_be_visible(timeout=60_000)
    assert not complaints(page)


def test_what_somebody_fills_in_stays_while_the_page_asks_again(live: Live, page_as: PageAs, stage: Stage) -> None:
    page = page_as(user=live.person("", "operator"), viewport={"width": 390, "height": 844})
    page.goto("/lab/")
    host = page.locator(".rack-host", has_text="xen-a2")
    host.get_by_text("More that can go wrong").click()
    host.get_by_label("for").fill("77")
    page.wait_for_timeout(4000)
    assert not complaints(page)
    host.get_by_role("button", name="Let its xe hang").click()
    expect(page.get_by_text("xe on xen-a2 hangs for 77 s")).to_be_visible()


def test_a_viewer_watches_and_has_no_buttons(live: Live, page_as: PageAs, stage: Stage) -> None:
    page = page_as(user=live.person("", "viewer"))
    page.goto("/lab/")
    with stage.world() as world:
        world.pull_plug("xen-b2")
    expect(page.locator(".rack-host.bad", has_text="xen-b2")).to_be_visible(timeout=10_000)
    assert page.locator("#lab button").count() == 0
