"""Taking secrets out of text before it goes to a message, a log or a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from opsportal.secrets.value import MASK, Secret

SHORTEST = 4
"""Shorter values would mask half of every text, and are no secrets."""

_FRAME = re.compile(r"-----(BEGIN|END) [A-Z ]+-----")


class Redactor:
    """Masks the given secrets wherever they stand in a text: as they are, in base64, or encoded for a URL."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        found = {form for secret in secrets for form in _forms(secret.reveal())}
        # Longest first: a value that contains another is masked whole.
        words = sorted((re.escape(form) for form in found), key=len, reverse=True)
        self._pattern = re.compile("|".join(words)) if words else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(value: str) -> Iterator[str]:
    """Of a text with several lines (a private key) also each line, as programs print them one by one."""
    for part in {value, value.strip(), *(line.strip() for line in value.splitlines())}:
        if len(part) >= SHORTEST and not _FRAME.fullmatch(part):
            yield part
            yield from (quote(part, safe=""), quote_plus(part), quote(part))
            yield from _base64(part)


def _base64(part: str) -> Iterator[str]:
    """As it looks inside any longer text that was encoded: at each of the three alignments, without the letters it shares."""
    for shift in range(3):
        data = b"\0" * shift + part.encode(errors="surrogatepass")
        first, end = -(-shift * 4 // 3), len(data) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            form = encode(data).decode()[first:end]
            if len(form) >= SHORTEST:
                yield form
