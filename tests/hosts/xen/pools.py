"""A pool in the inventory whose hosts are dom0s in directories: real scripts in a real shell, without SSH."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hosts import connections
from hosts.models import Cloud, Host, Pool
from opsportal.transport.base import Result
from opsportal.transport.command import Command
from opsportal.transport.errors import HostKeyUnknown, NoExitStatus, Unreachable
from tests.hosts.xen import printer
from tests.hosts.xen.dom0 import Dom0, written
from tests.hosts.xen.samples import SR, U1, U2, U3, P

UUIDS = (U1, U2, U3)
STATEFILE = "0a7b5d3e-9999-4a4a-8888-0102030405aa"
OFF = {"ha-enabled": "false", "ha-configuration": "", "ha-statefiles": ""}


@dataclass
class XenPool:
    """What `xe` says on every member; tests change the dictionaries. `down` are hosts that cannot be reached, by number from 1."""

    root: Path
    pool: dict[str, str] = field(
        default_factory=lambda: {
            "uuid": P, "name-label": "pool-a", "master": U1, "default-SR": SR, "other-config": "", "ha-enabled": "true",
            "ha-configuration": "timeout: 180", "ha-statefiles": STATEFILE, "ha-host-failures-to-tolerate": "1",
            "ha-allow-overcommit": "false", "restrictions": "enable_xha: true",
        }
    )  # fmt: skip
    hosts: list[dict[str, str]] = field(
        default_factory=lambda: [
            {"uuid": uuid, "name-label": f"xs{number}", "enabled": "true",
             "software-version": "product_brand: XenServer; product_version: 6.5.0; build_number: 90233c; platform_version: 1.9.0",
             "hostname": f"xs{number}", "address": f"10.0.0.1{number}", "host-metrics-live": "true"}
            for number, uuid in enumerate(UUIDS, 1)
        ]
    )  # fmt: skip
    srs: list[dict[str, str]] = field(default_factory=lambda: [{"uuid": SR, "name-label": "primary", "type": "nfs", "shared": "true"}])
    pbds: list[dict[str, str]] = field(
        default_factory=lambda: [
            {"uuid": f"7a7a7a7a-0000-4000-8000-00000000000{number}", "host-uuid": uuid, "sr-uuid": SR, "currently-attached": "true"}
            for number, uuid in enumerate(UUIDS, 1)
        ]
    )
    vms: list[dict[str, str]] = field(default_factory=list)
    pifs: list[dict[str, str]] = field(default_factory=list)
    roles: list[str] = field(default_factory=lambda: ["master", "slave:10.0.0.11", "slave:10.0.0.11"])
    uuids: list[str] = field(default_factory=lambda: list(UUIDS))
    down: set[int] = field(default_factory=set)
    hangs: set[int] = field(default_factory=set)
    cut: list[str] = field(default_factory=list)
    """Beginnings of commands that are cut off, once for each time they stand here."""
    asked: list[tuple[int, str]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def dom0(self, number: int) -> Dom0:
        machine = Dom0(self.root / str(number))
        machine.files = {
            "etc/xensource/pool.conf": self.roles[number - 1],
            "etc/xensource-inventory": f"PRODUCT_BRAND='XenServer'\nPRODUCT_VERSION='6.5.0'\nBUILD_NUMBER='90233c'\n"
            f"INSTALLATION_UUID='{self.uuids[number - 1]}'\n",
        }
        if number in self.hangs:
            machine.answers = "host-is-in-emergency-mode) echo false ;;\npool-list*) exit 124 ;;"
            return machine
        brief = {name: self.pool[name] for name in ("uuid", "master", "ha-enabled")}
        texts = {
            "pool-list params=uuid,master,ha-enabled": printer.block(brief),
            "pool-list params=ha-statefiles --minimal": self.pool["ha-statefiles"] + "\n",
            "pool-list": printer.block(self.pool),
            "vdi-list": f"{SR}\n",
            "host-list": printer.blocks(self.hosts),
            "sr-list params=uuid,physical": printer.blocks([{"uuid": SR, "physical-utilisation": "10", "physical-size": "100"}]),
            "sr-list": printer.blocks(self.srs),
            "pbd-list": printer.blocks(self.pbds),
            "vm-list": printer.blocks(self.vms),
            "pif-list host-uuid": "Static\n",
            "pif-list": printer.blocks(self.pifs),
            "host-is-in-emergency-mode": "false\n",
        }
        cases = []
        for place, (words, text) in enumerate(texts.items()):
            written(machine.root / f"answer-{place}", text)
            cases.append(f'"{words}"*) cat "{machine.root}/answer-{place}" ;;')
        machine.answers = "\n".join(cases)
        return machine


@dataclass
class Way:
    """A transport to one of the hosts."""

    xen: XenPool
    number: int

    def run(self, command: Command, *, timeout: float, limit: int = 0) -> Result:
        if self.number in self.xen.down:
            raise Unreachable(f"xs{self.number} cannot be reached.")
        self.xen.asked.append((self.number, command.gist))
        with self.xen.lock:
            if cut := next((start for start in self.xen.cut if command.gist.startswith(start)), ""):
                self.xen.cut.remove(cut)
                raise NoExitStatus(f"xs{self.number} ended without an exit code: {command.gist}.")
            machine = self.xen.dom0(self.number).made()
        return machine.run(command, seconds=timeout)

    def ask(self, command: Command, *, timeout: float) -> Result:
        return self.run(command, timeout=timeout)

    def follow(self, path: str, end: str, offset: int, *, seconds: float, command: Command) -> Iterator[bytes]:
        raise AssertionError("reading follows nothing")

    def put(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        raise AssertionError("reading writes nothing")

    def get(self, path: str) -> Iterator[bytes]:
        raise AssertionError("reading fetches no file")

    def renew(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def xen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> XenPool:
    made = XenPool(tmp_path / "xen")

    def ssh_target(host: Host) -> Any:
        if not host.name.startswith("xs"):
            raise HostKeyUnknown(f"No key is pinned for {host}.")
        return Way(made, int(host.name[2:]))

    @contextlib.contextmanager
    def opened(target: Any, *, insist: bool = False) -> Iterator[Way]:
        yield target

    monkeypatch.setattr(connections, "ssh_target", ssh_target)
    monkeypatch.setattr(connections, "opened", opened)
    return made


def inventory(name: str = "pool-a", hosts: int = 3) -> Pool:
    pool = Pool.objects.create(name=name, cloud=Cloud.objects.get_or_create(name="lab")[0])
    for number in range(1, hosts + 1):
        Host.objects.create(name=f"xs{number}", address=f"10.0.0.1{number}", kind="xenserver", pool=pool, cloud=pool.cloud)
    return pool
