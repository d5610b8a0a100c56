"""Hosts from a CSV file: read, judged line by line and shown; nothing is written before somebody says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from hosts import pinning, rules
from hosts.models import Cloud, Credential, Host, HostKey, Kind, Pool, sort_key
from opsportal.operations import audit
from opsportal.operations.errors import Refused

COLUMNS = (
    "name", "address", "port", "username", "kind", "cloud", "pool", "role", "credential", "tags", "legacy", "host_key", "notes",
)  # fmt: skip
REQUIRED = ("name", "address")
MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 20_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Row:
    """One line of the file. `twin` names what it is a duplicate of: such a line is left out, which is no error."""

    line: int
    cells: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    twin: str = ""

    @property
    def good(self) -> bool:
        return not self.errors and not self.twin

    @property
    def legacy(self) -> bool:
        return self.cells.get("legacy", "").lower() == "yes"


@dataclass
class Sheet:
    """A whole file, judged. `problem` is set, and nothing else, when it is no list of hosts at all."""

    rows: list[Row] = field(default_factory=list)
    problem: str = ""
    new_clouds: list[str] = field(default_factory=list)
    new_pools: list[tuple[str, str]] = field(default_factory=list)

    @property
    def good(self) -> list[Row]:
        return [row for row in self.rows if row.good]

    @property
    def bad(self) -> list[Row]:
        return [row for row in self.rows if row.errors]

    @property
    def twins(self) -> list[Row]:
        return [row for row in self.rows if row.twin and not row.errors]


def decode(data: bytes) -> str:
    """Text of an uploaded file. Raises `Refused` for what is no text."""
    if len(data) > MAX_BYTES:
        raise Refused(f"The file has {len(data):,} bytes; the limit is {MAX_BYTES:,}. Split it into several files.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"The file is not UTF-8 text (byte {error.start:,}). Save it as CSV with the encoding UTF-8.") from None
    if "\0" in text:
        raise Refused("The file contains NUL bytes: it is no text file. Save it as CSV with the encoding UTF-8.")
    return text


def judge(text: str) -> Sheet:
    """Reads and judges a file against the inventory as it is now."""
    try:
        rows = list(_rows(text))
    except (csv.Error, Refused) as error:
        return Sheet(problem=str(error))
    if not rows:
        return Sheet(problem="The file has a heading but no hosts under it.")
    known = _Known()
    for row in rows:
        _judge_row(row, known)
    return Sheet(rows=rows, new_clouds=sorted(known.new_clouds.values()), new_pools=sorted(known.new_pools.values()))


def _rows(text: str) -> Iterator[Row]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    heading = [cell.strip().lower() for cell in next(reader, [])]
    _check_heading(heading)
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if reader.line_num > MAX_ROWS:
            raise Refused(f"The file has more than {MAX_ROWS:,} lines. Split it into several files.")
        row = Row(reader.line_num, {name: _plain(cell) for name, cell in zip(heading, cells, strict=False)})
        if len(cells) > len(heading):
            row.errors["line"] = f"This line has {len(cells)} cells, but the heading has {len(heading)} columns."
        yield row


def _check_heading(heading: list[str]) -> None:
    if missing := [name for name in REQUIRED if name not in heading]:
        raise Refused(f"The first line must name the columns; {' and '.join(missing)} is missing. Known columns: {', '.join(COLUMNS)}.")
    if strange := [rules.shown(name, 40) for name in heading if name not in COLUMNS]:
        raise Refused(f"Unknown column: {', '.join(strange)}. Known columns: {', '.join(COLUMNS)}.")
    if doubled := sorted({name for name in heading if heading.count(name) > 1}):
        raise Refused(f"Column named twice: {', '.join(doubled)}.")


def _plain(cell: str) -> str:
    """Takes back the apostrophe that the export puts before what a spreadsheet would run."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell


class _Known:
    """The inventory as the judge needs it, and what earlier lines of the file would add to it."""

    def __init__(self) -> None:
        self.names = {name.lower(): f"the host {name} in the inventory" for name in Host.objects.values_list("name", flat=True)}
        self.places = {
            (address.lower(), port): f"the host {name} in the inventory"
            for address, port, name in Host.objects.values_list("address", "port", "name")
        }
        self.clouds = {name.lower() for name in Cloud.objects.values_list("name", flat=True)}
        self.pools = {(cloud.lower(), name.lower()) for cloud, name in Pool.objects.values_list("cloud__name", "name")}
        self.credentials = {name.lower() for name in Credential.objects.values_list("name", flat=True)}
        self.new_clouds: dict[str, str] = {}
        self.new_pools: dict[tuple[str, str], tuple[str, str]] = {}


def _judge_row(row: Row, known: _Known) -> None:
    _judge_cells(row)
    _judge_references(row, known)
    if row.errors:
        return
    name, place = row.cells["name"].lower(), (row.cells["address"].lower(), int(row.cells.get("port") or 22))
    row.twin = known.names.get(name) or known.places.get(place, "")
    if row.twin:
        return
    known.names[name] = known.places[place] = f"line {row.line} of this file"
    _note_new(row, known)


def _judge_cells(row: Row) -> None:
    checks: dict[str, Any] = {
        "name": rules.label, "address": rules.address, "port": _port, "username": rules.username, "kind": _kind, "cloud": rules.label,
        "pool": rules.label, "role": rules.label, "tags": rules.tags, "legacy": _yes, "host_key": _host_key, "notes": rules.free_text,
    }  # fmt: skip
    for name, check in checks.items():
        value = row.cells.get(name, "")
        if not value and name in REQUIRED:
            row.errors[name] = f"The {name} is missing."
        elif value:
            try:
                check(value)
            except ValidationError as error:
                row.errors[name] = f"{rules.shown(value, 60)}: {' '.join(error.messages)}"


def _judge_references(row: Row, known: _Known) -> None:
    credential = row.cells.get("credential", "")
    if credential and credential.lower() not in known.credentials:
        row.errors["credential"] = (
            f"There is no credential named {rules.shown(credential, 60)}. An administrator can make it under Credentials."
        )
    if row.cells.get("pool") and not row.cells.get("cloud"):
        row.errors["pool"] = "A pool needs its cloud: fill the column cloud as well."


def _note_new(row: Row, known: _Known) -> None:
    cloud, pool = row.cells.get("cloud", ""), row.cells.get("pool", "")
    if cloud and cloud.lower() not in known.clouds:
        known.new_clouds.setdefault(cloud.lower(), cloud)
    key = (cloud.lower(), pool.lower())
    if pool and key not in known.pools:
        known.new_pools.setdefault(key, (cloud, pool))


def _port(value: str) -> None:
    if not (value.isascii() and value.isdigit() and len(value) <= 5):
        raise ValidationError("A port is a number from 1 to 65535.")
    rules.port(int(value))


def _kind(value: str) -> None:
    if value.lower() not in Kind.values:
        raise ValidationError(f"This is not a kind of host. Known: {', '.join(Kind.values)}.")


def _yes(value: str) -> None:
    if value.lower() not in ("yes", "no"):
        raise ValidationError("Write yes or no.")


def _host_key(value: str) -> None:
    pinning.from_lines(value)


@transaction.atomic
def carry_out(text: str, user: User) -> int:
    """Imports all good lines and says how many. Raises `Refused` when the file has errors now, and then writes nothing."""
    sheet = judge(text)
    if sheet.problem or sheet.bad or not sheet.good:
        raise Refused(sheet.problem or f"Nothing was imported: {len(sheet.bad)} lines have errors and {len(sheet.twins)} are duplicates.")
    clouds, pools = _places(sheet)
    credentials = {credential.name.lower(): credential for credential in Credential.objects.all()}
    made = Host.objects.bulk_create([_host(row, user, clouds, pools, credentials) for row in sheet.good], batch_size=500)
    keys = [
        HostKey(host=host, pinned_by=user, **key)
        for host, row in zip(made, sheet.good, strict=True)
        for key in (pinning.from_lines(row.cells["host_key"]) if row.cells.get("host_key") else [])
    ]
    HostKey.objects.bulk_create(keys, batch_size=500)
    names, legacy = [host.name for host in made], [host.name for host in made if host.legacy]
    detail = {"hosts": names[:200], "number": len(names), "keys": len(keys), "legacy": legacy[:200]}
    audit.record(user, "hosts.import", subject=f"{len(made)} hosts", detail=detail, alarming=bool(legacy))
    return len(made)


def _places(sheet: Sheet) -> tuple[dict[str, Cloud], dict[tuple[str, str], Pool]]:
    """All clouds and pools by lower-case name, the missing ones made."""
    Cloud.objects.bulk_create([Cloud(name=name) for name in sheet.new_clouds])
    clouds = {cloud.name.lower(): cloud for cloud in Cloud.objects.all()}
    kinds = {
        (row.cells.get("cloud", "").lower(), row.cells.get("pool", "").lower()): row.cells.get("kind", "").lower() for row in sheet.good
    }
    wanted = []
    for cloud, pool in sheet.new_pools:
        kind = kinds.get((cloud.lower(), pool.lower()), "")
        wanted.append(Pool(name=pool, cloud=clouds[cloud.lower()], kind=kind if kind in Pool.Kind.values else Pool.Kind.XENSERVER))
    Pool.objects.bulk_create(wanted)
    return clouds, {(pool.cloud.name.lower(), pool.name.lower()): pool for pool in Pool.objects.select_related("cloud")}


def _host(row: Row, user: User, clouds: dict[str, Cloud], pools: dict[tuple[str, str], Pool], credentials: dict[str, Credential]) -> Host:
    cell = row.cells.get
    cloud = (cell("cloud") or "").lower()
    return Host(
        name=row.cells["name"],
        sort_name=sort_key(row.cells["name"]),
        address=row.cells["address"],
        port=int(cell("port") or 22),
        username=cell("username") or "",
        kind=(cell("kind") or Kind.OTHER).lower(),
        role=cell("role") or "",
        cloud=clouds.get(cloud),
        pool=pools.get((cloud, (cell("pool") or "").lower())),
        credential=credentials.get((cell("credential") or "").lower()),
        tags=rules.tags(cell("tags") or ""),
        legacy=row.legacy,
        notes=cell("notes") or "",
        created_by=user,
    )


def shortened(sheet: Sheet, limit: int = 200) -> Sheet:
    """For the preview of a large file: at most `limit` lines of each sort."""
    return replace(sheet, rows=sheet.bad[:limit] + sheet.twins[:limit] + sheet.good[:limit])


def export(hosts: Any) -> str:
    """The same columns as the import, so that a list can go out, be edited and come in again."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for host in hosts:
        writer.writerow([_safe(str(cell)) for cell in _cells(host)])
    return out.getvalue()


def _cells(host: Host) -> tuple[object, ...]:
    keys = ";".join(f"{key.kind} {key.base64}" for key in host.keys.all() if key.retired_at is None)
    return (
        host.name, host.address, host.port, host.username, host.kind, host.cloud or "", host.pool or "", host.role, host.credential or "",
        " ".join(host.tag_list), "yes" if host.legacy else "no", keys, host.notes,
    )  # fmt: skip


def _safe(cell: str) -> str:
    """A spreadsheet runs cells that start like a formula; an apostrophe makes them text."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
