"""From a command that prints a line to the same line in a browser's page."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page

from tests.bench import figure, percentile
from tests.bench.stage import Stage, stage

WATCH = """
() => {
  window.seen = [];
  new MutationObserver(() => {
    const rows = document.querySelectorAll(".log-row[data-line] .log-line");
    const stamp = rows.length && rows[rows.length - 1].textContent.split(" ", 1)[0];
    if (/^[0-9]{19}$/.test(stamp)) window.seen.push([performance.timeOrigin + performance.now(), stamp]);
  }).observe(document.querySelector(".log-rows"), { childList: true, subtree: true, characterData: true });
}
"""
"""Notes at each change of the page when it was (ms since 1970) and what the last visible line says of its own time (ns)."""

Seen = list[tuple[float, int]]


def run() -> None:
    with stage() as scene:
        scene.ended(scene.submitted(scene.person("operator"), "stamped", "100", "1"))
        for pages, readers, how in (
            (1, 0, "1 viewer"),
            (1, 9, "10 viewers (a Chromium and 9 readers of the stream)"),
            (10, 0, "10 viewers (10 pages of a Chromium on this machine)"),
        ):
            for rate, seconds in ((2000.0, 8.0), (5.0, 24.0)):
                delays = _delays(scene, pages, readers, rate, seconds)
                found = f"p50 {percentile(delays, 50):.0f}, p90 {percentile(delays, 90):.0f}, max {max(delays):.0f}; {len(delays)} lines"
                figure(f"line printed to line in the page, {rate:g} lines/s, {how}, p99", percentile(delays, 99), "ms", found, 100)


def _delays(scene: Stage, pages: int, readers: int, rate: float, seconds: float) -> list[float]:
    """Milliseconds for each line and each viewer, all of which are there before the first line is printed."""
    from opsportal.operations import journal

    user, go = scene.person("operator"), scene.stack.state / f"go-{time.time_ns()}"
    operation = scene.submitted(user, "stamped", str(rate), str(seconds), str(go))
    scene.running(operation)
    opened = [_opened(scene.page(user), operation.pk) for _ in range(pages)]
    streams = [_Reader(scene.stack.url(), operation.pk, scene.session(user)) for _ in range(readers)]
    go.touch()
    scene.ended(operation)
    opened[-1].wait_for_timeout(500)
    stamps = [int(line.split(b" ", 1)[0]) for line in b"".join(journal.raw(operation)).splitlines()]
    seen = [[(when, int(stamp)) for when, stamp in _noted(page)] for page in opened] + [stream.ended() for stream in streams]
    for page in opened:
        page.context.close()
    return [delay for one in seen for delay in _of(one, stamps)]


def _opened(page: Page, pk: int) -> Page:
    page.goto(f"/operations/{pk}/")
    page.wait_for_selector(".log-connection[data-state=live]")
    page.evaluate(WATCH)
    return page


def _noted(page: Page) -> Any:
    return page.evaluate("window.seen")


def _of(seen: Seen, stamps: list[int]) -> list[float]:
    """A line is there when it or a later one is the last of the page."""
    delays, at = [], 0
    for when, last in seen:
        while at < len(stamps) and stamps[at] <= last:
            delays.append(when - stamps[at] / 1e6)
            at += 1
    assert at == len(stamps), f"{len(stamps) - at} of {len(stamps)} lines were never seen"
    return delays


class _Reader(threading.Thread):
    """A viewer without a page: notes when events came and the last stamp in each."""

    def __init__(self, url: str, pk: int, session: str) -> None:
        super().__init__(daemon=True)
        self.seen: Seen = []
        self.http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self.http.request("GET", f"/operations/{pk}/events", headers={"Cookie": f"sessionid={session}"})
        self.answer = self.http.getresponse()
        self.start()

    def run(self) -> None:
        kind = ""
        while line := self.answer.readline():
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: ") and kind == "log":
                self._note(json.loads(line[6:]))

    def _note(self, payload: dict[str, Any]) -> None:
        if payload["lines"] and (stamp := re.match(r"[0-9]{19}\b", payload["lines"][-1])):
            self.seen.append((time.time() * 1000, int(stamp[0])))

    def ended(self) -> Seen:
        self.join(10)
        self.http.close()
        return self.seen
