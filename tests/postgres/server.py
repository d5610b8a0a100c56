"""A PostgreSQL server for as long as it is needed: `python -m tests.postgres.server COMMAND...` runs it with DATABASE_URL set.

The server keeps its data in a temporary directory, listens on a local socket only, and is ended with everything it wrote.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import ending

ROOT = Path(__file__).resolve().parents[2]

OPTIONS = {
    "listen_addresses": "",
    # Nothing here has to survive a crash.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
}


def binary(name: str) -> str:
    """Debian keeps the server's programs off everybody's PATH."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    if found := shutil.which(name):
        return found
    raise FileNotFoundError(f"{name} is missing: install postgresql.")


def owner() -> str:
    """PostgreSQL refuses to run as root; its package brings a user."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def run(*argv: str) -> None:
    """As the owner of the data. Raises `CalledProcessError`."""
    change = ["runuser", "-u", owner(), "--"] if os.geteuid() == 0 else []
    subprocess.run([*change, *argv], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd="/")


@contextmanager
def server() -> Iterator[str]:
    """Yields a DATABASE_URL for an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: the socket's path has 107 bytes at most
    shutil.chown(folder, owner())
    data = str(folder / "data")
    try:
        run(binary("initdb"), "-D", data, "-U", "opsportal", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in OPTIONS.items())
        try:
            run(binary("pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", f"{options} -k {folder}", "start")
            run(binary("createdb"), "-h", str(folder), "-U", "opsportal", "opsportal")
            yield f"postgres://opsportal@/{folder}/opsportal"
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                run(binary("pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: list[str]) -> int:
    ending.on_term()
    with server() as url:
        return subprocess.run(argv, env={**os.environ, "DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
