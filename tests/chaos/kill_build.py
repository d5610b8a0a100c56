"""Kills the worker at random moments of real builds and judges what is true afterwards.

`python -m tests.chaos.kill_build COUNT [SEED]` prints one line a run and ends with the sum. Each run is a real build of the
practice source with patches, Maven and RPM packages; the worker is killed with SIGKILL at a random moment and started again at once.
Each build must be driven again within 60 s and end well, no command may have been started twice, and the stored log must equal the
files on the target byte for byte.
"""

from __future__ import annotations

import http.server
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.stack import Stack, portal, wait_for

LONGEST = 240
VARIANTS: tuple[dict[str, Any], ...] = (
    {"ref": "4.8", "patches": ["1", "2"], "rpm": "centos7"},
    {"ref": "4.8", "patches": ["10"], "skip_tests": True},
    {"ref": "plain", "numbering": "rebuild", "profiles": ""},
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The practice source over plain HTTP, as any static web server would serve it."""
    from opsportal.lab import practice_source

    repository = practice_source.create(folder)
    subprocess.run(["git", "-C", str(repository), "update-server-info"], check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def main(count: int, seed: int | None = None) -> int:
    """The number of runs that broke a promise."""
    seed = seed if seed is not None else secrets.randbelow(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="chaos") as folder,
        served(Path(folder)) as address,
        portal(Path(folder) / "state", OPSPORTAL_GIT_HOSTS=address) as stack,
    ):
        broken = sum(bool(_one(stack, number, chance, address)) for number in range(count))
    print(f"{count} runs, {broken} broke a promise")
    return broken


def _one(stack: Stack, number: int, chance: random.Random, address: str) -> str:
    variant = VARIANTS[number % len(VARIANTS)]
    operation = _submit(address, {**variant, "version": f"4.8.0.{number + 1}" if "numbering" not in variant else ""})
    time.sleep(chance.uniform(0, 25 if "rpm" in variant else 14))
    stack.kill("worker")
    stack.start_worker()
    killed = time.monotonic()
    operation.refresh_from_db()
    fence = operation.fence
    wait_for(lambda: _driven(operation, fence), f"somebody driving build {operation.pk} again", 60)
    driven = time.monotonic() - killed
    wait_for(lambda: _ended(operation), f"the end of build {operation.pk}", LONGEST)
    wrong = judge(operation)
    print(f"run {number}: {operation.state}, driven again after {driven:.1f} s{'; ' + wrong if wrong else ''}", flush=True)
    return wrong


def _submit(address: str, params: dict[str, Any]) -> Any:
    from django.contrib.auth.models import Group, User

    from opsportal.operations import approval, planning
    from releases.models import Source
    from releases.runbooks.build_release import BuildRelease

    user, _ = User.objects.get_or_create(username="chaos")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    made = {"url": f"{address}/practice.git", "default_branch": "4.8", "pulls": Source.Pulls.REF}
    source, _ = Source.objects.get_or_create(name="Practice", defaults=made)
    given = {**BuildRelease().fresh(), "source": source.pk, **params}
    operation = planning.create("build-release", user=user, token=secrets.token_hex(8), params=given)
    wait_for(lambda: _planned(operation), "a plan", 60)
    approval.submit(operation, user=user, overrides=True, reason="chaos")
    return operation


def _planned(operation: Any) -> bool:
    operation.refresh_from_db()
    if operation.plan_error:
        raise AssertionError(operation.plan_error)
    return bool(operation.plan)


def _driven(operation: Any, fence: int) -> bool:
    operation.refresh_from_db()
    return bool(operation.final or operation.fence > fence)


def _ended(operation: Any) -> bool:
    operation.refresh_from_db()
    return operation.final or (operation.state == "unknown" and bool(operation.outcome))


def judge(operation: Any) -> str:
    """What promise was broken; "" when all were kept."""
    from opsportal.operations import journal, targets

    wrong = [] if operation.state == "succeeded" else [f"{operation.state}: {operation.outcome}"]
    remote = targets.detached("local", operation)
    for step in operation.steps.all():
        paths = [Path(remote.log_path(attempt.remote_key)) for attempt in step.attempts.all()]
        if sum((path.parent / "started").exists() for path in paths) > 1:
            wrong.append(f"{step.key} was started more than once")
        if b"".join(journal.raw(operation, step)) != b"".join(path.read_bytes() for path in paths if path.exists()):
            wrong.append(f"the log of {step.key} differs from the file on the target")
    if operation.state == "succeeded" and not operation.build.artefacts.filter(stored=True).exists():
        wrong.append("succeeded without a stored artefact")
    return "; ".join(wrong)


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None) else 0)
