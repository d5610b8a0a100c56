"""`python -m tests.bench [WORD ...]`: every module, or those with one of the words in their name, each in a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys

import tests.bench
from tests.bench import Figure

ONE = "--one"


def main(words: list[str]) -> int:
    """The number of modules that could not be run. A goal that is missed is no error: figures are for people."""
    if words[:1] == [ONE]:
        importlib.import_module(f"tests.bench.{words[1]}").run()
        return 0
    figures: list[Figure] = []
    failed, before = [], load()
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name.startswith("bench_") and (not words or any(word in module.name for word in words)):
            found, code = measured(module.name)
            figures += found
            failed += [module.name] if code else []
    print(table(figures))
    print(f"Processes that wanted a processor, of {os.cpu_count()}: {before} before, {load()} after. Other work spoils figures.")
    for name in failed:
        print(f"{name} could not be run to its end.")
    return len(failed)


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def measured(name: str) -> tuple[list[Figure], int]:
    """The figures of one module, printed as they come, and its exit code. A portal is set up once in a process, so each has its own."""
    found = []
    with subprocess.Popen([sys.executable, "-m", "tests.bench", ONE, name], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith('{"name"'):
                found.append(Figure(**json.loads(line)))
    return found, process.returncode


def table(figures: list[Figure]) -> str:
    """For people: the same figures, in columns."""
    rows = [("figure", "value", "goal", "", "how")]
    for one in figures:
        met = {None: "", True: "met", False: "MISSED"}[one.met]
        rows.append((one.name, f"{one.value:g} {one.unit}", f"{one.goal:g} {one.unit}" if one.goal is not None else "", met, one.against))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip() for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
