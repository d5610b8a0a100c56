"""Answers as XML, which CloudStack gives to whoever does not ask for JSON."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape


def document(name: str, answer: dict[str, Any], version: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} cloud-stack-version="{escape(version)}">{_inside(answer)}</{name}>'


def _inside(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(_element(name, each) for name, each in value.items())
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def _element(name: str, value: Any) -> str:
    """A list is the same element again and again."""
    each = value if isinstance(value, list) else [value]
    return "".join(f"<{name}>{_inside(one)}</{name}>" for one in each)
