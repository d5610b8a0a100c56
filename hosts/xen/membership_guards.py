"""The rulebook on taking hosts into a pool and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from hosts.cloudstack.along import along
from hosts.facts.portal import HostRow, InventoryHost
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolPifs, PoolStorage, PoolVms
from hosts.xen.more_facts import Disk, DisksOn, InventoryCredential, InventoryPlace, Twins
from hosts.xen.pool_guards import FEW
from hosts.xen.state import Member, Role, Sr, Storage, Voice, XenHost
from hosts.xen.survey import Survey, survey
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard

JOIN = "xapi source, xapi_pool.ml (pool-join)"
EJECT = "xapi source, xapi_pool.ml (pool-eject)"
TOOLS = ("XenServer Tools", "XCP-ng Tools", "Citrix Hypervisor Tools", "XenServer VM Tools")
GIB = 1024**3


class Adding(Protocol):
    """`joiner` is the inventory's number of the joiner, `credential` that of the password of root on the pool master."""

    @property
    def pool(self) -> int: ...
    @property
    def joiner(self) -> int: ...
    @property
    def credential(self) -> int: ...


@dataclass(frozen=True)
class Joiner:
    row: HostRow
    view: Member
    talks: bool


def joiner(params: Adding, facts: FactSet) -> Joiner | None:
    """None while none is chosen, or when it cannot be asked: `asked` says why."""
    if not params.joiner:
        return None
    row = facts(InventoryHost("portal", params.joiner))
    view = facts.try_(MemberView(row.target))
    return None if isinstance(view, FactError) else Joiner(row, view, view.voice is Voice.ANSWERS and view.role is not Role.SLAVE)


def joiner_host(target: str, uuid: str, facts: FactSet) -> XenHost:
    """The joiner as its own database has it."""
    for host in facts(PoolHosts(target)):
        if host.uuid == uuid:
            return host
    raise FactError("The joining host does not know itself under its own uuid. Its database and its inventory file disagree.")


@guard(
    "join.asked",
    title="The joining host answers",
    reason="pool-join is typed on the host that joins, and almost everything that may go wrong can be read there first.",
    source=JOIN,
)
def asked(params: Adding, facts: FactSet) -> Iterator[Finding]:
    if not params.joiner:
        return
    row = facts(InventoryHost("portal", params.joiner))
    view = facts.try_(MemberView(row.target))
    if isinstance(view, FactError):
        yield Finding(Level.BLOCK, f"{row.name} cannot be asked: {view}", "joiner")
    elif view.role is Role.SLAVE:
        message = f"{row.name} follows a master already ({view.master_address}): the command would run there. Remove it from its pool."
        yield Finding(Level.BLOCK, message, "joiner")
    elif view.voice is not Voice.ANSWERS:
        yield Finding(Level.BLOCK, f"The xapi of {row.name} does not answer: {view.said or view.voice}. Mend it first.", "joiner")


@guard(
    "join.alone",
    title="The joining host is alone in its pool",
    reason="A master of others cannot leave them behind.",
    source=f"{JOIN}: JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS",
)
def alone(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if new and new.talks and len(hosts := facts(PoolHosts(new.row.target))) > 1:
        names = ", ".join(host.name for host in hosts if host.uuid != new.view.uuid)
        yield Finding(Level.BLOCK, f"{new.row.name} is the master of {names}. Only a host that is alone can join.", "joiner")


@guard(
    "join.twin",
    title="Its uuid is not in the pool yet",
    reason="With the uuid of another member the record of that member is silently taken over; with the master's it is refused.",
    source=f"{JOIN}: create_or_get_host_on_master; “Host cannot become slave of itself”",
)
def twin(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if not (new and params.pool):
        return
    found = survey(params.pool, facts)
    for host in found.hosts:
        if host.uuid == new.view.uuid and found.pool.pk == facts(InventoryPlace("portal", params.joiner)).pool:
            yield Finding(Level.BLOCK, f"{new.row.name} is a member of {found.pool.name} already.", "joiner")
        elif host.uuid == new.view.uuid:
            message = f"{new.row.name} has the uuid of {host.name}: it is a clone. Run “Make a cloned XenServer unique” on it first."
            yield Finding(Level.BLOCK, message, "joiner")


@guard(
    "join.twin-elsewhere",
    title="Its uuid is nowhere else",
    reason="CloudStack knows hosts by their uuid and silently skips the second one, whatever pool it is in.",
    source="CloudStack's XenServer discoverer: “Skipping … because … is already in the database.”",
)
def twin_elsewhere(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if new and (others := facts(Twins("portal", new.row.pk, new.view.uuid))):
        message = f"{new.row.name} has the same uuid as {', '.join(others)}, by the inventory. One of them is a clone: make that unique."
        yield Finding(Level.BLOCK, message, "joiner", override=True)


@guard(
    "join.version",
    title="Version, patches and processors match",
    reason="Virtual machines move between the members, so they must find the same hypervisor and processor everywhere.",
    source=f"{JOIN}: HOSTS_NOT_COMPATIBLE, HOSTS_NOT_HOMOGENEOUS, POOL_JOINING_HOST_MUST_HAVE_SAME_PRODUCT_VERSION",
)
def version(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if not (new and new.talks and params.pool):
        return
    master, mine = survey(params.pool, facts).master, joiner_host(new.row.target, new.view.uuid, facts)
    if (master.brand, master.version) != (mine.brand, mine.version):
        message = f"{new.row.name} runs {mine.brand} {mine.version}, the pool {master.brand} {master.version}. Install the same version."
        yield Finding(Level.BLOCK, message, "joiner")
        return
    old = mine.version.startswith(("5.", "6."))
    if master.build != mine.build:
        level = Level.BLOCK if old else Level.WARN
        yield Finding(level, f"The builds differ: {mine.build} on {new.row.name}, {master.build} on the master.", "joiner")
    yield from _patches(new.row.name, mine, master)
    yield from _processors(new.row.name, mine, master, old=old)


def _patches(name: str, mine: XenHost, master: XenHost) -> Iterator[Finding]:
    missing, surplus = sorted(set(master.patches) - set(mine.patches)), sorted(set(mine.patches) - set(master.patches))
    if missing:
        yield Finding(Level.BLOCK, f"{name} lacks {len(missing)} patches that the master has: {', '.join(missing[:5])}.", "joiner")
    if surplus:
        yield Finding(Level.BLOCK, f"{name} has {len(surplus)} patches that the master lacks: {', '.join(surplus[:5])}.", "joiner")


def _processors(name: str, mine: XenHost, master: XenHost, *, old: bool) -> Iterator[Finding]:
    here, there = mine.cpu.split(" "), master.cpu.split(" ")
    if here[0] != there[0]:
        yield Finding(Level.BLOCK, f"{name} has processors of {here[0] or 'unknown'}, the pool of {there[0] or 'unknown'}.", "joiner")
    elif here != there:
        message = f"The processor features of {name} differ from the master's."
        advice = "This version wants the same ones." if old else "The pool is levelled to what all have in common."
        yield Finding(Level.BLOCK if old else Level.WARN, f"{message} {advice}", "joiner")


@guard(
    "join.vms",
    title="Nothing runs on the joining host",
    reason="Its database gives way to the pool's; what runs would be lost from sight.",
    source=f"{JOIN}: JOINING_HOST_CANNOT_HAVE_RUNNING_VMS",
)
def vms(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if new and new.talks and (live := [vm.name or vm.uuid for vm in facts(PoolVms(new.row.target)) if vm.power != "halted"]):
        yield Finding(Level.BLOCK, f"On {new.row.name} are {', '.join(live[:5])}, which are not halted. Shut them down first.", "joiner")


@guard(
    "join.shared",
    title="The joining host has no shared storage of its own",
    reason="Shared storage belongs to a pool. Two pools on one SR corrupt it.",
    source=f"{JOIN}: JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS",
)
def shared(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if not (new and new.talks):
        return
    own = [sr for sr in facts(PoolStorage(new.row.target)).srs if sr.shared and not (sr.type == "iso" and sr.name in TOOLS)]
    if own:
        names = ", ".join(f"{sr.name or sr.uuid} ({sr.type})" for sr in own)
        yield Finding(Level.BLOCK, f"{new.row.name} has shared storage: {names}. Forget it first: xe sr-forget keeps the data.", "joiner")


@guard(
    "join.ha",
    title="HA is off on the joining host",
    reason="A host that is armed can neither join nor restart its xapi without fencing itself.",
    source=f"{JOIN}: HA_IS_ENABLED, for either side and without saying which",
)
def ha(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if new and (new.view.ha_armed or (new.talks and facts(PoolBasics(new.row.target)).ha_enabled)):
        yield Finding(Level.BLOCK, f"HA is on for {new.row.name} itself. Turn it off there first.", "joiner")


@guard(
    "join.network",
    title="The joining host's network is plain",
    reason="It gets the pool's networks. Bonds and VLANs of its own, or management over one, stand in the way.",
    source=f"{JOIN}: POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC, ..._HAS_BONDS, ..._HAS_NON_MANAGEMENT_VLANS",
)
def network(params: Adding, facts: FactSet) -> Iterator[Finding]:
    new = joiner(params, facts)
    if not (new and new.talks):
        return
    for pif in facts(PoolPifs(new.row.target)):
        what = "a bond" if pif.bond_slaves else f"VLAN {pif.vlan}" if pif.vlan >= 0 else ""
        if what and (pif.management or not new.view.version.startswith("6.")):
            yield Finding(Level.BLOCK, f"{pif.device} of {new.row.name} is {what}. Remove it first; the pool brings its own.", "joiner")


@guard(
    "join.password",
    title="The password of the pool's root",
    reason="pool-join logs in at the master, and the joining host takes the pool's root password over.",
    source="XCP-ng's documentation (hosts and pools); xapi source, xapi_pool.ml",
)
def password(params: Adding, facts: FactSet) -> Iterator[Finding]:
    if params.credential:
        given = facts(InventoryCredential("portal", params.credential))
        if not given.by_password or given.user != "root":
            message = f"{given.name} is not a password of root. The master's xapi knows no SSH key: add its password as a credential."
            yield Finding(Level.BLOCK, message, "credential")
    if not params.joiner:
        return
    place = facts(InventoryPlace("portal", params.joiner))
    if place.by_password and place.credential_pk != params.credential:
        message = f"{place.name} is reached with the password {place.credential}, which stops working when it joins: it takes the pool's."
        yield Finding(Level.BLOCK, f"{message} Give it an SSH key first, or the credential with the pool's password afterwards.", "joiner")
    else:
        message = f"The root password of {place.name} becomes the pool's. Stored credentials with the old one stop working; SSH keys stay."
        yield Finding(Level.NOTE, message, "joiner")


JOINING = (asked, alone, twin, twin_elsewhere, version, vms, shared, ha, network, password)


class Removing(Protocol):
    """`host` is the uuid of the member that leaves; `new_master` that of its successor when it is the master."""

    @property
    def pool(self) -> int: ...
    @property
    def host(self) -> str: ...
    @property
    def new_master(self) -> str: ...


def leaving(params: Removing, facts: FactSet) -> tuple[Survey, XenHost] | None:
    if not (params.pool and params.host):
        return None
    found = survey(params.pool, facts)
    host = next((host for host in found.hosts if host.uuid == params.host), None)
    return (found, host) if host else None


def local(storage: Storage, host: str) -> tuple[Sr, ...]:
    """SRs that only this host has, without drives that one puts media in."""
    mine = {pbd.sr for pbd in storage.pbds if pbd.host == host}
    others = {pbd.sr for pbd in storage.pbds if pbd.host != host}
    return tuple(sr for sr in storage.srs if sr.uuid in mine - others and not sr.shared and sr.type not in ("udev", "iso"))


def disks(found: Survey, host: str, facts: FactSet) -> dict[Sr, tuple[Disk, ...]]:
    """What is on the local storage of a member, by SR."""
    target = found.speaker.target
    srs = local(facts(PoolStorage(target)), host)
    facts.need(*(DisksOn(target, sr.uuid) for sr in srs))
    return {sr: facts(DisksOn(target, sr.uuid)) for sr in srs}


@guard(
    "remove.there",
    title="The host is a member",
    reason="Names of hosts can be ambiguous and hosts can have left: only the uuid in the pool's own list counts.",
    source=EJECT,
)
def there(params: Removing, facts: FactSet) -> Iterator[Finding]:
    if params.pool and params.host and leaving(params, facts) is None:
        yield Finding(Level.BLOCK, f"The pool has no host {params.host}. It may have left already: choose again.", "host")


@guard(
    "remove.only",
    title="Somebody stays",
    reason="The only host of a pool cannot leave it: xapi answers with an internal error (Cannot_eject_master).",
    source=EJECT,
)
def only(params: Removing, facts: FactSet) -> Iterator[Finding]:
    if params.pool and len(found := survey(params.pool, facts).hosts) == 1:
        yield Finding(Level.BLOCK, f"{found[0].name} is the only host of its pool. There is nothing to remove it from.", "pool")


@guard(
    "remove.vms",
    title="No virtual machine is on the host",
    reason="xapi refuses to eject a host with virtual machines on it, suspended ones too.",
    source=f"{EJECT}: OPERATION_NOT_ALLOWED, “VM resident on host”",
)
def resident(params: Removing, facts: FactSet) -> Iterator[Finding]:
    if not (case := leaving(params, facts)):
        return
    found, host = case
    here = [vm.name or vm.uuid for vm in facts(PoolVms(found.speaker.target)) if vm.host == host.uuid and vm.power != "halted"]
    said = f"{len(here)} virtual machines are on {host.name}: {', '.join(here[:5])}."
    cloud = along(found, facts) if here else None
    if cloud and host.uuid in cloud.hosts:
        message = (
            f"{said} The plan has CloudStack put it into maintenance, which moves its own. Others stop the plan before the host leaves."
        )
        yield Finding(Level.NOTE, message, "host")
    elif here:
        yield Finding(Level.BLOCK, f"{said} Move them away first: put it into maintenance in CloudStack.", "host")


@guard(
    "remove.storage",
    title="What happens to its local storage",
    reason="Ejecting erases it: the SRs of the host are made anew, empty, at its next boot.",
    source=f"{EJECT}; the warning that xe prints",
)
def storage(params: Removing, facts: FactSet) -> Iterator[Finding]:
    if not (case := leaving(params, facts)):
        return
    found, host = case
    for sr, there in disks(found, host.uuid, facts).items():
        called = f"{sr.name or 'An SR without a name'} ({sr.type}, {sr.uuid})"
        if there:
            names = ", ".join(f"{disk.name or disk.uuid} ({disk.size / GIB:.1f} GiB)" for disk in there[:8])
            more = f" and {len(there) - 8} more" if len(there) > 8 else ""
            message = f"{called} on {host.name} is erased, and with it {len(there)} virtual disks: {names}{more}."
            yield Finding(Level.BLOCK, f"{message} Nothing brings them back. Copy them, or say why not.", "host", override=True)
        else:
            yield Finding(Level.WARN, f"{called} on {host.name} is erased. No virtual disk is on it.", "host")
    if found.basics.default_sr in {sr.uuid for sr in local(facts(PoolStorage(found.speaker.target)), host.uuid)}:
        yield Finding(Level.WARN, "The pool's default SR goes with it. Choose another: xe pool-param-set default-SR=.", "host")


@guard(
    "remove.few",
    title="HA keeps three hosts",
    reason="With two, the survivor of a crash cannot tell whether the other is dead or itself cut off, and fences itself.",
    source="The release manager's procedures; XCP-ng's documentation",
)
def few(params: Removing, facts: FactSet) -> Iterator[Finding]:
    case = leaving(params, facts)
    if case and case[0].basics.ha_enabled and (stay := len(case[0].hosts) - 1) < FEW:
        message = f"{stay} host{'s' if stay > 1 else ''} would stay, and HA would come back with them. Turn it off first, or give a reason."
        yield Finding(Level.BLOCK, message, "host", override=True)


REMOVING = (there, only, resident, storage, few)
