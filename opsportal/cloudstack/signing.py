"""The signature of an API request, byte for byte as CloudStack's Java computes it.

Source: server/src/com/cloud/api/ApiServer.java, `verifyRequest`; developer's guide, "Signing API Requests".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

EXPIRES = "%Y-%m-%dT%H:%M:%S%z"
"""With version 3 of the signature: "2026-01-31T23:59:59+0000"."""


def encoded(value: str) -> str:
    """As Java's URLEncoder with "%20" for a blank: "*" stays, and "~" does not, which Python's `quote` would leave."""
    return quote(value, safe="*").replace("~", "%7E")


def canonical(params: Mapping[str, str]) -> str:
    """What is signed. CloudStack sorts names as they were sent, before it lower-cases them: send all of them in lower case."""
    pairs = sorted((name.lower(), value) for name, value in params.items() if name.lower() != "signature")
    return "&".join(f"{name}={encoded(value)}" for name, value in pairs).lower()


def signature(params: Mapping[str, str], secret: str) -> str:
    digest = hmac.new(secret.encode(), canonical(params).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def expiry(seconds: int, now: datetime | None = None) -> str:
    """When a request stops being valid. Without this anybody who saw it could send it again for ever."""
    return ((now or datetime.now(UTC)) + timedelta(seconds=seconds)).strftime(EXPIRES)
