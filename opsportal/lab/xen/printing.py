"""How `xe` lays out records: blocks of `KEY: VALUE`, or one line with `--minimal`. From cli_printer.ml and cli_operations.ml."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opsportal.lab.xen.model import VERSIONS, Database, since

EXPENSIVE = "<expensive field>"
NOWHERE = "<not in database>"
Value = str | dict[str, str] | list[str]
Record = list[tuple[str, str]]
"""Keys with their markers, and values, in the order they are printed."""


@dataclass(frozen=True)
class View:
    """Where a field is read from."""

    database: Database
    version: str


@dataclass(frozen=True)
class Field:
    """`shape`: " " plain, "M" map, "S" set, as the command line declares it, whatever the data are. A map or set of a field with `edit` may
    be changed in place. `put` sets a plain one and may raise. `deprecated` is the version that first says so, "" for none."""

    name: str
    get: Callable[[View, Any], Value]
    shape: str = " "
    put: Callable[[View, Any, str], None] | None = None
    edit: bool = False
    first: str = VERSIONS[0]
    default: bool = False
    expensive: bool = False
    comma: bool = False
    deprecated: str = ""
    default_from: str = ""

    def usual(self, version: str) -> bool:
        """Printed when no `params=` is given."""
        return self.default or bool(self.default_from and since(version, self.default_from))

    def key(self, version: str) -> str:
        writable = self.edit or self.put is not None
        deprecated = " [DEPRECATED]" if self.deprecated and since(version, self.deprecated) else ""
        return f"{self.name} ({self.shape}{'RW' if writable else 'RO'}){deprecated}"

    def text(self, view: View, row: Any) -> str:
        return joined(self.get(view, row), ", " if self.comma else "; ")


def joined(value: Value, separator: str = "; ") -> str:
    if isinstance(value, dict):
        return separator.join(f"{key}: {each}" for key, each in value.items())
    if isinstance(value, list):
        return separator.join(value)
    return value


def truth(value: bool) -> str:
    return "true" if value else "false"


def block(record: Record) -> str:
    """With the two empty lines that follow every record."""
    width = 4 + max((len(key) for key, _ in record), default=0)
    lines = [f"{key.rjust(width) if number else key.ljust(width)}: {value}" for number, (key, value) in enumerate(record)]
    return "\n".join([*lines, "", "", ""])


def listing(records: Iterable[Record], *, minimal: bool) -> str:
    """Minimal: the first field of each, commas and backslashes escaped; one empty line when there is none."""
    if minimal:
        return ",".join(escaped(record[0][1]) for record in records if record) + "\n"
    return "".join(block(record) for record in records)


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,")


def table(lines: list[str], *, minimal: bool) -> str:
    """A list of plain lines: pool-recover-slaves and its like."""
    if minimal:
        return ",".join(escaped(line) for line in lines) + "\n"
    return "".join(f"{line}\n" for line in lines)
