"""Two hundred thousand lines at once: does the portal slow the command, and how long after it is everything stored?"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from opsportal.transport.command import Command
from opsportal.transport.local import clean_environment
from tests.bench import figure
from tests.bench.printing import AT_ONCE
from tests.bench.stage import Stage, stage

LINES = 200_000
RUNS = 15


def run() -> None:
    with stage() as scene:
        user = scene.person("operator")
        scene.ended(scene.submitted(user, "at-once", "10"))
        bare, driven, late = [], [], []
        for _ in range(RUNS):
            bare.append(_bare(scene.stack.state))
            took, after = _driven(scene, user)
            driven.append(took)
            late.append(after)
    figure(f"{LINES:,} lines at once, the bare command into a file", median(bare), "s", f"median of {RUNS}")
    how = f"{median(driven):.3f} s against {median(bare):.3f} s; fastest runs {min(driven) / min(bare):.2f}"
    figure(f"{LINES:,} lines at once, slowed by the portal", median(driven) / median(bare), "times", how, 1.05)
    figure(f"{LINES:,} lines at once, stored after the command's end", median(late), "s", f"the longest {max(late):.2f}", 1)


def _bare(folder: Path) -> float:
    """Seconds that the command itself says it took, alone, with its output going where the wrapper would have it."""
    log = folder / "bare.log"
    log.write_bytes(b"")
    command = Command((sys.executable, "-c", AT_ONCE, str(LINES))).shell()
    subprocess.run(["sh", "-c", f"{command} >>{log} 2>&1 </dev/null"], env=clean_environment(), start_new_session=True, check=True)
    return _said(log.read_bytes())[0]


def _said(output: bytes) -> tuple[float, float]:
    """How long it took, and when it ended."""
    match = re.search(rb"^took ([0-9.]+) ended ([0-9.]+)$", output, re.MULTILINE)
    assert match
    return float(match[1]), float(match[2])


def _driven(scene: Stage, user: Any) -> tuple[float, float]:
    """Seconds the command took, and seconds from its end until its last line was stored."""
    from opsportal.operations import journal

    operation = scene.submitted(user, "at-once", str(LINES))

    while operation.log_lines <= LINES:
        time.sleep(0.05)  # asking more often would take from the processor what is measured here
        operation.refresh_from_db(fields=["log_lines"])
    now = time.time()
    scene.ended(operation)
    took, ended = _said(b"".join(journal.raw(operation)))
    return took, now - ended
