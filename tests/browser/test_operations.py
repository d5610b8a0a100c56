"""The wizard and the operation's page, as people use them: typing, leaving, coming back, two windows, a phone."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from opsportal.operations import approval, planning
from opsportal.operations.models import Operation
from tests.browser.conftest import PASSWORD, Live, PageAs
from tests.chaos.stack import wait_for

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)  # other things run on the machine, too

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "state").write_text("begun\n")
    (tmp_path / "ledger").write_text("")
    return tmp_path


def begin(page: Page, book: str = "tests.ledger") -> int:
    """Starts a draft; its number."""
    page.goto(f"/runbooks/{book}/")
    page.get_by_role("button", name="Start a draft").click()
    expect(page.locator("h1")).to_have_text("Where")
    number = re.search(r"/operations/(\d+)/", page.url)
    assert number
    return int(number[1])


def kept(page: Page) -> None:
    expect(page.locator("#kept")).to_have_text("Kept.")


def submitted(live: Live, user: Any, place: Path, scripts: list[str], book: str = "tests.ledger") -> Operation:
    operation = planning.create(book, user=user, token=secrets.token_hex(8), params={"folder": str(place), "scripts": scripts})
    wait_for(lambda: not Operation.objects.get(pk=operation.pk).planning, "the plan")
    operation.refresh_from_db()
    approval.submit(operation, user=user)
    return operation


class TestWizard:
    def test_from_start_to_finish_with_the_keyboard(self, page_as: PageAs, place: Path) -> None:
        page = page_as("operator")
        begin(page)
        page.get_by_label("Folder").focus()
        page.keyboard.type(str(place))
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("What")
        page.get_by_label("Scripts").fill(json.dumps(["ok", "loud:20"]))
        page.get_by_role("button", name="Review the plan").press("Enter")
        expect(page.get_by_role("heading", name="Do loud-1")).to_be_visible()
        page.get_by_role("button", name="Run: Write a ledger").press("Enter")
        expect(page.locator("#moving .states")).to_contain_text("Succeeded", timeout=20_000)
        expect(page.locator("#moving")).to_contain_text("2 of 2 steps done")
        assert (place / "ledger").read_text().split() == ["ok-0", "loud-1"]

    def test_typing_is_never_interrupted(self, page_as: PageAs, place: Path) -> None:
        page = page_as("operator")
        begin(page)
        page.get_by_label("Folder").fill(str(place))
        word = page.get_by_label("Word")
        word.press_sequentially("bad", delay=40)
        expect(page.locator("#fields .finding")).to_contain_text("The word is bad.", timeout=15_000)
        expect(word).to_be_focused()
        word.press_sequentially("ger", delay=250)  # each letter may meet an answer
        expect(word).to_have_value("badger")
        expect(page.locator("#fields .finding")).to_have_count(0, timeout=15_000)
        expect(word).to_have_value("badger")
        expect(word).to_be_focused()

    def test_closing_the_browser_loses_nothing(self, page_as: PageAs, place: Path) -> None:
        page = page_as("operator")
        number = begin(page)
        page.get_by_label("Folder").fill(str(place))
        kept(page)
        page.get_by_label("Word").fill("last words")
        # Before the pause after which it would have been kept. The page is left with the event that a closing browser sends it, too;
        # the driver's own close kills the page's process, sometimes before it got that event.
        page.goto("about:blank")
        wait_for(lambda: Operation.objects.get(pk=number).params.get("word") == "last words", "the last words")
        again = page.context.new_page()
        page.close()
        again.goto("/")
        again.get_by_role("link", name=f"Write a ledger: {place}").click()
        expect(again.locator("h1")).to_have_text("What")
        again.get_by_role("link", name="Where").click()
        expect(again.get_by_label("Folder")).to_have_value(str(place))
        expect(again.get_by_label("Word")).to_have_value("last words")

    def test_a_late_answer_takes_nothing_back(self, page_as: PageAs, place: Path) -> None:
        page = page_as("operator")
        number = begin(page)
        wait_for(lambda: not Operation.objects.get(pk=number).planning, "the plan")
        Operation.objects.filter(pk=number).update(planned_revision=0, lease_until="2999-01-01T00:00Z")  # no worker looks at it
        held: list[Any] = []
        page.route("**/pages/where/?since=*", lambda route: route.continue_() if held else held.append((route, route.fetch())))
        page.reload()

        def asked() -> bool:
            page.wait_for_timeout(20)  # lets the browser's events in
            return bool(held)

        wait_for(asked, "the first question after the worker")
        page.get_by_label("Folder").fill(str(place))
        page.wait_for_timeout(700)  # longer than the pause after which it is sent
        route, answer = held[0]
        route.fulfill(response=answer)
        kept(page)
        expect(page.get_by_label("Folder")).to_have_value(str(place))
        assert Operation.objects.get(pk=number).params["folder"] == str(place)

    def test_back_and_forward_keep_even_what_is_wrong(self, page_as: PageAs, place: Path) -> None:
        page = page_as("operator")
        begin(page)
        page.get_by_label("Folder").fill(str(place))
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Scripts").fill("half [")
        expect(page.locator("#fields")).to_contain_text("Enter a valid JSON")
        page.get_by_role("button", name="Where").click()
        expect(page.get_by_label("Folder")).to_have_value(str(place))
        page.go_back()
        expect(page.get_by_label("Scripts")).to_have_value("half [")
        page.go_forward()
        expect(page.get_by_label("Folder")).to_have_value(str(place))
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_label("Scripts")).to_have_value("half [")

    def test_two_windows_of_one_draft(self, page_as: PageAs, place: Path) -> None:
        first = page_as("operator")
        number = begin(first)
        first.get_by_label("Folder").fill(str(place))
        kept(first)
        wait_for(lambda: not Operation.objects.get(pk=number).planning, "the plan")
        second = first.context.new_page()
        second.goto(first.url)
        first.get_by_label("Word").fill("one")
        kept(first)
        second.get_by_label("Word").fill("two")
        notice = second.locator("#said .differs")
        expect(notice).to_contain_text("changed in another window")
        expect(notice.get_by_role("row", name=re.compile("Word"))).to_contain_text("one")
        expect(second.get_by_label("Word")).to_have_value("two")
        notice.get_by_role("button", name="Store what is here instead").click()
        expect(second.locator("h1")).to_have_text("What")
        first.reload()
        expect(first.get_by_label("Word")).to_have_value("two")

    def test_works_without_script(self, page_as: PageAs, place: Path) -> None:
        page = page_as("operator", java_script_enabled=False)
        number = begin(page)
        page.get_by_label("Folder").fill(str(place))
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Scripts").fill('["ok"]')
        page.get_by_role("button", name="Review the plan").click()
        wait_for(lambda: not Operation.objects.get(pk=number).planning, "the plan")
        page.reload()
        page.get_by_role("button", name="Run: Write a ledger").click()
        wait_for(lambda: Operation.objects.get(pk=number).final, "the end")
        page.reload()
        expect(page.locator("#moving")).to_contain_text("Every step was done and proved.")


class TestOperation:
    def test_moves_by_itself_and_keeps_what_is_open(self, live: Live, page_as: PageAs, place: Path) -> None:
        user = live.person("", "operator")
        operation = submitted(live, user, place, ["slow", "slow", "ok"])
        page = page_as(user=user)
        page.goto(operation.get_absolute_url())
        expect(page.locator("#step-head-1")).to_contain_text("Running", timeout=15_000)
        page.locator("#step-more-1 > summary").click()
        expect(page.locator("#step-more-1")).to_contain_text("the folder is there")
        expect(page.locator("#step-head-2")).to_contain_text("Running", timeout=15_000)
        assert page.locator("#step-more-1").get_attribute("open") is not None
        expect(page.locator("#moving .states")).to_contain_text("Succeeded", timeout=15_000)
        expect(page.get_by_role("button", name="Undo it")).to_be_visible()
        expect(page.locator("#records")).to_contain_text("saw it succeed")

    def test_cancel_says_what_it_will_do_first(self, live: Live, page_as: PageAs, place: Path) -> None:
        user = live.person("", "operator")
        operation = submitted(live, user, place, ["sleep", "ok"])
        page = page_as(user=user)
        page.goto(operation.get_absolute_url())
        expect(page.locator("#step-head-1")).to_contain_text("Running", timeout=15_000)
        page.get_by_role("button", name="Cancel this operation").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("It stops at the next safe point")
        dialog.get_by_role("button", name="Cancel this operation").click()
        expect(page.locator("#moving .states")).to_contain_text("Cancelled", timeout=20_000)
        expect(page.get_by_role("button", name="Retry from the failed step")).to_be_visible()


def test_an_approval_from_a_phone_at_night(live: Live, page_as: PageAs, place: Path) -> None:
    olga, anna = live.person("", "operator"), live.person("", "approver", password=PASSWORD)
    operation = submitted(live, olga, place, ["ok"], "tests.dangerous")
    requester, phone = page_as(user=olga), page_as(user=anna, **PHONE)
    requester.goto(operation.get_absolute_url())
    expect(requester.locator("#moving")).to_contain_text("Awaiting approval")
    phone.goto("/")
    phone.get_by_role("link", name=re.compile(f"Read and decide.*{operation.pk}")).click()
    expect(phone.get_by_role("heading", name="Do ok-0")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the phone"
    phone.get_by_role("link", name="Go to the decision").click()
    phone.get_by_label("Comment").fill("Read it in bed")
    phone.get_by_label("Your password, once more").fill(PASSWORD)
    phone.get_by_role("button", name="Approve: Write a dangerous ledger").click()
    expect(phone.locator("main")).to_contain_text("Your approval counts.")
    expect(requester.locator("#moving .states")).to_contain_text("Succeeded", timeout=20_000)
    expect(requester.locator("#decide")).to_contain_text("Read it in bed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_these_pages(live: Live, page_as: PageAs, place: Path, scheme: str) -> None:
    """No violation that axe finds, in either colour scheme."""
    user = live.person("", "operator", "approver", "administrator")
    waiting = submitted(live, live.person("", "operator"), place, ["ok"], "tests.dangerous")
    draft = planning.create(
        "tests.ledger", user=user, token=secrets.token_hex(8), params={"folder": str(place), "word": "bad", "scripts": ["fail"]}
    )
    failed = submitted(live, user, place, ["fail"])
    wait_for(lambda: Operation.objects.get(pk=failed.pk).final and not Operation.objects.get(pk=draft.pk).planning, "the end and the plan")
    page = page_as(user=user, color_scheme=scheme)
    fixed = ["/", "/runbooks/", "/runbooks/tests.ledger/", "/operations/", "/approvals/", "/restorations/", "/rulebook/", "/audit/"]
    own = [f"/operations/{draft.pk}/pages/where/", f"/operations/{draft.pk}/review/"]
    for url in [*fixed, *own, waiting.get_absolute_url(), failed.get_absolute_url(), f"/operations/{failed.pk}/steps/0/"]:
        page.goto(url)
        found = Axe().run(page)
        assert not found.violations_count, f"{url}\n{found.generate_report()}"
