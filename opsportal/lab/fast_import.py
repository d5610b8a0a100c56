"""Writes commits for `git fast-import`: same input, same commit ids, whatever the machine, the clock or the user's git settings."""

from __future__ import annotations

from dataclasses import dataclass

from opsportal.lab.practice_trees import Tree, is_executable


@dataclass(frozen=True)
class Identity:
    name: str
    email: str


@dataclass(frozen=True)
class Stamp:
    """Who and when. `seconds` since 1970; the zone is always UTC."""

    who: Identity
    seconds: int

    def line(self, role: str) -> str:
        return f"{role} {self.who.name} <{self.who.email}> {self.seconds} +0000\n"


class Stream:
    """Collects objects; every method that makes a commit answers its mark, which names it later in the same stream."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._blobs: dict[bytes, int] = {}
        self._marks = 0

    def render(self) -> bytes:
        return b"".join([*self._parts, b"done\n"])

    def commit(self, ref: str, tree: Tree, message: str, author: Stamp, committer: Stamp, parent: int | None) -> int:
        """Without a parent the commit is a root. The branch `ref` ends at it."""
        blobs = [(path, self._blob(data)) for path, data in sorted(tree.items())]
        if parent is None:
            self._text(f"reset {ref}\n")
        mark = self._mark()
        self._text(f"commit {ref}\nmark :{mark}\n{author.line('author')}{committer.line('committer')}")
        self._data(message.encode())
        if parent is not None:
            self._text(f"from :{parent}\n")
        self._text("deleteall\n")
        for path, blob in blobs:
            self._text(f"M {'100755' if is_executable(path) else '100644'} :{blob} {path}\n")
        return mark

    def tag(self, name: str, mark: int, message: str, tagger: Stamp) -> None:
        self._text(f"tag {name}\nfrom :{mark}\n{tagger.line('tagger')}")
        self._data(message.encode())

    def point(self, ref: str, mark: int) -> None:
        self._text(f"reset {ref}\nfrom :{mark}\n\n")

    def _blob(self, data: bytes) -> int:
        if data not in self._blobs:
            self._blobs[data] = self._mark()
            self._text(f"blob\nmark :{self._blobs[data]}\n")
            self._data(data)
        return self._blobs[data]

    def _mark(self) -> int:
        self._marks += 1
        return self._marks

    def _data(self, data: bytes) -> None:
        self._parts.append(b"data %d\n" % len(data) + data + b"\n")

    def _text(self, text: str) -> None:
        self._parts.append(text.encode())
