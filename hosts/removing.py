"""Taking hosts, pools, clouds and credentials out of the inventory; refused while something needs them."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from hosts import connections, queries
from hosts.models import Cloud, Credential, Host, HostDraft, Pool
from opsportal.operations import audit
from opsportal.operations.errors import Refused


def held(hosts: Sequence[Host]) -> list[str]:
    """One sentence for each host that an operation holds."""
    holders = queries.holders(connections.target_name(host) for host in hosts)
    found = [(host, holders.get(connections.target_name(host))) for host in hosts]
    return [f"{host} is held by operation #{by.pk} ({by.title}, {by.get_state_display().lower()})." for host, by in found if by]


@transaction.atomic
def remove_hosts(hosts: Sequence[Host], *, user: User) -> int:
    """All of them or none. Keys and readings go with them; the audit trail keeps the names."""
    if reasons := held(hosts):
        raise Refused(" ".join(reasons[:3]) + " Nothing was removed. Wait until it ends, or cancel it first.")
    names = [host.name for host in hosts]
    Host.objects.filter(pk__in=[host.pk for host in hosts]).delete()
    audit.record(user, "host.remove", subject=names[0] if len(names) == 1 else f"{len(names)} hosts", detail={"hosts": names[:200]})
    return len(names)


def remove_cloud(cloud: Cloud, *, user: User) -> None:
    hosts, pools = cloud.hosts.count(), cloud.pools.count()
    if hosts or pools:
        raise Refused(f"The cloud {cloud} still has {hosts} hosts and {pools} pools. Move or remove them first.")
    cloud.delete()
    audit.record(user, "cloud.remove", subject=cloud.name)


def remove_pool(pool: Pool, *, user: User) -> None:
    if hosts := pool.hosts.count():
        raise Refused(f"The pool {pool} still has {hosts} hosts. Move or remove them first.")
    pool.delete()
    audit.record(user, "pool.remove", subject=f"{pool.cloud} / {pool.name}")


@transaction.atomic
def remove_credential(credential: Credential, *, user: User) -> None:
    if used := credential.hosts.count():
        raise Refused(f"{credential} opens {used} hosts. Give these another credential first.")
    HostDraft.objects.filter(credential=credential).delete()
    credential.delete()
    audit.record(user, "credential.remove", subject=credential.name)
