"""`mysql` and `mysqldump` of a practice server: the databases are files of SQLite, and as much of MariaDB's words as operators need.

Each database is /var/lib/mysql/NAME.db. Understood besides SQLite's own SQL: databases made and dropped, USE, SHOW DATABASES and TABLES,
the sizes in information_schema, and times. Needs Python's own library only.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path("/var/lib/mysql")
LOGINS = {"cloud": "cloud", "root": ""}
NAME = r"[`\"]?([A-Za-z0-9_]{1,64})[`\"]?"
IGNORED = ("set ", "lock ", "unlock ", "start transaction", "commit", "/*!", "flush ", "analyze ")


Rows = list[Any]


@dataclass
class Current:
    """The database that names without another one mean, "" for none."""

    name: str
    connection: sqlite3.Connection


class Wrong(Exception):
    """What MariaDB says after ERROR."""


def main(words: list[str]) -> int:
    program, options, rest = words[0], dict[str, str](), list[str]()
    values = iter(words[1:])
    for word in values:
        if word in ("-e", "-u", "-h", "-P"):
            options[word] = next(values, "")
        elif word.startswith("-"):
            key, _, value = word.partition("=")
            options[key] = value
        else:
            rest.append(word)
    try:
        login(options)
        name = rest[0] if rest else ""
        return dump(name) if program == "mysqldump" else client(name, options)
    except Wrong as wrong:
        sys.stderr.write(f"{'mysqldump: Got error: ' if program == 'mysqldump' else 'ERROR '}{wrong}\n")
        return 2 if program == "mysqldump" else 1


def login(options: dict[str, str]) -> None:
    """By the option file, or as root through the socket."""
    told = {"user": options.get("-u", options.get("--user", "root")), "password": options.get("--password", "")}
    file = options.get("--defaults-extra-file") or options.get("--defaults-file")
    if file:
        try:
            told.update(re.findall(r"(?m)^\s*(user|password)\s*=\s*\"?(.*?)\"?\s*$", Path(file).read_text()))
        except OSError:
            raise Wrong(f"1 (HY000): Could not open required defaults file: {file}") from None
    if LOGINS.get(told["user"]) != told["password"]:
        raise Wrong(f"1045 (28000): Access denied for user '{told['user']}'@'localhost' (using password: YES)")


def place(name: str) -> Path:
    return FOLDER / f"{name}.db"


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.db"))


def connect(name: str) -> sqlite3.Connection:
    """With what the databases say about themselves. Another one is only attached to what names it: see `execute`."""
    if name and name not in names():
        raise Wrong(f"1049 (42000): Unknown database '{name}'")
    connection = sqlite3.connect(place(name) if name else ":memory:", timeout=20, isolation_level=None)
    connection.execute("ATTACH DATABASE ':memory:' AS information_schema")
    connection.execute("CREATE TABLE information_schema.tables (table_schema, table_name, data_length INTEGER, index_length INTEGER)")
    connection.execute("CREATE TABLE information_schema.schemata (schema_name, default_character_set_name, default_collation_name)")
    for each in names():
        connection.execute("INSERT INTO information_schema.schemata VALUES (?, 'utf8', 'utf8_general_ci')", (each,))
        for table in tables(each):
            connection.execute("INSERT INTO information_schema.tables VALUES (?, ?, ?, 0)", (each, table, place(each).stat().st_size))
    connection.create_function("CONCAT", -1, lambda *parts: "".join(map(str, parts)))
    connection.create_function("UTC_TIMESTAMP", 0, stamp)
    connection.create_function("NOW", 0, stamp)
    connection.create_function("SECONDS_BETWEEN", 2, between)
    return connection


def tables(name: str) -> list[str]:
    connection = sqlite3.connect(place(name), timeout=20)
    try:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        return [row[0] for row in rows]
    finally:
        connection.close()


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def between(one: str | None, other: str | None) -> int | None:
    if one is None or other is None:
        return None
    begin, end = (datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S") for text in (one, other))
    return int((end - begin).total_seconds())


def client(name: str, options: dict[str, str]) -> int:
    _heartbeat()
    text = options["-e"] if "-e" in options else sys.stdin.read()
    current = Current(name, connect(name))
    for statement in statements(text):
        for row in act(current, statement):
            sys.stdout.write("\t".join("NULL" if value is None else str(value) for value in row) + "\n")
    return 0


def _heartbeat() -> None:
    """A server that runs keeps saying so."""
    said = subprocess.run(["/run/lab/bin/practice-server", "status"], capture_output=True, text=True, check=False).stdout.strip()
    if said == "up" and place("cloud").exists() and "mshost" in tables("cloud"):
        connection = sqlite3.connect(place("cloud"), timeout=20)
        with connection:
            connection.execute("UPDATE mshost SET last_update = ? WHERE state = 'Up'", (stamp(),))
        connection.close()


def statements(text: str) -> Iterator[str]:
    found, lines = "", [line for line in text.split("\n") if not line.startswith("--")]
    for piece in re.split(r"(;)", "\n".join(lines)):
        found += piece
        if piece == ";" and sqlite3.complete_statement(found):
            yield found.strip()
            found = ""
    if found.strip():
        yield found.strip()


def act(current: Current, statement: str) -> Rows:
    small = statement.lower()
    if small in (";", "") or small.startswith(IGNORED):
        return []
    for pattern, verb in VERBS:
        if found := re.match(pattern, statement, re.IGNORECASE):
            return verb(current, found)
    text = re.sub(r"(?i)TIMESTAMPDIFF\(\s*SECOND\s*,", "SECONDS_BETWEEN(", statement)
    try:
        return execute(current, text)
    except sqlite3.Error as error:
        raise Wrong(f"1064 (42000): {error}") from None


def execute(current: Current, text: str) -> Rows:
    """Names without a database never mean another one's tables: SQLite would look there, too."""
    connection = current.connection
    others = [other for other in names() if other != current.name and re.search(rf"\b{other}[`\"]?\s*\.", text)]
    for other in others:
        connection.execute(f"ATTACH DATABASE ? AS `{other}`", (str(place(other)),))
    try:
        return connection.execute(text).fetchall()
    finally:
        for other in others:
            connection.execute(f"DETACH DATABASE `{other}`")


def _create(current: Current, found: re.Match[str]) -> Rows:
    name = found[2]
    if name in names():
        if found[1]:
            return []
        raise Wrong(f"1007 (HY000): Can't create database '{name}'; database exists")
    sqlite3.connect(place(name)).close()
    return _again(current)


def _drop(current: Current, found: re.Match[str]) -> Rows:
    name = found[2]
    if name not in names():
        if found[1]:
            return []
        raise Wrong(f"1008 (HY000): Can't drop database '{name}'; database doesn't exist")
    current.connection.close()
    place(name).unlink()
    if current.name == name:
        current.name = ""
    return _again(current)


def _again(current: Current) -> Rows:
    current.connection.close()
    current.connection = connect(current.name)
    return []


def _use(current: Current, found: re.Match[str]) -> Rows:
    current.name = found[1]
    return _again(current)


def _show(current: Current, found: re.Match[str]) -> Rows:
    return [(name,) for name in (names() if found[1].lower() == "databases" else tables(current.name))]


VERBS: tuple[tuple[str, Callable[[Current, re.Match[str]], Rows]], ...] = (
    (rf"CREATE\s+DATABASE\s+(IF\s+NOT\s+EXISTS\s+)?{NAME}", _create),
    (rf"DROP\s+DATABASE\s+(IF\s+EXISTS\s+)?{NAME}", _drop),
    (rf"USE\s+{NAME}", _use),
    (r"SHOW\s+(DATABASES|TABLES)", _show),
)


def dump(name: str) -> int:
    connection = connect(name)
    out = sys.stdout
    out.write(f"-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n-- Host: localhost    Database: {name}\n")
    for table in tables(name):
        made = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        out.write(f"\nDROP TABLE IF EXISTS `{table}`;\n{made};\n")
        rows = connection.execute(f"SELECT * FROM `{table}`").fetchall()  # noqa: S608 - a table of its own
        if rows:
            values = ",".join(f"({','.join(map(literal, row))})" for row in rows)
            out.write(f"INSERT INTO `{table}` VALUES {values};\n")  # noqa: S608
    out.write(f"\n-- Dump completed on {stamp()}\n")
    return 0


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
