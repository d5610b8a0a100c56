"""Judges of conditions on a hypervisor: pure, "" when it holds, else the sentence why not. Silence never holds."""

from __future__ import annotations

import re

from networking.config_files import PROPERTIES, value
from opsportal.transport.base import Result

WATCHED = (16509, 16514)


def listens(result: Result, wants: str) -> str:
    """Of `ss -ltn` or `netstat -ltn`: of libvirt's two ports exactly those in `wants`, "16514" or ""."""
    if result.exit or "Local" not in result.out:
        return f"The host does not say which ports are open: {result.err.strip()[-200:] or f'exit code {result.exit}'}"
    wanted = {int(port) for port in wants.split()}
    found = {int(port) for port in re.findall(r"(?m):(\d+)\s", result.out)} & set(WATCHED)
    if missing := sorted(wanted - found):
        return f"Nothing listens on port {missing[0]}. The journal of libvirtd says why."
    return f"Port {min(found - wanted)} is open and should not be." if found - wanted else ""


def has_values(result: Result, wants: str) -> str:
    """Of a properties file: each line of `wants` counts there."""
    if result.exit:
        return f"The file could not be read: {result.err.strip()[-200:]}"
    wrong = [line for line in wants.splitlines() if value(result.out, line.partition("=")[0], PROPERTIES) != line.partition("=")[2]]
    return f"It does not say {', '.join(wrong)}." if wrong else ""


def masked(result: Result, _wants: str) -> str:
    """Of `systemctl is-enabled` with several units, which exits with 1 for masked ones."""
    others = [word for word in result.out.split() if word not in ("masked", "masked-runtime")]
    return "" if result.out.split() and not others else f"systemd still has them: {' '.join(others) or result.err.strip()[-200:]}"


def permissive(result: Result, _wants: str) -> str:
    said = result.out.strip()
    return "" if said in ("Permissive", "Disabled") else f"SELinux says {said or result.err.strip()[-200:]!r}."


def answers(result: Result, _wants: str) -> str:
    """Of ovs-appctl version: the daemon itself says who it is."""
    return "" if result.exit == 0 and "ovs-vswitchd" in result.out else f"ovs-vswitchd gives no answer: {result.err.strip()[-200:]}"
