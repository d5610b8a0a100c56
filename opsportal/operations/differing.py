"""Two answers to the same question, and what is different between them, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsportal.operations import letter
from opsportal.operations.answering import shown
from opsportal.operations.models import FactReading

NOT_THERE = "not there"


@dataclass(frozen=True)
class Change:
    """One part of an answer: "Enabled" of "xen2". `name` is "" for an answer that has no parts."""

    name: str
    old: str
    new: str


def told(pairs: Iterable[tuple[FactReading, FactReading]]) -> list[tuple[letter.Told, list[Change]]]:
    """Each fact with what is different in its last answer."""
    read = list(pairs)
    names: dict[str, str] = {}
    for value in (one.value for pair in read for one in pair):
        _learn(value, names)
    facts = letter.facts([old for old, _ in read])
    return [(fact, _between(old, new, names)) for fact, (old, new) in zip(facts, read, strict=True)]


def _between(old: FactReading, new: FactReading, names: Mapping[str, str]) -> list[Change]:
    if old.error or new.error:
        return [Change("", *(one.error or "was read" for one in (old, new)))]
    return list(changes(old.value, new.value, names))


def changes(old: Any, new: Any, names: Mapping[str, str], path: tuple[str, ...] = ()) -> Iterator[Change]:
    """Of plain JSON, part by part. `names` says what people call what has a uuid. Things in a list are the same when their uuids are."""
    if old == new:
        return
    parts = _parts(old, names), _parts(new, names)
    if parts[0] is None or parts[1] is None:
        yield Change(": ".join(path), _said(old, names), _said(new, names))
        return
    for name in parts[0] | parts[1]:
        yield from changes(parts[0].get(name, NOT_THERE), parts[1].get(name, NOT_THERE), names, (*path, name))


def _parts(value: Any, names: Mapping[str, str]) -> dict[str, Any] | None:
    """By what people call them; None for what has no parts."""
    if isinstance(value, dict):
        return {str(name).replace("_", " ").capitalize(): part for name, part in value.items()}
    if isinstance(value, list) and value and all(isinstance(one, dict) and one.get("uuid") for one in value):
        return {names.get(one["uuid"], one["uuid"]): one for one in value}
    return None


def _said(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, dict):
        return "there"
    items = value if isinstance(value, list) else [value]
    return ", ".join("there" if isinstance(one, dict) else names.get(str(one), shown(one)) for one in items) or "none"


def _learn(value: Any, names: dict[str, str]) -> None:
    """What has a uuid has a name, too."""
    if isinstance(value, list):
        for one in value:
            _learn(one, names)
    elif isinstance(value, dict):
        called = value.get("name") or value.get("hostname")
        if value.get("uuid") and called:
            names.setdefault(str(value["uuid"]), str(called))
        for one in value.values():
            _learn(one, names)
