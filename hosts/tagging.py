"""Changes to many hosts at once: tags, places and credentials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from hosts import rules
from hosts.models import Cloud, Credential, Host, Pool
from opsportal.operations import audit
from opsportal.operations.errors import Refused


@transaction.atomic
def change(hosts: QuerySet[Host], words: Sequence[str], *, take_off: bool, user: User) -> int:
    """Puts tags on hosts or takes them off; says how many were concerned. Raises `Refused` when one host would have too many."""
    changed = []
    for host in hosts.only("name", "tags").order_by():
        kept = set(host.tag_list) - set(words) if take_off else set(host.tag_list) | set(words)
        host.tags = _joined(host, kept)
        changed.append(host)
    Host.objects.bulk_update(changed, ["tags"], batch_size=300)
    audit.record(user, "hosts.untag" if take_off else "hosts.tag", subject=", ".join(words), detail=_names(changed))
    return len(changed)


def _joined(host: Host, words: Iterable[str]) -> str:
    try:
        return rules.tags(" ".join(words))
    except ValidationError as error:
        raise Refused(f"{host.name}: {' '.join(error.messages)} Nothing was changed.") from None


@transaction.atomic
def move(hosts: QuerySet[Host], cloud: Cloud | None, pool: Pool | None, *, user: User) -> int:
    names = list(hosts.only("name"))
    number = Host.objects.filter(pk__in=[host.pk for host in names]).update(cloud=cloud, pool=pool)
    audit.record(user, "hosts.move", subject=f"to {pool or cloud or 'no cloud'}", detail=_names(names))
    return number


@transaction.atomic
def give_credential(hosts: QuerySet[Host], credential: Credential, *, user: User) -> int:
    """They are read with it at once."""
    names = list(hosts.only("name"))
    number = Host.objects.filter(pk__in=[host.pk for host in names]).update(credential=credential, next_read_at=timezone.now(), claim="")
    audit.record(user, "hosts.credential", subject=credential.name, detail=_names(names))
    return number


def _names(hosts: Sequence[Host]) -> dict[str, object]:
    """The audit trail names the first 200."""
    return {"number": len(hosts), "hosts": [host.name for host in hosts[:200]]}
