"""Open vSwitch's JSON: tables as `ovs-vsctl --format=json list` prints them, values as RFC 7047 writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from networking.state import Pairs
from opsportal.operations.facts import FactError

Row = dict[str, Any]


def tables(lines: Iterable[str]) -> list[list[Row]]:
    """One table a line, each as rows by column name. Raises `FactError` for anything else."""
    return [_table(line) for line in lines]


def _table(line: str) -> list[Row]:
    try:
        table = json.loads(line)
        names, data = table["headings"], table["data"]
        return [dict(zip(names, row, strict=True)) for row in data]
    except (ValueError, KeyError, TypeError) as error:
        raise FactError(f"Open vSwitch did not answer with a table: {line[:200]!r} ({error}).") from None


def many(value: Any) -> list[Any]:
    """A set as a list. A set of one is written as the bare value."""
    if isinstance(value, list) and len(value) == 2 and value[0] == "set":
        return list(value[1])
    return [value]


def one(value: Any) -> Any:
    """An optional value, or None for the empty set."""
    found = many(value)
    return found[0] if found else None


def text(value: Any) -> str:
    found = one(value)
    return "" if found is None else str(found)


def number(value: Any) -> int | None:
    found = one(value)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def truth(value: Any) -> bool:
    return one(value) is True


def pairs(value: Any) -> Pairs:
    """A map with its values as text."""
    if not (isinstance(value, list) and len(value) == 2 and value[0] == "map"):
        return ()
    return tuple(sorted((str(key), str(item)) for key, item in value[1]))


def references(value: Any) -> list[str]:
    """The uuids in a set of references."""
    return [item[1] for item in many(value) if isinstance(item, list) and len(item) == 2 and item[0] == "uuid"]


def uuid(row: Row) -> str:
    return str(row["_uuid"][1])
