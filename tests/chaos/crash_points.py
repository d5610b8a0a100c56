"""Kills the worker's process at each named place of the engine, once, and judges what is true afterwards.

`python -m tests.chaos.crash_points` prints one line a place. `python -m tests.chaos.crash_points redis` restarts Redis in bursts
while operations run instead.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.kill_worker import _ended, _submit, judge
from tests.chaos.stack import ROOT, Stack, portal, wait_for

BURSTS = 5


def places() -> list[str]:
    """Every name given to `crash.point`, from the engine's own text."""
    text = "".join(path.read_text() for path in sorted((ROOT / "opsportal" / "operations").glob("*.py")))
    return sorted(set(re.findall(r'crash\.point\("([a-z-]+)"\)', text)))


def main(redis: bool = False) -> int:
    """The number of runs that broke a promise."""
    with (
        tempfile.TemporaryDirectory(prefix="chaos") as folder,
        portal(Path(folder) / "state", OPSPORTAL_RUNBOOKS="tests.operations.books.Ledger") as stack,
    ):
        if redis:
            return sum(bool(_without_redis(stack, number, Path(folder))) for number in range(BURSTS))
        return sum(bool(_at(stack, place, Path(folder))) for place in places())


def _at(stack: Stack, place: str, folder: Path) -> str:
    stack.kill("worker")
    stack.env["CRASH_AT"] = place
    stack.start_worker()
    operation = _submit(_place(folder, place))
    wait_for(lambda: _begun(operation), f"the start of operation {operation.pk}", 60)
    time.sleep(1)
    stack.kill("worker")
    del stack.env["CRASH_AT"]
    stack.start_worker()
    return _report(place, operation, folder / place)


def _without_redis(stack: Stack, number: int, folder: Path) -> str:
    """Redis goes away three times within two seconds, as in a flapping deployment."""
    name, began = f"burst{number}", time.monotonic()
    operation = _submit(_place(folder, name))
    for _ in range(3):
        stack.kill("redis")
        (stack.state / "redis.sock").unlink(missing_ok=True)
        stack.start_redis()
        time.sleep(0.6)
    wait_for(lambda: _kept_alive(stack) and _ended(operation), f"the end of the operation of {name}", 180)
    return _report(name, operation, folder / name, time.monotonic() - began)


def _kept_alive(stack: Stack) -> bool:
    """What systemd or `make run` does: a worker that ended itself because it heard nothing any more is started again."""
    if stack.processes["worker"].poll() is not None:
        stack.start_worker(f"again{time.monotonic_ns()}")
        stack.processes["worker"] = stack.processes.popitem()[1]
    return True


def _place(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    (place / "state").write_text("begun\n")
    (place / "ledger").write_text("")
    return place


def _begun(operation: object) -> bool:
    operation.refresh_from_db()  # type: ignore[attr-defined]
    return bool(operation.state != "queued")  # type: ignore[attr-defined]


def _report(name: str, operation: object, place: Path, waited: float = 0) -> str:
    """`waited` are seconds that went by before."""
    begun = time.monotonic() - waited
    wait_for(lambda: _ended(operation), f"the end of the operation of {name}", 120)
    wrong = judge(operation, place, time.monotonic() - begun)
    print(f"{name}: {operation.state} after {time.monotonic() - begun:.1f} s{'; ' + wrong if wrong else ''}", flush=True)  # type: ignore[attr-defined]
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(redis="redis" in sys.argv) else 0)
