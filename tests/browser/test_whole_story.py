"""The whole story: a release with two pull requests reaches the management server, then the pool master leaves CloudStack and pool.

Everything is done by people in browsers, against the practice cloud: real Git, Maven, dpkg and SSH, and a simulated pool and API.
With OPSPORTAL_SCREENSHOTS naming a folder, the pages on the way are kept there as pictures.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings

from hosts.models import CloudApi, Host
from opsportal.lab import practice_source
from opsportal.lab.forge import Forge
from opsportal.lab.xen.world import World
from opsportal.operations import journal
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import DRIVEN
from opsportal.secrets.store import make_keyring
from releases import signing
from releases.models import Build, Repository
from tests.browser.conftest import PASSWORD, Live, PageAs
from tests.browser.test_pool_master import PHONE, SOON, WIDE, keep
from tests.browser.test_release import BUILT, MISSING, READ, begin, choose_source, go_on, this
from tests.chaos.stack import Stack, wait_for
from tests.lab.machines.stage import Stage, running
from tests.releases import practice

pytestmark = [
    pytest.mark.browser,
    pytest.mark.build,
    pytest.mark.skipif(bool(MISSING), reason=f"NO BUILD: not installed: {', '.join(MISSING)}"),
]

SPEED = 40
"""Seconds of the practice cloud for each of ours."""


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with Forge(practice_source.create(tmp_path_factory.mktemp("forge"))).running() as serving:
        yield serving


@pytest.fixture(scope="module")
def portal_stack(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A portal of its own, which may fetch from the practice forge; its second look at HA comes after a second."""
    settings = {"OPSPORTAL_GIT_HOSTS": forge.url, "OPSPORTAL_RUNBOOKS": "tests.chaos.hurried.Hurried"}
    stack = Stack(tmp_path_factory.mktemp("story") / "state", **settings)
    try:
        stack.start()
        stack.start_web()
        make_keyring(stack.state / "keys")
        yield stack
    finally:
        stack.stop()


def _pool_of_four() -> World:
    return World.pool("8.2", hosts=4, ha=180, name="practice-a", prefix="xen-a", network="10.0.1.", heartbeat_script=True)


@pytest.fixture
def stage(live: Live, settings: Settings, forge: Forge) -> Iterator[Stage]:
    """A practice cloud with one pool, HA on, read once, and the practice source registered."""
    practice.register(forge)
    with running(live.stack.state, settings, _pool_of_four, SPEED) as made:
        wait_for(lambda: all(host.facts.get("host_uuid") for host in Host.objects.exclude(pool=None)), "the first reading of hosts", 120)
        wait_for(lambda: CloudApi.objects.get().state_at, "the first reading of CloudStack", 60)
        wait_for(lambda: not Operation.objects.filter(state__in=DRIVEN).exists(), "a quiet portal", 120)
        yield made


@dataclass
class Two:
    """Olga asks at her desk, Paul decides on his phone."""

    olga: Page
    paul: Page

    def approved(self, title: str) -> Operation:
        """What stands in review on Olga's page is submitted, and approved by Paul."""
        self.olga.get_by_role("button", name="Submit for approval").click(timeout=SOON)
        expect(self.olga.locator("#moving .states")).to_contain_text("Awaiting approval")
        operation = this(self.olga)
        self.paul.goto(operation.get_absolute_url())
        if self.paul.get_by_label("Your password, once more").count():
            self.paul.get_by_label("Your password, once more").fill(PASSWORD)
        self.paul.get_by_role("button", name=f"Approve: {title}").click()
        expect(self.paul.locator("main")).to_contain_text("Your approval counts.")
        return operation


@pytest.fixture
def two(live: Live, page_as: PageAs) -> Two:
    olga = live.person(f"olga-{secrets.token_hex(2)}", "operator", password=PASSWORD)
    paul = live.person(f"paul-{secrets.token_hex(2)}", "approver", password=PASSWORD)
    return Two(page_as(user=olga, **WIDE), page_as(user=paul, **PHONE))


def test_a_release_reaches_the_servers_and_the_master_leaves(two: Two, stage: Stage) -> None:
    build = _built(two.olga)
    _published(two.olga, build)
    _upgraded(two, stage)
    _removed(two, stage)


def _ends(page: Page) -> None:
    operation = this(page)
    wait_for(lambda: Operation.objects.get(pk=operation.pk).final, f"the end of {operation}", 180)
    operation.refresh_from_db()
    said = "; ".join(f"{step.key} {step.state} {step.message}" for step in operation.steps.all())
    assert operation.state == "succeeded", f"{operation.outcome} {said}\n{b''.join(journal.raw(operation)).decode()[-2000:]}"
    expect(page.locator("#moving .states")).to_contain_text("Succeeded")


def _built(page: Page) -> Build:
    """4.8 with two pull requests, as Debian packages."""
    begin(page)
    choose_source(page)
    go_on(page, "Patches")
    page.get_by_label("Pull requests").fill("1\n2")
    expect(page.locator("main .badge", has_text="applies")).to_have_count(2, timeout=READ)
    go_on(page, "Version")
    expect(page.get_by_role("textbox", name="Version optional")).to_have_value("4.8.0.1", timeout=READ)
    go_on(page, "Build")
    page.get_by_label("Debian packages").check(timeout=READ)
    go_on(page, "Build a release", "Review the plan")
    page.get_by_role("button", name="Run: Build a release").click(timeout=READ)
    expect(page.locator("#moving .states")).to_contain_text("Succeeded", timeout=BUILT)
    keep(page, "story-1-built")
    page.get_by_role("link", name="The build on record").click()
    expect(page.locator("#artefacts")).to_contain_text("practice-management")
    return Build.objects.get(operation__state="succeeded")


def _published(page: Page, build: Build) -> None:
    """From the build's page into the channel testing, signed."""
    repository = Repository.objects.create(name="Ours", slug="ours", access="open")
    signing.give(repository, signing.make("Ours packages"), build.operation.requester)
    page.get_by_role("link", name="Publish").click()
    page.get_by_role("button", name="Start a draft").click()
    expect(page.get_by_role("heading", name="What goes in")).to_be_visible(timeout=SOON)
    keep(page, "story-2-publish")
    page.get_by_role("button", name="Review the plan").click()
    page.get_by_role("button", name="Run: Publish a build").click(timeout=SOON)
    _ends(page)
    page.goto(repository.get_absolute_url())
    expect(page.locator("#channel-testing").locator("xpath=..")).to_contain_text("4.8.0.1")
    keep(page, "story-3-repository")
    text = page.request.get("/releases/packages/ours/testing/deb/Packages").text()
    assert "Package: practice-management" in text and "Version: 4.8.0.1" in text


def _upgraded(two: Two, stage: Stage) -> None:
    """The management server of the practice cloud: backed up, stopped, installed, started, proved."""
    page = two.olga
    page.goto(Build.objects.get(operation__state="succeeded").get_absolute_url())
    page.get_by_role("link", name="Upgrade servers").click()
    page.get_by_role("button", name="Start a draft").click()
    page.get_by_label("Cloud").select_option(label=stage.seeded.cloud.name)
    go_on(page, "Backup and order")
    page.get_by_role("button", name="Review the plan").click()
    expect(page.locator("main")).to_contain_text("Three numbers are compared and they are the same", timeout=SOON)
    keep(page, "story-4-upgrade")
    two.approved("Upgrade the management servers")
    _ends(page)
    keep(page, "story-5-upgraded")
    assert stage.run("cs-mgmt1", "dpkg-query", "-W", "-f", "${Version}", "practice-management").out == "4.8.0.1"
    wait_for(lambda: CloudApi.objects.get().state.get("version") == "4.8.0.1", "the version by the API", 60)
    page.goto(f"/hosts/clouds/{stage.seeded.cloud.pk}/cloudstack/")
    expect(page.locator("main")).to_contain_text("CloudStack 4.8.0.1")


def _removed(two: Two, stage: Stage) -> None:
    """The pool master, from CloudStack and from its pool."""
    page, pool = two.olga, stage.pool("practice-a")
    master = stage.xe("xen-a1", "pool-list", "params=master", "--minimal")
    name = stage.xe("xen-a1", "host-list", f"uuid={master}", "params=name-label", "--minimal")
    other = next(one for one in ("xen-a1", "xen-a2", "xen-a3") if one != name)
    page.goto(f"/hosts/pools/{pool.pk}/")
    page.get_by_role("link", name="Remove a host from a pool").first.click()
    page.get_by_role("button", name="Start a draft").click()
    if page.get_by_role("heading", name="Pool", exact=True).count():
        go_on(page, "Host")
    for who in (name, other):
        radio = page.get_by_role("radio", name=who)
        expect(radio).to_be_enabled(timeout=SOON)
        radio.check()
        keep(page, f"story-6-choose-{who}")
        page.get_by_role("button", name=re.compile("^(Continue|Review the plan)")).click()
    expect(page.locator("main")).to_contain_text(re.compile("deleteHost"), timeout=SOON)
    keep(page, "story-7-plan")
    two.approved("Remove a host from a pool")
    _ends(page)
    keep(page, "story-8-removed")
    assert not Restoration.objects.filter(state="open").exists()
    assert stage.xe(other, "pool-list", "params=ha-enabled", "--minimal") == "true"
    assert stage.xe(other, "host-list", "params=name-label", "--minimal").count(",") == 2
    assert name not in {host.name for host in stage.lab.seats["1"].cloud.data.hosts.values()}
