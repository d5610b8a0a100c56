"""What is known of an error: the names of its parameters, and its text from each version on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    params: tuple[str, ...]
    texts: dict[str, str]
