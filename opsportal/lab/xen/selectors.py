"""Which objects a command means: by uuid, by `host=`/`vm=`, or by any filter that `*-list` takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsportal.lab.xen.model import Host, Sr, Vm, since
from opsportal.lab.xen.printing import Field, View
from opsportal.lab.xen.texts import CliError, XeError, mistake
from opsportal.lab.xen.xe_cli import Ask
from opsportal.lab.xen.xe_tables import TABLES

NO_FILTERS = {"minimal", "multiple", "force", "params", "all", "database", "auto-enable", "network-uuid", "batch-size"}


def by_uuid(table: str, rows: dict[str, Any], uuid: str) -> Any:
    """The row, or UUID_INVALID."""
    if uuid not in rows:
        raise XeError("UUID_INVALID", TABLES[table].kind, uuid)
    return rows[uuid]


def host(ask: Ask, argument: str = "host-uuid") -> Host:
    found: Host = by_uuid("host", ask.db.hosts, ask.need(argument))
    return found


def sr(ask: Ask, uuid: str) -> Sr:
    found: Sr = by_uuid("sr", ask.db.srs, uuid)
    return found


def field_of(fields: list[Field], name: str, version: str) -> Field | None:
    return next((field for field in fields if field.name == name and since(version, field.first)), None)


def matching(ask: Ask, rows: Iterable[Any], fields: list[Field], filters: dict[str, str]) -> list[Any]:
    """A filter on an unknown field fails only when there are rows to filter."""
    return [row for row in rows if all(_matches(ask.view, row, fields, key, wanted) for key, wanted in filters.items())]


def _matches(view: View, row: Any, fields: list[Field], key: str, wanted: str) -> bool:
    name, _, part = key.partition(":")
    field = field_of(fields, name, view.version)
    if field is None:
        raise mistake(f"Unknown field '{name}'")
    value = field.get(view, row)
    if part == "contains":
        return wanted in value
    if part:
        return isinstance(value, dict) and value.get(part) == wanted
    return field.text(view, row) == wanted


def filters_of(ask: Ask, *ignored: str) -> dict[str, str]:
    return {key: value for key, value in ask.args.items() if key not in NO_FILTERS and key not in ignored}


def hosts(ask: Ask, *ignored: str, many: bool = True) -> list[Host]:
    filters = filters_of(ask, "host", *ignored)
    found = matching(ask, ask.db.hosts.values(), TABLES["host"].fields, filters)
    if "host" in ask.args:
        wanted = ask.args["host"]
        found = [row for row in found if wanted in (row.uuid, row.name) or (since(ask.version, "8.3") and wanted == row.hostname)]
    if not found:
        raise CliError("Error: No matching hosts found")
    if len(found) > 1 and not many:
        raise CliError("Error: Multiple matching hosts found. Operation can only be performed on one host at a time")
    if len(found) > 1 and not ask.has("multiple"):
        raise CliError("Error: Multiple matching hosts found. --multiple required to complete the operation")
    return found


def vms(ask: Ask, *ignored: str) -> list[Vm]:
    found = matching(ask, TABLES["vm"].rows(ask.db), TABLES["vm"].fields, filters_of(ask, "vm", *ignored))
    if "vm" in ask.args:
        found = [row for row in found if ask.args["vm"] in (row.uuid, row.name)]
    if not found:
        raise CliError("Error: No matching VMs found")
    if len(found) > 1 and not ask.has("multiple"):
        raise CliError("Error: Multiple matches VMs found. --multiple required to complete the operation")
    return found
