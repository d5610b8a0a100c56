"""Reboots that can be proved: the boot is noted in the login's home before the host goes down, and compared when it is back.

The note is made by the same command that reboots. So a retry which only waits finds it, and nobody takes an old boot for a new one.
"""

from __future__ import annotations

import shlex

from opsportal.operations.steps import Condition
from opsportal.transport.base import Result
from opsportal.transport.command import Command

BOOT_ID = "/proc/sys/kernel/random/boot_id"

NOTE = f"""
note=$1; shift
mkdir -p "$(dirname "$note")" && cat {BOOT_ID} >"$note.new" && mv -f "$note.new" "$note" || exit 1
"""
"""`$1` is the path of the note; leaves the other arguments."""

COMPARE = f"""
[ -s "$1" ] || {{ echo "no boot was noted before"; exit 1; }}
[ "$(cat "$1")" != "$(cat {BOOT_ID})" ] || {{ echo "it still runs since the boot from before"; exit 1; }}
"""


def note(run: str, key: str) -> str:
    """Where one boot of one run is noted, in the login's home. `run` tells runs apart, `key` the reboots of one run."""
    return f".opsportal/boot-{run}-{key}"


def noted(path: str, *words: str, script: str = '"$@"') -> Command:
    """Notes the boot, then runs `script` with `words` as its arguments: by default the command they make."""
    return Command(script=NOTE + script, argv=(path, *words), gist=shlex.join(words))


def is_noted(path: str) -> Condition:
    return Condition("The boot it is running is noted, to be compared afterwards", Command(("test", "-s", path)))


def booted_anew(path: str, within: int, target: str = "") -> Condition:
    """Its SSH server answers and it runs since another boot than the noted one."""
    return Condition(
        "It answers over SSH and has booted anew",
        Command(script=COMPARE, argv=(path,), gist=f"cat {BOOT_ID}"),
        judge="hosts.xen.rebooting.anew",
        within=within,
        timeout=20,
        target=target,
    )


def anew(result: Result, _wants: str) -> str:
    """A judge: the command's own sentence says what is missing."""
    return "" if result.exit == 0 else (result.out + result.err).strip()[-200:] or f"the comparison ended with exit code {result.exit}"
