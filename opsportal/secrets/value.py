"""A secret that cannot slip into a string by accident."""

from __future__ import annotations

from typing import NoReturn

MASK = "••••••"


class Secret:
    """Holds a value which only `reveal()` gives back; text, repr and JSON show a mask.

    Deliberately not a `str`: quoting or formatting a `str` subclass returns a plain `str` and loses the mask.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled: pass its name and read it from the store")
