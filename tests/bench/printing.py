"""A runbook whose one step prints: what the log's figures are taken with."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from opsportal.operations.facts import FactSet
from opsportal.operations.runbook import Risk, Runbook
from opsportal.operations.steps import Effect, NothingToUndo, RunCommand, Step
from opsportal.transport.command import Command

STAMPED = """
import os, sys, time
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
while len(sys.argv) > 3 and not os.path.exists(sys.argv[3]):
    time.sleep(0.05)
begin = time.monotonic()
for number in range(int(rate * seconds)):
    rest = begin + number / rate - time.monotonic()
    if rest > 0:
        time.sleep(rest)
    sys.stdout.write(f"{time.time_ns()} line {number} of what a build prints while it compiles one class after another\\n")
    sys.stdout.flush()
"""
"""Prints lines at a rate for some seconds, each beginning with the time in nanoseconds since 1970, once the file of its name exists."""

AT_ONCE = """
import sys, time
began = time.monotonic()
for number in range(int(sys.argv[1])):
    print(f"line {number} of what a build prints while it compiles one class after another", flush=True)
print("took", time.monotonic() - began, "ended", time.time(), flush=True)
"""
"""Prints so many lines as fast as it can, each by a write of its own, then how long that took and when it ended."""

MEGABYTES = """
import sys
line = (sys.argv[2] * 200)[:99].encode() + b"\\n" if len(sys.argv) > 2 else b"x"
piece = line * (1_000_000 // len(line))
for _ in range(int(sys.argv[1])):
    sys.stdout.buffer.write(piece)
sys.stdout.buffer.write(b"\\n")
"""
"""Prints so many megabytes: one line, or lines of 100 bytes made of the second argument."""

PROGRAMS = {"stamped": STAMPED, "at-once": AT_ONCE, "megabytes": MEGABYTES}


@dataclass(frozen=True)
class PrintingParams:
    program: str = "stamped"
    arguments: tuple[str, ...] = ()


class Printing(Runbook[PrintingParams]):
    name = "bench.printing"
    title = "Print lines"
    summary = "Prints."
    when = "For figures."
    goes_wrong = "Nothing."
    afterwards = "It was printed."
    risk = Risk.ROUTINE
    approvals = 0
    params = PrintingParams
    pages = ()

    def subject(self, params: PrintingParams) -> str:
        return params.program

    def locks(self, params: PrintingParams) -> Iterable[str]:
        return [f"print:{params.program}"]

    def plan(self, params: PrintingParams, facts: FactSet) -> Iterable[Step]:
        if params.program == "at-first":
            command = Command(script="echo started; sleep 0.5")
        else:
            command = Command((sys.executable, "-c", PROGRAMS[params.program], *params.arguments))
        yield Step(
            "print", "local", "Print", "To be read.", RunCommand(command, timeout=600), Effect.IDEMPOTENT, True, (), (), NothingToUndo()
        )
