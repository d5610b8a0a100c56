"""`CLASS-list` and the `CLASS-param-*` commands of every class."""

from __future__ import annotations

from functools import partial
from typing import Any

from opsportal.lab.xen.model import since
from opsportal.lab.xen.printing import EXPENSIVE, Field, Record, listing
from opsportal.lab.xen.selectors import field_of, filters_of, matching
from opsportal.lab.xen.texts import CliError, XeError, mistake
from opsportal.lab.xen.xe_cli import Ask, command
from opsportal.lab.xen.xe_tables import TABLES, Table


def fields_of(table: Table, version: str) -> list[Field]:
    return [field for field in table.fields if since(version, field.first)]


def record(ask: Ask, row: Any, fields: list[Field], *, cheap: bool = False) -> Record:
    """`cheap`: expensive fields are not worked out."""
    return [(each.key(ask.version), EXPENSIVE if cheap and each.expensive else each.text(ask.view, row)) for each in fields]


def _list(ask: Ask, table: Table) -> None:
    rows = matching(ask, table.rows(ask.db), table.fields, filters_of(ask))
    fields, wanted = fields_of(table, ask.version), ask.args.get("params", "")
    if wanted == "all":
        chosen = fields
    elif wanted:
        chosen = [field for field in fields if field.name in wanted.split(",")]
    else:
        chosen = [field for field in fields if field.usual(ask.version)]
    records = [record(ask, row, chosen, cheap=wanted == "all") for row in rows]
    if ask.minimal and not chosen:
        ask.out += "\n"
        return
    ask.out += listing(records, minimal=ask.minimal)


def _row(ask: Ask, table: Table) -> Any:
    uuid = ask.need("uuid")
    for row in table.rows(ask.db):
        if row.uuid == uuid:
            return row
    raise XeError("UUID_INVALID", table.kind, uuid)


def _get(ask: Ask, table: Table) -> None:
    row, name = _row(ask, table), ask.need("param-name")
    field = field_of(table.fields, name, ask.version)
    if field is None:
        raise CliError(f"Error code: Missing parameter\nError parameters: {name}")
    value, key = field.get(ask.view, row), ask.args.get("param-key")
    if key is not None and field.shape == "M" and isinstance(value, dict):
        if key not in value:
            raise mistake(f"Key {key} not found in map")
        ask.out += value[key] + "\n"
        return
    ask.out += field.text(ask.view, row) + "\n"


def _param_list(ask: Ask, table: Table) -> None:
    ask.out += listing([record(ask, _row(ask, table), fields_of(table, ask.version))], minimal=ask.minimal)


def _set(ask: Ask, table: Table) -> None:
    row = _row(ask, table)
    for argument, value in filters_of(ask, "uuid").items():
        name, _, key = argument.partition(":")
        field = field_of(table.fields, name, ask.version)
        if field is None:
            raise mistake(f"Unknown field '{name}'")
        _put(ask, field, row, key, value)


def _put(ask: Ask, field: Field, row: Any, key: str, value: str) -> None:
    inside = field.get(ask.view, row)
    if field.edit:
        if not key or not isinstance(inside, dict):
            raise mistake(f"Field '{field.name}' is a map or set. use the 'name:key=value' syntax.")
        inside[key] = value
    elif field.put is None:
        raise mistake(f"Field '{field.name}' is read-only.")
    else:
        field.put(ask.view, row, value)


def _changeable(ask: Ask, table: Table) -> tuple[Field, Any]:
    """A map or set of the row, and its name's field."""
    row, name = _row(ask, table), ask.need("param-name")
    field = field_of(table.fields, name, ask.version)
    if field is None:
        raise mistake(f"Unknown field '{name}'")
    if not field.edit:
        raise mistake(f"Field '{name}' is read-only.")
    return field, field.get(ask.view, row)


def _add(ask: Ask, table: Table) -> None:
    _, inside = _changeable(ask, table)
    if isinstance(inside, list):
        key = ask.need("param-key")
        if key not in inside:
            inside.append(key)
        return
    for key, value in filters_of(ask, "uuid", "param-name", "param-key").items():
        if key in inside:
            raise XeError("MAP_DUPLICATE_KEY", table.kind, ask.args["param-name"], ask.args["uuid"], key)
        inside[key] = value


def _remove(ask: Ask, table: Table) -> None:
    """A key that is not there is no error."""
    _, inside = _changeable(ask, table)
    key = ask.need("param-key")
    if isinstance(inside, dict):
        inside.pop(key, None)
    elif key in inside:
        inside.remove(key)


def _clear(ask: Ask, table: Table) -> None:
    row, name = _row(ask, table), ask.need("param-name")
    field = field_of(table.fields, name, ask.version)
    if field is None or not (field.edit or field.put):
        raise mistake(f"Unknown field '{name}'" if field is None else f"Field '{name}' is read-only.")
    inside = field.get(ask.view, row)
    if field.edit and not isinstance(inside, str):
        inside.clear()
    elif field.put:
        field.put(ask.view, row, "")


def _register(name: str, table: Table) -> None:
    kinds = {
        "list": _list,
        "param-list": _param_list,
        "param-get": _get,
        "param-set": _set,
        "param-add": _add,
        "param-remove": _remove,
        "param-clear": _clear,
    }
    for ending, act in kinds.items():
        command(f"{name}-{ending}", first=table.first)(partial(act, table=table))


for _name, _table in TABLES.items():
    _register(_name, _table)
