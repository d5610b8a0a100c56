"""File trees of the practice source, made from the templates in `practice/`.

A tree is a dict of path -> bytes. Templates ending in `.in` lose that ending: their real names would make this
repository's own tools read them. `@VERSION@` and `@CHANGED@` (the changelog's date) are filled in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).parent / "practice"

Tree = dict[str, bytes]

OLD_LAYOUT = (("/src/main/java/", "/src/"), ("/src/test/java/", "/test/"))
"""Where the 4.8 era keeps what today's Maven layout calls src/main/java and src/test/java."""


@dataclass(frozen=True)
class Replace:
    """`old` must be in the file exactly once, so that an edit never goes somewhere else unnoticed."""

    path: str
    old: str
    new: str
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Add:
    """A new file; its content is the template `practice/pulls/SOURCE`."""

    path: str
    source: str


@dataclass(frozen=True)
class Remove:
    path: str


Edit = Replace | Add | Remove


@cache
def _templates(name: str) -> tuple[tuple[str, bytes], ...]:
    root = TEMPLATES / name
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return tuple((path.relative_to(root).as_posix().removesuffix(".in"), path.read_bytes()) for path in files)


def old_layout(path: str) -> str:
    """The 4.8 era's place of a file. tools/checkstyle has no parent pom to tell Maven otherwise and keeps Maven's."""
    if path.startswith("tools/"):
        return path
    for today, then in OLD_LAYOUT:
        path = path.replace(today, then)
    return path


def tree(folders: Iterable[str], version: str, changed: str, *, old: bool = False) -> Tree:
    """The folders laid over each other, later ones winning. `changed` is an RFC 2822 date."""
    files: Tree = {}
    for folder in folders:
        for path, data in _templates(folder):
            files[old_layout(path) if old else path] = data
    return {path: data.replace(b"@VERSION@", version.encode()).replace(b"@CHANGED@", changed.encode()) for path, data in files.items()}


def edited(base: Tree, edits: Iterable[Edit]) -> Tree:
    """A new tree with the edits made."""
    files = dict(base)
    for edit in edits:
        match edit:
            case Replace(path, old, new, encoding):
                files[path] = _replaced(files[path], path, old.encode(encoding), new.encode(encoding))
            case Add(path, source):
                files[path] = (TEMPLATES / "pulls" / source).read_bytes()
            case Remove(path):
                del files[path]
    return files


def _replaced(data: bytes, path: str, old: bytes, new: bytes) -> bytes:
    if data.count(old) != 1:
        raise ValueError(f"{path}: the text to replace is there {data.count(old)} times, not once: {old!r}")
    return data.replace(old, new)


def is_executable(path: str) -> bool:
    return path.endswith(".sh") or path == "debian/rules"
