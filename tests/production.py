"""Runs one command as on a production machine: `python -m tests.production [NAME=VALUE ...] manage.py check --deploy`.

The settings are those that the README asks for, with made-up values and a state directory of its own. There is no such server:
a command that asks its database is given another one by `DATABASE_URL=...`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from itertools import dropwhile
from pathlib import Path

from opsportal.secrets.store import make_keyring

ROOT = Path(__file__).resolve().parents[1]


def environment(state: Path, **changes: str) -> dict[str, str]:
    """The whole environment; a change to "" leaves the name out."""
    settings = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ALLOWED_HOSTS": "portal.example.org",
        "PUBLIC_URL": "https://portal.example.org",
        "TRUSTED_PROXIES": "1",
        "DATABASE_URL": "postgres://opsportal:secret@db.example.org/opsportal",
        "REDIS_URL": "redis://:secret@redis.example.org:6379/0",
        "OPSPORTAL_STATE_DIR": str(state),
        **changes,
    }
    return {name: value for name, value in settings.items() if value}


def main(argv: list[str]) -> int:
    command = list(dropwhile(lambda word: "=" in word, argv))
    changes = dict(word.split("=", 1) for word in argv[: len(argv) - len(command)])
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        make_keyring(state / "keys")
        return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment(state, **changes), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
