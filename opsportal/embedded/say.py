"""What the person who started the portal reads: one calm line for each thing."""

from __future__ import annotations

import sys


def say(what: str, text: str) -> None:
    sys.stdout.write(f"  {what:<12} {text}\n")
    sys.stdout.flush()
