"""The table of all runbooks, by dotted path, so that the engine imports no app."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from opsportal.operations.guards import Guard
from opsportal.operations.runbook import Runbook


class UnknownRunbook(LookupError):
    """No runbook of this name: it was removed, or the record comes from a newer portal."""


@cache
def runbooks() -> dict[str, Runbook[Any]]:
    """Name to runbook, in the order of `settings.RUNBOOKS`."""
    found = [import_string(path)() for path in settings.RUNBOOKS]
    return {runbook.name: runbook for runbook in found}


@cache
def standing_rules() -> tuple[Guard, ...]:
    """Rules that no runbook needs to ask: readings of the inventory are held against them."""
    return tuple(rule for path in settings.STANDING_RULES for rule in import_string(path))


def get(name: str) -> Runbook[Any]:
    try:
        return runbooks()[name]
    except KeyError:
        raise UnknownRunbook(f"There is no runbook named {name!r} in this version of the portal.") from None
