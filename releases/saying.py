"""What a management server's log says while it brings its database along: how far it is, and the line where it went wrong.

The texts are those of DatabaseUpgradeChecker, in both of its eras.
"""

from __future__ import annotations

import re
from typing import Any

from releases.servers import LOUD, OURS, PLAIN

REST_LIMIT = 64 * 1024
"""Bytes of a line without an end that are kept; the lines that count are far shorter."""

MUST = re.compile(r"Database upgrade must be performed from (\S+) to (\S+)")
RUNNING = re.compile(r"Running upgrade (\S+) to upgrade from \S+ to (\S+)")
COMPLETED = re.compile(r"Upgrade completed for version (\S+)")
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ +")


class UpgradeLog:
    """A `Progress` reader. "error_line" counts from 0 within the step's output: the first line that says what went wrong."""

    def __init__(self) -> None:
        self.rest = b""
        self.number = 0
        self.shown: dict[str, Any] = {}

    def feed(self, data: bytes, now: float) -> None:
        *whole, rest = (self.rest + data).split(b"\n")
        for line in whole:
            self._read(line[:2000].decode(errors="replace"))
            self.number += 1
        self.rest = rest[:REST_LIMIT]

    def _read(self, line: str) -> None:
        if match := MUST.search(line):
            self.shown["label"] = f"Upgrading the database from {match[1]} to {match[2]}"
        elif match := RUNNING.search(line):
            self.shown["detail"] = f"to {match[2]}"
        elif match := COMPLETED.search(line):
            self.shown["detail"] = f"{match[1]} reached"
        elif "no upgrade needed" in line:
            self.shown["label"] = "The database fits already"
        if "error" not in self.shown and (re.search(PLAIN, line) or (re.search(LOUD, line) and re.search(OURS, line))):
            self.shown |= {"error": STAMP.sub("", line).strip()[:400], "error_line": self.number}

    def state(self) -> dict[str, Any]:
        return {**self.shown, "rest": self.rest.decode("latin-1"), "number": self.number}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> UpgradeLog:
        reader = cls()
        reader.rest, reader.number = str(state["rest"]).encode("latin-1"), int(state["number"])
        reader.shown = {name: state[name] for name in ("label", "detail", "error", "error_line") if name in state}
        return reader
