"""What a seat consists of: records of xapi's database, the machines, the live sets of pool HA, and what is due when."""

from __future__ import annotations

import random
import uuid as uuids
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

VERSIONS = ("6.2", "6.5", "7.0", "8.2", "8.3")
EventKind = Literal["down", "up", "fenced", "xapi-stopped", "xapi-started", "files"]
Role = Literal["master", "slave", "broken"]
Files = dict[str, str | None]


def since(version: str, first: str) -> bool:
    """`version` is `first` or later."""
    return VERSIONS.index(version) >= VERSIONS.index(first)


@dataclass
class Pool:
    uuid: str
    master: str
    name: str = ""
    description: str = ""
    default_sr: str = ""
    other_config: dict[str, str] = field(default_factory=dict)
    gui_config: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    restrictions: dict[str, str] = field(default_factory=lambda: {"enable_xha": "true"})
    ha_enabled: bool = False
    ha_configuration: dict[str, str] = field(default_factory=dict)
    ha_statefiles: list[str] = field(default_factory=list)
    ha_tolerate: int = 0
    ha_plan_exists_for: int = 0
    ha_allow_overcommit: bool = False
    ha_overcommitted: bool = False


@dataclass
class Host:
    """`silent_since`: when the master last heard of it, None while it does."""

    uuid: str
    name: str
    address: str
    hostname: str
    dom0: str
    description: str = "Default install of XenServer"
    enabled: bool = True
    live: bool = True
    silent_since: float | None = None
    software: dict[str, str] = field(default_factory=dict)
    other_config: dict[str, str] = field(default_factory=dict)
    cpu: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    edition: str = "free"
    memory: int = 64 << 30
    ha_statefiles: list[str] = field(default_factory=list)
    ha_peers: list[str] = field(default_factory=list)


@dataclass
class Sr:
    uuid: str
    name: str
    type: str
    shared: bool = False
    description: str = ""
    content: str = "user"
    size: int = 2 << 40
    used: int = 300 << 30
    other_config: dict[str, str] = field(default_factory=dict)
    sm_config: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass
class Pbd:
    uuid: str
    host: str
    sr: str
    attached: bool = True
    device_config: dict[str, str] = field(default_factory=dict)
    other_config: dict[str, str] = field(default_factory=dict)


@dataclass
class Vdi:
    uuid: str
    name: str
    sr: str
    size: int = 20 << 30
    description: str = ""
    sharable: bool = False


@dataclass
class Vm:
    """Templates and control domains are records of this kind too. `host` is the uuid it is resident on, or ""."""

    uuid: str
    name: str
    power: str = "halted"
    host: str = ""
    description: str = ""
    template: bool = False
    control_domain: bool = False
    priority: str = ""
    always_run: bool = False
    memory: int = 2 << 30
    vcpus: int = 2
    order: int = 0
    vdis: list[str] = field(default_factory=list)
    other_config: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass
class Network:
    uuid: str
    name: str
    bridge: str
    description: str = ""


@dataclass
class Pif:
    """`bond` is the uuid of the bond it is a slave of; `bond_of` of the one it is the interface of."""

    uuid: str
    host: str
    device: str
    network: str
    mac: str
    ip: str = ""
    mode: str = "None"
    vlan: int = -1
    attached: bool = True
    carrier: bool = True
    management: bool = False
    disallow_unplug: bool = False
    bond: str = ""
    bond_of: str = ""


@dataclass
class Bond:
    uuid: str
    master: str
    slaves: list[str]
    mode: str = "balance-slb"


@dataclass
class Patch:
    """A hotfix as `patch-list` (6.x) or `update-list` (7.1 and later) show it."""

    uuid: str
    name: str
    size: int
    hosts: list[str] = field(default_factory=list)
    guidance: str = "restartHost"
    description: str = "Public Availability: security fixes"


@dataclass
class Database:
    """One copy of a pool's database. The master's counts; a member's own is as old as its last synchronisation."""

    pool: Pool
    hosts: dict[str, Host] = field(default_factory=dict)
    srs: dict[str, Sr] = field(default_factory=dict)
    pbds: dict[str, Pbd] = field(default_factory=dict)
    vdis: dict[str, Vdi] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    pifs: dict[str, Pif] = field(default_factory=dict)
    bonds: dict[str, Bond] = field(default_factory=dict)
    patches: dict[str, Patch] = field(default_factory=dict)

    def master(self) -> Host:
        return self.hosts[self.pool.master]

    def guests(self, host: str) -> list[Vm]:
        """Resident there and no control domain; a suspended one counts."""
        return [vm for vm in self.vms.values() if vm.host == host and not vm.control_domain]

    def drop_disks(self, srs: set[str]) -> None:
        """The virtual disks on these SRs, also where a VM has them."""
        gone = {key for key, vdi in self.vdis.items() if vdi.sr in srs}
        self.vdis = {key: vdi for key, vdi in self.vdis.items() if key not in gone}
        for vm in self.vms.values():
            vm.vdis = [vdi for vdi in vm.vdis if vdi not in gone]

    def pbds_of(self, *, host: str = "", sr: str = "") -> list[Pbd]:
        return [pbd for pbd in self.pbds.values() if (not host or pbd.host == host) and (not sr or pbd.sr == sr)]


@dataclass
class Held:
    """A command that a member's xapi passes on as soon as its master is back, whether or not anybody waits for it."""

    words: list[str]
    stdin: str
    call: int


@dataclass
class Xapi:
    """`epoch` grows with every start and stop: what an earlier process had begun ends with it. `error` is why it is in emergency mode."""

    state: Literal["stopped", "starting", "running", "emergency"] = "stopped"
    epoch: int = 0
    role: Role = "master"
    master: str = ""
    error: list[str] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    restarts: int = 0


@dataclass
class Machine:
    """A physical host. `files` is the last known text of what xapi reads and owns; `group` the live set whose daemon runs on it;
    `software` says where it differs from the others of its version; `patches` are the names of applied hotfixes by their uuids."""

    id: str
    address: str
    version: str
    hostname: str
    brand: str = "XenServer"
    dns_name: str = ""
    netmask: str = "255.255.255.0"
    gateway: str = "10.0.0.1"
    nics: list[str] = field(default_factory=list)
    memory: int = 64 << 30
    cpu: dict[str, str] = field(default_factory=dict)
    edition: str = "free"
    software: dict[str, str] = field(default_factory=dict)
    password: str = "practice"  # noqa: S105
    patches: dict[str, str] = field(default_factory=dict)
    heartbeat_script: bool = False
    files: dict[str, str | None] = field(default_factory=dict)
    database: Database | None = None
    on: bool = True
    boots: int = 1
    booted: bool = True
    firstboot: bool = False
    network_reset: bool = False
    xapi: Xapi = field(default_factory=Xapi)
    group: str = ""
    armed: bool = False
    failover_disabled: bool = False
    disabled_until_reboot: bool = False
    domains: list[str] = field(default_factory=list)
    cut_until: float = 0.0
    hangs_until: float = 0.0
    failing: dict[str, list[str]] = field(default_factory=dict)
    chkconfig: dict[str, bool] = field(default_factory=dict)

    @property
    def db(self) -> Database:
        assert self.database is not None, f"{self.id} has no database: xapi has not made it yet"
        return self.database


@dataclass
class LiveSet:
    """What the statefile says: who belongs, who is alive, who is master. Machine ids, in the order of their host uuids.

    `silent` and `blind` say since when a member was not heard, and since when it could not reach the statefile.
    """

    id: str
    sr: str
    timeout: float
    members: list[str]
    live: list[str]
    master: str
    valid: bool = True
    silent: dict[str, float] = field(default_factory=dict)
    blind: dict[str, float] = field(default_factory=dict)
    joining: dict[str, float] = field(default_factory=dict)
    electing: bool = False


@dataclass
class Cut:
    """Storage out of reach: of one machine, or of all when `machine` is ""."""

    sr: str
    machine: str
    until: float


@dataclass
class Job:
    """Something that happens at `at`. One with an `epoch` belongs to that process of the machine's xapi and dies with it."""

    at: float
    order: int
    kind: str
    machine: str = ""
    epoch: int | None = None
    call: int = 0
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Event:
    """`down` and `fenced`: the machine is off now. `up`: it boots, with a new boot id. `files`: only `writes` matter."""

    kind: EventKind
    host: str
    why: str
    writes: Files = field(default_factory=dict)


@dataclass
class Call:
    """A command that was typed on a host. `out`, `err`, `code` and `writes` are final once `done`.

    Nobody has to say that its client was killed: what xapi has begun goes on, and a forwarded command that hangs is executed when the
    master is back.
    """

    done: bool = False
    out: str = ""
    err: str = ""
    code: int = 0
    writes: Files = field(default_factory=dict)


@dataclass
class Client:
    """`xe` loses its connection when the machine's xapi goes, another program does not."""

    call: Call
    machine: str
    xe: bool


@dataclass
class Site:
    """Everything that is simulated for one seat. `calls` are the clients that wait."""

    seed: int = 1
    now: float = 0.0
    count: int = 0
    machines: dict[str, Machine] = field(default_factory=dict)
    groups: dict[str, LiveSet] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    calls: dict[int, Client] = field(default_factory=dict, metadata={"plain": False})

    def dice(self) -> random.Random:
        """Another throw of the same dice in every run with this seed."""
        self.count += 1
        return random.Random(f"{self.seed}/{self.count}")  # noqa: S311

    def uuid(self) -> str:
        return str(uuids.UUID(int=self.dice().getrandbits(128), version=4))

    def at(self, address: str) -> Machine | None:
        return next((machine for machine in self.machines.values() if machine.address == address), None)

    def later(self, seconds: float, kind: str, machine: Machine | None = None, *, bound: bool = False, call: int = 0, **data: Any) -> None:
        """`bound`: only while the machine's present xapi process lives."""
        self.count += 1
        epoch = machine.xapi.epoch if machine and bound else None
        self.jobs.append(Job(self.now + seconds, self.count, kind, machine.id if machine else "", epoch, call, data))

    def tell(self, kind: EventKind, machine: Machine, why: str, writes: Files | None = None) -> None:
        """Reports an event; its `writes` are the machine's files from now on."""
        machine.files.update(writes or {})
        self.events.append(Event(kind, machine.id, why, dict(writes or {})))

    def answer(self, call: int, out: str = "", err: str = "", code: int = 0, writes: Files | None = None) -> None:
        client = self.calls.pop(call, None)
        if client is not None:
            said = client.call
            said.out, said.err, said.code, said.writes, said.done = out, err, code, dict(writes or {}), True

    def cut(self, machine: Machine) -> bool:
        return machine.cut_until > self.now

    def meet(self, one: Machine, other: Machine) -> bool:
        """Packets between them get through."""
        return one.on and other.on and (one is other or not (self.cut(one) or self.cut(other)))

    def sees_storage(self, machine: Machine, sr: str) -> bool:
        """The shared storage behind an SR is in reach; NFS goes over the same wire as everything else."""
        if self.cut(machine):
            return False
        return not any(cut.sr == sr and cut.machine in ("", machine.id) and cut.until > self.now for cut in self.cuts)

    def running_masters(self) -> Iterator[Machine]:
        for machine in self.machines.values():
            if machine.on and machine.xapi.state == "running" and machine.xapi.role == "master":
                yield machine
