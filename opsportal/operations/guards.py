"""Guards: rules over facts and parameters that block or warn, and say where the knowledge comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from opsportal.operations.facts import FactSet


class Level(StrEnum):
    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """What a guard says about this case. `field` is the form field it belongs to, if one does.

    A block with `override` may be passed by giving a reason; it then counts as a warning that the approver reads.
    """

    level: Level
    message: str
    field: str = ""
    override: bool = False


Check = Callable[[Any, FactSet], Iterable[Finding]]


@dataclass(frozen=True)
class Guard:
    """One rule. `reason` and `source` are shown in the rulebook and beside every finding it makes."""

    ident: str
    title: str
    reason: str
    source: str
    check: Check


def guard(ident: str, *, title: str, reason: str, source: str) -> Callable[[Check], Guard]:
    """Makes a guard of a generator function `(params, facts) -> findings`."""

    def wrap(check: Check) -> Guard:
        return Guard(ident, title, reason, source, check)

    return wrap


def unless(silent: Callable[[Any, FactSet], object], rule: Guard) -> Guard:
    """The same rule, without a word where `silent(params, facts)` is true."""

    def check(params: Any, facts: FactSet) -> Iterable[Finding]:
        return () if silent(params, facts) else rule.check(params, facts)

    return replace(rule, check=check)


@dataclass(frozen=True)
class Verdict:
    """A finding with the rule that made it, as stored on an operation."""

    guard: str
    title: str
    reason: str
    source: str
    level: Level
    message: str
    field: str = ""
    override: bool = False


def judge(guards: Iterable[Guard], params: Any, facts: FactSet) -> list[Verdict]:
    """All findings, in the order of the guards. Facts that guards read do not count in a plan's digest."""
    verdicts = []
    for rule in guards:
        for finding in rule.check(params, facts):
            verdicts.append(
                Verdict(rule.ident, rule.title, rule.reason, rule.source, finding.level, finding.message, finding.field, finding.override)
            )
    return verdicts
