"""Asking whether something holds: read-only commands and the rules that judge their answers."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.module_loading import import_string

from opsportal.operations import targets
from opsportal.operations.steps import Condition
from opsportal.transport.base import Result

Judge = Callable[[Result, str], str]


def _exit(result: Result, wants: str) -> str:
    return "" if str(result.exit) == wants else f"exit code {result.exit} instead of {wants}{_said(result)}"


def _equals(result: Result, wants: str) -> str:
    said = result.out.removesuffix("\n")
    return "" if result.exit == 0 and said == wants else f"{said[:300]!r} instead of {wants!r}{_said(result)}"


def _contains(result: Result, wants: str) -> str:
    return "" if result.exit == 0 and wants in result.out else f"{wants!r} was not found{_said(result)}"


def _empty(result: Result, _wants: str) -> str:
    return "" if not result.out.strip() else f"expected nothing, found {result.out.strip()[:300]!r}"


JUDGES: dict[str, Judge] = {"exit": _exit, "equals": _equals, "contains": _contains, "empty": _empty}


def _said(result: Result) -> str:
    return f": {result.err.strip()[-300:]}" if result.err.strip() else ""


def ask(condition: Condition, target: str) -> str:
    """Once. "" when it holds, else the sentence why not. Raises `TransportError` when the target cannot be asked."""
    transport = targets.connect(condition.target or target)
    try:
        result = transport.run(condition.command, timeout=condition.timeout)
    finally:
        transport.close()
    judge: Judge = JUDGES.get(condition.judge) or import_string(condition.judge)
    return judge(result, condition.wants)
