"""Saving, pinning and removing the connection to a CloudStack, and the file of it that the portal's commands read."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from hosts import sealing
from hosts.cloudstack.steps import connection_file
from hosts.models import CloudApi
from opsportal.cloudstack import kept
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.operations.models import Restoration
from opsportal.secrets.value import Secret
from opsportal.transport import tls

EMPTY: dict[str, Any] = {"state": {}, "state_at": None, "problem": "", "problem_at": None, "offered": ""}


@transaction.atomic
def save(api: CloudApi, secret: Secret, user: User) -> None:
    """New or changed. An empty `secret` keeps the old one. What was read over another connection is forgotten, and it is read anew."""
    before = CloudApi.objects.select_for_update(of=("self",)).filter(pk=api.pk).first()
    if before and _server(before.url) != _server(api.url):
        api.pem = ""
    for name, value in {**EMPTY, "next_read_at": timezone.now(), "claim": "", "saved_at": timezone.now(), "saved_by": user}.items():
        setattr(api, name, value)
    api.save()
    if secret or before is None:
        sealing.seal_api(api, secret)
    detail = {"url": api.url, "api_key": api.api_key, "secret": "new" if secret else "as before"}
    audit.record(user, "cloud.api.edit" if before else "cloud.api.add", subject=api.cloud.name, detail=detail)
    transaction.on_commit(lambda: write(api))


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


@transaction.atomic
def pin(api: CloudApi, fingerprint: str, user: User) -> None:
    """Trusts the certificate that was offered, whose fingerprint a person compared."""
    api = CloudApi.objects.select_for_update(of=("self",)).get(pk=api.pk)
    if not api.offered or tls.fingerprint_of(api.offered) != fingerprint:
        raise Refused("The server was asked again in the meantime and shows another certificate than you saw. Compare it again.")
    replaced = bool(api.pem)
    api.pem, api.offered, api.problem, api.problem_at, api.next_read_at, api.claim = api.offered, "", "", None, timezone.now(), ""
    api.save(update_fields=["pem", "offered", "problem", "problem_at", "next_read_at", "claim"])
    audit.record(user, "cloud.api.pin", subject=api.cloud.name, detail={"sha256": fingerprint}, alarming=replaced)
    transaction.on_commit(lambda: write(api))


@transaction.atomic
def remove(api: CloudApi, user: User) -> None:
    """Not while something waits to be brought back through it."""
    path, waiting = connection_file(api.pk), Restoration.objects.filter(state=Restoration.State.OPEN)
    if open_ := [one for one in waiting if str(path) in str(one.way_back)]:
        raise Refused(f"“{open_[0].title}” has still to be brought back through this connection. Settle that first, under Restorations.")
    api.delete()
    audit.record(user, "cloud.api.remove", subject=api.cloud.name, detail={"url": api.url})
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


def write(api: CloudApi) -> None:
    """The file as the row has it."""
    found = kept.Kept(api.url, api.api_key, api.pem, api.secret, sealing.api_context(api))
    kept.write(connection_file(api.pk), found)


def write_all() -> None:
    for api in CloudApi.objects.all():
        write(api)


def shown(pem: str) -> str:
    """The fingerprint of a certificate; "" for what is none."""
    try:
        return tls.fingerprint_of(pem) if pem else ""
    except (ValueError, ssl.SSLError):
        return ""
