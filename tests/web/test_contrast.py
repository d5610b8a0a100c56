"""Every pair of colours that text or a sign is made of, in both themes, against WCAG AA."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

BASE = (settings.BASE_DIR / "static" / "css" / "base.css").read_text()
TOKENS = dict(re.findall(r"--([a-z-]+):\s*light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\)", BASE))

GROUNDS = ("ground", "surface", "sunken", "hover", "accent-soft")
TEXT = [
    *((ink, ground) for ink in ("ink", "muted", "accent", "accent-strong") for ground in GROUNDS),
    *((tone, ground) for tone in ("ok", "warn", "bad", "unknown") for ground in ("ground", "surface", "hover", f"{tone}-soft")),
    *(("ink", f"{tone}-soft") for tone in ("ok", "warn", "bad", "unknown")),
    *(("muted", f"{tone}-soft") for tone in ("ok", "warn", "bad", "unknown")),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
]  # fmt: skip
SIGNS = [("edge", ground) for ground in ("ground", "surface", "sunken")]
"""Edges of fields and buttons."""


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str, theme: int) -> float:
    high, low = sorted((luminance(TOKENS[name].split(", ")[theme]) for name in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (SIGNS, 3.0)], ids=["text", "signs"])
def test_contrast(pairs: list[tuple[str, str]], least: float, theme: int) -> None:
    weak = {pair: round(contrast(*pair, theme), 2) for pair in pairs if contrast(*pair, theme) < least}
    assert not weak


def test_no_colour_hides_elsewhere() -> None:
    """A colour of its own in another file would escape the test above, and one of the themes."""
    for path in sorted((settings.BASE_DIR / "static" / "css").glob("*.css")):
        if path.name not in ("base.css", "log.css"):
            bare = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
            bare = re.sub(r"light-dark\([^)]*\)|@media print \{.*?\n\}", "", bare, flags=re.S)
            assert not re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", bare), path.name
