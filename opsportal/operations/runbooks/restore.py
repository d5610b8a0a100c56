"""Settle a restoration: bring back what an operation changed for a time and did not bring back itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opsportal.operations import restorations
from opsportal.operations.facts import FactSet
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.runbook import Risk, Runbook
from opsportal.operations.states import OperationState
from opsportal.operations.steps import CannotUndo, Effect, Step, WayBack


@dataclass(frozen=True)
class RestoreParams:
    of: str = ""
    restoration: int = 0
    target: str = ""
    way_back: WayBack | None = None
    locks: tuple[str, ...] = ()


class Restore(Runbook[RestoreParams]):
    name = "restore"
    title = "Settle a restoration"
    summary = "Brings back what an operation changed for a time, and proves that it is back."
    when = "When an operation ended before it could do so itself."
    goes_wrong = "If somebody changed the same thing by hand meanwhile, the command may answer that it is so already: the proof decides."
    afterwards = "The restoration is settled, and what it was open on can be worked on again."
    risk = Risk.ROUTINE
    approvals = 0
    params = RestoreParams
    pages = ()
    settles = True

    def subject(self, params: RestoreParams) -> str:
        return f"{params.way_back.title if params.way_back else ''} ({params.of})"

    def locks(self, params: RestoreParams) -> Iterable[str]:
        return params.locks

    def plan(self, params: RestoreParams, facts: FactSet) -> Iterable[Step]:
        assert params.way_back is not None
        yield Step(
            key="restore",
            target=params.target,
            title=f"Bring back: {params.way_back.title}",
            why="An earlier operation made this change for a time and ended before it brought it back.",
            action=params.way_back.action,
            effect=Effect.NON_IDEMPOTENT,
            interruptible=False,
            expect=(),
            probe=params.way_back.proof,
            undo=CannotUndo("It brings back what was."),
            danger=True,
        )

    def finished(self, operation_id: int, state: str) -> None:
        if state != OperationState.SUCCEEDED:
            return
        operation = Operation.objects.get(pk=operation_id)
        restoration = Restoration.objects.get(pk=operation.parsed().restoration)
        restorations.settle(restoration.operation, restoration.key, f"operation #{operation_id}")
