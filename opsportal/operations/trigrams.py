"""On PostgreSQL a part of a word is found by an index of its three-letter pieces. SQLite reads a narrow index from end to end instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def index(table: str, *columns: str) -> Callable[[Any, BaseDatabaseSchemaEditor], None]:
    """For a migration. Where the server has no pg_trgm, or this user may not add it, searching works without, and takes longer."""

    def make(_apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        connection = editor.connection
        if connection.vendor != "postgresql":
            return
        with connection.cursor() as cursor:
            try:
                with transaction.atomic(connection.alias):
                    cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            except DatabaseError:
                return
            for column in columns:
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {table}_{column}_trgm ON {table} USING gin ({column} gin_trgm_ops)")

    return make
