"""From the click that starts an operation to its first line in the page."""

from __future__ import annotations

from statistics import median
from typing import Any

from playwright.sync_api import Page

from tests.bench import figure
from tests.bench.stage import Stage, stage

RUNS = 11

NOTE = """
const now = () => String(performance.timeOrigin + performance.now());
addEventListener("click", () => { sessionStorage.clicked = now(); }, true);
new MutationObserver((_, observer) => {
  if (!document.querySelector(".log-row[data-line] .log-line")) return;
  sessionStorage.shown ??= now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


def run() -> None:
    with stage() as scene:
        user = scene.person("operator")
        context = scene.page(user).context
        context.add_init_script(NOTE)
        taken = [_taken(scene, user, context.new_page()) for _ in range(RUNS + 1)][1:]
    figure("click to first log line", median(taken), "s", f"median of {RUNS}, {min(taken):.2f} to {max(taken):.2f}", 0.25)


def _taken(scene: Stage, user: Any, page: Page) -> float:
    operation = scene.draft(user, "at-first")
    page.goto(f"/operations/{operation.pk}/review/")
    page.locator("#submit button.primary").click()
    page.wait_for_selector(".log-row[data-line] .log-line")
    scene.ended(operation)
    page.wait_for_timeout(500)  # the page loads itself again when the plan has become steps
    clicked, shown = page.evaluate("[Number(sessionStorage.clicked), Number(sessionStorage.shown)]")
    page.close()
    return float(shown - clicked) / 1000
