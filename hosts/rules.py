"""What an operator may type about a host: positive rules, whole-text matches, ASCII unless it is free text."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from django.conf import settings
from django.core.exceptions import ValidationError

LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._()#+-]| (?! )){0,62}[A-Za-z0-9._()#+-]|[A-Za-z0-9]")
DNS_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = re.compile(rf"{DNS_LABEL}(?:\.{DNS_LABEL})*")
NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
USERNAME = re.compile(r"[a-z_][a-z0-9_.-]{0,30}[a-z0-9_$-]|[a-z_]")
TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
PORT = range(1, 65536)
FREE_TEXT_LIMIT = 2000
_FORBIDDEN = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
_INVISIBLE = re.compile("[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff]")


def label(value: str) -> None:
    """Our own names for hosts, clouds, pools and credentials."""
    if len(value) > 64 or ".." in value or not LABEL.fullmatch(value):
        raise ValidationError(
            "Use at most 64 letters, digits, single blanks and . _ ( ) # + - here, starting with a letter or a digit.", code="label"
        )


def username(value: str) -> None:
    """A Linux account. May never look like an option of a program."""
    if not USERNAME.fullmatch(value):
        raise ValidationError(
            "A user name has lower-case letters, digits, dots, dashes and underscores, and starts with a letter.", code="username"
        )


def port(value: int) -> None:
    if value not in PORT:
        raise ValidationError("A port is a number from 1 to 65535.", code="port")


def address(value: str) -> None:
    """An IPv4 or IPv6 address that a host can have, or a host name."""
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        if not is_host_name(value):
            raise ValidationError(
                "This is neither an IP address nor a host name. Examples: 10.1.2.3, fd00::12, xen1.example.org. "
                "A port or a user goes into its own field.",
                code="address",
            ) from None
        return
    if why := why_not(parsed):
        raise ValidationError(why, code="address")


def is_host_name(value: str) -> bool:
    """Dotted labels, at most 253 letters, the last one not a number (else it could be read as an address)."""
    if len(value) > 253 or not HOST_NAME.fullmatch(value):
        return False
    return not NUMERIC_LABEL.fullmatch(value.rsplit(".", 1)[-1])


def why_not(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Why no host can be managed at this address, or ""."""
    if isinstance(parsed, ipaddress.IPv6Address) and (parsed.scope_id or parsed.ipv4_mapped):
        return f"{parsed} carries a zone or an IPv4 address. Give the plain address."
    if parsed.is_loopback:
        return "" if settings.EMBEDDED else f"{parsed} is this machine itself. Give the address that the host has in the network."
    if parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved:
        return f"{parsed} is a link-local, multicast, unspecified or reserved address: no host can be managed there."
    return ""


def forbidden(text: str) -> str:
    """The same for what a name resolved to, at the moment of connecting."""
    return why_not(ipaddress.ip_address(text))


def tags(text: str) -> str:
    """Normalises words to " a b ", sorted and unique; "" for none. Raises `ValidationError`."""
    words = sorted({word.lower() for word in re.split(r"[\s,;]+", text) if word})
    for word in words:
        if not TAG.fullmatch(word):
            raise ValidationError(
                f"{shown(word)} is not a tag: up to 40 letters, digits, dots, dashes and underscores, no blanks.", code="tag"
            )
    joined = f" {' '.join(words)} " if words else ""
    if len(joined) > 500:
        raise ValidationError("These are too many tags for one host: 500 letters is the limit.", code="tags")
    return joined


def free_text(value: str) -> None:
    """Notes and reasons: any language, new lines allowed, no control or direction-changing characters."""
    text = value.replace("\r\n", "\n")
    if len(text) > FREE_TEXT_LIMIT:
        raise ValidationError(f"This text has {len(text)} letters; the limit is {FREE_TEXT_LIMIT}.", code="long")
    if _FORBIDDEN.search(text):
        raise ValidationError(
            "This text contains control characters that cannot be seen. Remove them, or type the text by hand.", code="control"
        )


def shown(text: str, limit: int = 200) -> str:
    """Text that came from outside, for a page or a message: invisible characters as U+XXXX, cut at `limit`."""
    seen = _INVISIBLE.sub(lambda match: f"<U+{ord(match[0]):04X}>", unicodedata.normalize("NFC", text))
    return seen if len(seen) <= limit else seen[:limit] + "…"
