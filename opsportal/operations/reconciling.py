"""After a backup was restored: what was started on the targets since, and is in no record of this database?

Control directories on the targets are named after operations. A number that was given out after the backup must never be given
out again: a new operation would find the old one's commands there and take them for its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils.module_loading import import_string

from opsportal.operations import targets
from opsportal.operations.models import Attempt, Operation
from opsportal.transport.command import Command
from opsportal.transport.detached import Detached

LIST = 'cd "$1" 2>/dev/null || exit 0; ls -1'


@dataclass(frozen=True)
class Unknown:
    """A command on a target without a record. `state` is the wrapper's: "running", "exited"."""

    target: str
    operation_id: int
    key: str
    state: str


def all_targets() -> list[str]:
    """This machine, what any operation worked on, and what the apps have in their inventories."""
    worked_on = {target for one in Operation.objects.values_list("targets", flat=True) for target in one}
    listed = {target for path in settings.TARGET_LISTS for target in import_string(path)()}
    return sorted({"local"} | worked_on | listed)


def numbers(target: str) -> dict[int, str]:
    """Operation number to control directory, of this portal's on the target. Raises `TransportError`."""
    sample = PurePosixPath(targets.control_root(target, Operation(pk=0)))
    named = re.compile(re.escape(sample.name[:-1]) + r"([0-9]{1,18})")
    result = targets.connect(target).run(Command(script=LIST, argv=(str(sample.parent),)), timeout=30)
    return {int(match[1]): str(sample.parent / match[0]) for name in result.out.split() if (match := named.fullmatch(name))}


def unknown(target: str, found: dict[int, str]) -> Iterator[Unknown]:
    """Commands there that no attempt of ours explains. Raises `TransportError`."""
    for number, root in sorted(found.items()):
        known = {attempt.remote_key for attempt in Attempt.objects.filter(step__operation=number).select_related("step")}
        for key, state in Detached(targets.connect(target), root).keys().items():
            if key not in known:
                yield Unknown(target, number, key, state.kind.value)


def number_from(highest: int) -> int:
    """Operations made from now on get numbers above `highest`. Returns the number that the next one gets at least."""
    newest = max(highest, Operation.objects.aggregate(Max("pk"))["pk__max"] or 0)
    table = Operation._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), greatest(%s, 1))", [table, newest])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = max(seq, %s) WHERE name = %s", [newest, table])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT %s, %s WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                [table, newest, table],
            )
    return newest + 1
