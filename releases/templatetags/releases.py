"""How builds look on a page: how far one is, its modules as bars, lines of its log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from opsportal.operations.models import Operation, Step
from opsportal.operations.states import OperationState, StepState
from opsportal.web import units
from releases import queries
from releases.comparing import Pair
from releases.models import Artefact, Build

register = template.Library()

SLOWEST = 12
TONES = {"ok": "succeeded", "failed": "failed", "building": "running", "waiting": "pending", "skipped": "skipped"}


@register.filter
def short(commit: str) -> str:
    """A commit as people write it."""
    return str(commit)[:12]


@register.filter
def moment(text: str | float | None) -> datetime | None:
    """From ISO 8601, or seconds since 1970; None for anything else."""
    try:
        return datetime.fromtimestamp(float(text), UTC) if isinstance(text, int | float) else datetime.fromisoformat(str(text))
    except (ValueError, OverflowError, OSError):
        return None


PROFILES = {"cloudstack": "CloudStack", "cosmic": "Cosmic", "maven": "Maven", "none": "no Maven project"}


@register.filter
def profile(name: str) -> str:
    """What kind of source a checkout is, in its own name."""
    return PROFILES.get(name, name)


@register.filter
def tone(state: str) -> str:
    """The state of a step that a module's state is like."""
    return TONES.get(state, "pending")


@register.filter
def took(build: Build) -> Any:
    """How long it took so far, None before it began."""
    return queries.took(build)


@register.filter
def seconds(step: Step) -> float | None:
    """How long a step took, None when it has not ended."""
    return (step.ended_at - step.started_at).total_seconds() if step.started_at and step.ended_at else None


@register.filter
def slower(difference: float) -> str:
    """Seconds more or fewer, with their sign; nothing worth a word below half a second."""
    if abs(difference) < 0.5:
        return "the same"
    return f"{'+' if difference > 0 else ''}{units.duration(round(difference))}"


@register.filter
def total(numbers: Iterable[int]) -> int:
    return sum(numbers)


@register.filter
def differing(pairs: Iterable[Pair]) -> list[Pair]:
    """Those that are not the same in both builds."""
    return [pair for pair in pairs if pair.change != "same"]


def line_url(operation_id: int, line: int | None) -> str:
    """A line of an operation's log, counted from 0 as records do."""
    page = reverse("operation", args=[operation_id])
    return page if line is None else f"{page}#L{line + 1}"


@dataclass(frozen=True)
class Failed:
    """A test that failed. `url` is the line of the log that says so."""

    suite: str
    test: str
    message: str
    url: str

    @property
    def short_suite(self) -> str:
        return self.suite.rsplit(".", 1)[-1]


def _failed(tests: Mapping[str, Any], step: Step | None, operation_id: int) -> list[Failed]:
    first = step.first_line if step else None
    return [
        Failed(one["suite"], one["test"], one.get("message", ""), line_url(operation_id, None if first is None else first + one["line"]))
        for one in tests.get("failed", [])
    ]


@register.simple_tag
def failed_tests(build: Build, steps: Iterable[Step]) -> list[Failed]:
    """Of a build on record, with the lines of the log where they failed."""
    return _failed(build.tests, next((step for step in steps if step.key == "maven"), None), build.operation_id)


@register.filter
def slowest(modules: list[dict[str, Any]], number: int = SLOWEST) -> list[dict[str, Any]]:
    """The modules that took longest, each with `share`: its part of the slowest one, in percent."""
    timed = sorted((module for module in modules if module.get("seconds")), key=lambda module: -module["seconds"])[:number]
    longest = timed[0]["seconds"] if timed else 1
    return [{**module, "share": round(100 * module["seconds"] / longest, 1)} for module in timed]


@register.simple_tag
def bar(share: float, state: str = "ok") -> SafeString:
    """A bar as wide as `share` percent. Decoration: the number stands beside it."""
    return format_html(
        '<svg class="share tone-{}" height="10" width="100%" aria-hidden="true">'
        '<rect width="{}%" height="10" rx="2" fill="currentColor"/></svg>',
        {"failed": "bad", "building": "running"}.get(state, "ok"), max(float(share), 0.5),
    )  # fmt: skip


@dataclass(frozen=True)
class Reactor:
    """What Maven said so far in one step. `left` is in seconds, None when nothing tells; `error` has a line where there is one."""

    step: Step
    modules: list[dict[str, Any]]
    number: int
    done: int
    tests: dict[str, Any]
    failed: list[Failed]
    left: float | None
    error: str
    error_url: str

    @property
    def current(self) -> list[dict[str, Any]]:
        return [module for module in self.modules if module["state"] == "building"]

    @property
    def bad_tests(self) -> int:
        return int(self.tests.get("failures", 0)) + int(self.tests.get("errors", 0))


@dataclass(frozen=True)
class Progress:
    """How far the build of an operation is. Without a reactor Maven has not begun."""

    build: Build | None
    reactor: Reactor | None
    artefacts: list[Artefact]
    moving: bool


@register.simple_tag
def build_progress(operation: Operation) -> Progress:
    """Four queries at most."""
    if operation.started_at is None:
        return Progress(None, None, [], operation.state in (OperationState.QUEUED, OperationState.APPROVED))
    build = Build.objects.filter(operation=operation).select_related("source").first()
    step = _telling(list(operation.steps.all()))
    usual = _usual(build) if build and step and step.state == StepState.RUNNING else {}
    artefacts = list(build.artefacts.all()) if build else []
    for artefact in artefacts:
        artefact.build = build  # type: ignore[assignment] # there is one when it has artefacts
    return Progress(build, _reactor(operation, step, usual) if step else None, artefacts, not operation.final)


def _telling(steps: list[Step]) -> Step | None:
    """The step to show: the one that runs, else the one that failed, else Maven's own."""
    telling = [step for step in steps if step.progress.get("reader", {}).get("modules")]
    for state in (StepState.RUNNING, StepState.UNKNOWN, StepState.FAILED):
        if found := [step for step in telling if step.state == state]:
            return found[-1]
    return next((step for step in telling if step.key == "maven"), telling[-1] if telling else None)


def _usual(build: Build) -> dict[str, float]:
    """Seconds that each module took in the last successful build of the source."""
    before = queries.before(build)
    return {module["name"]: module["seconds"] for module in before.modules if module.get("seconds")} if before else {}


def _reactor(operation: Operation, step: Step, usual: Mapping[str, float]) -> Reactor:
    reader = step.progress["reader"]
    modules, tests, problem = reader["modules"], reader.get("tests", {}), reader.get("problem") or {}
    line = step.first_line + problem["line"] if step.first_line is not None and "line" in problem else None
    done = sum(module["state"] in ("ok", "failed") for module in modules)
    left = _left(step, modules, done, usual) if step.state == StepState.RUNNING else None
    failed = _failed(tests, step, operation.pk)
    return Reactor(step, modules, reader.get("module", 0), done, tests, failed, left, problem.get("text", ""), line_url(operation.pk, line))


def _left(step: Step, modules: list[dict[str, Any]], done: int, usual: Mapping[str, float]) -> float | None:
    """By what each module took last time, scaled by how this run goes; without that, by the pace so far once a quarter is done."""
    if step.started_at is None:
        return None
    gone = (timezone.now() - step.started_at).total_seconds()
    if usual and all(module["name"] in usual for module in modules):
        ended = sum(usual[module["name"]] for module in modules if module["state"] == "ok")
        spent = sum(module.get("seconds") or 0 for module in modules if module["state"] == "ok")
        pace = spent / ended if ended > 5 else 1.0
        todo = sum(usual[module["name"]] for module in modules if module["state"] in ("waiting", "building"))
        return round(max(todo * pace - sum(_running_for(module) for module in modules), 0))
    return round(gone / done * (len(modules) - done)) if done * 4 >= len(modules) and done else None


def _running_for(module: Mapping[str, Any]) -> float:
    if module["state"] != "building" or not module.get("since"):
        return 0
    return float(max(timezone.now().timestamp() - module["since"], 0))
