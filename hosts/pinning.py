"""Host keys: which ones a person accepted, and the only ways in which that changes."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Sequence
from typing import TypedDict

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from hosts.models import Contact, Host, HostKey
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.secrets.ssh_keys import fingerprint
from opsportal.transport.algorithms import KINDS
from opsportal.web.access import has_role

_KEY = re.compile(r"(\S+) +([A-Za-z0-9+/]{20,6000}={0,2})(?: .*)?")


class Offer(TypedDict):
    """One public key of a host: its kind, its blob in base64 and what people compare, "SHA256:…"."""

    kind: str
    base64: str
    fingerprint: str


def from_lines(text: str) -> list[Offer]:
    """Keys as `ssh-ed25519 AAAA…`, separated by ";" or line ends. Raises `ValidationError`."""
    return [_from_line(line.strip()) for line in re.split(r"[;\n]", text) if line.strip()]


def _from_line(line: str) -> Offer:
    match = _KEY.fullmatch(line)
    if not match or match[1] not in KINDS:
        raise ValidationError("A host key is its kind and its base64 text, as in ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…")
    kind, text = match[1], match[2]
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValidationError("The base64 text of this host key is damaged. Copy the whole line again.") from None
    if not blob.startswith(struct.pack(">I", len(kind)) + kind.encode()):
        raise ValidationError(f"This text is no {kind} key. Copy the whole line again.")
    return Offer(kind=kind, base64=text, fingerprint=fingerprint(text))


def chosen(offers: Sequence[Offer], fingerprints: Sequence[str]) -> list[Offer]:
    """The offered keys that a person ticked. Raises `Refused` when one of them is not offered (any more), or none was ticked."""
    by_print = {offer["fingerprint"]: offer for offer in offers}
    if not fingerprints:
        raise Refused("Tick the keys whose fingerprints you compared with the host's own.")
    if set(fingerprints) - by_print.keys():
        raise Refused("The host was asked again in the meantime and shows other keys than you saw. Compare the fingerprints again.")
    return [by_print[text] for text in dict.fromkeys(fingerprints)]


def pinned(host: Host) -> list[HostKey]:
    return list(host.keys.filter(retired_at=None))


@transaction.atomic
def pin(host: Host, fingerprints: Sequence[str], *, user: User, reason: str = "") -> None:
    """Accepts keys that the host offered. The first time by an operator; in place of pinned ones by an administrator with a reason."""
    host = Host.objects.select_for_update().get(pk=host.pk)
    keys = chosen(host.offered, fingerprints)
    old = pinned(host)
    if old and not has_role(user, "administrator"):
        raise Refused("Keys are pinned for this host already. Only an administrator can put others in their place.")
    if old and not reason.strip():
        raise Refused("Say why the host has new keys: installed again, keys made anew, replaced by another machine.")
    host.keys.filter(retired_at=None).update(retired_at=timezone.now(), retired_why=reason)
    write(host, keys, user)
    Host.objects.filter(pk=host.pk).update(
        offered=[], offered_at=None, scan_asked_at=None, contact=Contact.NEVER, contact_message="", next_read_at=timezone.now(), claim=""
    )
    detail = {"reason": reason, "retired": [str(key) for key in old], "pinned": [key["fingerprint"] for key in keys]}
    audit.record(user, "host.repin" if old else "host.pin", subject=host.name, detail=detail, alarming=bool(old))


def write(host: Host, keys: Sequence[Offer], user: User) -> None:
    HostKey.objects.bulk_create([HostKey(host=host, pinned_by=user, **key) for key in keys])
