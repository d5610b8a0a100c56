"""`xe` and its kin on a simulated host: `call.py PROGRAM ARGUMENT...` asks the lab, prints what it answers, ends with its code.

The request is one line of JSON; what arrives on standard input follows only after the lab asked for it, because most programs
leave it alone. The answer is lines of JSON: {"read": true}, {"out": TEXT}, {"err": TEXT}, {"code": N}.
"""

from __future__ import annotations

import json
import os
import socket
import sys

CALLS = "/run/lab/calls"
LOST = "Lost connection to the server."


def main(argv: list[str]) -> int:
    lab = socket.socket(socket.AF_UNIX)
    try:
        lab.connect(CALLS)
        lab.sendall(json.dumps({"words": argv}).encode() + b"\n")
        for line in lab.makefile("rb"):
            code = _answer(lab, json.loads(line))
            if code is not None:
                return code
    except BrokenPipeError:
        return 141
    except OSError:
        pass
    os.write(2, LOST.encode() + b"\n")
    return 1


def _answer(lab: socket.socket, answer: dict[str, object]) -> int | None:
    """The exit code, when it is the last one."""
    if "read" in answer:
        with os.fdopen(0, "rb", closefd=False) as stdin:
            lab.sendall(json.dumps({"stdin": stdin.read().decode("utf-8", "replace")}).encode() + b"\n")
    for place, key in ((1, "out"), (2, "err")):
        _write(place, str(answer.get(key, "")).encode("utf-8", "surrogateescape"))
    code = answer.get("code")
    return int(str(code)) if code is not None else None


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
