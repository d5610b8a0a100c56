"""What a failover drill runs and counts: pings every tenth of a second, drawn over time."""

from __future__ import annotations

import re

from networking.changes import RUN
from opsportal.transport.command import Command

EVERY = 0.1
"""Seconds between two pings."""

BEGIN = f"""{RUN}
folder=/var/lib/opsportal/drill-$1
root mkdir -p "$folder" && root chmod 700 "$folder" || exit 1
echo "Pinging $2 ten times a second, for $3 s."
root setsid sh -c 'ping -n -i 0.1 -w "$2" "$1" >"$3/pings" 2>&1; touch "$3/ended"' sh "$2" "$3" "$folder" </dev/null >/dev/null 2>&1 &
sleep 1
root grep -q "icmp_seq" "$folder/pings" || {{ echo "$2 does not answer now: nothing to drill." >&2; exit 1; }}
"""

COUNT = f"""{RUN}
folder=/var/lib/opsportal/drill-$1
tenths=900
while ! root test -e "$folder/ended" && [ "$tenths" -gt 0 ]; do sleep 0.1; tenths=$((tenths - 1)); done
root cat "$folder/pings" | awk '
  /icmp_seq=/ && /time=/ {{ match($0, /icmp_seq=[0-9]+/); seen[substr($0, RSTART + 9, RLENGTH - 9) + 0] = 1 }}
  /packets transmitted/ {{ sent = $1 }}
  END {{
    if (!sent) {{ print "No ping was counted." ; exit 1 }}
    for (n = 1; n <= sent; n++) {{
      if (n in seen) {{ gap = 0 }} else {{ lost++; gap++; if (gap > longest) longest = gap }}
      line = line (n in seen ? "." : "x")
      if (n % 50 == 0 || n == sent) {{ printf "%5.1f s  %s\\n", (n - 1 - (n - 1) % 50) / 10, line; line = "" }}
    }}
    printf "%d of %d pings lost, the longest gap was %.1f s.\\n", lost, sent, longest / 10
  }}'
code=$?
root rm -rf "$folder"
exit "$code"
"""
"""One letter a ping: a dot for an answer, an x for none; five seconds a line."""


def begin(token: str, address: str, seconds: int) -> Command:
    return Command(script=BEGIN, argv=(token, address, str(seconds)), gist=f"ping -n -i {EVERY} -w {seconds} {address}")


def count(token: str) -> Command:
    return Command(script=COUNT, argv=(token,), gist="count the pings that were lost, and draw them")


def summary(operation_id: int, step_key: str, output: bytes) -> str:
    """The last sentence of what was counted, for the step's own line."""
    found = re.findall(r"^\d+ of \d+ pings lost, .*$", output.decode("utf-8", "replace"), re.MULTILINE)
    return found[-1] if found else ""
