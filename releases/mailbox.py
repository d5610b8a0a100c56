"""Reading a mailbox of patches (the `.patch` of a pull request) without running anything. Pure."""

from __future__ import annotations

import email.header
import email.utils
import re
from dataclasses import dataclass

BEGIN = re.compile(rb"(?m)^From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\r?\n")
FILE = re.compile(rb"(?m)^diff --git (?:a/(.+?) b/(.+)|\"a/(.+?)\" \"b/(.+)\")\r?$")
HUNK = re.compile(rb"@@ -[0-9]+(?:,([0-9]+))? \+[0-9]+(?:,([0-9]+))? @@")
PREFIX = re.compile(r"^\s*(?:\[[^\]]*PATCH[^\]]*\]\s*)+", re.IGNORECASE)


class NotAMailbox(ValueError):
    """The message says what it is instead."""


@dataclass(frozen=True)
class Patch:
    """One commit of a mailbox. `date` as written; files in their order."""

    subject: str
    author: str
    email: str
    date: str
    files: tuple[str, ...]
    insertions: int
    deletions: int


def parse(data: bytes) -> tuple[Patch, ...]:
    """Raises `NotAMailbox` for anything but one or more patches as `git format-patch` writes them."""
    if not data.strip():
        raise NotAMailbox("The mailbox is empty: the pull request has no commits that are not merged already.")
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise NotAMailbox("The answer is an HTML page, not a patch: the address is wrong, or it asks for a login.")
    begins = [match.start() for match in BEGIN.finditer(data)]
    if not begins or begins[0] != 0:
        raise NotAMailbox("The answer is not a mailbox of patches as git writes them.")
    return tuple(_one(data[begin:end]) for begin, end in zip(begins, [*begins[1:], len(data)], strict=True))


def _one(message: bytes) -> Patch:
    head, _, body = message.partition(b"\n\n") if b"\n\n" in message else message.partition(b"\r\n\r\n")
    headers = _headers(head)
    insertions, deletions = _counts(body)
    name, address = email.utils.parseaddr(headers.get("from", ""))
    return Patch(
        subject=PREFIX.sub("", headers.get("subject", ""))[:300] or "(no subject)",
        author=(name or address)[:200],
        email=address[:200],
        date=headers.get("date", "")[:60],
        files=tuple(dict.fromkeys(_path(match) for match in FILE.finditer(body))),
        insertions=insertions,
        deletions=deletions,
    )


def _counts(body: bytes) -> tuple[int, int]:
    """Added and removed lines. Only those within hunks: a message may have lines that begin with a dash, and so may what is removed."""
    plus = minus = old = new = 0
    for line in body.split(b"\n"):
        if old <= 0 and new <= 0:
            if match := HUNK.match(line):
                old, new = (int(number or b"1") for number in match.groups())
        elif line.startswith(b"+"):
            plus, new = plus + 1, new - 1
        elif line.startswith(b"-"):
            minus, old = minus + 1, old - 1
        elif not line.startswith(b"\\"):
            old, new = old - 1, new - 1
    return plus, minus


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in re.sub(r"\r?\n[ \t]+", " ", head.decode("utf-8", "replace")).splitlines()[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found[name.lower()] = _decoded(value.strip())
    return found


def _decoded(value: str) -> str:
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, UnicodeError, ValueError):
        return value


def _path(match: re.Match[bytes]) -> str:
    return (match[2] or match[4]).decode("utf-8", "replace")


def unsafe_path(path: str) -> bool:
    """Would leave the checkout or reach into git's own folder. git refuses these too; saying so early is kinder."""
    parts = path.split("/")
    return path.startswith("/") or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
