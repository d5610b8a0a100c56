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


def xe(*words: str, seconds: int = 60) -> Command:
    """`xe WORDS` for reading: a killed `xe` may still be executed later by xapi, so nothing with an effect is sent this way."""
    return Command(script=LIMITED, argv=(str(seconds), "xe", *words), gist=shlex.join(("xe", *words)))


def xe_change(*words: str) -> Command:
    """`xe WORDS` that changes something. It has no limit of its own: killing it would not undo it, nor tell whether it happened."""
    return Command(("xe", *words))
