"""One look at a log: the command for a host, and its answer as a piece of text with the place where the next one begins.

A file's position is {"inode", "offset"}: the file that was read last and how far, in bytes. When the log was rotated meanwhile, the
rest of the old file is read first, so nothing is lost as long as it is still there and not compressed. A journal's position is
{"cursor"}, the journal's own name of the last entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsportal.transport.command import Command

Position = dict[str, Any]

PIECE = 256 * 1024
"""Bytes that one look takes at most. When there are more, the next look follows at once."""

BEFORE = 64 * 1024
"""Bytes of a file from before the beginning, so that a reader sees what led to now."""

ENTRIES_BEFORE = 300
LONGEST = 64 * 1024
"""Bytes after which a line that does not end is taken in pieces."""

READ = r"""
path=$1 known=$2 offset=$3 most=$4 before=$5 PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
say() { printf '== %s %s %s %s %s\n' "$@"; }
[ -e "$path" ] || { say gone 0 0 0 -; exit 0; }
real=$(readlink -f "$path") state=same
{ [ -f "$real" ] && [ -r "$real" ]; } || { say closed 0 0 0 "$real"; exit 0; }
exec 3<"$real"
set -- $(stat -L -c '%i %s' /dev/fd/3)
inode=$1 size=$2
if [ -z "$known" ]; then
  state=first offset=$((size > before ? size - before : 0))
elif [ "$inode" != "$known" ]; then
  old=$(find "${real%/*}" -maxdepth 1 -type f -inum "$known" -name "${real##*/}*" 2>/dev/null | head -n 1)
  left=0
  [ -n "$old" ] && left=$(($(stat -c %s "$old") - offset))
  if [ "$left" -gt 0 ]; then
    state=old inode=$known size=$((offset + left))
    exec 3<"$old"
  else
    state=rotated offset=0
    [ -n "$old" ] || state=lost
  fi
elif [ "$size" -lt "$offset" ]; then
  state=emptied offset=0
fi
count=$((size - offset < most ? size - offset : most))
say "$state" "$inode" "$offset" "$count" "$real"
[ "$count" -gt 0 ] && tail -c +$((offset + 1)) <&3 | head -c "$count"
exit 0
"""
"""A file is measured by the descriptor it is read from: a rotation in between changes nothing.

Says first: state, inode, where the text begins, how many bytes follow, the real path. Works from CentOS 5 (XenServer 6.2) on."""

JOURNAL = r"""
unit=$1 cursor=$2 most=$3 first=$4
if [ -n "$cursor" ]; then set -- --after-cursor "$cursor"; else set -- -n "$first"; fi
if command -v timeout >/dev/null 2>&1; then limit='timeout 6'; else limit=; fi
printf '== journal 0 0 0 -\n'
$limit journalctl -q --no-pager -o json -u "$unit" "$@" | head -c "$most"
exit 0
"""


@dataclass(frozen=True)
class Piece:
    """What one look brought. `text` are whole lines. `said` is what the portal itself tells between them. `more`: look again at once.

    `trouble` is set, and nothing was brought, when the log could not be read: "gone", "closed", "elsewhere" or "silent".
    """

    text: bytes = b""
    position: Position = field(default_factory=dict)
    said: str = ""
    more: bool = False
    trouble: str = ""


def read_file(path: str, position: Position, *, sudo: bool) -> Command:
    known, offset = str(position.get("inode", "")), str(position.get("offset", 0))
    return Command(script=READ, argv=(path, known, offset, str(PIECE), str(BEFORE)), sudo=sudo, gist=f"tail -c +{offset} {path}")


def read_journal(unit: str, position: Position, *, sudo: bool) -> Command:
    cursor = str(position.get("cursor", ""))
    return Command(script=JOURNAL, argv=(unit, cursor, str(PIECE), str(ENTRIES_BEFORE)), sudo=sudo, gist=f"journalctl -u {unit}")


GONE = "gone"
"""In place of an inode: the next file of this name is another one, even if the file system gives it the number of the old one."""

SAID = {
    "rotated": "The log was rotated. The new file begins here.",
    "lost": "The log was rotated, and the old file is gone or compressed: its last lines are not shown. The new file begins here.",
    "emptied": "The log was emptied. It goes on from its beginning here.",
}


def _head(answer: bytes) -> tuple[str, str, int, int, str] | None:
    """State, inode, offset, count and path of the first line that is ours; a greeting may come before it."""
    begin = 0 if answer.startswith(b"== ") else answer.find(b"\n== ") + 1
    line, end, _ = answer[begin:].partition(b"\n")
    words = line.decode("utf-8", "replace").split(" ", 5)
    if not end or len(words) != 6 or words[0] != "==" or not (words[3].isdigit() and words[4].isdigit()):
        return None
    return words[1], words[2], int(words[3]), int(words[4]), words[5]


def _body(answer: bytes) -> bytes:
    begin = 0 if answer.startswith(b"== ") else answer.find(b"\n== ") + 1
    return answer[begin:].partition(b"\n")[2]


def file_piece(answer: bytes, position: Position) -> tuple[Piece, str]:
    """The piece, and the real path for the caller to judge."""
    head = _head(answer)
    if head is None:
        return Piece(trouble="silent"), ""
    state, inode, offset, count, real = head
    if state == "gone":
        return Piece(trouble=state, position={"inode": GONE, "offset": 0}), real
    if state == "closed":
        return Piece(trouble=state), real
    data = _body(answer)[:count]
    skipped = data.find(b"\n") + 1 if state == "first" and offset else 0
    text, waits = _whole(data[skipped:], stands=count < PIECE and position.get("waits") == len(data), last=state == "old" and count < PIECE)
    taken = skipped + (len(data) - skipped - waits)
    new = {"inode": inode, "offset": offset + taken, "waits": waits}
    return Piece(text, new, SAID.get(state, ""), more=count == PIECE or state == "old"), real


def _whole(data: bytes, *, stands: bool, last: bool) -> tuple[bytes, int]:
    """Whole lines, and how many bytes behind them wait for the end of their line.

    A line without an end is taken as it is when it is very long, when it did not grow since the last look, or when its file ended.
    """
    end = data.rfind(b"\n") + 1
    rest = len(data) - end
    if rest and (stands or last or rest >= LONGEST):
        return data + b"\n", 0
    return data[:end], rest


def journal_piece(answer: bytes, position: Position) -> Piece:
    if _head(answer) is None:
        return Piece(trouble="silent")
    lines, cursor = [], str(position.get("cursor", ""))
    body = _body(answer)
    for line in body[: body.rfind(b"\n") + 1].splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("__CURSOR"), str):
            cursor = entry["__CURSOR"]
            lines.append(_entry(entry))
    return Piece(b"".join(lines), {"cursor": cursor}, more=len(body) >= PIECE)


def _entry(entry: dict[str, Any]) -> bytes:
    """One entry as `journalctl -o short-iso` prints it, without the host's name; a message of several lines keeps them."""
    micro = str(entry.get("__REALTIME_TIMESTAMP", ""))
    at = datetime.fromtimestamp(int(micro) / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if micro.isdigit() and len(micro) < 18 else "?"
    who = entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "?"
    number = f"[{entry['_PID']}]" if entry.get("_PID") else ""
    return f"{at} {_text(who)}{number}: ".encode(errors="replace") + _bytes(entry.get("MESSAGE")).rstrip(b"\n") + b"\n"


def _text(value: object) -> str:
    return value if isinstance(value, str) else "?"


def _bytes(value: object) -> bytes:
    """journald writes text, or a list of byte values when it is not UTF-8, or null when it is very long."""
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value)
    return value.encode(errors="replace") if isinstance(value, str) else b"(not shown by the journal)"
