"""Real builds of the practice source in a test's own process, driven in slices as a worker would."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from opsportal.lab.forge import Forge
from opsportal.operations import execution, followers, journal, planning
from opsportal.operations.models import Operation, Step
from releases.models import Build, Source
from releases.runbooks.build_release import BuildRelease
from tests.operations import driving

TOOLS = ("git", "mvn", "javac", "rpmbuild", "dpkg-buildpackage", "dh", "dch", "genisoimage", "bwrap", "perl")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]

SOURCE = 900
"""The number of the source in every test of a module, so that they share Maven's local repository."""


@dataclass(frozen=True)
class Yard:
    """Where it happens: a forge, the source that is registered from it, and an operator."""

    forge: Forge
    source: Source
    user: User

    def submitted(self, **params: Any) -> Operation:
        """With what the wizard begins with, unless something else is given."""
        first = BuildRelease()
        given = {**first.initial(), **first.fresh(), "source": self.source.pk, "ref": "4.8", **params}
        operation = driving.draft("build-release", self.user, **given)
        assert operation.plan, f"{operation.plan_error} {operation.findings}"
        return submit(operation, self.user)

    def built(self, **params: Any) -> Operation:
        return driving.run(self.submitted(**params))

    def follow(self, operation: Operation, how: str) -> Operation:
        """`how` is "retry" or "again": planned and submitted."""
        after: Operation = getattr(followers, how)(operation, user=self.user, token=f"{how}-{operation.pk}-after")
        planning.work(after.pk)
        after.refresh_from_db()
        assert after.plan, f"{after.plan_error} {after.findings}"
        return submit(after, self.user)


def submit(operation: Operation, user: User) -> Operation:
    from opsportal.operations import approval

    approval.submit(operation, user=user)
    return operation


def until(operation: Operation, key: str, *states: str, seconds: float = 300) -> Operation:
    """The smallest slices until this step is in one of these states: no later step has begun then.

    On a busy machine the smallest ones are over before anything is done in them, so they grow.
    """
    deadline, length = time.monotonic() + seconds, 0.002
    while time.monotonic() < deadline:
        execution.slice_of(operation.pk, length)
        length += 0.0002
        operation.refresh_from_db()
        step = operation.steps.filter(key=key).first()
        if step and step.state in states:
            return operation
        assert not operation.final, f"{operation.state}: {operation.outcome}"
        time.sleep(0.02)
    raise AssertionError(f"step {key} never was {' or '.join(states)}")


def step(operation: Operation, key: str) -> Step:
    return operation.steps.get(key=key)


def log(operation: Operation) -> str:
    return b"".join(journal.raw(operation)).decode(errors="replace")


def checkout(operation: Operation) -> Path:
    return Path(settings.STATE_DIR) / "workspaces" / str(operation.params["workspace"]) / "src"


def store(operation: Operation) -> Path:
    return Path(settings.STATE_DIR) / "artefacts" / str(operation.pk)


def subjects(operation: Operation) -> list[str]:
    """Of the commits that the build made, oldest first."""
    build = Build.objects.get(operation=operation)
    return git(checkout(operation), "log", "--reverse", "--format=%s", f"{build.commit}..HEAD").splitlines()


def git(folder: Path, *argv: str) -> str:
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def put(folder: Path, path: str, text: str) -> Path:
    """A file in the checkout as foreign code could have left it."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def succeeded(operation: Operation) -> Build:
    assert operation.state == "succeeded", f"{operation.outcome}\n{log(operation)[-3000:]}"
    return Build.objects.get(operation=operation)


def failed(operation: Operation, key: str) -> str:
    """What the step says that it failed at; nothing may have been delivered."""
    assert operation.state == "failed", f"{operation.state}: {operation.outcome}\n{log(operation)[-3000:]}"
    at = operation.steps.get(state="failed")
    assert at.key == key, at.message
    assert not Build.objects.get(operation=operation).artefacts.filter(stored=True).exists()
    return at.message
