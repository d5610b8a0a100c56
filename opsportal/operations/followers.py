"""Operations that follow another: retry from the failed step, undo, the same again; and settling what is unknown."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from pydantic import TypeAdapter

from opsportal.operations import audit, dispatch, planning, stepping
from opsportal.operations.errors import Refused
from opsportal.operations.models import Operation, Restoration, Step
from opsportal.operations.restorations import WAY_BACK
from opsportal.operations.runbook import Risk
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from opsportal.operations.steps import CannotUndo, Effect, NothingToUndo
from opsportal.operations.steps import Step as Planned
from opsportal.web.access import has_role

STEP: TypeAdapter[Planned] = TypeAdapter(Planned)


def can_retry(operation: Operation) -> str:
    """Empty when it can be taken up at the step where it ended."""
    if operation.state not in (S.FAILED, S.CANCELLED):
        return "Only what failed or was cancelled can be taken up again."
    if not operation.steps.exists():
        return "Nothing ran, so there is no step to go on from: do it again instead."
    if operation.followers.filter(kind=Operation.Kind.RETRY).exclude(state__in=[S.DISCARDED, S.STALE]).exists():
        return "It was taken up again already."
    return ""


def retry(operation: Operation, *, user: User, token: str) -> Operation:
    """A new operation with the plan from the first step that is not done. What was done is not done twice."""
    if (sentence := can_retry(operation)) and not Operation.objects.filter(token=token).exists():
        raise Refused(sentence)
    first = operation.steps.exclude(state=StepState.SUCCEEDED).order_by("index")[0]
    return _follow(operation, operation.runbook, user, token, operation.params, Operation.Kind.RETRY, first.key)


def can_again(operation: Operation) -> str:
    return "" if operation.book.pages else "This kind of operation is made from another one."


def again(operation: Operation, *, user: User, token: str) -> Operation:
    """The same parameters in a new draft, with values of its own where a run needs them."""
    if sentence := can_again(operation):
        raise Refused(sentence)
    params = {**operation.params, **operation.book.fresh()}
    return _follow(operation, operation.runbook, user, token, params, Operation.Kind.REBUILD, "")


def can_undo(operation: Operation) -> str:
    if operation.state not in (S.SUCCEEDED, S.FAILED, S.CANCELLED):
        return "Only what has run can be undone."
    if operation.followers.filter(kind=Operation.Kind.UNDO).exclude(state__in=[S.DISCARDED, S.STALE, S.FAILED, S.CANCELLED]).exists():
        return "It was undone already."
    if not undo_steps(operation):
        reasons = [step.undo.reason for step in _done(operation) if isinstance(step.undo, CannotUndo)]
        return " ".join(reasons) or "It left nothing behind that could be undone."
    return ""


def undo(operation: Operation, *, user: User, token: str) -> Operation:
    """The ways back of the steps that were done, last first."""
    if (sentence := can_undo(operation)) and not Operation.objects.filter(token=token).exists():
        raise Refused(sentence)
    stays = [f"{step.title}: {step.undo.reason}" for step in _done(operation) if isinstance(step.undo, CannotUndo)]
    params = {"of": str(operation), "steps": undo_steps(operation), "stays": stays, "locks": operation.locks, "risk": operation.risk}
    return _inherit(_follow(operation, "undo", user, token, params, Operation.Kind.UNDO, ""), operation)


def _done(operation: Operation) -> list[Planned]:
    done = set(operation.steps.filter(state__in=[StepState.SUCCEEDED, StepState.UNKNOWN]).values_list("key", flat=True))
    return [step for step in operation.frozen().steps if step.key in done] if done else []


def undo_steps(operation: Operation) -> list[dict[str, Any]]:
    """The undo of each step that was done, in reverse, as plain JSON of steps."""
    steps = []
    for step in reversed(_done(operation)):
        if isinstance(step.undo, NothingToUndo | CannotUndo):
            continue
        back = Planned(
            key=f"undo-{step.key}"[:63],
            target=step.target,
            title=f"Undo: {step.title}",
            why=f"Takes back what “{step.title}” did.",
            action=step.undo,
            effect=Effect.NON_IDEMPOTENT,
            interruptible=False,
            expect=(),
            probe=step.opens.proof if step.opens else (),
            undo=CannotUndo("An undo is not undone: run the runbook again."),
            danger=step.danger,
            settles=step.opens.key if step.opens else "",
        )
        steps.append(STEP.dump_python(back, mode="json"))
    return steps


def restore(restoration: Restoration, *, user: User, token: str) -> Operation:
    """Bring back what an operation left changed for a time."""
    if restoration.state != Restoration.State.OPEN:
        raise Refused("It is settled already.")
    way_back = WAY_BACK.validate_python(restoration.way_back)
    params = {
        "of": str(restoration.operation),
        "restoration": restoration.pk,
        "target": restoration.target,
        "way_back": WAY_BACK.dump_python(way_back, mode="json"),
        "locks": [restoration.resource],
    }
    return _inherit(_follow(restoration.operation, "restore", user, token, params, Operation.Kind.UNDO, ""), restoration.operation)


def _inherit(new: Operation, old: Operation) -> Operation:
    """Taking a dangerous thing back is as dangerous, and needs the same workers."""
    Operation.objects.filter(pk=new.pk).update(risk=old.risk, approvals_needed=old.book.approvals, queue=old.queue)
    new.refresh_from_db()
    return new


def _follow(
    operation: Operation, runbook: str, user: User, token: str, params: dict[str, Any], kind: Operation.Kind, from_step: str
) -> Operation:
    return planning.create(runbook, user=user, token=token, params=params, kind=kind, after=operation, from_step=from_step)


def resolve(step: Step, *, user: User, happened: bool, reason: str) -> None:
    """A person who looked decides what became of an unknown step. It then goes on, or ends as failed."""
    operation = step.operation
    if operation.state != S.UNKNOWN or step.state != StepState.UNKNOWN:
        raise Refused("This step is not waiting for a decision.")
    if not reason.strip():
        raise Refused("Say how you know: which command you ran and what it showed.")
    if operation.risk == Risk.DANGEROUS.value and (user.pk == operation.requester_id or not has_role(user, "approver")):
        raise Refused("After a dangerous step somebody else with the role of approver has to decide.")
    state = StepState.SUCCEEDED if happened else StepState.FAILED
    said = "it did happen" if happened else "it did not happen"
    with transaction.atomic():
        audit.record(user, "resolve", operation, detail={"step": step.key, "happened": happened, "reason": reason}, alarming=True)
        step.attempts.filter(ended_at=None).update(verdict=f"{user}: {said}")
        stepping.settle(step, state, f"{user} looked and says that {said}: {reason}")
        Operation.objects.filter(pk=operation.pk).update(retry_at=None, woken_at=None)
        dispatch.wake(operation)
