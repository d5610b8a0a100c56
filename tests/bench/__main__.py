"""`python -m tests.bench [WORD ...]`: every module, or those with one of the words in their name."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback

import tests.bench
from tests.bench import FIGURES, Figure


def main(words: list[str]) -> int:
    """The number of modules that could not be run. A goal that is missed is no error: figures are for people."""
    failed = 0
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name.startswith("bench_") and (not words or any(word in module.name for word in words)):
            try:
                importlib.import_module(f"tests.bench.{module.name}").run()
            except Exception:
                failed += 1
                print(f"{module.name} could not be run:", file=sys.stderr)
                traceback.print_exc()
    print(table(FIGURES))
    return failed


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
