"""Change pool master with HA on, by two people in two browsers: asked for, approved with the password, watched, proved."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings

from opsportal.operations.models import Operation, Restoration
from tests.browser.conftest import PASSWORD, Live, PageAs
from tests.lab.machines.stage import Stage, running

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
SHOTS = os.environ.get("SHOTS", "")
"""A folder for pictures of the pages on the way, for a person to look at."""


@pytest.fixture
def stage(live: Live, settings: Settings) -> Iterator[Stage]:
    """A practice cloud in the running portal's inventory, HA on in its first pool."""
    with running(live.stack.state, settings) as made:
        sr = made.xe("xen-a1", "sr-list", "type=nfs", "params=uuid", "--minimal").split(",")[0]
        made.xe("xen-a1", "pool-ha-enable", f"heartbeat-sr-uuids={sr}", "ha-config:timeout=180")
        yield made


def looked(page: Page, name: str) -> None:
    """Nothing to complain about for a screen reader; a picture where somebody wants one."""
    expect(page.locator(".look-of-page.old")).to_have_count(0, timeout=60_000)  # pale while a worker reads again
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS, f"{name}.png")), full_page=True)
    violations = Axe().run(page).response["violations"]
    assert not violations, [f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}" for one in violations]


def asked_for(page: Page, pool: int) -> str:
    """Through the wizard, as an operator does it; gives the operation's address."""
    page.goto(f"/runbooks/change-pool-master/?pool={pool}")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="practice-a now")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("HA is on", exact=True)).to_be_visible()
    looked(page, "1-pool")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("radio", name="xen-a2")).to_be_enabled(timeout=60_000)
    expect(page.locator("tr.refused input[type=radio]")).to_be_disabled()
    page.get_by_role("radio", name="xen-a2").check()
    expect(page.locator("#kept")).to_have_text("Kept.", timeout=20_000)
    looked(page, "2-host")
    page.get_by_role("button", name="Review the plan").click()
    expect(page.get_by_text("Make xen-a2 the pool master")).to_be_visible(timeout=60_000)
    looked(page, "3-review")
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.get_by_text("Awaiting approval").first).to_be_visible()
    return page.url


def approved(page: Page, url: str) -> None:
    """On a phone, with the password typed once more."""
    page.goto(url)
    expect(page.get_by_text("HA off, then on again")).to_be_visible()
    looked(page, "4-approval")
    page.get_by_label("Your password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Approve: Change pool master").click()
    expect(page.locator("main")).to_contain_text("Your approval counts.")


def ended(url: str) -> Operation:
    number, end = int(url.rstrip("/").rsplit("/", 1)[1]), time.monotonic() + 240
    while not (operation := Operation.objects.get(pk=number)).final:
        assert time.monotonic() < end, (operation.state, operation.waiting_for)
        time.sleep(1)
    return operation


def test_two_people_change_the_master_with_ha_on(live: Live, page_as: PageAs, stage: Stage) -> None:
    olga, anna = live.person("", "operator"), live.person("", "approver", password=PASSWORD)
    desk, phone = page_as(user=olga), page_as(user=anna, **PHONE)
    url = asked_for(desk, stage.pool("practice-a").pk)
    approved(phone, url)
    operation = ended(url)
    assert operation.state == "succeeded", operation.outcome
    expect(desk.locator("#moving .states")).to_contain_text("Succeeded", timeout=20_000)
    expect(desk.get_by_text("10 of 10 steps done")).to_be_visible()
    looked(desk, "5-done")
    second = stage.xe("xen-a2", "host-list", "name-label=xen-a2", "params=uuid", "--minimal")
    for host in ("xen-a1", "xen-a2", "xen-a3"):
        assert stage.xe(host, "pool-list", "params=master", "--minimal") == second
        assert stage.xe(host, "pool-list", "params=ha-enabled", "--minimal") == "true"
    assert Restoration.objects.get(operation=operation).state == "settled"
