"""A pytest plugin for CI (`-p tests.skips`): a test that was skipped is a test that proved nothing, so the run fails and names it.

OPSPORTAL_MUST_RUN="browser build" also fails a run in which no test with one of these marks passed.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

COUNTED = ("stage", "browser", "build", "chaos", "postgres", "network")
CANNOT = "CANNOT HERE:"
"""Begins the reason of a test that this machine can never run, whatever is installed on it. It is named, and no failure."""

_skipped: list[str] = []
_impossible: list[str] = []
_passed: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    marks = [mark for mark in COUNTED if mark in report.keywords]
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        (_impossible if CANNOT in reason else _skipped).append(f"{report.nodeid}: {reason}")
    elif report.when == "call" and report.passed:
        _passed.update(marks)


def _complaints() -> list[str]:
    absent = [mark for mark in os.environ.get("OPSPORTAL_MUST_RUN", "").split() if not _passed[mark]]
    return [*(f"skipped: {line}" for line in _skipped), *(f"no {mark} test ran" for mark in absent)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _impossible:
        terminalreporter.line(line)
    if complaints := _complaints():
        terminalreporter.section("not run, which counts as a failure here")
        for line in complaints:
            terminalreporter.line(line)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and _complaints() and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
