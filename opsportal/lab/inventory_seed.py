"""Puts the hosts of the practice cloud into the inventory: one cloud for each seat, with its pools, hosts, pinned keys and a login."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db import transaction

from hosts import pinning, sealing
from hosts.models import Cloud, Credential, Host, Kind, Pool
from opsportal.lab.machines.lab import Lab
from opsportal.lab.machines.machine import INVENTORY, Machine
from opsportal.lab.machines.seat import Seat, value

NAME = "Practice cloud"
"""Of the cloud of the first seat, and of the credential for all."""

OWNER = "practice-cloud"
"""Whom the audit trail and the pinned keys name. Nobody can log in as this user."""

NOTE = "Simulated hosts on this machine. Nothing here is real: try every button."
TAG = " practice "


@dataclass
class Seeded:
    """What stands in the inventory for one seat: pools by their name in the practice cloud, hosts by their id there."""

    cloud: Cloud
    pools: dict[str, Pool] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)


def cloud_name(seat: str) -> str:
    return NAME if seat == "1" else f"{NAME} {seat}"


def host_name(seat: str, ident: str) -> str:
    """Names of hosts are unique in the whole inventory."""
    return ident if seat == "1" else f"s{seat}-{ident}"


@transaction.atomic
def seed(lab: Lab) -> dict[str, Seeded]:
    """For every seat of a lab that need not run yet. What is there already only gets its address and its key brought up to date."""
    owner = _owner()
    credential = _credential(owner)
    seeded = {}
    for name, seat in lab.seats.items():
        cloud, _ = Cloud.objects.get_or_create(name=cloud_name(name), defaults={"note": NOTE})
        seeded[name] = made = Seeded(cloud)
        for ident, machine in seat.machines.items():
            machine.authorize(credential.authorized_line)
            made.hosts[ident] = _host(seat, machine, cloud, credential, owner)
        made.pools = {pool.name: pool for pool in cloud.pools.all()}
    return seeded


def _owner() -> User:
    user, made = User.objects.get_or_create(username=OWNER, defaults={"is_active": False, "last_name": NAME})
    if made:
        user.set_unusable_password()
        user.save()
    return user


def _credential(owner: User) -> Credential:
    """An RSA key: the sshd of the oldest hosts knows no other."""
    found = Credential.objects.filter(name=NAME).first()
    if found is None:
        found = Credential(name=NAME, username="root")
        sealing.put(found, user=owner, action="credential.add", way="generate", algorithm="rsa", private_key="", passphrase="", password="")
    return found


def _host(seat: Seat, machine: Machine, cloud: Cloud, credential: Credential, owner: User) -> Host:
    name = host_name(seat.name, machine.ident)
    host = Host.objects.filter(name__iexact=name, cloud=cloud).first()
    if host is None:
        kind = Kind.XCP_NG if value(machine.disk.read(INVENTORY) or "", "PRODUCT_BRAND").startswith("XCP") else Kind.XENSERVER
        host = Host(name=name, cloud=cloud, credential=credential, kind=kind, tags=TAG, notes=NOTE, created_by=owner)
        host.pool = _pool(seat, machine, cloud, kind)
    host.address, host.port, host.legacy = machine.place.address, machine.place.port, machine.legacy
    host.save()
    _pin(host, machine, owner)
    return host


def _pool(seat: Seat, machine: Machine, cloud: Cloud, kind: Kind) -> Pool | None:
    """None for a host that stands alone: its pool has no name yet."""
    name = pool_name(seat, machine)
    return Pool.objects.get_or_create(name=name, cloud=cloud, defaults={"kind": Pool.Kind(kind)})[0] if name else None


def pool_name(seat: Seat, machine: Machine) -> str:
    """As the host itself says; "" when its pool has none, or when it does not answer."""
    call = seat.world.start(machine.ident, ["xe", "pool-list", "params=name-label", "--minimal"], {})
    if not call.done:
        seat.world.advance(seat.world.now + 5)
    if not call.done:
        call.abandon()
    return call.out.strip() if call.done and not call.code else ""


def _pin(host: Host, machine: Machine, owner: User) -> None:
    offers = pinning.from_lines(machine.public_key)
    pinned = {key.fingerprint for key in pinning.pinned(host)}
    if pinned == {offer["fingerprint"] for offer in offers}:
        return
    host.keys.filter(retired_at=None).delete()
    pinning.write(host, offers, owner)
