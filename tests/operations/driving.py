"""Driving operations in a test: plan, submit and run in this process, as a worker would."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from opsportal.operations import approval, execution, planning
from opsportal.operations.models import Operation
from opsportal.operations.states import DRIVEN, FINAL


def draft(runbook: str, user: User, **params: Any) -> Operation:
    """A draft with all its parameters, planned."""
    operation = planning.create(runbook, user=user, token=secrets.token_hex(8), params=params)
    planning.work(operation.pk)
    operation.refresh_from_db()
    return operation


def submitted(runbook: str, user: User, **params: Any) -> Operation:
    operation = draft(runbook, user, **params)
    approval.submit(operation, user=user)
    return operation


def run(operation: Operation, slices: int = 50, seconds: float = 30) -> Operation:
    """Slices until it ends or waits."""
    for _ in range(slices):
        execution.slice_of(operation.pk, seconds)
        operation.refresh_from_db()
        if operation.state in FINAL or operation.retry_at or operation.state not in DRIVEN:
            break
    return operation


def ledger(operation: Operation) -> list[str]:
    return Path(operation.params["folder"], "ledger").read_text().split()
