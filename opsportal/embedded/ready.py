"""Brings the state directory up to this version of the portal: keys, database, static files, the first administrator.

Run by the supervisor before anything else, as `python -m opsportal.embedded.ready`. Doing it again changes nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from pathlib import Path

import django
from django.core.management import call_command

from opsportal.embedded import places
from opsportal.embedded.say import say

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def main() -> None:
    state = places.from_environment().state
    secret_key(state / "secret_key")
    django.setup()
    key_file()
    database()
    static_files(state / "static")
    practice(os.environ["OPSPORTAL_FORGE"])
    administrator()
    practice_hosts(int(os.environ["OPSPORTAL_LAB_PORT"]))


def secret_key(path: Path) -> None:
    """Made once. Whoever has it can forge a session."""
    if os.environ.get("SECRET_KEY") or os.environ.get("SECRET_KEY_FILE") or path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48) + "\n")


def key_file() -> None:
    from django.conf import settings

    from opsportal.secrets.store import make_keyring

    if not settings.KEY_FILE.exists():
        make_keyring(settings.KEY_FILE)


def database() -> None:
    """Migrate. A database that holds something is copied first."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    kind = "SQLite" if connection.vendor == "sqlite" else connection.vendor
    if not waiting:
        say("database", f"{kind}, up to date")
        return
    if executor.loader.applied_migrations and connection.vendor == "sqlite":
        call_command("backup", prefix="before-upgrade", verbosity=0)
    call_command("migrate", interactive=False, verbosity=0)
    say("database", f"{kind}, {len(waiting)} migrations applied")


def static_files(root: Path) -> None:
    """Collected, compressed and named by their content, unless none of them changed."""
    wanted, stamp = _fingerprint(), root / "made-from"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(wanted)


def _fingerprint() -> str:
    from django.contrib.staticfiles.finders import get_finders

    found = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            found.update(f"{path} {storage.size(path)} {storage.get_modified_time(path)}\n".encode())
    return found.hexdigest()


def practice(forge: str) -> None:
    """The practice source, at the address where its forge is going to be."""
    call_command("lab_seed", forge=forge, verbosity=0, stdout=io.StringIO())


def practice_hosts(port: int) -> None:
    """Disks and keys of the practice cloud's hosts, and their places in the inventory."""
    call_command("lab_pools", port=port, seed=True, verbosity=0, stdout=(told := io.StringIO()))
    for told_line in told.getvalue().splitlines():
        say("practice", told_line)


def administrator() -> None:
    """The first person, with a password that is shown here and nowhere else."""
    from django.contrib.auth.models import Group, User

    if User.objects.exists():
        return
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(4))
    user = User.objects.create_superuser("admin", password=password)
    for role in ("administrator", "operator", "approver"):
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    say("first login", f"user admin, password {password} (shown this once)")


if __name__ == "__main__":
    main()
