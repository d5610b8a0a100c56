"""Values in configuration files as text: what is asked for is set, every other line stays as and where it is. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

Settings = tuple[tuple[str, str], ...]
"""Keys and their values, as they are written: a style that wants quotes gets them in the value."""


@dataclass(frozen=True)
class Style:
    """`between` is written between key and value of a new line; `continues`: a backslash at its end makes the next line part of a line."""

    between: str
    continues: bool = False
    export: bool = False

    def key(self, line: str) -> str:
        """Of a line that sets something, else ""."""
        found = re.match(rf"\s*{'(?:export[ ]+)?' if self.export else ''}([A-Za-z_][\w.-]*)[ \t]*=", line)
        return found[1] if found else ""


LIBVIRT = Style(" = ")
PROPERTIES = Style("=", continues=True)
SHELL = Style("=", continues=True, export=True)
"""Of a shell (/etc/default, /etc/sysconfig), and of systemd."""


def value(text: str, name: str, style: Style) -> str | None:
    """What counts: the last line that sets it. None when none does."""
    found = [line.partition("=")[2].strip() for line in _logical(text, style) if style.key(line) == name]
    return found[-1] if found else None


def put(text: str, settings: Settings, style: Style) -> str:
    """With these values, each in one line: where it stood first, else below its sample in a comment, else at the end.

    Lines that set the same once more are what scripts left that append; they go.
    """
    for name, wanted in settings:
        if value(text, name, style) != wanted or _times(text, name, style) != 1:
            text = _put(text, name, wanted, style)
    return text


def without(text: str, name: str, style: Style) -> str:
    return "\n".join(line for line in _logical(text, style) if style.key(line) != name)


def changed(text: str, settings: Settings, style: Style) -> Settings:
    """Those that are not so yet."""
    return tuple((name, wanted) for name, wanted in settings if put(text, ((name, wanted),), style) != text)


def words(quoted: str | None) -> list[str]:
    """Of a shell's value with or without quotes. What a shell could not read either has none."""
    try:
        return [part for one in shlex.split(quoted or "") for part in one.split()]
    except ValueError:
        return []


def _times(text: str, name: str, style: Style) -> int:
    return sum(style.key(line) == name for line in _logical(text, style))


def _put(text: str, name: str, wanted: str, style: Style) -> str:
    lines, new = _logical(text, style), f"{name}{style.between}{wanted}"
    if places := [number for number, line in enumerate(lines) if style.key(line) == name]:
        rest = [line for line in lines[places[0] + 1 :] if style.key(line) != name]
        return "\n".join([*lines[: places[0]], new, *rest])
    if samples := [number for number, line in enumerate(lines) if _sample(line, name)]:
        return "\n".join([*lines[: samples[-1] + 1], new, *lines[samples[-1] + 1 :]])
    ended = text if not text or text.endswith("\n") else f"{text}\n"
    after = f"{ended}{new}\n"
    return after if _times(after, name, style) else f"{ended}\n{new}\n"  # an empty line ends a last line that runs on


def _sample(line: str, name: str) -> bool:
    return re.match(rf"[#;][#; \t]*{re.escape(name)}[ \t]*=", line) is not None


def _logical(text: str, style: Style) -> list[str]:
    """Lines, each with those that continue it."""
    found: list[str] = []
    runs_on = False
    for line in text.split("\n"):
        if runs_on:
            found[-1] += f"\n{line}"
        else:
            found.append(line)
        runs_on = style.continues and _runs_on(found[-1])
    return found


def _runs_on(line: str) -> bool:
    """It ends with an odd number of backslashes; a comment never runs on."""
    comment = line.lstrip()[:1] in ("#", "!", ";")
    return not comment and (len(line) - len(line.rstrip("\\"))) % 2 == 1
