"""The log viewer, as a person sees it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Live, PageAs
from tests.operations.logging_operations import described

pytestmark = pytest.mark.browser


def test_smoke(live: Live, page_as: PageAs) -> None:
    operation = described(live.person("", "operator"))
    page = page_as("viewer")
    page.goto(f"/operations/{operation.pk}/log/page")
    expect(page.locator("h1")).to_contain_text("page by page")
