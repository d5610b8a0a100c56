"""Dataclasses as plain JSON and back."""

from __future__ import annotations

from dataclasses import Field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value) if _kept(each)}
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """Raises KeyError or TypeError for what `to_plain` of that class has not made."""
    return _build(kind, plain)  # type: ignore[no-any-return]


def _kept(each: Field[Any]) -> bool:
    return bool(each.metadata.get("plain", True))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, plain: Any) -> Any:
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{each.name: _build(hints[each.name], plain[each.name]) for each in fields(kind) if _kept(each)})  # type: ignore[operator]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        return {key: _build(arguments[1], value) for key, value in plain.items()}
    if origin is list:
        return [_build(arguments[0], value) for value in plain]
    if origin in (Union, UnionType) and plain is not None:
        return _build(next(each for each in arguments if each is not type(None)), plain)
    return plain
