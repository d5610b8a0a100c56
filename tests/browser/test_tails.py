"""A host's log followed in a browser: real sshd, real workers, and a file that grows and is rotated meanwhile."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Live, PageAs
from tests.browser.test_log import connection, line
from tests.chaos.stack import Stack, wait_for
from tests.hosts.inventory import known
from tests.hosts.machine import USER, Machine

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the logs are; the portal's list of places has it."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def portal_stack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("portal") / "state", OPSPORTAL_LOG_PLACES=f"{folder}/*.log")
    try:
        stack.start()
        stack.start_web()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def host(live: Live, tmp_path: Path) -> Iterator[Any]:
    """In the inventory, pinned, and opened by a key that the portal made."""
    from django.conf import settings

    from hosts import sealing
    from hosts.models import Credential
    from opsportal.secrets.store import make_keyring

    if not settings.KEY_FILE.exists():
        make_keyring(settings.KEY_FILE)
    machine = Machine(tmp_path / "machine", options=("SetEnv SHLVL=2",)).start()
    credential = Credential(name=f"key {secrets.token_hex(4)}", username=USER)
    made = {"algorithm": "ed25519", "private_key": "", "passphrase": "", "password": ""}
    sealing.put(credential, user=live.person("", "administrator"), action="credential.add", way="make", **made)
    machine.authorized.write_text(credential.public + "\n")
    yield known(machine, credential, f"kvm-{secrets.token_hex(4)}")
    machine.crash()


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def followed(page: Page, host: Any, log: Path) -> Page:
    """From the host's page to the log, as a person clicks."""
    page.goto(host.get_absolute_url())
    page.get_by_role("link", name="Logs").click()
    page.get_by_role("button", name=f"Follow {log.name}").click()
    expect(connection(page)).to_have_text("Live")
    return page


def test_a_log_is_chosen_and_its_lines_appear_as_they_are_written(host: Any, folder: Path, page_as: PageAs) -> None:
    log = folder / "agent.log"
    log.write_text("".join(f"2026-11-25 INFO line {number} of the agent\n" for number in range(1, 401)))
    page = followed(page_as("operator"), host, log)
    expect(line(page, 400)).to_be_in_viewport()
    append(log, "2026-11-25 WARN \x1b[31m<b>disk is full</b>\x1b[0m\n")
    expect(line(page, 401)).to_have_text("2026-11-25 WARN <b>disk is full</b>")
    log.rename(folder / "agent.log.1")
    log.write_text("the new file\n")
    expect(page.locator(".log-rows")).to_contain_text("The log was rotated")
    expect(line(page, 403)).to_have_text("the new file")
    page.get_by_role("searchbox").fill("line 77 of")
    expect(page.locator(".log-count")).to_have_text("1 line")
    page.keyboard.press("Enter")
    expect(line(page, 77)).to_be_in_viewport()
    expect(page.locator("[data-do=follow]")).to_have_attribute("aria-pressed", "false")
    append(log, "more\n")
    expect(page.locator(".log-size")).to_have_text("404 lines")
    expect(line(page, 77)).to_be_in_viewport()


def test_stopping_says_who_and_following_again_goes_on(host: Any, folder: Path, page_as: PageAs) -> None:
    log = folder / "messages.log"
    log.write_text("one\n")
    page = followed(page_as("operator"), host, log)
    page.get_by_role("button", name="Stop following").click()
    expect(page.locator("#tail-head")).to_contain_text("stopped it.")
    expect(connection(page)).to_have_text("Ended")
    append(log, "two\n")
    page.get_by_role("button", name="Follow it again").click()
    expect(line(page, 2)).to_have_text("two")


def test_what_goes_wrong_is_said_where_one_looks_and_mends_itself(host: Any, folder: Path, page_as: PageAs) -> None:
    log = folder / "gone.log"
    log.write_text("one\n")
    page = followed(page_as("operator"), host, log)
    expect(line(page, 1)).to_have_text("one")
    log.unlink()
    expect(page.locator("#tail-head")).to_contain_text("does not exist", timeout=15_000)
    log.write_text("back again\n")
    expect(page.locator(".log-rows")).to_contain_text("back again", timeout=20_000)
    expect(page.locator("#tail-head")).not_to_contain_text("does not exist")


def test_a_killed_worker_loses_and_doubles_nothing(live: Live, host: Any, folder: Path, page_as: PageAs) -> None:
    from hosts.tails import keeping
    from hosts.tails.models import Tail

    log = folder / "busy.log"
    log.write_text("line 0\n")
    followed(page_as("operator"), host, log)
    tail = Tail.objects.get(host=host)
    for number in range(1, 61):
        append(log, f"line {number}\n")
        if number in (20, 40):
            live.stack.kill("worker")
            live.stack.start_worker()
    wait_for(lambda: b"line 60\n" in b"".join(keeping.raw(tail)), "the last line", 60)
    assert b"".join(keeping.raw(tail)).decode() == "".join(f"line {number}\n" for number in range(61))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_fit(host: Any, folder: Path, page_as: PageAs, scheme: str, width: int, tmp_path: Path) -> None:
    log = folder / f"fit-{scheme}-{width}.log"
    log.write_text(
        "".join(f"2026-11-25T00:00:{number:02} [ INFO] a line of some length, as logs have them, number {number}\n" for number in range(60))
    )
    page = page_as("operator", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(host.get_absolute_url() + "logs/")
    expect(page.get_by_role("button", name=f"Follow {log.name}")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=str(tmp_path / "list.png"))
    page.get_by_role("button", name=f"Follow {log.name}").click()
    expect(line(page, 60)).to_be_visible()
    page.locator("#log").scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=str(tmp_path / "tail.png"))
    assert re.fullmatch(r"Followed for [0-9]+ s", page.locator(".log-clock").inner_text())
