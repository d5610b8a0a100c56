"""The client as commands for plans: pure values, nothing is called here."""

from __future__ import annotations

import sys
from pathlib import Path

from opsportal.cloudstack.client import SECONDS
from opsportal.cloudstack.request import REQUEST, Request
from opsportal.transport.command import Command

Params = dict[str, str]
Files = tuple[tuple[str, str], ...]

ROOT = str(Path(__file__).resolve().parents[2])


def tool(verb: str, connection: Path, keys: Path, *words: str, stdin: str = "", gist: str = "") -> Command:
    """`connection` is a file as in `kept`, `keys` the portal's key file. With the portal's own Python, on the portal's own machine."""
    argv = (sys.executable, "-m", "opsportal.cloudstack", verb, str(connection), str(keys), *words)
    return Command(argv=argv, cwd=ROOT, stdin=stdin, gist=gist)


def survey(connection: Path, keys: Path) -> Command:
    gist = "listCapabilities, listZones, listPods, listClusters, listHosts type=Routing, listManagementServers"
    return tool("survey", connection, keys, gist=f"CloudStack: {gist}")


def call(
    connection: Path,
    keys: Path,
    url: str,
    command: str,
    params: Params,
    *,
    seconds: float = SECONDS,
    job: float = 0,
    key: str = "",
    files: Files = (),
) -> Command:
    """One call. `files` are parameters whose values are read from files when it is sent; the rest is as in `Request`."""
    words = [command, *(f"{name}={value}" for name, value in params.items()), *(f"{name}=(from a file)" for name, _ in files)]
    asked = REQUEST.dump_json(Request(url, command, params, seconds, job, key)).decode()
    given = (f"{name}={path}" for name, path in files)
    return tool("call", connection, keys, *given, stdin=asked, gist=f"CloudStack: {' '.join(words)}")
