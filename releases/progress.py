"""What Maven's output says about how far it is: the reactor's modules, surefire's tests, and the first error.

Understands Maven 3 with `-B` and surefire from 2.12 (CloudStack 4.8) to 3.x. Sources: their own log formats, as printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

REST_LIMIT = 64 * 1024
"""A line is looked at up to here; Maven's own are far shorter."""

KEEP_FAILED = 200
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
ORDER = re.compile(r"\[INFO\] (\S.*?)\s+\[(?:pom|jar|war|ear|maven-plugin|bundle|[a-z-]+)\]")
BUILDING = re.compile(r"\[INFO\] Building (.+?)(?: (\S+))?\s+\[([0-9]+)/([0-9]+)\]")
ALONE = re.compile(r"\[INFO\] Building (\S.*?) (\S+)")
SUMMARY = re.compile(r"\[INFO\] (\S.*?) \.{2,} (SUCCESS|FAILURE|SKIPPED)(?: \[\s*(?:([0-9]+):)?([0-9.]+) (s|min|h)\])?")
NUMBERED = re.compile(r" [0-9][^ ]*")
RUNNING = re.compile(r"(?:\[INFO\] )?Running (\S+)")
SUITE = re.compile(
    r"(?:\[(?:INFO|ERROR|WARNING|WARN)\] )?Tests run: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+), Skipped: ([0-9]+), "
    r"Time elapsed: [0-9.,]+ (?:s|sec)(?:onds)?\b(?:.*?(?:- in|-- in) (\S+))?"
)
FAILED = re.compile(
    r"(?:\[ERROR\] )?(?:(?P<test>[^\s(]+)\((?P<suite>[\w.$]+)\)|(?P<both>[\w.$]+\.[\w$\[\]]+))"
    r"\s+(?:-- )?Time elapsed: .*<<< (?:FAILURE|ERROR)!"
)
GOAL = re.compile(r"\[ERROR\] Failed to execute goal (\S+)(?: \([^)]*\))? on project (\S+): (.+)")
COMPILER = re.compile(r"\[ERROR\] (?:.*/)?(\S+\.java):\[([0-9]+),[0-9]+\] (.+)")
FATAL = re.compile(
    r"\[(?:ERROR|FATAL)\] (?!\s*$|To see the full|Re-run Maven|For more information|->|\[Help|Tests run|Failures:|Please refer)(.{8,})"
)
OUTCOME = {"SUCCESS": "ok", "FAILURE": "failed", "SKIPPED": "skipped"}
UNIT = {"s": 1, "min": 60, "h": 3600}


class MavenProgress:
    """A `Progress` reader. Line numbers count from 0 within the step's output."""

    def __init__(self) -> None:
        self.rest = b""
        self.line = 0
        self.now = 0.0
        self.listing = False
        self.modules: list[dict[str, Any]] = []
        self.module = 0
        self.suite = ""
        self.tests: dict[str, Any] = {"run": 0, "failures": 0, "errors": 0, "skipped": 0, "suites": 0, "failed": []}
        self.waits_for_message = False
        self.error: dict[str, Any] = {}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> MavenProgress:
        reader = cls()
        for name in ("line", "listing", "modules", "module", "suite", "tests", "waits_for_message"):
            setattr(reader, name, state[name])
        reader.rest, reader.error, reader.now = state["rest"].encode("latin-1"), state["problem"], state["now"]
        return reader

    def state(self) -> dict[str, Any]:
        kept = {
            name: getattr(self, name) for name in ("line", "listing", "modules", "module", "suite", "tests", "waits_for_message", "now")
        }
        shown: dict[str, Any] = {"rest": self.rest.decode("latin-1"), "problem": self.error}
        if self.modules:
            building = self.modules[self.module - 1]["name"] if self.module else ""
            shown |= {
                "label": f"Module {self.module} of {len(self.modules)}",
                "done": self._done(),
                "total": len(self.modules),
                "detail": building,
            }
        if self.tests["run"]:
            bad = self.tests["failures"] + self.tests["errors"]
            shown["detail"] = f"{shown.get('detail', '')} · {self.tests['run']} tests{f', {bad} failed' if bad else ''}".strip(" ·")
        if self.error:
            shown |= {"error": self.error["text"], "error_line": self.error["line"]}
        return kept | shown

    def _done(self) -> int:
        return sum(module["state"] in ("ok", "failed") for module in self.modules)

    def feed(self, data: bytes, now: float) -> None:
        self.now = now
        for line in self._lines(data):
            if line:
                self._read(line)
            self.line += 1

    def _lines(self, data: bytes) -> Iterator[str]:
        """Whole lines, without colours; "" for those that cannot matter. What has no end yet is kept, up to a limit."""
        *whole, rest = data.split(b"\n")
        if not whole:
            self.rest = (self.rest + rest)[:REST_LIMIT]
            return
        whole[0], self.rest = self.rest + whole[0], rest[:REST_LIMIT]
        for line in whole:
            plain = COLOUR.sub(b"", line[:2000])
            wanted = self.waits_for_message or plain.startswith((b"[", b"Tests run", b"Running")) or b"<<< " in plain
            yield plain.decode("utf-8", "replace").rstrip() if wanted else ""

    def _read(self, line: str) -> None:
        if self.waits_for_message:
            self.waits_for_message = False
            self.tests["failed"][-1]["message"] = line.removeprefix("[ERROR] ").strip()[:300]
            return
        if line.startswith("[INFO]"):
            self._info(line)
        if match := RUNNING.fullmatch(line):
            self.suite = match[1]
        elif match := FAILED.fullmatch(line):
            self._failed(match)
        elif match := SUITE.match(line):
            self._suite(match)
        elif line.startswith(("[ERROR]", "[FATAL]")):
            self._error(line)

    def _info(self, line: str) -> None:
        if line.startswith("[INFO] Reactor Build Order:"):
            self.listing, self.modules, self.module = True, [], 0
        elif self.listing and (match := ORDER.fullmatch(line)):
            self.modules.append({"name": match[1], "state": "waiting", "seconds": None, "since": None})
        elif match := BUILDING.fullmatch(line):
            self._building(match[1], int(match[3]), int(match[4]))
        elif not self.modules and (match := ALONE.fullmatch(line)):
            self._building(match[1], 1, 1)
        elif match := SUMMARY.match(line):
            self._summary(match)

    def _building(self, name: str, number: int, total: int) -> None:
        self.listing = False
        while len(self.modules) < total:
            self.modules.append({"name": name, "state": "waiting", "seconds": None, "since": None})
        self._close()
        self.module = number
        self.modules[number - 1] |= {"name": name, "state": "building", "since": self.now}

    def _close(self) -> None:
        """The module before is done, as far as one can see: with several threads the summary corrects it."""
        for module in self.modules:
            if module["state"] == "building":
                module |= {"state": "ok", "seconds": round(self.now - module["since"], 1)}

    def _summary(self, match: re.Match[str]) -> None:
        """Maven writes "1.234 s", "01:02 min" or "01:02 h"; the first and the last module also carry the version."""
        seconds = None
        if match[4]:
            unit = UNIT[match[5]]
            seconds = round(int(match[3] or 0) * unit + float(match[4]) * (unit / 60 if match[3] else unit), 3)
        for module in self.modules:
            rest = match[1].removeprefix(module["name"])
            if rest == "" or (rest != match[1] and NUMBERED.fullmatch(rest)):
                module |= {"state": OUTCOME[match[2]], "seconds": seconds if seconds is not None else module["seconds"]}

    def _suite(self, match: re.Match[str]) -> None:
        for name, group in (("run", 1), ("failures", 2), ("errors", 3), ("skipped", 4)):
            self.tests[name] += int(match[group])
        self.tests["suites"] += 1
        self.suite = match[5] or self.suite

    def _failed(self, match: re.Match[str]) -> None:
        suite, test = (match["suite"], match["test"]) if match["test"] else match["both"].rsplit(".", 1)
        if len(self.tests["failed"]) < KEEP_FAILED:
            self.tests["failed"].append({"suite": suite, "test": test, "message": "", "line": self.line})
            self.waits_for_message = True

    def _error(self, line: str) -> None:
        if match := GOAL.match(line):
            self._goal(match)
        elif self.error.get("from"):
            return
        elif match := COMPILER.match(line):
            self.error = {"text": f"{match[1]}, line {match[2]}: {match[3]}"[:300], "line": self.line, "from": "compiler"}
        elif not self.error and (match := FATAL.match(line)):
            self.error = {"text": match[1][:300], "line": self.line, "from": ""}

    def _goal(self, match: re.Match[str]) -> None:
        """Names the module; the line to open at is the first failing test or the compiler's own message when there was one."""
        failed = self.tests["failed"]
        what = self.error.get("text", "") if self.error.get("from") == "compiler" else match[3].split(" -> ")[0]
        if failed and "test" in match[1]:
            what = f"{failed[0]['suite'].rsplit('.', 1)[-1]}.{failed[0]['test']}: {failed[0]['message']}"
        line = failed[0]["line"] if failed else self.error.get("line", self.line)
        self.error = {"text": f"Module {match[2]}: {what}"[:400], "line": line, "from": "goal", "module": match[2]}
        for module in self.modules:
            if module["state"] == "building":
                module["state"] = "failed"
