"""The log viewer, as a person sees it."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Locator, Page, expect

from opsportal.operations import journal, planning
from opsportal.operations.models import Operation, Step
from tests.browser.conftest import Live, PageAs
from tests.chaos.stack import wait_for

pytestmark = pytest.mark.browser

SECOND = 1000


def running(live: Live, *titles: str) -> Operation:
    """An operation that no worker drives, with steps of these titles; the first one runs."""
    user = live.person("", "operator")
    operation = planning.create("tests.ledger", user=user, token=user.username, params={"folder": "/nowhere"})
    wait_for(lambda: not Operation.objects.get(pk=operation.pk).planning, "the plan")
    Operation.objects.filter(pk=operation.pk).update(state="running", started_at=Now(), holder="the test", lease_until="2999-01-01T00:00Z")
    for index, title in enumerate(titles or ("Build the packages",)):
        state, started = ("running", Now()) if index == 0 else ("pending", None)
        Step.objects.create(
            operation=operation, index=index, key=f"step-{index}", title=title, target="local", state=state, started_at=started
        )
    operation.refresh_from_db()
    return operation


def prints(operation: Operation, *pieces: bytes, step: int = 0) -> journal.Writer:
    writer = journal.Writer(operation.steps.get(index=step), fence=operation.fence)
    for piece in pieces:
        writer.append(writer.size, piece)
    return writer


def numbered(count: int, first: int = 1) -> bytes:
    return b"".join(b"line %d of the build\n" % number for number in range(first, first + count))


def opened(page: Page, operation: Operation, fragment: str = "") -> Page:
    page.goto(f"/operations/{operation.pk}/{fragment}")
    expect(page.locator(".log-live")).to_be_visible()
    return page


def line(page: Page, number: int) -> Locator:
    """The text of a line, by the number that people see."""
    return page.locator(f'.log-row[data-line="{number - 1}"] .log-line')


def numbers(page: Page) -> list[int]:
    """Those of the rows in the page."""
    return [int(text) for text in page.locator(".log-number").all_text_contents()]


def connection(page: Page) -> Locator:
    return page.locator(".log-connection")


def follow(page: Page) -> Locator:
    return page.get_by_role("button", name="Follow")


def test_lines_appear_as_they_are_printed(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    page = opened(page_as("viewer"), operation)
    expect(connection(page)).to_have_text("Live")
    expect(page.locator(".log-empty")).to_be_hidden()
    writer = prints(operation, b"first\nsec")
    expect(line(page, 1)).to_have_text("first")
    expect(line(page, 2)).to_have_text("sec")
    writer.append(writer.size, b"ond\nthird\n")
    expect(line(page, 2)).to_have_text("second")
    expect(line(page, 3)).to_have_text("third")
    expect(page.locator(".log-size")).to_have_text("3 lines")
    expect(page.locator(".log-clock")).to_contain_text("Running for")


def test_what_failed_opens_where_it_went_wrong(live: Live, page_as: PageAs) -> None:
    operation = running(live, "Make a workspace", "Start the server")
    prints(operation, numbered(100))
    prints(operation, numbered(2900), step=1)
    operation.steps.filter(index=1).update(state="failed", progress={"error": "line 701 of the build", "error_line": 700})
    Operation.objects.filter(pk=operation.pk).update(state="failed", ended_at=Now())
    page = opened(page_as("viewer"), operation)
    expect(line(page, 801)).to_be_in_viewport()
    expect(line(page, 801)).to_have_text("line 701 of the build")
    expect(page.locator(".log-picked-text")).to_have_text("Line 801")
    opened(page, operation, "#L5")
    page.reload()
    expect(line(page, 5)).to_be_in_viewport()


def test_it_follows_the_end_until_the_reader_scrolls_up(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    writer = prints(operation, numbered(500))
    page = opened(page_as("viewer"), operation)
    expect(line(page, 500)).to_be_in_viewport()
    expect(follow(page)).to_have_attribute("aria-pressed", "true")
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, -900)
    expect(follow(page)).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(400)
    before = numbers(page)
    writer.append(writer.size, numbered(200, 501))
    expect(page.locator(".log-size")).to_have_text("700 lines")
    assert numbers(page) == before
    page.mouse.wheel(0, 99_999)
    expect(line(page, 700)).to_be_in_viewport()
    expect(follow(page)).to_have_attribute("aria-pressed", "true")
    writer.append(writer.size, numbered(1, 701))
    expect(line(page, 701)).to_be_in_viewport()


def test_a_place_that_grows_is_no_movement_of_the_reader(live: Live, page_as: PageAs) -> None:
    """A browser with much to do says that the log scrolled before it says that there is more room for it, which was why."""
    operation = running(live)
    writer = prints(operation, numbered(500))
    page = opened(page_as("viewer"), operation)
    scroll = page.locator(".log-scroll")
    scroll.evaluate("place => place.style.height = '7rem'")
    expect(line(page, 500)).to_be_in_viewport()
    page.wait_for_timeout(400)  # the scroll bar follows a little later
    moved = scroll.evaluate("""place => {
        const before = place.scrollTop;
        place.style.height = "35rem";
        const after = place.scrollTop;
        place.dispatchEvent(new Event("scroll"));
        return before - after;
    }""")
    assert moved > 0
    writer.append(writer.size, numbered(100, 501))
    expect(line(page, 600)).to_be_in_viewport()
    expect(follow(page)).to_have_attribute("aria-pressed", "true")


def test_the_keyboard_does_it_all(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, numbered(3000))
    page = opened(page_as("viewer"), operation)
    expect(line(page, 3000)).to_be_in_viewport()
    page.locator(".log-scroll").focus()
    page.keyboard.press("Home")
    expect(line(page, 1)).to_be_in_viewport()
    page.keyboard.press("f")
    expect(line(page, 3000)).to_be_in_viewport()
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("/")
    page.keyboard.type("line 123 of")
    page.keyboard.press("Enter")
    expect(line(page, 123)).to_be_in_viewport()


def test_a_long_log_is_scrolled_to_every_line(live: Live, page_as: PageAs) -> None:
    """Longer than a browser can lay out: 14 million pixels."""
    operation = running(live)
    writer = prints(operation, b"".join(b"%d\n" % number for number in range(1, 700_001)))
    page = opened(page_as("viewer"), operation)
    expect(line(page, 700_000)).to_be_in_viewport()
    assert len(numbers(page)) < 100
    page.locator(".log-scroll").focus()
    page.keyboard.press("Home")
    expect(line(page, 1)).to_have_text("1")
    page.keyboard.press("PageDown")
    page.wait_for_timeout(600)
    first = numbers(page)[0]
    assert 5 < first < 60
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(600)
    assert numbers(page)[0] == first + 10
    page.evaluate("location.hash = '#L350000'")
    expect(line(page, 350_000)).to_have_text("350000")
    page.wait_for_timeout(600)
    first = numbers(page)[0]
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(600)
    assert numbers(page)[0] == first - 20
    page.keyboard.press("End")
    expect(line(page, 700_000)).to_be_in_viewport()
    writer.append(writer.size, b"and one\n")
    expect(line(page, 700_001)).to_have_text("and one")


def test_a_link_leads_to_a_line_and_a_range(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, numbered(20_000))
    page = opened(page_as("viewer"), operation, "#L15000")
    expect(line(page, 15_000)).to_be_in_viewport()
    expect(page.locator(".log-chosen .log-number")).to_have_text("15000")
    expect(follow(page)).to_have_attribute("aria-pressed", "false")
    page.locator(".log-number", has_text="15003").click()
    page.locator(".log-number", has_text="15001").click(modifiers=["Shift"])
    assert page.url.endswith("#L15001-L15003")
    expect(page.locator(".log-picked-text")).to_have_text("Lines 15,001 to 15,003")
    expect(page.locator(".log-chosen")).to_have_count(3)
    page.reload()
    expect(page.locator(".log-chosen")).to_have_count(3)
    expect(line(page, 15_002)).to_be_in_viewport()
    page.get_by_role("button", name="Let the lines go").click()
    expect(page.locator(".log-chosen")).to_have_count(0)
    assert "#" not in page.url


def test_picked_lines_are_copied_without_colours(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, b"\x1b[31mred\x1b[0m <b>\nplain\n\tindented\nlast\n")
    page = page_as("viewer", permissions=["clipboard-read", "clipboard-write"])
    opened(page, operation, "#L1-L3")
    page.get_by_role("button", name="Copy text").click()
    expect(page.locator(".log-picked-text")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "red <b>\nplain\n\tindented\n"
    page.get_by_role("button", name="Copy link").click()
    wait_for(lambda: page.evaluate("navigator.clipboard.readText()") == page.url, "the link")


def test_search_finds_what_is_not_on_the_page(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    data = numbered(5000).splitlines(keepends=True)
    for number in (10, 2000, 4000):
        data[number - 1] = b"a \x1b[31mNeedle\x1b[0m in the hay, and one more needle\n"
    writer = prints(operation, b"".join(data))
    page = opened(page_as("viewer"), operation)
    page.get_by_placeholder("Find in the whole log").fill("needle")
    count = page.locator(".log-count")
    expect(count).to_have_text("3 lines")
    page.keyboard.press("Enter")
    expect(count).to_have_text("1 of 3 lines")
    expect(line(page, 10)).to_be_in_viewport()
    expect(page.locator(".log-current .log-number")).to_have_text("10")
    page.get_by_role("button", name="Next match").click()
    expect(line(page, 2000)).to_be_in_viewport()
    page.locator(".log-scroll").focus()
    page.keyboard.press("n")
    expect(line(page, 4000)).to_be_in_viewport()
    page.keyboard.press("n")
    expect(count).to_have_text("1 of 3 lines")
    page.keyboard.press("Shift+N")
    expect(count).to_have_text("3 of 3 lines")
    writer.append(writer.size, b"a needle printed since\n")
    expect(page.locator(".log-size")).to_have_text("5,001 lines")
    page.keyboard.press("n")
    expect(count).to_have_text("4 of 4 lines")
    expect(line(page, 5001)).to_be_in_viewport()
    page.get_by_label("Match case").check()
    page.get_by_placeholder("Find in the whole log").fill("Needle")
    expect(count).to_have_text("3 lines")
    page.get_by_placeholder("Find in the whole log").fill("no such thing")
    expect(count).to_have_text("Not in the log")
    expect(page.get_by_role("button", name="Next match")).to_be_disabled()


def test_matches_are_marked_in_the_visible_lines(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, b"a nee\x1b[1mdle\x1b[0m and a needle\nnothing\n")
    page = opened(page_as("viewer"), operation)
    page.get_by_placeholder("Find in the whole log").fill("needle")
    expect(page.locator(".log-count")).to_have_text("1 line")
    marked = "[...CSS.highlights.get('log-match')].map((range) => range.toString())"
    wait_for(lambda: page.evaluate("CSS.highlights.has('log-match')"), "the marks")
    assert page.evaluate(marked) == ["needle", "needle"]


def test_steps_fold(live: Live, page_as: PageAs) -> None:
    operation = running(live, "Clone", "Compile", "Publish")
    prints(operation, numbered(40))
    prints(operation, numbered(40, 41), step=1)
    page = opened(page_as("viewer"), operation, "#L1")
    heads = page.locator(".log-step")
    expect(heads.first).to_contain_text("1. Clone")
    expect(heads.first).to_contain_text("40 lines")
    heads.first.get_by_role("button").click()
    expect(line(page, 1)).not_to_be_attached()
    expect(heads).to_have_count(2)
    expect(heads.nth(1)).to_contain_text("2. Compile")
    page.evaluate("location.hash = '#L20'")
    expect(line(page, 20)).to_be_in_viewport()
    page.get_by_role("button", name="Fold").click()
    expect(page.locator(".log-line")).to_have_count(0)
    page.get_by_role("button", name="Fold").click()
    expect(line(page, 1)).to_be_visible()


def test_a_step_that_ends_says_so_and_the_page_hears_of_it(live: Live, page_as: PageAs) -> None:
    operation = running(live, "Clone", "Compile")
    prints(operation, b"cloning\n")
    page = page_as("viewer")
    page.add_init_script(
        """window.heard = [];
        for (const kind of ["operation", "step", "progress", "end"])
          document.addEventListener(`portal:${kind}`, (event) => window.heard.push([kind, event.detail]));"""
    )
    opened(page, operation)
    expect(connection(page)).to_have_text("Live")
    from opsportal.operations import stream

    Step.objects.filter(operation=operation, index=0).update(state="succeeded", ended_at=Now())
    stream.publish(operation.pk, "step", {"index": 0, "state": "succeeded"})
    expect(page.locator(".log-step").first).to_contain_text("succeeded")
    stream.publish(operation.pk, "progress", {"index": 1, "label": "Modules", "done": 3, "total": 9})
    Operation.objects.filter(pk=operation.pk).update(state="succeeded", ended_at=Now(), settled=True)
    expect(connection(page)).to_have_text("Ended")
    expect(page.locator(".log-clock")).to_contain_text("Took")
    assert ["step", {"index": 0, "state": "succeeded"}] in page.evaluate("window.heard")
    assert ["progress", {"index": 1, "label": "Modules", "done": 3, "total": 9}] in page.evaluate("window.heard")
    assert page.evaluate("window.heard.at(-1)") == ["end", {"state": "succeeded"}]


@pytest.mark.parametrize(("state", "says"), [("queued", "Nothing was printed yet"), ("failed", "Nothing was printed.")])
def test_without_any_output_it_says_so(live: Live, page_as: PageAs, state: str, says: str) -> None:
    operation = running(live)
    operation.steps.all().delete()
    Operation.objects.filter(pk=operation.pk).update(state=state, settled=True, retry_at="2999-01-01T00:00Z")
    page = opened(page_as("viewer"), operation)
    expect(page.locator(".log-empty")).to_contain_text(says)
    expect(page.locator(".log-size")).to_have_text("0 lines")


def test_a_log_that_ended_is_whole_without_a_stream(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, numbered(1000), b"no line end")
    Operation.objects.filter(pk=operation.pk).update(state="failed", ended_at=Now(), settled=True)
    page = page_as("viewer")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, operation)
    expect(line(page, 1001)).to_have_text("no line end")
    expect(connection(page)).to_have_text("Ended")
    assert not [url for url in asked if url.endswith("/events")]


HOSTILE = [
    b"<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">",
    b"</script></pre></section><style>*{display:none}</style>",
    b'data: {}\n\nevent: end\ndata: {"state": "failed"}\n',
    b"\x1b[2J\x1b[H\x1b]0;owned\x07\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
    b"progress 10%\rprogress 99%\rdone",
    b"\xff\xfe\x00\x80binary\xc3\x28",
    "right\u202eto left\u202c and \u200bhidden".encode(),
]


def test_output_is_text_whatever_it_says(live: Live, page_as: PageAs) -> None:
    """`page_as` fails this test on any violation of the CSP and on any script error."""
    operation = running(live)
    prints(operation, b"before the page\n" + HOSTILE[0] + b"\n" + HOSTILE[1] + b"\n")
    page = opened(page_as("viewer"), operation)
    title = page.title()
    prints(operation, b"\n".join(HOSTILE) + b"\nthe end\n")
    expect(page.locator(".log-line").last).to_have_text("the end")
    texts = page.locator(".log-line").all_text_contents()
    assert texts[1] == HOSTILE[0].decode() == texts[3]
    assert "<ESC>[2J<ESC>[H<ESC>]0;owned<BEL><ESC>]8;;javascript:alert(1)<BEL>click<ESC>]8;;<BEL>" in texts
    assert "progress 10%<CR>progress 99%<CR>done" in texts
    assert "\ufffd\ufffd<NUL>\ufffdbinary\ufffd(" in texts
    assert "right<U+202E>to left<U+202C> and <U+200B>hidden" in texts
    expect(connection(page)).to_have_text("Live")
    assert page.title() == title
    assert page.locator(".log-rows :is(script, img, style, [style], [onerror])").count() == 0


def test_colours_are_classes(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, b"\x1b[1;31mred\x1b[0m \x1b[38;5;208morange\x1b[39m \x1b[48;2;0;95;0mgreen\x1b[m plain\n\x1b[7minverse\x1b[27m\n")
    page = opened(page_as("viewer"), operation)
    parts = page.evaluate("[...document.querySelectorAll('.log-line span')].map((one) => [one.textContent, one.className])")
    assert parts == [["red", "log-bold log-f1"], ["orange", "log-f208"], ["green", "log-b22 log-x15"], ["inverse", "log-inverse"]]
    colour = page.locator(".log-f1").evaluate("(one) => getComputedStyle(one).color")
    assert re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour) and colour != page.locator(".log-line").first.evaluate(
        "(one) => getComputedStyle(one).color"
    )


def test_random_bytes_do_not_break_it(live: Live, page_as: PageAs) -> None:
    import random

    operation = running(live)
    data = random.Random(7).randbytes(200_000)
    prints(operation, data, b"\nthe end\n")
    page = opened(page_as("viewer"), operation)
    expect(page.locator(".log-line").last).to_have_text("the end")
    page.locator(".log-scroll").focus()
    page.keyboard.press("Home")
    expect(line(page, 1)).to_be_visible()
    count = data.count(b"\n") + 2
    expect(page.locator(".log-size")).to_have_text(f"{count:,} lines")


def test_a_long_line_is_cut_and_opens_whole(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, b"a" * 9000 + b"END\n" + b"b" * 1_000_000 + b"\n")
    page = opened(page_as("viewer"), operation)
    assert len(line(page, 1).text_content() or "") == 4096
    page.get_by_role("link", name="show the whole line (9,003 bytes)").click()
    expect(line(page, 1)).to_have_text(re.compile("a{9000}END"))
    with page.expect_download() as loading:
        page.get_by_role("link", name="load the whole line (1,000,000 bytes)").click()
    assert loading.value.path().read_bytes() == b"b" * 1_000_000


def test_long_lines_wrap_and_the_end_stays_visible(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    writer = prints(operation, *(b"%d " % number + b"word " * 200 + b"\n" for number in range(100)))
    page = opened(page_as("viewer"), operation)
    page.get_by_role("button", name="Wrap").click()
    expect(line(page, 100)).to_be_in_viewport(ratio=1)
    box = line(page, 100).bounding_box()
    assert box and box["height"] > 60
    writer.append(writer.size, b"the last one\n")
    expect(line(page, 101)).to_be_in_viewport(ratio=1)


def test_it_fills_the_window_and_gives_it_back(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, numbered(300))
    page = page_as("viewer", viewport={"width": 1000, "height": 700})
    opened(page, operation)
    page.get_by_role("button", name="Full screen").click()
    assert page.locator("#log").bounding_box() == {"x": 0, "y": 0, "width": 1000, "height": 700}
    expect(line(page, 300)).to_be_in_viewport()
    page.keyboard.press("Escape")
    assert page.locator("#log").bounding_box() != {"x": 0, "y": 0, "width": 1000, "height": 700}


def test_without_script_the_end_of_the_log_is_there(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, numbered(1500))
    page = page_as("viewer", java_script_enabled=False)
    page.goto(f"/operations/{operation.pk}/")
    expect(page.locator(".log-end")).to_contain_text("line 1500 of the build")
    page.get_by_role("link", name="All lines, page by page").click()
    expect(page.locator(".log-text")).to_contain_text("line 1 of the build")
    page.get_by_role("link", name="Later lines").click()
    expect(page.locator(".log-text")).to_contain_text("line 1500 of the build")


def test_where_streams_are_cut_off_it_asks(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    prints(operation, b"first\n")
    page = page_as("viewer")
    page.route("**/events*", lambda route: route.fulfill(status=502, body="no"))
    opened(page, operation)
    expect(connection(page)).to_have_text("Live, asked every few seconds", timeout=10 * SECOND)
    prints(operation, b"second\n")
    expect(line(page, 2)).to_have_text("second", timeout=6 * SECOND)
    Operation.objects.filter(pk=operation.pk).update(state="succeeded", settled=True, ended_at=Now())
    expect(connection(page)).to_have_text("Ended", timeout=6 * SECOND)


def test_a_page_that_nobody_sees_gives_its_connection_back(live: Live, page_as: PageAs) -> None:
    """A browser has six connections to one server: the seventh open page would hang."""
    operation = running(live)
    prints(operation, b"first\n")
    page = page_as("viewer")
    page.clock.install()
    opened(page, operation)
    expect(connection(page)).to_have_text("Live")
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    page.clock.fast_forward(31 * SECOND)
    expect(connection(page)).to_have_text("Live, asked every few seconds")
    prints(operation, b"second\n")
    page.clock.fast_forward(6 * SECOND)
    page.evaluate(hide, False)
    expect(connection(page)).to_have_text("Live")
    expect(line(page, 2)).to_have_text("second")


def test_signing_out_elsewhere_ends_the_stream_within_ten_seconds(live: Live, page_as: PageAs) -> None:
    operation = running(live)
    user = live.person("", "viewer")
    page = opened(page_as(user=user), operation)
    expect(connection(page)).to_have_text("Live")
    prints(operation, b"for you\n")
    expect(line(page, 1)).to_have_text("for you")
    user.is_active = False
    user.save()
    began = time.monotonic()
    expect(connection(page)).to_contain_text("You are signed out", timeout=10 * SECOND)
    assert time.monotonic() - began < 10
    prints(operation, b"not for you\n")
    page.evaluate("document.dispatchEvent(new CustomEvent('portal:operation', { detail: {} }))")  # the page asks for what moves
    page.wait_for_timeout(1500)
    expect(line(page, 1)).to_have_text("for you")
    expect(line(page, 2)).not_to_be_attached()


def test_the_phone_shows_it_too(live: Live, page_as: PageAs) -> None:
    operation = running(live, "Build the packages for Debian 12")
    prints(operation, numbered(300))
    page = page_as("viewer", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened(page, operation)
    expect(line(page, 300)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("Follow", "Wrap", "Full screen"):
        box: Any = page.get_by_role("button", name=name).bounding_box()
        assert box["height"] >= 38
