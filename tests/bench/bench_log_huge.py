"""A gigabyte of log, and a single line of 200 MB: what they cost the worker that stores them and the web process that shows them."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench import figure
from tests.bench.stage import Stage, stage

ROOM = 40
"""Megabytes that a process may grow by, whatever is printed: a few pieces of output and their compressed form."""


def run() -> None:
    with stage() as scene:
        user = scene.person("operator")
        scene.ended(scene.submitted(user, "megabytes", "8"))
        _figures(scene, user, "a line of 200 MB", 200, "200")
        _figures(scene, user, "a log of 1 GB", 1000, "1000", "compiling one class after another ")


def _figures(scene: Stage, user: Any, what: str, megabytes: int, *arguments: str) -> None:
    before, began = _memory(scene), time.monotonic()
    operation = scene.submitted(user, "megabytes", *arguments)
    scene.ended(operation, 600)
    took = time.monotonic() - began
    stored = _memory(scene)
    figure(f"{what}, stored at", megabytes / took, "MB/s", f"{took:.1f} s with the command itself")
    figure(f"{what}, the worker grew by", stored["worker"] - before["worker"], "MB", f"to {stored['worker']:.0f} at most", ROOM)
    _read(scene, user, operation, megabytes)
    shown = _memory(scene)
    figure(f"{what}, the web process grew by", shown["web"] - before["web"], "MB", "with the whole raw log sent", ROOM)


def _read(scene: Stage, user: Any, operation: Any, megabytes: int) -> None:
    """The last lines, and all of it raw."""
    link = http.client.HTTPConnection(urlsplit(scene.stack.url()).netloc, timeout=120)
    headers = {"Cookie": f"sessionid={scene.session(user)}"}
    link.request("GET", f"/operations/{operation.pk}/log?first={max(0, operation.log_lines - 200)}&count=200", headers=headers)
    assert link.getresponse().read()
    link.request("GET", f"/operations/{operation.pk}/log/raw", headers=headers)
    answer, size = link.getresponse(), 0
    while data := answer.read(1 << 20):
        size += len(data)
    assert size >= megabytes * 990_000


def _memory(scene: Stage) -> dict[str, float]:
    """The most memory that a process of each kind ever used, in MB."""
    return {name: max(_peak(pid) for pid in _family(scene.stack.processes[name].pid)) for name in ("worker", "web")}


def _family(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


def _peak(pid: int) -> float:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024
