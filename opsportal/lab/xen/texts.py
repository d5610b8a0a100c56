"""What `xe` prints when something goes wrong, in the words of each version."""

from __future__ import annotations

from opsportal.lab.xen.model import Database, since
from opsportal.lab.xen.xe_errors import ERRORS

REFUSED = "Error: Connection refused (calling connect )"
LOST = "Lost connection to the server."
UNREACHABLE = "Unable to contact server. Please check server and port settings."
USAGE = "For usage run: 'xe help'"


class XeError(Exception):
    """An error of the API. A parameter made by `ref` is an object: printed as `UUID (NAME-LABEL)`."""

    def __init__(self, code: str, *params: str) -> None:
        super().__init__(code, *params)
        self.code, self.params = code, params


class CliError(Exception):
    """Made by the command line layer: the whole text, without the line end."""


def mistake(text: str) -> CliError:
    return CliError(f"Error: {text}")


def missing(argument: str) -> CliError:
    return CliError(f"Required parameter not found: {argument}\n{USAGE}")


def failure(text: str) -> XeError:
    """Any other exception reaches the user as this one."""
    return XeError("INTERNAL_ERROR", text)


def text_of(code: str, version: str) -> str:
    """The English description, "" when that version has none."""
    known, found = ERRORS.get(code), ""
    for first, text in known.texts.items() if known else ():
        if since(version, first):
            found = text
    return found


def render(error: XeError, version: str, database: Database | None = None) -> str:
    """Without the last line end."""
    text = text_of(error.code, version)
    if not text:
        return f"Error code: {error.code}\nError parameters: {', '.join(_opaque(each) for each in error.params)}"
    shown = [_named(each, database) for each in error.params]
    names = _names(error.code, version)
    lines = [text, *(f"{name}: {value}" for name, value in zip(names, shown, strict=False))]
    lines += [f"{name}: <unknown>" for name in names[len(shown) :]]
    lines += [f"<extra>: {value}" for value in shown[len(names) :]]
    return "\n".join(lines)


def _names(code: str, version: str) -> tuple[str, ...]:
    if code == "LICENCE_RESTRICTION" and not since(version, "7.0"):
        return ()
    if code == "OTHER_OPERATION_IN_PROGRESS":
        return ("class", "object")
    return ERRORS[code].params


def _named(value: str, database: Database | None) -> str:
    """An object reference, written `ref:UUID`, as the server knows it."""
    if not value.startswith("ref:"):
        return value
    uuid = value.removeprefix("ref:")
    if database is None:
        return uuid
    for table in (database.hosts, database.vms, database.srs, database.vdis, database.networks):
        found = table.get(uuid)
        if found is not None:
            return f"{uuid} ({found.name})"
    return uuid


def _opaque(value: str) -> str:
    return f"OpaqueRef:{value.removeprefix('ref:')}" if value.startswith("ref:") else value


def ref(uuid: str) -> str:
    return f"ref:{uuid}"
