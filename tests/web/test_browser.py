"""What pages do in a browser: for the eye, the keyboard and a screen reader."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from hosts.models import Cloud, Contact, Credential, Host, Pool
from opsportal.operations.models import AuditEntry
from tests.conftest import PASSWORD
from tests.web.conftest import Opened

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
EVERYTHING = ("viewer", "operator", "approver", "administrator")


def inventory() -> None:
    cloud = Cloud.objects.create(name="Amsterdam")
    pool = Pool.objects.create(name="pool-1", cloud=cloud)
    Credential.objects.create(name="root key", kind="key", username="root", secret="sealed", public="ssh-ed25519 AAAA portal")
    for number, contact in enumerate(Contact.values, start=1):
        Host.objects.create(
            name=f"xen{number}", address=f"10.0.0.{number}", cloud=cloud, pool=pool, kind="xenserver", tags=" rack-4 ", contact=contact,
            contact_message="Something was said about it.", legacy=number % 2 == 0,
        )  # fmt: skip


PAGES = [
    "/",
    "/hosts/",
    "/hosts/1/",
    "/hosts/new/",
    "/hosts/clouds/",
    "/hosts/credentials/",
    "/people/",
    "/people/new/",
    "/people/1/",
    "/password/",
]


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing(opened: Opened, look: dict[str, Any]) -> None:
    inventory()
    page = opened("/login/", **look)
    found = {"/login/": complaints(page)}
    page = opened("/", *EVERYTHING, **look)
    first = {"/hosts/1/": f"/hosts/{Host.objects.earliest('pk').pk}/", "/people/1/": f"/people/{User.objects.earliest('pk').pk}/"}
    for url in PAGES:
        page.goto(first.get(url, url))
        found[url] = complaints(page)
    assert not {url: said for url, said in found.items() if said}


def complaints(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:3]}" for one in violations]


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_no_page_scrolls_sideways(opened: Opened, width: int) -> None:
    inventory()
    page = opened("/", *EVERYTHING, viewport={"width": width, "height": 800})
    for url in ("/", "/hosts/", f"/hosts/{Host.objects.earliest('pk').pk}/", "/hosts/new/", "/people/", "/people/new/"):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0, url


def test_the_keyboard_goes_everywhere(opened: Opened) -> None:
    inventory()
    page = opened("/hosts/", "operator")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("g?")  # in a field, these are letters
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_contain_text("Hosts")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/operations/")


def test_shortcuts_can_be_switched_off(opened: Opened) -> None:
    page = opened("/hosts/", "viewer")
    page.get_by_role("button", name="Shortcuts").click()
    page.get_by_label("Shortcuts are on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_chosen_colours_stay_and_come_before_the_first_paint(opened: Opened) -> None:
    page = opened("/hosts/", "viewer", color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(background)
    assert dark != light
    page.add_init_script(
        "new MutationObserver((_, me) => { if (!document.body) return; window.atFirst = document.documentElement.dataset.theme;"
        "me.disconnect(); }).observe(document, { childList: true, subtree: true })"
    )
    page.goto("/hosts/clouds/")
    assert page.evaluate("window.atFirst") == "dark"
    assert page.evaluate(background) == dark
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="As the system").click()
    assert page.evaluate(background) == light


def test_ticking_hosts(opened: Opened) -> None:
    inventory()
    page = opened("/hosts/", "operator")
    remove = page.get_by_role("button", name="Remove")
    expect(remove).to_be_disabled()
    page.get_by_label("Tick xen1").check()
    page.get_by_label("Tick xen4").click(modifiers=["Shift"])
    expect(page.locator(".bulk-number")).to_have_text("4 ticked")
    expect(remove).to_be_enabled()
    page.get_by_label("all on this page").check()
    expect(page.locator(".bulk-number")).to_have_text("9 ticked")
    page.get_by_role("searchbox").fill("xen3")  # htmx brings another list
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(remove).to_be_disabled()
    page.get_by_label("all on this page").check()
    expect(page.locator(".bulk-number")).to_have_text("1 ticked")


def test_a_dangerous_button_asks_in_its_own_words(opened: Opened) -> None:
    person = User.objects.create_user("anna")
    page = opened(f"/people/{person.pk}/", "administrator")
    button = page.get_by_role("button", name="Deactivate anna")
    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot sign in again")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    assert not AuditEntry.objects.exists()
    button.click()
    dialog.get_by_role("button", name="Deactivate anna").click()
    expect(page.get_by_text("anna cannot sign in any more.")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("anna cannot sign in any more.")).to_have_count(0)


def test_a_double_click_sends_once(opened: Opened) -> None:
    page = opened("/people/new/", "administrator")
    sent: list[str] = []

    def slowly(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(route.request.url)
        route.continue_()

    page.route("**/people/new/", slowly)
    page.get_by_label("Name to sign in with").fill("anna")
    page.get_by_role("button", name="Add person").dblclick()
    expect(page.locator("#initial-password")).to_be_visible()
    assert len(sent) == 1


@pytest.mark.parametrize(("status", "words"), [(500, "could not answer"), (403, "refused"), (0, "cannot be reached")])
def test_a_failed_part_of_a_page_says_so_once(opened: Opened, status: int, words: str) -> None:
    inventory()
    page = opened("/hosts/", "viewer")
    broken = [True]

    def answer(route: Route) -> None:
        if not broken[0]:
            route.continue_()
        elif status:
            route.fulfill(status=status, body="no")
        else:
            route.abort()

    page.route(re.compile(r"/hosts/\?"), answer)
    search = page.get_by_role("searchbox")
    for word in ("a", "b"):
        search.fill(word)
        expect(page.locator("#toasts .notice")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text(words)
    expect(page.locator("#toasts").get_by_role("button", name="Reload")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(9)
    broken[0] = False
    search.fill("xen2")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#toasts .notice")).to_have_count(0)


def test_a_session_that_ended_leads_to_the_sign_in_and_back(opened: Opened) -> None:
    inventory()
    page = opened("/hosts/?kind=xenserver", "viewer")
    User.objects.get(username="viewer").save()
    page.context.clear_cookies()
    page.get_by_role("searchbox").fill("xen2")
    page.wait_for_url("**/login/?next=*")
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hosts/?kind=xenserver")


def test_copying(opened: Opened) -> None:
    page = opened("/people/new/", "administrator", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Name to sign in with").fill("anna")
    page.get_by_role("button", name="Add person").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("[data-copy].copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#initial-password").inner_text()


def test_times_go_on_while_a_page_stays_open(opened: Opened) -> None:
    page = opened("/login/", "administrator")
    page.clock.install()
    page.goto("/people/")
    time = page.locator("time[data-relative]").first
    expect(time).to_have_text("just now")
    page.clock.fast_forward(5 * 60 * 1000)
    expect(time).to_have_text("5 min ago")


def test_the_menu_of_a_phone(opened: Opened) -> None:
    page = opened("/hosts/", "administrator", **PHONE)
    people = page.get_by_role("link", name="People")
    expect(people).to_be_hidden()
    page.get_by_role("button", name="Menu").tap()
    expect(people).to_be_visible()
    people.tap()
    page.wait_for_url("**/people/")


def test_without_scripts_everything_is_still_there(opened: Opened) -> None:
    inventory()
    page = opened("/hosts/", "operator", java_script_enabled=False)
    expect(page.get_by_role("button", name="Dark")).to_have_count(0)
    page.get_by_role("searchbox").fill("xen2")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Tick xen2").check()
    page.get_by_role("button", name="Read now").click()
    expect(page.get_by_text("1 host will be read now")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/")


def test_heads_stay_while_a_long_table_scrolls(opened: Opened) -> None:
    Host.objects.bulk_create(Host(name=f"h{n}", address=f"10.1.0.{n}", sort_name=f"h{n:03}") for n in range(100))
    page = opened("/hosts/", "viewer", viewport={"width": 1440, "height": 600})
    page.mouse.move(800, 400)  # over the list: the menu scrolls by itself where it is longer than the window
    page.mouse.wheel(0, 900)
    row = page.get_by_role("link", name="h40", exact=True)
    expect(row).to_be_in_viewport()
    assert page.evaluate("scrollY") > 300
    assert page.locator("thead th").first.evaluate("head => Math.round(head.getBoundingClientRect().top)") == 0
