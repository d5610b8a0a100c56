"""Operations with a log, for the tests of it."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import User

from opsportal.operations import journal
from opsportal.operations.models import Operation, Step
from opsportal.operations.states import OperationState


def described(user: User, token: str | None = None, state: str = OperationState.RUNNING) -> Operation:
    return Operation.objects.create(
        runbook="none", title="Build 4.8.0.16", requester=user, token=token or secrets.token_hex(8), state=state
    )


def logged(step: Step, *pieces: bytes) -> journal.Writer:
    """Append each piece by a writer of its own, as one slice after another would."""
    for piece in pieces:
        writer = journal.Writer(step, fence=0)
        writer.append(writer.size, piece)
    return writer
