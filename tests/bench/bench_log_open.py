"""A log of a million lines: opened, read from both ends, searched to its last line."""

from __future__ import annotations

import http.client
import json
import time
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.sync_api import Page

from tests.bench import figure, percentile
from tests.bench.stage import Stage, stage

LINES = 1_000_000
NEEDLE = "the needle at the very end"


def run() -> None:
    with stage() as scene:
        user = scene.person("operator")
        small, large = _stored(scene, user, 100), _stored(scene, user, LINES)
        _ranges(scene, user, large)
        _search(scene, user, large)
        _opening(scene, user, small, large)


def _stored(scene: Stage, user: Any, lines: int) -> Any:
    """A running operation with a log of so many lines."""
    from opsportal.operations import journal
    from opsportal.operations.models import Operation, Step

    operation = scene.submitted(user, "stamped", "1", "0")
    scene.ended(operation)
    operation.steps.all().delete()
    Operation.objects.filter(pk=operation.pk).update(state="running", holder="the bench", lease_until="2999-01-01T00:00Z", log_lines=0)
    operation.refresh_from_db()
    step = Step.objects.create(operation=operation, index=0, key="build", title="Build", target="local", state="running")
    writer = journal.Writer(step, fence=operation.fence)
    for first in range(0, lines, 10_000):
        part = range(first, min(lines, first + 10_000))
        text = "".join(f"[INFO] line {number} of what a build prints, one class after another\n" for number in part)
        writer.append(writer.size, text.encode())
    writer.append(writer.size, f"{NEEDLE}\n".encode())
    return operation


class _Link:
    """One connection of one person to the web process."""

    def __init__(self, scene: Stage, user: Any) -> None:
        self.http = http.client.HTTPConnection(urlsplit(scene.stack.url()).netloc, timeout=60)
        self.headers = {"Cookie": f"sessionid={scene.session(user)}"}

    def get(self, address: str) -> tuple[float, Any]:
        """Milliseconds, and the answer."""
        began = time.perf_counter()
        self.http.request("GET", address, headers=self.headers)
        body = self.http.getresponse().read()
        return (time.perf_counter() - began) * 1000, json.loads(body)


def _ranges(scene: Stage, user: Any, operation: Any) -> None:
    link = _Link(scene, user)
    for end, first in (("first", 0), ("last", LINES + 1 - 200)):
        answers = [link.get(f"/operations/{operation.pk}/log?first={first}&count=200") for _ in range(60)][10:]
        assert all(len(answer["lines"]) == 200 for _, answer in answers)
        took = [one for one, _ in answers]
        figure(f"{end} 200 lines of {LINES:,}, by HTTP", median(took), "ms", f"median of {len(took)}, p99 {percentile(took, 99):.1f}", 8)


def _search(scene: Stage, user: Any, operation: Any) -> None:
    link = _Link(scene, user)
    sums = []
    for _ in range(5):
        took, found, cursor = [], [], None
        while cursor != "":
            one, answer = link.get(f"/operations/{operation.pk}/log/search?q={quote(NEEDLE)}&cursor={cursor or ''}")
            took.append(one)
            found += answer["lines"]
            cursor = answer["cursor"]
        assert found == [LINES]
        sums.append(sum(took))
    how = f"median of 5, {len(took)} requests, the longest {max(took):.0f}; goal of ours"
    figure(f"search to the last of {LINES:,} lines", median(sums), "ms", how, 1000)


def _opening(scene: Stage, user: Any, small: Any, large: Any) -> None:
    page = scene.page(user)
    page.context.add_init_script(
        """
        new MutationObserver((_, observer) => {
          if (!document.querySelector(".log-row .log-line")) return;
          window.firstRow = performance.now();
          observer.disconnect();
        }).observe(document, { childList: true, subtree: true });
        """
    )
    _times(page, small, 100)
    before = _heap(page)
    figure("script memory, log of 100 lines", before, "MB")
    _times(page, large, LINES)
    figure(f"script memory, log of {LINES:,} lines", _heap(page), "MB", "just opened", before + 1)
    _wander(page)
    figure(f"script memory, log of {LINES:,} lines after 300 jumps", _heap(page), "MB", "keeps what is near the reader", before + 8)


def _times(page: Page, operation: Any, lines: int) -> None:
    opened = [_opened(page, operation) for _ in range(8)][1:]
    for what, took in (("first paint", [one[0] for one in opened]), ("its last lines in the page", [one[1] for one in opened])):
        how = f"median of {len(took)}, the longest {max(took):.0f}"
        figure(f"opening a log of {lines:,} lines, {what}", median(took), "ms", how, 300)


def _opened(page: Page, operation: Any) -> tuple[float, float]:
    """Milliseconds from the beginning of the request to the first paint, and to the rows."""
    page.goto(f"/operations/{operation.pk}/")
    page.wait_for_selector(".log-row .log-line")
    page.wait_for_timeout(100)
    found = page.evaluate("[performance.getEntriesByName('first-contentful-paint')[0].startTime, window.firstRow]")
    return float(found[0]), float(found[1])


def _heap(page: Page) -> float:
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    used = float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6
    devtools.detach()
    return used


def _wander(page: Page) -> None:
    """To places all over the log, waiting until each is shown."""
    for number in range(300):
        line = number * 7919 * 37 % LINES
        page.evaluate("(line) => { location.hash = `#L${line + 1}` }", line)
        page.wait_for_selector(f'.log-row[data-line="{line}"]:not(.log-waiting)')
