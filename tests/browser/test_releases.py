"""Sources and builds in a browser: what is said while somebody types, lists that narrow, progress that goes on, downloads."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Live, PageAs
from tests.releases import made

pytestmark = pytest.mark.browser


def test_an_address_is_judged_while_it_is_typed_and_nothing_typed_is_lost(live: Live, page_as: PageAs) -> None:
    page = page_as("operator")
    page.goto("/releases/sources/new/")
    page.get_by_label("Git address").press_sequentially("ext::sh -c evil", delay=15)
    said = page.locator("#said-url")
    expect(said).to_contain_text("they run commands")
    expect(page.locator("#said-name")).to_be_empty()
    expect(page.get_by_label("Git address")).to_be_focused()
    expect(page.get_by_label("Git address")).to_have_value("ext::sh -c evil")
    page.get_by_label("Git address").fill("https://github.com/apache/cloudstack")
    expect(said).to_be_empty()


def test_look_at_it_is_answered_by_a_worker(live: Live, page_as: PageAs) -> None:
    """The address leads to nothing here: the worker says so, and the page shows it without being loaded again."""
    page = page_as("administrator")
    page.goto("/releases/sources/new/")
    page.get_by_label("Git address").fill("https://github.com/nobody/nothing-of-this-name")
    page.get_by_label("Default branch").fill("main")
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#address")).to_contain_text("did not answer as a Git repository", timeout=90_000)
    expect(page.get_by_label("Default branch")).to_have_value("main")


def test_the_list_narrows_and_two_ticked_builds_are_compared(live: Live, page_as: PageAs) -> None:
    source = made.source(f"Source {live.person().pk}")
    made.build(source, "7.1.0.1")
    made.build(source, "7.1.0.2", "failed")
    page = page_as("viewer")
    page.goto(f"/releases/builds/?source={source.pk}")
    expect(page.locator("figure.chart-figure")).to_have_count(2)
    page.get_by_role("searchbox").fill("7.1.0.2")
    expect(page.locator("table.builds tbody tr")).to_have_count(1)
    assert "q=7.1.0.2" in page.url
    page.get_by_role("searchbox").fill("")
    expect(page.locator("table.builds tbody tr")).to_have_count(2)
    for box in page.locator("table.builds tbody input").all():
        box.check()
    page.get_by_role("button", name="Compare the two ticked").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("7.1.0.2")


def test_a_package_is_downloaded_whole(live: Live, page_as: PageAs, tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    build = made.build(made.source(f"Source {live.person().pk}"), "7.2.0.1")
    package = made.artefact(build, data=data)
    page = page_as("viewer")
    page.goto(build.get_absolute_url())
    with page.expect_download() as started:
        page.get_by_role("link", name="Download cloudstack-management").click()
    started.value.save_as(tmp_path / "got")
    assert started.value.suggested_filename == package.file
    assert hashlib.sha256((tmp_path / "got").read_bytes()).hexdigest() == package.sha256


def test_progress_goes_on_and_what_was_opened_stays_open(live: Live, page_as: PageAs) -> None:
    lease = {"operation_holder": "the test", "operation_lease_until": datetime(2999, 1, 1, tzinfo=UTC)}  # no worker drives it
    build = made.build(made.source(f"Source {live.person().pk}"), "7.3.0.1", "running", **lease)
    step = made.steps(build, "maven", state="running")[0]

    def at(number: int) -> None:
        modules = [_module(index, number) for index in range(20)]
        tests = {**made.TESTS, "failures": 0, "failed": []}
        step.progress = {"reader": {"modules": modules, "module": number + 1, "tests": tests, "problem": {}}}
        step.ended_at = None
        step.save()

    at(3)
    page = page_as("viewer")
    page.goto(f"/operations/{build.operation_id}/")
    expect(page.locator("#reactor-head")).to_contain_text("module 4 of 20")
    page.get_by_text("Every module with its time").click()
    at(7)
    page.evaluate("document.dispatchEvent(new CustomEvent('portal:progress', {detail: {}}))")
    expect(page.locator("#reactor-head")).to_contain_text("module 8 of 20")
    expect(page.locator(".module-list li").nth(19)).to_be_visible()
    assert page.locator("#build-progress").count() == 1


def _module(index: int, building: int) -> dict[str, Any]:
    state = "ok" if index < building else "building" if index == building else "waiting"
    return {"name": f"Module {index}", "state": state, "seconds": 3.0 if index < building else None, "since": None}
