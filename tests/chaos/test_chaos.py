"""A small dose of every kind of violence; `python -m tests.chaos.…` gives more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.chaos.stack import ROOT

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize(
    "command",
    [("kill_worker", "8"), ("crash_points",), ("crash_points", "redis"), ("kill_build", "3"), ("kill_pool_master", "5")],
    ids=[
        "worker killed at random",
        "killed at every named place",
        "redis restarted in bursts",
        "killed during real builds",
        "killed while a pool changes its master",
    ],
)
def test_every_promise_is_kept(command: tuple[str, ...]) -> None:
    run = subprocess.run([sys.executable, "-m", f"tests.chaos.{command[0]}", *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
