"""From what `xe` printed to what it means: a set of texts of all versions for each code, and the failures that end with exit code 0."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hosts.xen.meanings import EMERGENCY, MEANINGS
from hosts.xen.texts import TEXTS

__all__ = ["CONNECTION_REFUSED", "EMERGENCY", "Explained", "explain", "said"]

CONNECTION_REFUSED = "connection-refused"
LOST_CONNECTION = "lost-connection"

LAYER: tuple[tuple[str, str], ...] = (
    (r"Error: Connection refused \(calling connect ?\)", CONNECTION_REFUSED),
    (r"Lost connection to the server", LOST_CONNECTION),
    (r"Unable to contact server\. Please check server and port settings", "unreachable"),
    (r"Authentication failed", "authentication"),
    (r"Username/password must be specified", "no-password"),
    (r"Unknown command: (?P<command>.*)", "unknown-command"),
    (r"Required parameter not found: (?P<parameter>.*)", "missing-argument"),
    (r"Error: No matching (?:hosts|VMs) found", "no-match"),
    (r"Error: Multiple match(?:ing|es) (?:hosts|VMs) found\. .*", "ambiguous"),
    (r"Error: Field '(?P<field>.*)' is read-only", "read-only"),
    (r"Error: Unknown field '(?P<field>.*)'", "unknown-field"),
    (r"Error: Field '(?P<field>.*)' is a map or set\. .*", "needs-key"),
    (r"Error: Key (?P<key>.*) not found in map", "no-key"),
    (r"Error: This operation is (?:extremely )?dangerous and may cause data loss\. .*", "needs-force"),
    (r"Aborted \(you typed: '(?P<typed>.*)'\)", "aborted"),
    (r"Host cannot contact destination host: connection refused", "no-destination"),
    (r"Host agent is already master\. .*", "already-master"),
    (r"Error: (?!Connection)(?P<text>.*)", "cli"),
)
"""Lines that the command line itself prints, each as a whole line without its last full stop."""

SHARPER: tuple[tuple[str, str, str], ...] = (
    ("INTERNAL_ERROR", r"Cannot_eject_master", "eject-master"),
    ("INTERNAL_ERROR", r"constraint violation: timeout >= 10", "ha-timeout-low"),
    ("INTERNAL_ERROR", r"int_of_string", "ha-timeout-number"),
    ("INTERNAL_ERROR", r"duplicate objects in database", "duplicate-uuid"),
    ("INTERNAL_ERROR", r"ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|Connection failed", "master-unreachable"),
    ("OPERATION_NOT_ALLOWED", r"VM resident on host", "vms-resident"),
    ("OPERATION_NOT_ALLOWED", r"Host cannot become slave of itself", "clone-of-master"),
    ("OPERATION_NOT_ALLOWED", r"Host is already part of a pool", "already-in-pool"),
    ("OPERATION_NOT_ALLOWED", r"Network backends differ", "backends-differ"),
    ("HOST_NOT_ENOUGH_FREE_MEMORY", r"available: <unknown>", "unprotected-vm"),
)
"""Where the parameters of a general code say what it really is: code, pattern in the parameters, key of `MEANINGS`."""


@dataclass(frozen=True)
class Explained:
    """`code` is xapi's, or the client's own in small letters. `parameters` are those that were printed, in their order.

    `sense` is the key of `MEANINGS`: the code, or what the parameters make of it ("clone-of-master").
    """

    code: str
    meaning: str
    advice: str
    parameters: tuple[tuple[str, str], ...] = ()
    sense: str = ""

    def __str__(self) -> str:
        return f"{self.meaning} {self.advice}"


def collapsed(line: str) -> str:
    """As texts are compared: 6.2 and 7.0 have two blanks after a full stop, and releases differ in the last one."""
    return " ".join(line.split()).removesuffix(".")


BY_TEXT = {text: entry for entry in TEXTS for text in entry.texts}


def explain(text: str) -> Explained | None:
    """The first error in what a command printed, or None when no version of xe is known to print it."""
    lines = [collapsed(line) for line in text.splitlines()]
    for number, line in enumerate(lines):
        line = re.sub(r"^operation failed on [0-9a-f-]{36}: ", "", line)
        if entry := BY_TEXT.get(line):
            return _meant(entry.code, _parameters(entry.parameters, text.splitlines()[number + 1 :]))
        if line.startswith("Error code: "):
            return _bare(line, lines[number + 1 :])
        if found := _layer(line):
            return found
    return None


def _parameters(names: tuple[str, ...], lines: list[str]) -> tuple[tuple[str, str], ...]:
    """The lines `NAME: VALUE` right after the text; surplus values are called <extra>."""
    found = []
    for line in lines:
        name, sign, value = line.partition(":")
        if not sign or name.strip() not in (*names, "<extra>"):
            break
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _bare(line: str, rest: list[str]) -> Explained | None:
    """A code without a text in that version: `Error code: X`, then `Error parameters: a, b`."""
    code = line.removeprefix("Error code: ")
    label, _, values = rest[0].partition(": ") if rest else ("", "", "")
    given = tuple(("parameter", value) for value in values.split(", ")) if label == "Error parameters" else ()
    if code == "Missing parameter":
        code = "unknown-field"
    return _meant(code, given) if code in MEANINGS else Explained(code, f"xapi gave the error {code}, which has no text.", "", given)


def _layer(line: str) -> Explained | None:
    for pattern, code in LAYER:
        if match := re.fullmatch(pattern, line):
            return _meant(code, tuple(match.groupdict().items()))
    return None


def _meant(code: str, parameters: tuple[tuple[str, str], ...]) -> Explained:
    printed = "\n".join(f"{name}: {value}" for name, value in parameters)
    key = next((key for general, pattern, key in SHARPER if general == code and re.search(pattern, printed)), code)
    return Explained(code, *MEANINGS[key], parameters, key)


def said(text: str) -> str:
    """What was printed, in one line, and what it means. For a text that no version is known to print: only the line.

    Of an internal error only its message is shown: the sentence around it says nothing.
    """
    known = explain(text)
    shown = " ".join((dict(known.parameters).get("message", text) if known and known.code == "INTERNAL_ERROR" else text).split())
    shown = shown[:300] + "…" if len(shown) > 300 else shown or "it printed nothing"
    return f"{shown.removesuffix('.')}. {known}" if known else shown
