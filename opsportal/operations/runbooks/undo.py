"""Undo: the ways back of an earlier operation's steps, as a plan of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard
from opsportal.operations.runbook import Risk, Runbook
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class UndoParams:
    of: str = ""
    steps: tuple[Step, ...] = ()
    stays: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    risk: str = Risk.ROUTINE.value


@guard(
    "undo.partial",
    title="What an undo leaves as it is",
    reason="Some acts have no way back: the undo takes back the others and names these.",
    source="The runbook's own statement on each step.",
)
def partial(params: UndoParams, _facts: FactSet) -> Iterator[Finding]:
    for sentence in params.stays:
        yield Finding(Level.WARN, f"Stays as it is. {sentence}")


class Undo(Runbook[UndoParams]):
    name = "undo"
    title = "Undo"
    summary = "Takes back what an operation did, step by step, last step first."
    when = "When the result of an operation is not wanted after all."
    goes_wrong = "What was changed by somebody else in between is not known to the plan: read the commands."
    afterwards = "The operation it undoes stays in the history, linked to this one."
    risk = Risk.ROUTINE
    approvals = 0
    params = UndoParams
    pages = ()
    guards: ClassVar[tuple[Guard, ...]] = (partial,)

    def subject(self, params: UndoParams) -> str:
        return params.of

    def locks(self, params: UndoParams) -> Iterable[str]:
        return params.locks

    def plan(self, params: UndoParams, facts: FactSet) -> Iterable[Step]:
        return params.steps
