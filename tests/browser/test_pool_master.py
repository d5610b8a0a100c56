"""The most dangerous runbook as people meet it: two of them, on simulated pools behind real SSH, with HA on.

With OPSPORTAL_SCREENSHOTS naming a folder, every page that is passed is kept there as a picture, in light and dark, wide and narrow.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect
from pytest_django.fixtures import Settings

from hosts.models import Host, Pool
from opsportal.lab import control
from opsportal.lab.inventory_seed import seed
from opsportal.lab.machines import sandbox
from opsportal.lab.machines.lab import Lab
from opsportal.lab.xen.world import World
from opsportal.operations import approval, planning
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import DRIVEN
from opsportal.secrets.store import make_keyring
from tests.browser.conftest import PASSWORD, Live, PageAs
from tests.chaos.stack import Stack, wait_for

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
SHOTS = os.environ.get("OPSPORTAL_SCREENSHOTS", "")
SOON = 60_000
"""Milliseconds for what a worker does: it asks three hosts, and other things run on the machine, too."""

END = 180_000


@pytest.fixture(scope="session")
def master_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A portal of its own: its second look at HA comes after a second."""
    stack = Stack(tmp_path_factory.mktemp("master") / "state", OPSPORTAL_RUNBOOKS="tests.chaos.hurried.Hurried")
    try:
        stack.start()
        stack.start_web()
        make_keyring(stack.state / "keys")
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def portal_stack(master_stack: Stack) -> Stack:
    return master_stack


@dataclass
class Scene:
    """A pool of three with HA on, and who works on it."""

    lab: Lab
    pool: Pool
    hosts: dict[str, Host]

    @property
    def world(self) -> World:
        return self.lab.seats["1"].world

    def truth(self) -> tuple[list[str], list[bool]]:
        """Names of the masters, and whether HA is on, straight from the simulator."""
        with self.lab.standing_still():
            self.lab.seats["1"].catch_up()
            running = [one for one in self.world.site.machines.values() if one.xapi.state == "running" and one.xapi.role == "master"]
            return [one.hostname for one in running], [one.db.pool.ha_enabled for one in running]

    def other(self) -> str:
        """The name of a member that does not lead."""
        masters, _ = self.truth()
        return next(name for name in sorted(self.hosts) if name not in masters)

    def uuid(self, name: str) -> str:
        return str(Host.objects.get(pk=self.hosts[name].pk).facts["host_uuid"])


def _world() -> World:
    return World.pool("8.2", ha=180, name="practice-a", prefix="xen-a", network="10.0.1.", bonds=True, heartbeat_script=True)


@pytest.fixture
def scene(live: Live, settings: Settings) -> Iterator[Scene]:
    try:
        sandbox.check()
    except sandbox.NoSandbox as error:
        pytest.skip(f"no simulated hosts: {error}")
    lab = Lab(control.folder(), {"1": _world}, 40)
    seeded = seed(lab)["1"]
    with lab:
        members = Host.objects.exclude(pool=None)
        wait_for(lambda: all(host.facts.get("host_uuid") for host in members.all()), "the first reading of every host", 120)
        wait_for(lambda: not Operation.objects.filter(state__in=DRIVEN).exists(), "the end of what another test began", 120)
        yield Scene(lab, seeded.pools["practice-a"], seeded.hosts)


PIECE = 1600
"""Pixels of a long page in one picture."""


def keep(page: Page, name: str) -> None:
    """Pictures of the page as it is, and of the same in dark."""
    if not SHOTS:
        return
    page.wait_for_load_state()
    for scheme in ("light", "dark"):
        with suppress(Error):  # a page that moves by itself may become shorter, or another one, meanwhile
            _pictured(page, f"{name}-{scheme}", scheme)
    page.emulate_media(color_scheme="light")


def _pictured(page: Page, name: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    size = page.evaluate("({ width: innerWidth, height: document.documentElement.scrollHeight })")
    for number, top in enumerate(range(0, size["height"], PIECE), 1):
        clip: Any = {"x": 0, "y": top, "width": size["width"], "height": min(PIECE, size["height"] - top)}
        page.screenshot(path=Path(SHOTS) / f"{name}-{number}.png", full_page=True, clip=clip)


def requested(page: Page, scene: Scene, target: str) -> int:
    """By hand from the pool's page to the review; the number of the operation."""
    page.goto(f"/hosts/pools/{scene.pool.pk}/")
    page.get_by_role("link", name="Change pool master").first.click()
    keep(page, "1-start")
    page.get_by_role("button", name="Start a draft").click()
    if page.get_by_role("heading", name="Pool", exact=True).count():
        expect(page.get_by_role("heading", name="practice-a now")).to_be_visible(timeout=SOON)
        keep(page, "2-pool")
        page.get_by_role("button", name="Continue").click()
    radio = page.get_by_role("radio", name=target)
    expect(radio).to_be_enabled(timeout=SOON)
    radio.check()
    keep(page, "3-master")
    page.get_by_role("button", name="Review the plan").click()
    expect(page.get_by_role("button", name="Submit for approval")).to_be_visible(timeout=SOON)
    number = re.search(r"/operations/(\d+)/", page.url)
    assert number
    return int(number[1])


def asked_by(user: Any, scene: Scene, target: str) -> Operation:
    """The same without a browser."""
    params = {"pool": scene.pool.pk, "host": scene.uuid(target)}
    operation = planning.create("change-pool-master", user=user, token=secrets.token_hex(8), params=params)
    wait_for(lambda: not Operation.objects.get(pk=operation.pk).planning, "the plan", 90)
    operation.refresh_from_db()
    assert operation.plan, operation.plan_error
    approval.submit(operation, user=user)
    operation.refresh_from_db()
    return operation


def ends(page: Page, word: str = "Succeeded") -> None:
    expect(page.locator("#moving .states")).to_contain_text(word, timeout=END)


def approved_by(person: Page, number: int) -> None:
    page = person.context.new_page()
    page.goto(f"/operations/{number}/")
    approve = page.get_by_role("button", name="Approve: Change pool master")
    expect(approve).to_be_visible()
    if page.get_by_label("Your password, once more").count():  # it counts for five minutes
        page.get_by_label("Your password, once more").fill(PASSWORD)
    approve.click()
    expect(page.locator("main")).to_contain_text("Your approval counts.")


def steady(scene: Scene, master: str) -> None:
    assert scene.truth() == ([master], [True])
    assert not Restoration.objects.filter(state="open").exists()


@pytest.fixture
def approver(live: Live, page_as: PageAs) -> Page:
    return page_as(user=live.person(f"paul-{secrets.token_hex(2)}", "approver", password=PASSWORD), **PHONE)


def test_two_people_change_the_master_of_a_pool_with_ha_on(live: Live, page_as: PageAs, scene: Scene, approver: Page) -> None:
    target = scene.other()
    olga = page_as(user=live.person(f"olga-{secrets.token_hex(2)}", "operator"), **WIDE)
    number = requested(olga, scene, target)
    expect(olga.locator("main")).to_contain_text(f"Make {target} the pool master")
    keep(olga, "4-review")
    olga.get_by_role("button", name="Submit for approval").click()
    expect(olga.locator("#moving .states")).to_contain_text("Awaiting approval")
    keep(olga, "5-waiting")

    approver.goto("/")
    keep(approver, "6-phone-home")
    approver.get_by_role("link", name=re.compile(f"Read and decide.*{number}")).click()
    expect(approver.get_by_role("heading", name=f"Make {target} the pool master")).to_be_visible()
    assert approver.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the phone"
    keep(approver, "7-phone-plan")
    approver.get_by_label("Comment").fill("Read it in bed")
    approver.get_by_label("Your password, once more").fill("not it")
    approver.get_by_role("button", name="Approve: Change pool master").click()
    expect(olga.locator("#moving .states")).to_contain_text("Awaiting approval")
    expect(approver.locator("main")).to_contain_text("This is not your password.")
    keep(approver, "8-phone-wrong-password")
    approver.get_by_label("Your password, once more").fill(PASSWORD)
    approver.get_by_role("button", name="Go on").click()
    expect(approver.locator("main")).to_contain_text("Your approval counts.")
    keep(approver, "9-phone-approved")

    expect(olga.locator("#moving .states")).to_contain_text("Running", timeout=SOON)
    expect(olga.locator("#step-head-1")).to_contain_text("Succeeded", timeout=SOON)
    keep(olga, "10-running")
    keep(approver, "11-phone-running")
    ends(olga)
    expect(olga.locator("#records")).to_contain_text("Read it in bed")
    _shows_its_proof(olga, target)
    keep(olga, "12-end")
    ends(approver)
    keep(approver, "13-phone-end")
    olga.goto(f"/hosts/pools/{scene.pool.pk}/")
    leads = olga.get_by_role("row").filter(has=olga.get_by_role("link", name=target, exact=True)).filter(has_text="enabled")
    expect(leads.first).to_contain_text("master", timeout=SOON)
    expect(olga.locator("#pool-live")).to_contain_text("HA is on")
    keep(olga, "14-pool")
    steady(scene, target)


def _shows_its_proof(page: Page, target: str) -> None:
    """Each member was asked, and what it was asked can be read."""
    operation = Operation.objects.get(pk=int(re.findall(r"\d+", page.url)[-1]))
    for key, sentence in (("members-follow", f"names {target} as master"), ("ha-on-still", "says that HA is on")):
        step = operation.steps.get(key=key)
        page.locator(f"#step-more-{step.index + 1} > summary").click()
        expect(page.locator(f"#step-more-{step.index + 1}")).to_contain_text(sentence)


def test_clicking_twice_and_going_back_does_nothing_twice(live: Live, page_as: PageAs, scene: Scene, approver: Page) -> None:
    target = scene.other()
    olga = page_as(user=live.person("", "operator"), **WIDE)
    number = requested(olga, scene, target)
    olga.get_by_role("button", name="Submit for approval").dblclick()
    expect(olga.locator("#moving .states")).to_contain_text("Awaiting approval")
    olga.go_back()
    _says_what_became_of_it(olga, "Submit for approval")
    keep(olga, "20-back-after-submit")

    approver.goto(f"/operations/{number}/")
    approver.get_by_label("Your password, once more").fill(PASSWORD)
    approver.get_by_role("button", name="Approve: Change pool master").dblclick()
    expect(approver.locator("main")).to_contain_text(re.compile("Your approval counts|You have decided on this plan already"))
    approver.go_back()
    _says_what_became_of_it(approver, "Approve: Change pool master")
    keep(approver, "21-back-after-approve")
    opened(olga, f"/operations/{number}/")
    ends(olga)
    operation = Operation.objects.get(pk=number)
    assert operation.approvals.count() == 1
    assert all(step.attempts.count() <= 1 for step in operation.steps.all())
    assert Operation.objects.filter(requester=operation.requester).count() == 1
    steady(scene, target)


def opened(page: Page, url: str) -> None:
    """A page may be on its way elsewhere, after what was clicked on it; that ends what a person types into the address bar meanwhile."""
    try:
        page.goto(url)
    except Error as error:
        if "ERR_ABORTED" not in str(error):
            raise
        page.goto(url)


def _says_what_became_of_it(page: Page, button: str) -> None:
    """A page from the browser's memory may still have the button: pressing it again changes nothing, and says why."""
    again = page.get_by_role("button", name=button)
    if again.count():
        if page.get_by_label("Your password, once more").count():
            page.get_by_label("Your password, once more").fill(PASSWORD)
        again.click()
    expect(page.locator("#moving .states")).to_be_visible()


def test_the_second_operator_waits_and_sees_for_whom(live: Live, page_as: PageAs, scene: Scene, approver: Page) -> None:
    first, second = sorted(set(scene.hosts) - set(scene.truth()[0]))
    olga, omar = live.person(f"olga-{secrets.token_hex(2)}", "operator"), live.person("", "operator")
    one = asked_by(olga, scene, first)
    two = asked_by(omar, scene, second)
    page = page_as(user=omar, **WIDE)
    page.goto(two.get_absolute_url())
    approved_by(approver, one.pk)
    wait_for(lambda: Operation.objects.get(pk=one.pk).state == "running", "the first one running", 60)
    approved_by(approver, two.pk)
    expect(page.locator("#moving")).to_contain_text(
        re.compile(f"practice-a is in use by operation #{one.pk}.*{olga.username}"), timeout=SOON
    )
    expect(page.get_by_text("Nothing that the portal runs has touched")).to_have_count(0)
    keep(page, "30-second-waits")
    ends(page, "Stale")
    expect(page.locator("main")).to_contain_text("What the plan rests on has changed")
    keep(page, "31-second-stale")
    wait_for(lambda: Operation.objects.get(pk=one.pk).state == "succeeded", "the end of the first", 120)
    assert not Operation.objects.get(pk=two.pk).steps.exists()
    steady(scene, first)


def test_a_plan_is_stale_once_the_master_has_moved(live: Live, page_as: PageAs, scene: Scene, approver: Page) -> None:
    """The master dies between request and approval, and HA makes another one the master."""
    (old,), _ = scene.truth()
    olga = live.person("", "operator")
    operation = asked_by(olga, scene, scene.other())
    ident = next(one.id for one in scene.world.site.machines.values() if one.hostname == old)
    with scene.lab.standing_still():
        scene.world.pull_plug(ident)
    wait_for(lambda: _leads_alone(scene, old), "another master by HA", 60)
    with scene.lab.standing_still():
        scene.world.power_on(ident)
    page = page_as(user=olga, **WIDE)
    page.goto(operation.get_absolute_url())
    approved_by(approver, operation.pk)
    ends(page, "Stale")
    expect(page.locator("main")).to_contain_text(re.compile("so it did not run|Nothing has run"))
    expect(page.get_by_role("row").filter(has_text="Says master").first).to_contain_text(old)
    keep(page, "40-stale")
    assert not Operation.objects.get(pk=operation.pk).steps.exists()
    wait_for(lambda: len(scene.truth()[0]) == 1 and _all_back(scene), "the dead host back", 120)


def _leads_alone(scene: Scene, old: str) -> bool:
    masters, ha = scene.truth()
    return len(masters) == 1 and masters != [old] and ha == [True]


def _all_back(scene: Scene) -> bool:
    with scene.lab.standing_still():
        return all(one.xapi.state == "running" and one.armed for one in scene.world.site.machines.values())
