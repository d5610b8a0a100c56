"""Pools in the inventory as if a worker had read them: `read(state)` stores what the tests of the findings make."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from hosts.models import Cloud, Host, Pool
from hosts.xen import findings
from hosts.xen.state import PoolState


def read(state: PoolState, name: str = "pool-a", cloud: str = "Amsterdam", base: int = 0) -> Pool:
    """With a host of the inventory for each member of the state. `base` keeps names and addresses of several pools apart."""
    later = timezone.now() + timedelta(hours=1)
    made = Pool.objects.create(name=name, cloud=Cloud.objects.get_or_create(name=cloud)[0], next_read_at=later)
    members = []
    for member in state.members:
        host = Host.objects.create(
            name=f"{member.name}{f'-{base}' if base else ''}", address=f"{member.address.rsplit('.', 2)[0]}.{base}.{member.pk}", pool=made,
            cloud=made.cloud, kind="xenserver", next_read_at=later,
            facts={"host_uuid": member.view.uuid if member.view else ""},
        )  # fmt: skip
        members.append(replace(member, pk=host.pk))
    return keep(made, replace(state, members=tuple(members)))


def keep(pool: Pool, state: PoolState) -> Pool:
    """A reading that has just ended."""
    pool.state, pool.state_at = state.plain(), timezone.now()
    pool.uuid = state.basics.uuid if state.basics else ""
    pool.findings = findings.judged(pool, state)
    pool.save()
    return pool
