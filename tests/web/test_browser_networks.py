"""The picture of a host's network in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.networking.stored import stored
from tests.web.conftest import Opened
from tests.web.test_browser import PHONE, complaints

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_a_network_reads_well(opened: Opened, look: dict[str, Any]) -> None:
    network = stored()
    page = opened("/networks/", "operator", **look)
    expect(page.get_by_role("link", name="kvm1")).to_be_visible()
    assert not complaints(page)
    page.get_by_role("link", name="kvm1").click()
    expect(page.get_by_role("img", name="NICs, bonds, bridges")).to_be_visible()
    assert not complaints(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert network.get_absolute_url() in page.url
