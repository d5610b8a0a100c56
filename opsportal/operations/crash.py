"""Named places where a test can kill the worker."""

from __future__ import annotations

import os
import signal

CRASH_AT = os.environ.get("CRASH_AT", "")


def point(name: str) -> None:
    """SIGKILL this process if CRASH_AT names this place."""
    if name == CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
