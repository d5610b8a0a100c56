"""Puts the practice cloud into the inventory: a cloud for each seat, with its API, pools and hosts, pinned keys and a login."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db import transaction

from hosts import pinning, sealing
from hosts.cloudstack import connecting
from hosts.models import Cloud, CloudApi, Credential, Host, Kind, Pool
from opsportal.lab.machines.lab import Lab
from opsportal.lab.machines.machine import INVENTORY, Machine
from opsportal.lab.machines.seat import Seat, value
from opsportal.secrets.value import Secret

NAME = "Practice cloud"
"""Of the cloud of the first seat, and of the credential for all."""

OWNER = "practice-cloud"
"""Whom the audit trail and the pinned keys name. Nobody can log in as this user."""

NOTE = "Simulated hosts on this machine. Nothing here is real: try every button."
TAG = " practice "


@dataclass
class Seeded:
    """What stands in the inventory for one seat: pools by their name in the practice cloud, hosts, and in `servers` the cloud's own
    machines, by their id there."""

    cloud: Cloud
    pools: dict[str, Pool] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    servers: dict[str, Host] = field(default_factory=dict)


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
            (made.hosts if seat.in_world(ident) else made.servers)[ident] = _host(seat, machine, cloud, credential, owner)
        made.pools = {pool.name: pool for pool in cloud.pools.all()}
        _api(seat, cloud, owner)
    return seeded


def _api(seat: Seat, cloud: Cloud, owner: User) -> None:
    data = seat.cloud.data
    wanted = (f"http://{seat.api.address}:{seat.api.port}/client/api", data.key)
    found = CloudApi.objects.filter(cloud=cloud).first() or CloudApi(cloud=cloud)
    if (found.url, found.api_key) != wanted:
        found.url, found.api_key = wanted
        connecting.save(found, Secret(data.secret), owner)


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
        kind = _kind(seat, machine)
        host = Host(name=name, cloud=cloud, credential=credential, kind=kind, tags=TAG, notes=NOTE, created_by=owner)
        host.pool = _pool(seat, machine, cloud, kind)
    host.address, host.port, host.legacy = machine.place.address, machine.place.port, machine.legacy
    host.save()
    _pin(host, machine, owner)
    return host


def _kind(seat: Seat, machine: Machine) -> Kind:
    if not seat.in_world(machine.ident):
        return Kind.KVM if machine.ident in seat.cloud.hypervisors() else Kind.MANAGEMENT
    brand = value(machine.disk.read(INVENTORY) or "", "PRODUCT_BRAND")
    return Kind.XCP_NG if brand.startswith("XCP") else Kind.XENSERVER


def _pool(seat: Seat, machine: Machine, cloud: Cloud, kind: Kind) -> Pool | None:
    """None for a host that stands alone: its pool has no name yet. None for a management server, too."""
    name = pool_name(seat, machine) if seat.in_world(machine.ident) else ""
    return Pool.objects.get_or_create(name=name, cloud=cloud, defaults={"kind": Pool.Kind(kind)})[0] if name else None


def pool_name(seat: Seat, machine: Machine) -> str:
    """As the host itself says; "" when its pool has none, or when it does not answer."""
    call = seat.world.start(machine.ident, ["xe", "pool-list", "params=name-label", "--minimal"], {})
    if not call.done:
        seat.world.advance(seat.world.now + 5)
    return call.out.strip() if call.done and not call.code else ""


def _pin(host: Host, machine: Machine, owner: User) -> None:
    offers = pinning.from_lines(machine.public_key)
    pinned = {key.fingerprint for key in pinning.pinned(host)}
    if pinned == {offer["fingerprint"] for offer in offers}:
        return
    host.keys.filter(retired_at=None).delete()
    pinning.write(host, offers, owner)
