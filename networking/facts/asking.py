"""The shell that the facts of a host's network share: parts with names, and Open vSwitch's tools as root and under a limit."""

from __future__ import annotations

from opsportal.operations.facts import FactError
from opsportal.transport.base import Result

PRELUDE = r"""
part() { printf '== %s\n' "$1"; }
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
limited() { if command -v timeout >/dev/null 2>&1; then root timeout 10 "$@"; else root "$@"; fi; }
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin LC_ALL=C
export PATH LC_ALL
"""

ABSENT = "absent"


def parts(result: Result) -> dict[str, list[str]]:
    """Lines by the name of their part. Raises `FactError` when the answer stops early."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in result.out.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], [])
        else:
            lines.append(line)
    if "end" not in found:
        said = (result.err or result.out).strip()[-300:]
        raise FactError(f"The host's network could not be read (exit code {result.exit}): {said or 'it said nothing'}.")
    return found


def explain(said: str) -> str:
    """What to do about the usual reasons why Open vSwitch gives no answer."""
    if "database connection failed" in said and "Permission denied" in said:
        return "Its database is for root only: give the host a credential of root, or one with sudo."
    if "database connection failed" in said:
        return "Its database server does not run: start openvswitch-switch (on Red Hat openvswitch) and read the log."
    if "a password is required" in said or "sudo:" in said:
        return "The user may not run it as root: allow sudo without a password for it."
    return "Run `ovs-vsctl show` on the host to see what it says."
