"""Figures: what the portal promises in milliseconds and megabytes, measured on this machine. They decide no test run.

A module `bench_*.py` has a function `run()`, which calls `figure` for each thing it measured.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """`against` says what the value is compared with, or how it was taken. `met` is None where no goal is set."""

    name: str
    value: float
    unit: str
    against: str
    goal: float | None
    met: bool | None


FIGURES: list[Figure] = []


def figure(name: str, value: float, unit: str, against: str = "", goal: float | None = None, lower: bool = True) -> None:
    """Record a figure and print it as one line of JSON. `lower`: less is better, the goal is the most it may be."""
    met = None if goal is None else (value <= goal if lower else value >= goal)
    found = Figure(name, round(value, 4), unit, against, goal, met)
    FIGURES.append(found)
    print(json.dumps(asdict(found)), flush=True)


def percentile(values: list[float], part: float) -> float:
    """The smallest of the values that so many parts of 100 do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(part * 10) // 1000) - 1))]
