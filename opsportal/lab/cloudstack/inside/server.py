"""The service cloudstack-management of a practice server: `server.py service NAME VERB`, `server.py systemctl VERB NAME`.

`start` leaves a process behind that does what a management server does first: it compares its own version with the database's, upgrades
that or refuses to run, writes management-server.log, and then tells the lab that it serves. The version is the manifest's of the schema
jar, the upgrades are the classes in it, as DatabaseUpgradeChecker of either era has them. Needs Python's own library only.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

UNIT = "cloudstack-management"
LOG = Path("/var/log/cloudstack/management/management-server.log")
PID = Path("/run/cloudstack-management.pid")
DATABASE = "/var/lib/mysql/cloud.db"
SHARE = Path("/usr/share")
ASK = "/run/lab/bin/practice-server"
LOGGER = "c.c.u.DatabaseUpgradeChecker"
SLOW = 1.0
"""Seconds between lines of a start."""


Node = tuple[str, str, str]
"""Of an upgrade: from, to, class."""


class Refused(Exception):
    """The server does not start."""


def main(words: list[str]) -> int:
    verb, name = (words[2], words[1]) if words[0] == "service" else (_plain(words, 0), _plain(words, 1))
    name = name.removesuffix(".service")
    if name in ("mysql", "mariadb", "mysqld"):
        return 0
    if name != UNIT:
        sys.stderr.write(f"{name}: unrecognized service\n" if words[0] == "service" else f"Unit {name}.service could not be found.\n")
        return 1 if words[0] == "service" else 4
    return VERBS.get(verb, _other)(words[0])


def _plain(words: list[str], at: int) -> str:
    plain = [word for word in words[1:] if not word.startswith("-")]
    return [*plain, "", ""][at]


def _other(_program: str) -> int:
    return 0


def runs() -> bool:
    """It is starting, or it serves."""
    return _pid() > 0 or ask("status") == "up"


def _pid() -> int:
    try:
        pid = int(PID.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    return pid


def ask(*words: str) -> str:
    return subprocess.run([ASK, *words], capture_output=True, text=True, check=False).stdout.strip()


def start(_program: str) -> int:
    if runs():
        return 0
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "run"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    PID.write_text(str(child.pid))
    return 0


def stop(_program: str) -> int:
    if not runs():
        return 0
    if pid := _pid():
        os.kill(pid, signal.SIGKILL)
    _forget_pid()
    ask("down")
    mark("Down")
    log("INFO", "c.c.u.LogUtils", "Management server is stopped.")
    return 0


def restart(program: str) -> int:
    return stop(program) or start(program)


def status(program: str) -> int:
    up = runs()
    if program == "systemctl":
        sys.stdout.write(f"● {UNIT}.service - CloudStack Management Server\n   Active: {'active (running)' if up else 'inactive (dead)'}\n")
    else:
        sys.stdout.write(f"{UNIT} is {'running' if up else 'not running'}\n")
    return 0 if up else 3


def is_active(_program: str) -> int:
    up = runs()
    if "--quiet" not in sys.argv and "-q" not in sys.argv:
        sys.stdout.write("active\n" if up else "inactive\n")
    return 0 if up else 3


def show(_program: str) -> int:
    sys.stdout.write(f"ActiveEnterTimestamp={ask('since')}\n")
    return 0


VERBS = {"start": start, "stop": stop, "restart": restart, "status": status, "is-active": is_active, "show": show}


def _forget_pid() -> None:
    PID.unlink(missing_ok=True)


# The process that `start` leaves behind


def run() -> int:
    try:
        version = check()
    except Refused as refused:
        log("ERROR", LOGGER, f"Unable to upgrade the database\ncom.cloud.utils.exception.CloudRuntimeException: {refused}")
        log("ERROR", "o.a.c.s.l.CloudStackExtendedLifeCycle", "System integrity check failed. Refuse to startup")
        _forget_pid()
        return 1
    time.sleep(SLOW)
    mark("Up", version)
    ask("up", version)
    log("INFO", "c.c.c.ClusterManagerImpl", f"Management server 345052352513 is being started, version {version}")
    _forget_pid()
    return 0


def log(level: str, logger: str, text: str) -> None:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    with LOG.open("a") as file:
        file.write(f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d} {level:<5} [{logger}] (main:null) (logid:) {text}\n")


def schema_jar() -> Path | None:
    """Of the installed package, the newest one."""
    found = [jar for place in SHARE.glob("*-management") for jar in place.rglob("*schema*.jar")]
    return max(found, key=lambda jar: jar.stat().st_mtime, default=None)


def code() -> tuple[str, list[Node]]:
    """Version, and the upgrades as (from, to, class) in their order."""
    path = schema_jar()
    if path is None:
        raise Refused("no schema jar is installed")
    with zipfile.ZipFile(path) as jar:
        manifest = jar.read("META-INF/MANIFEST.MF").decode("utf-8", "replace")
        names = [re.search(r"(Upgrade(\d+)to(\d+))\.class$", name) for name in jar.namelist()]
    version = re.search(r"(?m)^Implementation-Version: *(\S+)", manifest)
    if version is None:
        raise Refused("the schema jar does not say its version")
    nodes = [(_dotted(each[2]), _dotted(each[3]), each[1]) for each in names if each]
    return version[1], sorted(nodes, key=lambda node: numbers(node[0]))


def _dotted(digits: str) -> str:
    """471 is 4.7.1, 42010 is 4.20.1.0."""
    return ".".join(digits if len(digits) < 5 else (digits[0], digits[1:3], *digits[3:]))


def numbers(version: str, parts: int = 4) -> tuple[int, ...]:
    """The first parts of a version, without its suffix."""
    found = [int(part) for part in version.partition("-")[0].split(".") if part.isdecimal()][:parts]
    return (*found, *([0] * (parts - len(found))))


def check() -> str:
    """Brings the database to the code's version, which it gives back; raises `Refused` in the checker's own words."""
    version, nodes = code()
    log("INFO", LOGGER, "Grabbing lock to check for database upgrade.")
    time.sleep(SLOW)
    rows = query("SELECT version, step FROM version ORDER BY id")
    if any(step != "Complete" for _, step in rows):
        raise Refused("Version table contains records for which upgrade wasn't completed.")
    database = rows[-1][0]
    new = numbers(version) >= (4, 9, 1, 0) or (4, 8, 2, 0) <= numbers(version) < (4, 9, 0, 0)
    shown = [".".join(map(str, numbers(one, max(3, one.partition("-")[0].count(".") + 1)))) if new else one for one in (database, version)]
    log("INFO", LOGGER, f"DB version = {shown[0]} Code Version = {shown[1]}")
    parts = 4 if new else 3
    had, has = numbers(database, parts), numbers(version, parts)
    if had > has:
        raise Refused(f"Database version {database} is higher than management software version {version}")
    if had == has:
        log("INFO", LOGGER, "DB version and code version matches so no upgrade needed.")
    else:
        upgrade(database, version, path(database, version, nodes, parts))
    return version


def path(database: str, version: str, nodes: list[Node], parts: int) -> list[Node]:
    """What is to be run, as (from, to, class); class is "" where only the version is written."""
    had, has = numbers(database, parts), numbers(version, parts)
    base = ".".join(map(str, has))
    if parts == 4:
        below = [numbers(node[0]) for node in nodes if numbers(node[0]) <= had]
        first = max(below, default=had)
        chosen = [node for node in nodes if first <= numbers(node[0]) < has]
        ends = chosen[-1][1] if chosen else database
        return chosen if numbers(ends) == has else [*chosen, (ends, base, "")]
    chosen = [node for node in nodes if numbers(node[0], 3) >= had]
    if not chosen or numbers(chosen[0][0], 3) != had:
        raise Refused(f"There is no upgrade path from {database} to {version}")
    if numbers(chosen[-1][1], 3) != has:
        raise Refused(f"The end upgrade version is actually at {chosen[-1][1]} but our management server code version is at {version}")
    return chosen


def upgrade(database: str, version: str, stages: list[Node]) -> None:
    log("INFO", LOGGER, f"Database upgrade must be performed from {database} to {version}")
    for begins, ends, name in stages:
        query("INSERT OR REPLACE INTO version (version, updated, step) VALUES (?, ?, 'Upgrade')", ends, stamp())
        log("DEBUG", LOGGER, f"Running upgrade {name or 'NoopDbUpgrade'} to upgrade from {begins}-{ends} to {ends}")
        time.sleep(SLOW)
    log("INFO", LOGGER, "Cleaning upgrades because all management server are now at the same version")
    for _, ends, name in stages:
        log("INFO", LOGGER, f"Cleanup upgrade {name or 'NoopDbUpgrade'} to upgrade to {ends}")
        query("UPDATE version SET step = 'Complete' WHERE version = ?", ends)
        log("DEBUG", LOGGER, f"Upgrade completed for version {ends}")


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def mark(state: str, version: str = "") -> None:
    """Its row of mshost."""
    query("UPDATE mshost SET state = ?, last_update = ?", state, stamp())
    if version:
        query("UPDATE mshost SET version = ?", version)


def query(text: str, *values: str) -> list[Any]:
    connection = sqlite3.connect(DATABASE, timeout=20)
    try:
        with connection:
            return connection.execute(text, values).fetchall()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(run() if sys.argv[1:] == ["run"] else main(sys.argv[1:]))
