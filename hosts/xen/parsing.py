"""What `xe` and a dom0's files print, as values. Strict: what is not understood is a `FactError` that says what came back.

Formats: the printer of the xe CLI is the same from XenServer 6.2 to XCP-ng 8.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hosts.xen.state import Role
from opsportal.operations.facts import FactError

KEY_LINE = re.compile(
    r"(?P<before> *)(?P<key>[A-Za-z][\w-]*) \((?: R|SR|MR)[OW]\)(?: \[DEPRECATED\])?(?P<after> *):(?: (?P<value>.*))?", re.DOTALL
)
"""`name-label ( RW): xs01`. Copies lose the blank after the colon of an empty value."""

GAP = 4
"""Blanks at least: after the first key of a record, and before each other."""

NOTHING = frozenset({"<not in database>", "<invalid reference>"})
"""What stands for a reference that leads nowhere, such as the host of a halted virtual machine."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Record = dict[str, str]


def quoted(text: str) -> str:
    """An answer for an error's sentence: one line, at most 200 characters."""
    line = " ".join(text.split())
    return repr(line[:200] + ("…" if len(line) > 200 else "")) if line else "nothing"


def records(text: str, fields: Iterable[str]) -> list[Record]:
    """The blocks of a `*-list`, each by field name. `fields` are the names that were asked for; unknown ones xe leaves out.

    Values are printed raw, so one with a newline goes on in lines without a key. A key's line is told by its name and by its colon,
    which stands in the same column throughout one record. All records of one answer have the same fields.
    """
    known, found, column, last = set(fields), list[Record](), 0, ""
    for line in text.removesuffix("\n").split("\n") if text.strip() else []:
        match = _key_line(line, known)
        if match and not match["before"]:
            found.append({match["key"]: match["value"] or ""})
            column, last = line.index(":"), match["key"]
        elif match and found and line.index(":") == column:
            last = match["key"]
            _once(found[-1], last)[last] = match["value"] or ""
        elif found:
            found[-1][last] += f"\n{line}"
        else:
            raise FactError(f"The answer does not begin with a record of xe. It said {quoted(text)}.")
    return _even([_ended(record) for record in found], text)


def _once(record: Record, key: str) -> Record:
    if key in record:
        raise FactError(f"xe printed the field {key} twice for {quoted(next(iter(record.values())))}: a name with newlines may imitate it.")
    return record


def _key_line(line: str, known: set[str]) -> re.Match[str] | None:
    match = KEY_LINE.fullmatch(line)
    if not match or match["key"] not in known:
        return None
    first, other = len(match["after"]) >= GAP and not match["before"], len(match["before"]) >= GAP and not match["after"]
    return match if first or other else None


def _ended(record: Record) -> Record:
    """Without the two empty lines that end each record."""
    last = next(reversed(record))
    return record | {last: re.sub(r"\n{1,2}\Z", "", record[last])}


def _even(found: list[Record], text: str) -> list[Record]:
    if any(record.keys() != found[0].keys() for record in found):
        raise FactError(f"The records that xe printed do not have the same fields; a name may imitate a record. It said {quoted(text)}.")
    return found


def minimal(text: str) -> list[str]:
    """The values of `--minimal`: commas between them, commas and backslashes inside them behind a backslash. An empty line is none."""
    line = text.removesuffix("\n")
    if not line:
        return []
    values = re.findall(r"((?:[^\\,]|\\.)*)(?:,|\Z)", line + ",", re.DOTALL)[:-1]
    if sum(map(len, values)) + len(values) != len(line) + 1:
        raise FactError(f"The list that xe printed ends in a lone backslash. It said {quoted(text)}.")
    return [re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for value in values]


def mapping(text: str) -> dict[str, str]:
    """`key: value; key: value`. Keys may have colons, values `: `; what has no `: ` of its own belongs to the value before."""
    pairs: dict[str, str] = {}
    last = None
    for item in text.split("; ") if text.strip() else []:
        key, sign, value = f"{item} ".partition(": ")
        if sign:
            last = key
            pairs[key] = value.removesuffix(" ")
        elif last is not None:
            pairs[last] += f"; {item}"
        elif item:
            raise FactError(f"This is no list of keys and values as xe prints it: {quoted(text)}.")
    return pairs


def several(text: str, between: str = "; ") -> tuple[str, ...]:
    """A set: `a; b`. Tags, patches and updates have ", " between. A last element may be empty (seen in 6.5)."""
    return tuple(part.strip() for part in text.split(between.strip()) if part.strip())


def truth(text: str, what: str) -> bool:
    if text not in ("true", "false"):
        raise FactError(f"xe gave {quoted(text)} as {what}, which is neither true nor false.")
    return text == "true"


def whole(text: str, what: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text):
        raise FactError(f"xe gave {quoted(text)} as {what}, which is not a number.")
    return int(text)


def uuid(text: str, what: str) -> str:
    """In lower case."""
    if not UUID.fullmatch(text.lower()):
        raise FactError(f"xe gave {quoted(text)} as {what}, which is not a uuid.")
    return text.lower()


def reference(text: str, what: str) -> str:
    """A uuid, or "" for a reference that leads nowhere."""
    return "" if text in NOTHING or not text else uuid(text, what)


def field(record: Mapping[str, str], name: str) -> str:
    """A field that every version has."""
    if name not in record:
        raise FactError(f"xe left out the field {name}; it printed {', '.join(record) or 'nothing'}. Is this a XenServer older than 6.2?")
    return record[name]


def role(text: str) -> tuple[Role, str]:
    """pool.conf: `master`, `slave:ADDRESS` or `broken`, and the address. IPv6 addresses have colons: only the first one counts."""
    word, _, address = text.strip().partition(":")
    if word == Role.SLAVE and address.strip():
        return Role.SLAVE, address.strip()
    if word in (Role.MASTER, Role.BROKEN) and not address:
        return Role(word), ""
    raise FactError(f"pool.conf says {quoted(text)}, which is neither master, nor slave and an address, nor broken.")


def inventory(text: str) -> dict[str, str]:
    """/etc/xensource-inventory: KEY='value', cut at the first `=`."""
    pairs = {}
    for line in text.splitlines():
        key, sign, value = line.strip().partition("=")
        if sign and not key.startswith("#"):
            pairs[key.strip()] = _unquoted(value.strip())
        elif line.strip() and not key.startswith("#"):
            raise FactError(f"/etc/xensource-inventory has the line {quoted(line)}, which is no KEY='value'.")
    return pairs


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


RELEASE = re.compile(r"(?P<brand>.+?) release (?P<version>[0-9]+(?:\.[0-9]+)*)(?:-(?P<build>\S+))?(?: \(.*\))?")


def release(text: str) -> tuple[str, str, str]:
    """/etc/redhat-release as brand, version and build ("" where it names none): `XenServer release 6.2.0-70446c (xenenterprise)`."""
    if match := RELEASE.fullmatch(text.strip()):
        return match["brand"], match["version"], match["build"] or ""
    raise FactError(f"/etc/redhat-release says {quoted(text)}, which is no name and version as XenServer writes it.")
