"""What a pool and its members say, as values. Sizes in bytes, uuids in lower case, "" where xe says <not in database>."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import TypeAdapter


class Role(StrEnum):
    """The first word of /etc/xensource/pool.conf. "" stands for a file that could not be read: xapi takes that as broken."""

    MASTER = "master"
    SLAVE = "slave"
    BROKEN = "broken"
    UNKNOWN = ""


class Voice(StrEnum):
    """How a member's xapi answered a question that it has to pass on to the master."""

    ANSWERS = "answers"
    HANGS = "hangs"
    REFUSED = "refused"
    EMERGENCY = "emergency"
    ERROR = "error"


@dataclass(frozen=True)
class Member:
    """One host's own view. `uuid`, `control_domain`, versions and `role` come from its files and are there when xapi is down.

    `voice` says how `xe pool-list` ended; only with `Voice.ANSWERS` are `pool`, `says_master` and `says_ha` filled. `said` is what
    it printed otherwise, in one line. `emergency` and `ha_armed` are None where nobody could say.
    """

    uuid: str
    control_domain: str
    hostname: str
    brand: str
    version: str
    build: str
    role: Role
    master_address: str
    voice: Voice
    said: str = ""
    pool: str = ""
    says_master: str = ""
    says_ha: bool | None = None
    emergency: bool | None = None
    ha_armed: bool | None = None
    management: str = ""
    """The management interface, such as xenbr0."""
    address_type: str = ""
    """ "DHCP", "Static" or "None", in the inventory's MANAGEMENT_ADDRESS_TYPE or as the network daemon says."""


@dataclass(frozen=True)
class Basics:
    """The pool's own record. `ha_timeout` is None when ha-configuration names none: then xapi took its default of 60 s.

    `ha_configuration` and `ha_statefiles` keep their last values after HA was turned off: `ha_enabled` alone says whether it is on.
    `statefile_srs` are the SRs that the statefiles lie on. `xha_licensed` is None where `restrictions` does not say.
    """

    uuid: str
    name: str
    master: str
    default_sr: str
    ha_enabled: bool
    ha_timeout: int | None
    ha_configuration: str
    ha_statefiles: tuple[str, ...]
    statefile_srs: tuple[str, ...]
    ha_tolerate: int
    ha_allow_overcommit: bool
    rolling_upgrade: bool
    xha_licensed: bool | None


@dataclass(frozen=True)
class XenHost:
    """A host as the pool's database has it. `live` is xapi's word, which is up to ten minutes old without HA."""

    uuid: str
    name: str
    hostname: str
    address: str
    enabled: bool
    live: bool
    brand: str
    version: str
    build: str
    platform: str
    cpu: str = ""
    """Vendor and features from cpu_info, for comparing hosts."""
    patches: tuple[str, ...] = ()
    ha_peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sr:
    uuid: str
    name: str
    type: str
    shared: bool


@dataclass(frozen=True)
class Pbd:
    uuid: str
    host: str
    sr: str
    attached: bool


@dataclass(frozen=True)
class Storage:
    srs: tuple[Sr, ...]
    pbds: tuple[Pbd, ...]

    def plugged(self, sr: str) -> set[str]:
        """Hosts on which it is attached."""
        return {pbd.host for pbd in self.pbds if pbd.sr == sr and pbd.attached}


@dataclass(frozen=True)
class Space:
    """Of one SR; None when the SR does not know (-1)."""

    sr: str
    size: int | None
    used: int | None


@dataclass(frozen=True)
class Vm:
    """A virtual machine, no template and no control domain. `host` is "" for one that does not run."""

    uuid: str
    name: str
    power: str
    host: str
    priority: str
    always_run: bool

    @property
    def protected(self) -> bool:
        """Somebody asked for it: any priority counts, `best-effort` too, because it is restarted by xapi as well."""
        return bool(self.priority)


@dataclass(frozen=True)
class Pif:
    """A network interface of a host. `bond_slaves` are devices when it is a bond's master."""

    uuid: str
    host: str
    device: str
    mac: str
    vlan: int
    attached: bool
    management: bool
    disallow_unplug: bool
    bond_slaves: tuple[str, ...] = ()
    carrier: bool | None = None


@dataclass(frozen=True)
class MemberState:
    """A host of the inventory as it was at a reading: exactly one of `view` and `error` is set."""

    pk: int
    name: str
    address: str
    view: Member | None = None
    error: str = ""


@dataclass(frozen=True)
class HostVms:
    """How many virtual machines a host has, by power state. `host` is "" for those that are on none."""

    host: str
    running: int = 0
    paused: int = 0
    suspended: int = 0
    halted: int = 0


@dataclass(frozen=True)
class VmTable:
    """The pool's virtual machines in figures, and by name only those that matter: any with a restart priority, at most `NAMED`."""

    NAMED: ClassVar[int] = 1000

    total: int = 0
    by_host: tuple[HostVms, ...] = ()
    protected: tuple[Vm, ...] = ()
    protected_total: int = 0

    def running(self, host: str) -> int:
        return sum(one.running for one in self.by_host if one.host == host)


@dataclass(frozen=True)
class PoolState:
    """What `Pool.state` holds, as plain JSON; `PoolState.of(pool.state)` gives it back, or None for a pool that was never read.

    `members` are as fresh as `Pool.state_at`. Everything from `basics` on is what the pool as a whole said at `whole_at` (ISO 8601,
    UTC; "" when it never answered): when nobody answers for the pool now, `silence` says how each host failed to, and those parts
    are the ones of the reading before. `missing` names parts that could not be read at `whole_at` ("storage", "space", "vms",
    "pifs"), each with the reason; they are then empty.
    """

    members: tuple[MemberState, ...]
    silence: str = ""
    whole_at: str = ""
    speaker: int | None = None
    """The inventory's host (pk) that answered for the pool."""
    basics: Basics | None = None
    hosts: tuple[XenHost, ...] = ()
    storage: Storage | None = None
    space: tuple[Space, ...] = ()
    vms: VmTable | None = None
    pifs: tuple[Pif, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: object) -> PoolState | None:
        return TypeAdapter(cls).validate_python(stored) if stored else None

    def plain(self) -> dict[str, Any]:
        kept: dict[str, Any] = TypeAdapter(PoolState).dump_python(self, mode="json")
        return kept

    @property
    def answers(self) -> bool:
        """The pool as a whole was read at the same time as its members."""
        return self.basics is not None and not self.silence

    @property
    def master(self) -> XenHost | None:
        return self.host(self.basics.master) if self.basics else None

    def host(self, uuid: str) -> XenHost | None:
        return next((host for host in self.hosts if host.uuid == uuid), None)

    def member(self, uuid: str) -> MemberState | None:
        """The inventory's host with this uuid by its own word."""
        return next((one for one in self.members if one.view and one.view.uuid == uuid), None)
