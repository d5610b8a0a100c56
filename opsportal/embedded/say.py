"""What the person who started the portal reads: one calm line for each thing. The terminal may be gone by then."""

from __future__ import annotations

import contextlib
import sys


def line(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def say(what: str, text: str) -> None:
    line(f"  {what:<12} {text}")
