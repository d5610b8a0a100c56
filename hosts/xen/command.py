"""`xe` as data. Every reading `xe` has a time limit on the host: it hangs for ever when the pool master is gone."""

from __future__ import annotations

import shlex

from opsportal.transport.command import Command

LIMITED = r"""
limit=$1; shift
if command -v timeout >/dev/null 2>&1; then exec timeout "$limit" "$@"; fi
"$@" & child=$!
( sleep "$limit"; kill "$child" ) >/dev/null 2>&1 & clock=$!
wait "$child"; code=$?
kill "$clock" 2>/dev/null && exit "$code"
exit 124
"""
"""Ends with 124 when the time is up, as coreutils' `timeout` does. CentOS 5, the base of XenServer 6.2, has no `timeout`."""

TIMED_OUT = 124

GONE = 75
"""What a change ends with when xapi went away while it was at it: nobody knows whether it was carried out."""

CHANGING = f"""
said=$(exec 2>&1{LIMITED})
code=$?
[ -z "$said" ] || printf '%s\\n' "$said"
case "$code $said" in
"1 "*"Lost connection to the server"*) exit {GONE} ;;
esac
exit "$code"
"""


def xe(*words: str, seconds: int = 60) -> Command:
    """`xe WORDS` for reading. What has an effect goes through `xe_change`: a killed `xe` may still be executed later by xapi."""
    return Command(script=LIMITED, argv=(str(seconds), "xe", *words), gist=shlex.join(("xe", *words)))


def xe_change(*words: str, seconds: int = 0) -> Command:
    """`xe WORDS` that changes something. Without `seconds` it is waited for as long as it takes.

    With `seconds` it is left after that time and ends with `TIMED_OUT`; when xapi restarts meanwhile it ends with `GONE`. Neither
    undoes it: xapi may still be at it, or do it when its master is back. So both belong in `RunCommand.unsure`.
    """
    gist = shlex.join(("xe", *words))
    return Command(script=CHANGING, argv=(str(seconds), "xe", *words), gist=gist) if seconds else Command(("xe", *words))
