"""Facts that only some runbooks need: files of a dom0, its management interface, its local disks, and what the inventory knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from django.utils import timezone

from hosts.models import Credential, Host, Pool
from hosts.xen.command import LIMITED, xe
from hosts.xen.facts import MemberView, PoolPifs, PoolStorage, printed
from hosts.xen.parsing import field, quoted, records, reference, uuid, whole
from hosts.xen.state import Member, Pif, PoolState, Role, Storage, Voice
from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader
from opsportal.operations.models import Operation, Step
from opsportal.operations.states import OperationState, StepState
from opsportal.transport.base import Result
from opsportal.transport.command import Command

ABSENT = 44
READ_FILE = f'[ -e "$1" ] || exit {ABSENT}; cat "$1"'


@dataclass(frozen=True)
class FileText(Fact[str | None]):
    """A file of the host.

    None when there is none.
    """

    path: str

    def command(self) -> Command:
        return Command(script=READ_FILE, argv=(self.path,), gist=f"cat {self.path}")

    def parse(self, result: Result) -> str | None:
        if result.exit == ABSENT:
            return None
        if result.exit or result.truncated:
            raise FactError(f"{self.path} could not be read: {quoted(result.err)}.")
        return result.out


@dataclass(frozen=True)
class Programs(Fact[tuple[str, ...]]):
    """Which programs the host has, of those that the work needs."""

    paths: tuple[str, ...]

    def command(self) -> Command:
        return Command(script='for path; do [ ! -x "$path" ] || echo "$path"; done', argv=self.paths, gist="ls " + " ".join(self.paths))

    def parse(self, result: Result) -> tuple[str, ...]:
        if result.exit:
            raise FactError(f"The programs of the host could not be listed: {quoted(result.err)}.")
        return tuple(path for path in self.paths if path in result.out.splitlines())


@dataclass(frozen=True)
class Addressing:
    """The management interface. `mode` is "DHCP", "Static" or "None"; `mac` in lower case; `dns` as xe prints it, addresses with commas."""

    device: str
    mac: str
    mode: str
    address: str
    netmask: str
    gateway: str
    dns: str

    @property
    def whole(self) -> bool:
        """It could be set again by hand from what is known here."""
        return bool(self.device and self.address and self.netmask)


ADDRESSING = ("device", "MAC", "IP-configuration-mode", "IP", "netmask", "gateway", "DNS")


def addressing(text: str) -> Addressing:
    found = records(text, ADDRESSING)
    if len(found) != 1:
        raise FactError(f"xe names {len(found)} management interfaces of this host; there must be one. Look at it with xe pif-list.")
    device, mac, *rest = (field(found[0], name) for name in ADDRESSING)
    return Addressing(device, mac.lower(), *rest)


@dataclass(frozen=True)
class Identity:
    """Who a stand-alone host is: the text of its inventory file, its pool's uuid, its hostname, and its management interface."""

    inventory: str
    pool: str
    hostname: str
    management: Addressing


IDENTITY = r"""
part() { printf '\n== %s\n' "$1"; }
part inventory; cat /etc/xensource-inventory || exit 1
part hostname; hostname
part pool; xe pool-list params=uuid --minimal || exit 1
part management
xe pif-list "host-uuid=$(sed -n "s/^INSTALLATION_UUID='\(.*\)'/\1/p" /etc/xensource-inventory)" management=true "params=$1" || exit 1
part end
"""


@dataclass(frozen=True)
class WhoItWas(Fact[Identity]):
    """Who the host was: its inventory file, its pool, its name and its management interface.

    Pinned: what takes the identity away goes on, after a failure in the middle, with what it was at first.
    """

    pinned = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        gist = "cat /etc/xensource-inventory; hostname; xe pool-list; xe pif-list management=true"
        return Command(script=LIMITED, argv=("60", "sh", "-c", IDENTITY, "sh", ",".join(ADDRESSING)), gist=gist)

    def parse(self, result: Result) -> Identity:
        parts = dict(re.findall(r"(?ms)^== (\w+)\n(.*?)\n(?=^== )", printed(result)))
        if not {"inventory", "hostname", "pool", "management"} <= parts.keys():
            raise FactError(f"The host did not answer like a dom0: {quoted(result.out)}.")
        return Identity(
            parts["inventory"],
            uuid(parts["pool"].strip(), "the pool's uuid"),
            parts["hostname"].strip(),
            addressing(parts["management"]),
        )


@dataclass(frozen=True)
class Disk:
    """A virtual disk; `size` in bytes."""

    uuid: str
    name: str
    sr: str
    size: int


DISKS = ("uuid", "name-label", "sr-uuid", "virtual-size")


@dataclass(frozen=True)
class DisksOn(Fact[tuple[Disk, ...]]):
    """The virtual disks on one SR.

    Volatile: in a cloud disks come and go.
    """

    sr: str
    volatile = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("vdi-list", f"sr-uuid={self.sr}", f"params={','.join(DISKS)}")

    def parse(self, result: Result) -> tuple[Disk, ...]:
        found = [_disk(record) for record in records(printed(result), DISKS)]
        return tuple(sorted(found, key=lambda disk: (disk.name, disk.uuid)))


def _disk(vdi: dict[str, str]) -> Disk:
    size = whole(field(vdi, "virtual-size"), "the size of a virtual disk")
    return Disk(
        uuid(field(vdi, "uuid"), "a VDI's uuid"), field(vdi, "name-label"), reference(field(vdi, "sr-uuid"), "the SR of a VDI"), size
    )


@dataclass(frozen=True)
class Placed:
    """A host of the inventory: its pool's name or "", its system, and how the portal logs in."""

    pk: int
    name: str
    pool: int | None
    pool_name: str
    credential: str
    by_password: bool
    credential_pk: int | None


@dataclass(frozen=True)
class InventoryPlace(OfThePortal, Fact[Placed]):
    """Where the inventory has the host, and how the portal logs in.

    Target "portal".
    """

    host: int

    def read(self, reader: Reader) -> Placed:
        host = Host.objects.select_related("pool", "credential").filter(pk=self.host).first()
        if host is None:
            raise FactError("Choose a host. If it is not in the list, add it to the inventory first.")
        login = host.credential
        return Placed(
            pk=host.pk,
            name=host.name,
            pool=host.pool_id,
            pool_name=host.pool.name if host.pool else "",
            credential=login.name if login else "",
            by_password=login is not None and login.kind == Credential.Kind.PASSWORD,
            credential_pk=host.credential_id,
        )


@dataclass(frozen=True)
class Twins(OfThePortal, Fact[tuple[str, ...]]):
    """Other hosts of the inventory with the same uuid.

    As they were read last; their names.
    """

    host: int
    uuid: str

    def read(self, reader: Reader) -> tuple[str, ...]:
        others = Host.objects.filter(facts__host_uuid__iexact=self.uuid).exclude(pk=self.host)
        return tuple(others.order_by("sort_name", "pk").values_list("name", flat=True))


@dataclass(frozen=True)
class CalledCredential:
    """`user` is who logs in with it."""

    pk: int
    name: str
    user: str
    by_password: bool


@dataclass(frozen=True)
class InventoryCredential(OfThePortal, Fact[CalledCredential]):
    """The credential that was chosen, without its secret.

    Target "portal".
    """

    credential: int

    def read(self, reader: Reader) -> CalledCredential:
        found = Credential.objects.filter(pk=self.credential).first()
        if found is None:
            raise FactError("Choose the credential that has the password of root on the pool master. Add it under Credentials first.")
        return CalledCredential(found.pk, found.name, found.username, found.kind == Credential.Kind.PASSWORD)


@dataclass(frozen=True)
class Stance:
    """What a recovery rests on, of one host: nothing in it moves while a pool without a master waits for its rescue.

    `answers` says that its xapi passes on what the master answers. A host that cannot be reached has only `reachable` False.
    """

    reachable: bool
    uuid: str = ""
    role: Role = Role.UNKNOWN
    master_address: str = ""
    answers: bool = False
    names: str = ""
    """The uuid of the master that it gets answers from."""
    armed: bool | None = None


def stance(view: Member) -> Stance:
    return Stance(True, view.uuid, view.role, view.master_address, view.voice is Voice.ANSWERS, view.says_master, view.ha_armed)


@dataclass(frozen=True)
class Posture(Fact[Stance]):
    """Whether the host can be reached, whom it follows, and whether HA is armed on it.

    Read as `MemberView` is. That a host is away, or hangs, or is in emergency mode is an answer, not an error.
    """

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return MemberView(self.target).command()

    def parse(self, result: Result) -> Stance:
        return stance(MemberView(self.target).parse(result))

    def read(self, reader: Reader) -> Stance:
        try:
            result = reader.run(self.target, self.command(), timeout=self.timeout)
        except FactError:
            return Stance(False)
        return self.parse(result)


@dataclass(frozen=True)
class LastWord:
    """What the pool said when it still had a master: names and uuids of its hosts, and how HA was. `at` is ISO 8601, "" for never."""

    at: str = ""
    master: str = ""
    hosts: tuple[tuple[str, str], ...] = ()
    ha_enabled: bool = False
    ha_timeout: int | None = None

    def name(self, uuid: str) -> str:
        return dict(self.hosts).get(uuid, uuid)


@dataclass(frozen=True)
class LastReading(OfThePortal, Fact[LastWord]):
    """What the pool said when it still had a master.

    Target "portal". Volatile: it only helps people to understand what they see.
    """

    volatile = True

    pool: int

    def read(self, reader: Reader) -> LastWord:
        row = Pool.objects.filter(pk=self.pool).first()
        state = PoolState.of(row.state) if row else None
        if state is None or state.basics is None:
            return LastWord()
        hosts = tuple((host.uuid, host.name) for host in state.hosts)
        return LastWord(state.whole_at, state.basics.master, hosts, state.basics.ha_enabled, state.basics.ha_timeout)


@dataclass(frozen=True)
class Stuck:
    """A virtual machine that keeps its host from being emptied. `reason` is xapi's code, with what it is about."""

    vm: str
    name: str
    reason: str


STUCK = ("uuid", "name-label", "reason")


@dataclass(frozen=True)
class Obstacles(Fact[tuple[Stuck, ...]]):
    """Virtual machines that keep a host from being emptied.

    Volatile: machines come and go.
    """

    host: str
    volatile = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("host-get-vms-which-prevent-evacuation", f"uuid={self.host}")

    def parse(self, result: Result) -> tuple[Stuck, ...]:
        found = records(printed(result), STUCK)
        return tuple(
            Stuck(uuid(field(one, "uuid"), "a virtual machine's uuid"), one.get("name-label", ""), one.get("reason", "").split(",")[0])
            for one in found
        )


@dataclass(frozen=True)
class Attached:
    """Uuids of what a pool has attached, by host: PBDs, PIFs, and PIFs with a signal."""

    host: str
    pbds: tuple[str, ...]
    pifs: tuple[str, ...]
    carriers: tuple[str, ...]


@dataclass(frozen=True)
class AttachedBefore(Fact[tuple[Attached, ...]]):
    """Storage and interfaces that every host has attached now.

    Pinned for one run: what a retry compares with is what was there when the run was planned first.
    """

    run: str
    pinned = True
    timeout: ClassVar[float] = 150

    def command(self) -> Command:
        return PoolStorage(self.target).command()

    def parse(self, result: Result) -> tuple[Attached, ...]:
        raise FactError("This fact is made of two others.")

    def read(self, reader: Reader) -> tuple[Attached, ...]:
        storage, pifs = PoolStorage(self.target).read(reader), PoolPifs(self.target).read(reader)
        hosts = sorted({pbd.host for pbd in storage.pbds} | {pif.host for pif in pifs})
        return tuple(_attached(host, storage, pifs) for host in hosts)


def _attached(host: str, storage: Storage, pifs: tuple[Pif, ...]) -> Attached:
    mine = [pif for pif in pifs if pif.host == host]
    return Attached(
        host,
        tuple(sorted(pbd.uuid for pbd in storage.pbds if pbd.host == host and pbd.attached)),
        tuple(sorted(pif.uuid for pif in mine if pif.attached)),
        tuple(sorted(pif.uuid for pif in mine if pif.carrier)),
    )


@dataclass(frozen=True)
class Progress:
    """Hosts (uuids) that the newest rolling maintenance has done, if it did not end well. `operation` is 0 when there is none."""

    operation: int = 0
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class DoneBefore(OfThePortal, Fact[Progress]):
    """Hosts that an earlier run did before it stopped.

    Of one pool, within a week. Volatile: it only advises.
    """

    pool: int
    volatile = True

    def read(self, reader: Reader) -> Progress:
        since = timezone.now() - timedelta(days=7)
        runs = Operation.objects.filter(runbook="rolling-maintenance", params__pool=self.pool, started_at__gt=since)
        newest = runs.order_by("-started_at").first()
        if newest is None or newest.state not in (OperationState.FAILED, OperationState.CANCELLED):
            return Progress()
        same = [run.pk for run in runs if run.params.get("run") == newest.params.get("run")]
        keys = Step.objects.filter(operation__in=same, key__startswith="check-", state=StepState.SUCCEEDED).values_list("key", flat=True)
        return Progress(newest.pk, tuple(sorted({key.removeprefix("check-") for key in keys})))
