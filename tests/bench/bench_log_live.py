"""From a command that prints a line to the same line in a browser's page."""

from __future__ import annotations

from typing import Any

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
  }).observe(document.querySelector(".log-window"), { childList: true, subtree: true, characterData: true });
}
"""
"""Notes at each change of the page when it was (ms since 1970) and what the last visible line says of its own time (ns)."""


def run() -> None:
    with stage() as scene:
        scene.ended(scene.submitted(scene.person("operator"), "stamped", "100", "1"))
        for viewers in (1, 10):
            for rate, seconds in ((2000.0, 8.0), (5.0, 12.0)):
                _figure(scene, viewers, rate, seconds)


def _figure(scene: Stage, viewers: int, rate: float, seconds: float) -> None:
    delays = _delays(scene, viewers, rate, seconds)
    name = f"line printed to line in the page, {rate:g} lines/s, {viewers} viewer{'s' if viewers > 1 else ''}"
    figure(
        f"{name}, p99", percentile(delays, 99), "ms", f"p50 {percentile(delays, 50):.0f}, max {max(delays):.0f}, {len(delays)} lines", 100
    )


def _delays(scene: Stage, viewers: int, rate: float, seconds: float) -> list[float]:
    """Milliseconds for each line and each viewer."""
    from opsportal.operations import approval, journal

    user = scene.person("operator")
    operation = scene.draft(user, "stamped", str(rate), str(seconds))
    pages = [scene.page(user) for _ in range(viewers)]
    for page in pages:
        page.goto(f"/operations/{operation.pk}/")
        page.wait_for_selector(".log-connection[data-state=live]")
        page.evaluate(WATCH)
    approval.submit(operation, user=user)
    scene.ended(operation)
    pages[-1].wait_for_timeout(500)
    stamps = [int(line.split(b" ", 1)[0]) for line in b"".join(journal.raw(operation)).splitlines()]
    delays = [delay for page in pages for delay in _of(page, stamps)]
    for page in pages:
        page.context.close()
    return delays


def _of(page: Page, stamps: list[int]) -> list[float]:
    """A line is there when it or a later one is the last of the page."""
    seen: list[tuple[float, int]] = [(when, int(stamp)) for when, stamp in _noted(page)]
    delays, at = [], 0
    for when, last in seen:
        while at < len(stamps) and stamps[at] <= last:
            delays.append(when - stamps[at] / 1e6)
            at += 1
    assert at == len(stamps), f"{len(stamps) - at} lines were never seen"
    return delays


def _noted(page: Page) -> Any:
    return page.evaluate("window.seen")
