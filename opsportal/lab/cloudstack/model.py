"""What the management server's database holds, and what is due when. Times are those of the seat's world."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["Connecting", "Up", "Down", "Disconnected", "Alert", "Removed"]
ResourceState = Literal["Enabled", "Disabled", "PrepareForMaintenance", "ErrorInMaintenance", "Maintenance"]
Managed = Literal["Managed", "PrepareUnmanaged", "Unmanaged", "PrepareUnmanagedError"]

ROUTING, CONSOLE_PROXY, SECONDARY_STORAGE = "Routing", "ConsoleProxy", "SecondaryStorageVM"
XENSERVER, KVM = "XenServer", "KVM"
OLD, NEW = "4.8.0", "4.20.1.0"
"""Versions of the cloud that a seat begins with, and of a newer one."""


@dataclass
class Named:
    """A zone or a pod."""

    id: str
    name: str


@dataclass
class Cluster:
    """`number` is its key in the database, which some error texts show; `guid` the uuid of its XenServer pool, "" while it has no host;
    `master` the uuid of the pool master that its agents go through."""

    id: str
    number: int
    name: str
    hypervisor: str
    guid: str = ""
    master: str = ""
    allocation: str = "Enabled"
    managed: Managed = "Managed"


@dataclass
class Host:
    """`guid` is the uuid of a XenServer host, or the name of a KVM host's machine. `unwell` says since when the management
    server cannot reach it, `well` since when it can again. `ping` is the last answer. `agent` says that the agent of a KVM host runs."""

    id: str
    number: int
    name: str
    address: str
    type: str = ROUTING
    cluster: str = ""
    hypervisor: str = ""
    hypervisor_version: str = ""
    guid: str = ""
    state: State = "Up"
    resource: ResourceState = "Enabled"
    version: str = ""
    created: float = 0.0
    ping: float = 0.0
    disconnected: float | None = None
    unwell: float | None = None
    well: float | None = None
    reason: str = ""
    tags: list[str] = field(default_factory=list)
    agent: bool = True
    username: str = "root"


@dataclass
class Job:
    """An asynchronous one: `due` is when it will be finished, with `error` (code and text) or for good."""

    id: str
    command: str
    instance: str
    created: float
    due: float
    error: list[Any] = field(default_factory=list)
    done: bool = False


@dataclass
class Move:
    """A virtual machine that leaves a host in maintenance: moved, or stopped where no other host is left. `until` says when to give up."""

    host: str
    vm: str
    due: float
    until: float
    stop: bool = False


@dataclass
class Faults:
    """What a trainer has asked for. `change` are error codes for the next changes, `wire` what becomes of the next answers."""

    change: list[int] = field(default_factory=list)
    job: int = 0
    sticks: bool = False
    wire: list[str] = field(default_factory=list)
    delay: float = 0.0
    minutes: float = 0.0
    down_until: float = 0.0


@dataclass
class Server:
    """A management server: a line of mshost. `running` is the service cloudstack-management."""

    id: str
    name: str
    address: str
    running: bool = True
    since: float = 0.0


@dataclass
class Agent:
    """A KVM host as a machine, whether CloudStack knows it or not.

    `password` is that of its root, `running` says that its service runs, `version` is that of its package.
    `belongs` are the keys of agent.properties that setting it up writes, {} before.
    """

    name: str
    address: str
    password: str = "practice"  # noqa: S105 # of hosts that are not there
    running: bool = False
    since: float = 0.0
    version: str = OLD
    belongs: dict[str, str] = field(default_factory=dict)


@dataclass
class Database:
    """Everything of one cloud. `version` is that of its management servers; `key` and `secret` are the administrator's."""

    key: str
    secret: str
    version: str = OLD
    seed: int = 1
    now: float = 0.0
    count: int = 0
    zone: Named = field(default_factory=lambda: Named("", ""))
    pod: Named = field(default_factory=lambda: Named("", ""))
    clusters: dict[str, Cluster] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    """Ids of hosts that were deleted: CloudStack still knows them when it reads parameters, and lists nothing."""
    servers: dict[str, Server] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    """KVM hosts by their names."""
    jobs: dict[str, Job] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    unmanaging: dict[str, float] = field(default_factory=dict)
    """When a cluster's hosts will be disconnected, by its id."""
    stuck: list[str] = field(default_factory=list)
    """Hosts that never get from PrepareForMaintenance to Maintenance."""
    faults: Faults = field(default_factory=Faults)

    def uuid(self) -> str:
        self.count += 1
        return str(uuid.UUID(int=random.Random(f"cloudstack {self.seed}/{self.count}").getrandbits(128), version=4))  # noqa: S311

    def number(self) -> int:
        self.count += 1
        return self.count

    def routing(self, cluster: str = "") -> list[Host]:
        return [host for host in self.hosts.values() if host.type == ROUTING and cluster in ("", host.cluster)]

    @property
    def serving(self) -> bool:
        """Some management server runs."""
        return any(server.running for server in self.servers.values())

    def first_parts(self) -> tuple[int, ...]:
        """Of the version, without a suffix such as -SNAPSHOT."""
        return tuple(int(part) for part in self.version.partition("-")[0].split(".") if part.isdecimal())

    def since(self, *version: int) -> bool:
        return self.first_parts() >= version
