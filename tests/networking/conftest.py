"""Two real hosts in namespaces, in the inventory with a pinned key, and people who ask and approve."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts import connections, sealing
from hosts.models import Credential, Host, HostKey, Kind
from opsportal.operations import approval, followers, planning, registry
from opsportal.operations.models import Operation
from opsportal.secrets.store import make_keyring
from tests.networking.ground import Ground, GroundHost, cannot, missing
from tests.operations.driving import draft, run


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    if why := cannot():
        pytest.skip(f"CANNOT HERE: {why}. What real switches do was not tested.")
    if why := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(f"NO TEST HOSTS: {why}.")
        pytest.skip(f"NO TEST HOSTS: {why}. What real switches do was not tested.")
    with Ground(2) as booted:
        yield booted


@dataclass
class Net:
    """`first` and `second` are wired to each other over eth1 and eth2."""

    first: GroundHost
    second: GroundHost
    hosts: dict[str, Host]
    olga: User
    paul: User

    def plan(self, runbook: str, host: GroundHost, timer: int = 60, **params: Any) -> Operation:
        return draft(runbook, self.olga, host=self.hosts[host.name].pk, timer=timer, token=secrets.token_hex(6), **params)

    def plan_for(self, runbook: str, **params: Any) -> Operation:
        """Of a runbook that names its hosts itself."""
        return draft(runbook, self.olga, **params)

    def underlay(self, number: int) -> str:
        """An address of the network over which tunnels leave."""
        return f"{self.first.underlay.rpartition('.')[0]}.{number}"

    def approved(self, operation: Operation) -> Operation:
        """Submitted, and approved by the other person."""
        approval.submit(operation, user=self.olga)
        operation.refresh_from_db()
        approval.approve(operation, user=self.paul, digest=operation.digest)
        operation.refresh_from_db()
        return operation

    def go(self, operation: Operation) -> Operation:
        return run(self.approved(operation))

    def do(self, runbook: str, host: GroundHost, **params: Any) -> Operation:
        return self.go(self.plan(runbook, host, **params))

    def undo(self, operation: Operation) -> Operation:
        back = followers.undo(operation, user=self.olga, token=secrets.token_hex(8))
        planning.work(back.pk)
        back.refresh_from_db()
        return self.go(back)


def dump(host: GroundHost) -> str:
    """What a change has to bring back: switches and the kernel's view, without numbers that grow and what userspace makes for itself."""
    columns = "name,tag,fake_bridge,bond_mode,lacp,other_config"
    switch = sorted(map(str, json.loads(host.run("ovs-vsctl", "--format=json", f"--columns={columns}", "list", "Port"))["data"]))
    links = json.loads(host.run("ip", "-j", "addr", "show"))
    kernel = [
        f"{link['ifname']} {link['mtu']} {'UP' in link['flags']} {[one['local'] for one in link['addr_info'] if one['family'] == 'inet']}"
        for link in links
        if link["ifname"] != "ovs-netdev"
    ]
    return "\n".join([*switch, *sorted(kernel)])


@pytest.fixture
def net(ground: Ground, person: Callable[..., User], settings: Any, tmp_path: Path) -> Iterator[Net]:
    settings.KEY_FILE, settings.STATE_DIR, settings.SECRET_KEY = tmp_path / "keys", tmp_path / "state", secrets.token_hex(32)
    make_keyring(settings.KEY_FILE)
    registry.runbooks.cache_clear()
    olga, paul = person("olga", "operator"), person("paul", "approver")
    credential = Credential(name="ground", kind=Credential.Kind.KEY, username="root")
    pasted = {"way": "paste", "algorithm": "", "private_key": ground.key.read_text(), "passphrase": "", "password": ""}
    sealing.put(credential, user=olga, action="credential.add", **pasted)
    hosts = {one.name: _known(one, credential, olga) for one in ground.hosts}
    before = [dump(one) for one in ground.hosts]
    yield Net(ground.hosts[0], ground.hosts[1], hosts, olga, paul)
    connections.forget_all()
    for one, was in zip(ground.hosts, before, strict=True):
        if dump(one) != was:
            _wipe(one)


def _known(one: GroundHost, credential: Credential, olga: User) -> Host:
    host = Host.objects.create(name=one.name, address=one.address, kind=Kind.KVM, credential=credential)
    kind, blob = one.host_key
    HostKey.objects.create(host=host, kind=kind, base64=blob, fingerprint="SHA256:x", pinned_by=olga)
    return host


def _wipe(host: GroundHost) -> None:
    """Every bridge but the underlay, so that the next test starts as this one did."""
    host.sh("for name in $(ovs-vsctl list-br | grep -v br-underlay); do ovs-vsctl --if-exists del-br $name; done")
    host.sh("ip link set eth1 down; ip link set eth2 down")
    host.sh(f"ip addr replace {host.address}/24 dev eth0; ip link set eth0 up")
