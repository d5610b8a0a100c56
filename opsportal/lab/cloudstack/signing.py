"""Whether a request was signed by who has the secret key. From ApiServer.verifyRequest of 4.8."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import quote_plus

Parameters = dict[str, str]
FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def java_encoded(value: str) -> str:
    """As Java's URLEncoder does it, with %20 for a blank: `*` stays, and `~` becomes %7E where Python's `quote` leaves it."""
    return quote_plus(value, safe="*").replace("~", "%7E").replace("+", "%20")


def signature(parameters: Parameters, secret: str) -> str:
    """Of everything but the signature itself, ordered by the names as they were sent."""
    named = sorted((name, value) for name, value in parameters.items() if name.lower() != "signature")
    text = "&".join(f"{name}={java_encoded(value)}" for name, value in named).lower()
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def verified(parameters: Parameters, key: str, secret: str, now: datetime) -> bool:
    """`now` is the clock of the management server. Without signatureVersion 3 `expires` counts for nothing."""
    given = {name.lower(): value for name, value in parameters.items()}
    if given.get("apikey") != key or not hmac.compare_digest(given.get("signature", "").encode(), signature(parameters, secret).encode()):
        return False
    return given.get("signatureversion") != "3" or _valid(given.get("expires", ""), now)


def _valid(expires: str, now: datetime) -> bool:
    try:
        return datetime.strptime(expires, FORMAT) >= now
    except (ValueError, TypeError):
        return False


def shifted(now: datetime, minutes: float) -> datetime:
    return now + timedelta(minutes=minutes)
