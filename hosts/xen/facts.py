"""Facts of XenServer: one command each, asked on one host. Formats and texts: the xe CLI of XenServer 6.2 to 8 and XCP-ng 8.3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hosts.xen import errors, parsing
from hosts.xen.command import TIMED_OUT, xe
from hosts.xen.parsing import Record, field, records, reference, several, truth, uuid, whole
from hosts.xen.state import Basics, Member, Pbd, Pif, Space, Sr, Storage, Vm, XenHost
from hosts.xen.voices import LIMITED, SCRIPT, member
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command


def printed(result: Result) -> str:
    """What a reading `xe` printed. Raises `FactError` when it hung, failed or was cut."""
    if result.exit == TIMED_OUT:
        raise FactError("xe did not return within its time, so its pool master is probably unreachable. Nothing was changed.")
    if result.exit:
        raise FactError(f"xe failed with exit code {result.exit}: {errors.said(result.err or result.out)}")
    if result.truncated:
        raise FactError("xe printed more than the portal reads at once, so the answer is not whole.")
    return result.out


def listed(command: str, fields: Iterable[str], *filters: str, seconds: int = 60) -> Command:
    return xe(command, *filters, f"params={','.join(fields)}", seconds=seconds)


@dataclass(frozen=True)
class MemberView(Fact[Member]):
    """What this host says by itself

    Answers within `timeout` whatever its xapi does; only a host that cannot be reached is an error.
    """

    timeout: ClassVar[float] = 75

    POOL_SECONDS: ClassVar[int] = 15
    LOCAL_SECONDS: ClassVar[int] = 10
    """For each of the two questions that xapi answers without its master."""

    def command(self) -> Command:
        gist = "xe host-is-in-emergency-mode; xe pool-list params=uuid,master,ha-enabled"
        return Command(script=SCRIPT, argv=(str(self.POOL_SECONDS), str(self.LOCAL_SECONDS)), gist=gist)

    def parse(self, result: Result) -> Member:
        """Raises `FactError` when it is no XenServer, or its files make no sense."""
        return member(result)


BASICS = (
    "uuid", "name-label", "master", "default-SR", "other-config", "ha-enabled", "ha-configuration", "ha-statefiles",
    "ha-host-failures-to-tolerate", "ha-allow-overcommit", "restrictions",
)  # fmt: skip

WHOLE_POOL = (
    LIMITED
    + r"""
seconds=$1 fields=$2
statefiles=$(limited "$seconds" xe pool-list params=ha-statefiles --minimal) || exit $?
for vdi in $(printf '%s' "$statefiles" | tr ';,\\' '   '); do
  limited "$seconds" xe vdi-list "uuid=$vdi" params=sr-uuid --minimal || exit $?
done
echo ==
limited "$seconds" xe pool-list "params=$fields"
"""
)
"""First the SRs of the statefiles, then everything with free text in it, which can therefore not imitate the line between."""


@dataclass(frozen=True)
class PoolBasics(Fact[Basics]):
    """The pool's own record: its master, and whether HA is on

    Asked on any member whose voice is `answers`; xapi passes it on to the master.
    """

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return Command(script=WHOLE_POOL, argv=("17", ",".join(BASICS)), gist=f"xe pool-list params={','.join(BASICS)}")

    def parse(self, result: Result) -> Basics:
        before, line, text = printed(result).partition("==\n")
        found = records(text, BASICS)
        if not line or len(found) != 1:
            raise FactError(f"xe printed {len(found)} pools where there is always one. It said {parsing.quoted(result.out)}.")
        srs = {reference(sr, "the SR of a statefile") for sr in before.split("\n") if sr}
        return _basics(found[0], tuple(sorted(srs - {""})))


def _basics(pool: Record, statefile_srs: tuple[str, ...]) -> Basics:
    configuration, other = field(pool, "ha-configuration"), parsing.mapping(field(pool, "other-config"))
    timeout = parsing.mapping(configuration).get("timeout", "")
    licensed = parsing.mapping(pool.get("restrictions", "")).get("enable_xha")
    return Basics(
        uuid=uuid(field(pool, "uuid"), "the pool's uuid"),
        name=field(pool, "name-label"),
        master=uuid(field(pool, "master"), "the pool master"),
        default_sr=reference(field(pool, "default-SR"), "the default SR"),
        ha_enabled=truth(field(pool, "ha-enabled"), "ha-enabled"),
        ha_timeout=whole(timeout, "the HA timeout") if timeout else None,
        ha_configuration=configuration,
        ha_statefiles=several(field(pool, "ha-statefiles")),
        statefile_srs=statefile_srs,
        ha_tolerate=whole(field(pool, "ha-host-failures-to-tolerate"), "ha-host-failures-to-tolerate"),
        ha_allow_overcommit=truth(field(pool, "ha-allow-overcommit"), "ha-allow-overcommit"),
        rolling_upgrade=other.get("rolling_upgrade_in_progress") == "true",
        xha_licensed=None if licensed is None else licensed == "true",
    )


HOSTS = (
    "uuid", "name-label", "hostname", "address", "enabled", "host-metrics-live", "software-version", "cpu_info", "patches", "updates",
    "ha-network-peers",
)  # fmt: skip


@dataclass(frozen=True)
class PoolHosts(Fact[tuple[XenHost, ...]]):
    """The hosts in the pool's database"""

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return listed("host-list", HOSTS)

    def parse(self, result: Result) -> tuple[XenHost, ...]:
        found = tuple(_host(record) for record in records(printed(result), HOSTS))
        if not found:
            raise FactError("xe printed no host, but a pool has at least one.")
        return found


def _host(host: Record) -> XenHost:
    software = parsing.mapping(field(host, "software-version"))
    cpu = parsing.mapping(host.get("cpu_info", ""))
    return XenHost(
        uuid=uuid(field(host, "uuid"), "a host's uuid"),
        name=field(host, "name-label"),
        hostname=field(host, "hostname"),
        address=field(host, "address"),
        enabled=truth(field(host, "enabled"), "whether a host is enabled"),
        live=_live(field(host, "host-metrics-live")),
        brand=software.get("product_brand", ""),
        version=software.get("product_version", ""),
        build=software.get("build_number", ""),
        platform=software.get("platform_version", ""),
        cpu=" ".join(part for part in (cpu.get("vendor"), cpu.get("features") or cpu.get("features_hvm")) if part),
        patches=tuple(sorted({*several(host.get("patches", ""), ", "), *several(host.get("updates", ""), ", ")})),
        ha_peers=tuple(sorted(several(host.get("ha-network-peers", "")))),
    )


def _live(text: str) -> bool:
    """A host without metrics, as one that joined and never came up, is not live."""
    return text not in parsing.NOTHING and truth(text, "whether a host is live")


SRS = ("uuid", "name-label", "type", "shared")
PBDS = ("uuid", "host-uuid", "sr-uuid", "currently-attached")

STORAGE = (
    LIMITED
    + r"""
limited "$1" xe pbd-list "params=$2" || exit $?
echo ==
limited "$1" xe sr-list "params=$3"
"""
)


@dataclass(frozen=True)
class PoolStorage(Fact[Storage]):
    """The pool's SRs, and where they are plugged"""

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        fields = (",".join(PBDS), ",".join(SRS))
        return Command(script=STORAGE, argv=("35", *fields), gist="xe pbd-list params={}; xe sr-list params={}".format(*fields))

    def parse(self, result: Result) -> Storage:
        pbds, line, srs = printed(result).partition("==\n")
        if not line:
            raise FactError(f"The answer stops before the SRs. It said {parsing.quoted(result.out)}.")
        return Storage(
            tuple(sorted((_sr(record) for record in records(srs, SRS)), key=lambda sr: sr.uuid)),
            tuple(sorted((_pbd(record) for record in records(pbds, PBDS)), key=lambda pbd: pbd.uuid)),
        )


def _sr(sr: Record) -> Sr:
    shared = truth(field(sr, "shared"), "whether an SR is shared")
    return Sr(uuid(field(sr, "uuid"), "an SR's uuid"), field(sr, "name-label"), field(sr, "type"), shared)


def _pbd(pbd: Record) -> Pbd:
    return Pbd(
        uuid=uuid(field(pbd, "uuid"), "a PBD's uuid"),
        host=reference(field(pbd, "host-uuid"), "the host of a PBD"),
        sr=reference(field(pbd, "sr-uuid"), "the SR of a PBD"),
        attached=truth(field(pbd, "currently-attached"), "whether a PBD is attached"),
    )


SPACE = ("uuid", "physical-utilisation", "physical-size")


@dataclass(frozen=True)
class SrSpace(Fact[tuple[Space, ...]]):
    """Free space on the SRs

    It moves, so it never makes a plan stale.
    """

    volatile = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return listed("sr-list", SPACE)

    def parse(self, result: Result) -> tuple[Space, ...]:
        return tuple(
            Space(uuid(field(sr, "uuid"), "an SR's uuid"), _size(field(sr, "physical-size")), _size(field(sr, "physical-utilisation")))
            for sr in records(printed(result), SPACE)
        )


def _size(text: str) -> int | None:
    number = whole(text, "the size of an SR")
    return None if number < 0 else number


VMS = ("uuid", "name-label", "power-state", "resident-on", "ha-always-run", "ha-restart-priority")
POWER = frozenset({"running", "halted", "suspended", "paused"})


@dataclass(frozen=True)
class PoolVms(Fact[tuple[Vm, ...]]):
    """All virtual machines of the pool

    Volatile: in a busy cloud they come and go between two readings.
    """

    volatile = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return listed("vm-list", VMS, "is-control-domain=false")

    def parse(self, result: Result) -> tuple[Vm, ...]:
        return tuple(_vm(record) for record in records(printed(result), VMS))


def _vm(vm: Record) -> Vm:
    power = field(vm, "power-state").lower()
    if power not in POWER:
        raise FactError(f"xe gave {parsing.quoted(power)} as a power state; known are {', '.join(sorted(POWER))}.")
    return Vm(
        uuid=uuid(field(vm, "uuid"), "a virtual machine's uuid"),
        name=field(vm, "name-label"),
        power=power,
        host=reference(field(vm, "resident-on"), "the host of a virtual machine"),
        priority=field(vm, "ha-restart-priority").strip(),
        always_run=truth(field(vm, "ha-always-run"), "ha-always-run"),
    )


PROTECTED = ("uuid", "name-label", "ha-restart-priority")


@dataclass(frozen=True)
class ProtectedVms(Fact[tuple[Vm, ...]]):
    """Virtual machines with a restart priority

    With `power`, `host` and `always_run` left empty: a plan rests on which they are, not on whether and where they run. All are
    listed, as xe has no filter for "not empty".
    """

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return listed("vm-list", PROTECTED, "is-control-domain=false")

    def parse(self, result: Result) -> tuple[Vm, ...]:
        found = [
            Vm(uuid(field(vm, "uuid"), "a virtual machine's uuid"), field(vm, "name-label"), "", "", priority, False)
            for vm in records(printed(result), PROTECTED)
            if (priority := field(vm, "ha-restart-priority").strip())
        ]
        return tuple(sorted(found, key=lambda vm: vm.uuid))


PIFS = (
    "uuid", "device", "MAC", "currently-attached", "VLAN", "bond-master-of", "bond-slave-of", "management", "host-uuid", "carrier",
    "disallow-unplug",
)  # fmt: skip


@dataclass(frozen=True)
class PoolPifs(Fact[tuple[Pif, ...]]):
    """The hosts' network interfaces"""

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return listed("pif-list", PIFS)

    def parse(self, result: Result) -> tuple[Pif, ...]:
        """A bond is told by its members' `bond-slave-of`: pif-list has no devices of a bond."""
        found = records(printed(result), PIFS)
        bonds: dict[str, list[str]] = {}
        for pif in found:
            if bond := reference(field(pif, "bond-slave-of"), "the bond of an interface"):
                bonds.setdefault(bond, []).append(field(pif, "device"))
        return tuple(sorted((_pif(pif, bonds) for pif in found), key=lambda pif: (pif.host, pif.device, pif.vlan, pif.uuid)))


def _pif(pif: Record, bonds: dict[str, list[str]]) -> Pif:
    return Pif(
        uuid=uuid(field(pif, "uuid"), "an interface's uuid"),
        host=reference(field(pif, "host-uuid"), "the host of an interface"),
        device=field(pif, "device"),
        mac=field(pif, "MAC").lower(),
        vlan=whole(field(pif, "VLAN"), "a VLAN"),
        attached=truth(field(pif, "currently-attached"), "whether an interface is attached"),
        management=truth(field(pif, "management"), "whether an interface is for management"),
        disallow_unplug=truth(field(pif, "disallow-unplug"), "whether an interface may be unplugged"),
        bond_slaves=tuple(sorted(device for bond in several(field(pif, "bond-master-of")) for device in bonds.get(bond, ()))),
        carrier={"true": True, "false": False}.get(pif.get("carrier", "")),
    )
