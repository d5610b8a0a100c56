"""A whole build through the portal against the same commands in a bare shell, and a warm build against the first one.

The build is the practice source's 4.8 with two pull requests, RPM and Debian packages. The bare shell runs the commands of the frozen
plan in their order, in the same workspace, and nothing else: no proofs, no log, no artefacts taken. Both are warm and take turns.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from opsportal.lab import practice_source
from opsportal.lab.forge import Forge
from tests.bench import figure
from tests.chaos.stack import portal, wait_for

PAIRS = 3
LONGEST = 900
ASKED: dict[str, Any] = {"ref": "4.8", "patches": ["1", "2"], "rpm": "centos7", "deb": True}


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="bench", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        with (
            Forge(practice_source.create(place / "forge")).running() as forge,
            portal(place / "state", OPSPORTAL_GIT_HOSTS=forge.url),
        ):
            _measure(forge.url, place)


def _measure(forge: str, place: Path) -> None:
    cold, _ = _through_the_portal(forge, 1)
    pairs = []
    for number in range(PAIRS):
        warm, operation = _through_the_portal(forge, number + 2)
        pairs.append((warm, _bare(operation, place)))
    warms, bares = [warm for warm, _ in pairs], [bare for _, bare in pairs]
    ratios = sorted(warm / bare for warm, bare in pairs)
    how = f"median of {PAIRS} pairs, {ratios[0]:.3f} to {ratios[-1]:.3f}; {median(warms):.1f} s against {median(bares):.1f} s"
    figure("whole build through the portal", median(ratios), "of the same commands in a bare shell", how, 1.03)
    difference = median(warm - bare for warm, bare in pairs)
    figure("what the portal adds to a build", difference, "s", "proofs, log, taking the artefacts; the median of the same pairs")
    against = f"{warms[0]:.1f} s against {cold:.1f} s with an empty Maven repository"
    figure("second build of a source", warms[0] / cold, "of the first", against, 0.5)


def _through_the_portal(forge: str, number: int) -> tuple[float, Any]:
    """Seconds from the click that submits it to its end, by the portal's own record, and the operation."""
    from opsportal.operations import approval

    operation = _planned(forge, f"4.8.0.{number}")
    approval.submit(operation, user=operation.requester)
    deadline = time.monotonic() + LONGEST
    while not _fresh(operation).final and time.monotonic() < deadline:
        time.sleep(0.5)  # asking more often would take the processor away from what is measured
    assert operation.state == "succeeded", f"{operation.state}: {operation.outcome}"
    return (operation.ended_at - operation.submitted_at).total_seconds(), operation


def _planned(forge: str, version: str) -> Any:
    from django.contrib.auth.models import Group, User

    from opsportal.lab.seed import addresses
    from opsportal.operations import planning
    from releases.models import Source
    from releases.runbooks.build_release import BuildRelease

    user, _ = User.objects.get_or_create(username="bench")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    source, _ = Source.objects.get_or_create(name="Practice", defaults={**addresses(forge), "default_branch": "4.8"})
    first = BuildRelease()
    given = {**first.initial(), **first.fresh(), "source": source.pk, "version": version, **ASKED}
    operation = planning.create("build-release", user=user, token=secrets.token_hex(8), params=given)
    wait_for(lambda: not _fresh(operation).planning, "the plan", 120)
    assert operation.plan, f"{operation.plan_error} {operation.findings}"
    return operation


def _fresh(operation: Any) -> Any:
    operation.refresh_from_db()
    return operation


def _bare(operation: Any, place: Path) -> float:
    """Seconds that a shell takes for the commands of this operation's plan."""
    from opsportal.operations import store
    from opsportal.operations.steps import PutStored, RunCommand
    from opsportal.transport.local import clean_environment

    lines = ["set -e"]
    for step in operation.frozen().steps:
        if isinstance(step.action, RunCommand):
            lines.append(f"( {step.action.command.shell()} )")
        elif isinstance(step.action, PutStored):
            mailbox = place / step.action.sha256
            mailbox.write_bytes(store.get(step.action.sha256))
            lines.append(f"cp {mailbox} {step.action.path}")
    script = place / "bare.sh"
    script.write_text("\n".join(lines) + "\n")
    with (place / "bare.log").open("wb") as log:
        start = time.monotonic()
        done = subprocess.run(["sh", str(script)], env=clean_environment(), cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    assert done.returncode == 0, (place / "bare.log").read_text(errors="replace")[-3000:]
    return time.monotonic() - start
