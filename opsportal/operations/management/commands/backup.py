"""`manage.py backup`: a consistent copy of the database while the portal runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone


class Command(BaseCommand):
    help = (
        "Copies the SQLite database while the portal runs; for PostgreSQL it prints the pg_dump command. "
        "Keys stay out of it, so that one stolen backup opens nothing: keep them elsewhere, or add --with-keys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", nargs="?", type=Path, default=settings.STATE_DIR / "backups", help="where to; made when it is missing"
        )
        parser.add_argument("--prefix", default="portal", help="the beginning of the file's name")
        parser.add_argument("--with-keys", action="store_true", help="also copy the key file and the secret key")

    def handle(self, *args: Any, folder: Path, prefix: str, with_keys: bool, **options: Any) -> None:
        stem = f"{prefix}-{timezone.now():%Y%m%d-%H%M%S}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = [self._database(folder / f"{stem}.sqlite3")] if connection.vendor == "sqlite" else []
            made += self._keys(folder, stem) if with_keys else []
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror}. Nothing was changed.") from error
        if options["verbosity"]:
            for path in made:
                self.stdout.write(f"{path} ({path.stat().st_size:,} bytes)")
            if connection.vendor == "postgresql":
                self.stdout.write(f"The database is PostgreSQL. Copy it with\n\n    {self._pg_dump(folder / f'{stem}.dump')}\n")

    def _database(self, path: Path) -> Path:
        partial = path.with_suffix(".partial")
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(partial)])
        partial.chmod(0o600)
        return partial.rename(path)

    def _keys(self, folder: Path, stem: str) -> list[Path]:
        made = []
        for source in (settings.KEY_FILE, settings.STATE_DIR / "secret_key"):
            if source.exists():
                made.append(folder / f"{stem}.{source.name}")
                shutil.copy2(source, made[-1])
        return made

    def _pg_dump(self, path: Path) -> str:
        """Without the password: pg_dump asks for it, or reads it from ~/.pgpass."""
        database = settings.DATABASES["default"]
        options = {"--host": database["HOST"], "--port": database["PORT"], "--username": database["USER"]}
        words = [f"{name}={value}" for name, value in options.items() if value]
        return " ".join(["pg_dump", "--format=custom", f"--file={path}", *words, str(database["NAME"])])
