"""What steps of a package manager share. How a room installs, and what it takes away again, is its own."""

from __future__ import annotations

import json

from opsportal.operations.facts import FactError
from opsportal.operations.steps import Condition, Effect, NothingToUndo, RunCommand, Step
from opsportal.packages.offers import SCRIPT, Offered
from opsportal.transport.base import Result
from opsportal.transport.command import Command

UPDATE = """\
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
root env DEBIAN_FRONTEND=noninteractive \\
  apt-get update -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o APT::Update::Error-Mode=any
"""


def lists(target: str, key: str = "lists") -> Step:
    """Of apt."""
    return step(
        target,
        key,
        "Fetch the package lists",
        "Versions that were replaced cannot be downloaded any more: old lists lead to errors.",
        RunCommand(Command(script=UPDATE, gist="apt-get update"), timeout=900),
    )


def installed(names: tuple[str, ...]) -> Condition:
    command = Command(script=SCRIPT, argv=names, gist=f"which of {', '.join(names)} are installed")
    return Condition("The packages are installed", command, "opsportal.packages.installing.all_installed", json.dumps(names), timeout=240)


def all_installed(result: Result, wants: str) -> str:
    """Judges what `offers` reads. `wants` is JSON: the names of packages."""
    names = tuple(json.loads(wants))
    try:
        still = sorted(set(names) - set(Offered("the host", names).parse(result).installed))
    except FactError as error:
        return str(error)
    return f"Not installed: {', '.join(still)}." if still else ""


def step(
    target: str,
    key: str,
    title: str,
    why: str,
    action: RunCommand,
    *,
    probe: tuple[Condition, ...] = (),
    undo: RunCommand | None = None,
) -> Step:
    """A package manager that is stopped in the middle leaves half packages, so it never is."""
    return Step(
        key=key,
        target=target,
        title=title,
        why=why,
        action=action,
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=probe,
        undo=undo or NothingToUndo(),
    )
