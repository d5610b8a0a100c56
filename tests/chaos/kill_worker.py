"""Kills the worker at random moments of operations and judges what is true afterwards.

`python -m tests.chaos.kill_worker COUNT [SEED]` prints one line a run and ends with the sum. Each run is one operation of four
steps which each append to a ledger, killed once or twice; a new worker is started at once. It must end in a true state within
60 s, no step may have acted twice, and the stored log must equal the files on the target byte for byte.
"""

from __future__ import annotations

import random
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.stack import Stack, portal, wait_for

STEPS = ["ok", "slow", "loud:20000", "ok"]


def main(count: int, seed: int | None = None) -> int:
    """The number of runs that broke a promise."""
    seed = seed if seed is not None else secrets.randbelow(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        state = Path(folder) / "state"
        with portal(state, OPSPORTAL_RUNBOOKS="tests.operations.books.Ledger") as stack:
            broken = sum(bool(_one(stack, number, chance, Path(folder))) for number in range(count))
    print(f"{count} runs, {broken} broke a promise")
    return broken


def _one(stack: Stack, number: int, chance: random.Random, folder: Path) -> str:
    place = folder / f"place{number}"
    place.mkdir()
    (place / "state").write_text("begun\n")
    (place / "ledger").write_text("")
    operation = _submit(place)
    for _ in range(chance.choice([1, 1, 2])):
        time.sleep(chance.uniform(0, 3.5))
        stack.kill("worker")
        stack.start_worker()
    restarted = time.monotonic()
    wait_for(lambda: _ended(operation), f"the end of operation {operation.pk}", 90)
    took = time.monotonic() - restarted
    wrong = judge(operation, place, took)
    print(f"run {number}: {operation.state} after {took:.1f} s{'; ' + wrong if wrong else ''}", flush=True)
    return wrong


def _submit(place: Path) -> Any:
    from django.contrib.auth.models import Group, User

    from opsportal.operations import approval, planning

    user, _ = User.objects.get_or_create(username="chaos")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    params = {"folder": str(place), "scripts": STEPS}
    operation = planning.create("tests.ledger", user=user, token=secrets.token_hex(8), params=params)
    planning.work(operation.pk)
    operation.refresh_from_db()
    approval.submit(operation, user=user)
    return operation


def _ended(operation: Any) -> bool:
    operation.refresh_from_db()
    return operation.final or (operation.state == "unknown" and bool(operation.outcome))


def judge(operation: Any, place: Path, took: float) -> str:
    """What promise was broken; "" when all were kept."""
    from opsportal.operations import journal, targets

    ledger = (place / "ledger").read_text().split()
    wrong = []
    if took > 60:
        wrong.append(f"no true state for {took:.0f} s")
    if len(ledger) != len(set(ledger)):
        wrong.append(f"acted twice: {ledger}")
    if operation.state == "succeeded" and len(ledger) != len(STEPS):
        wrong.append(f"says succeeded, the ledger has {ledger}")
    if operation.state in ("failed", "cancelled"):
        wrong.append(f"{operation.state}: {operation.outcome}")
    for step in operation.steps.all():
        remote = b"".join(
            Path(targets.detached("local", operation).log_path(attempt.remote_key)).read_bytes() for attempt in step.attempts.all()
        )
        if b"".join(journal.raw(operation, step)) != remote:
            wrong.append(f"the log of {step.key} differs from the file on the target")
    return "; ".join(wrong)


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None) else 0)
