"""Building pools: the default practice cloud, and any pool a test wants."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from uuid import NAMESPACE_OID, uuid5

from opsportal.lab.xen import dom0, ha, install, toolstack
from opsportal.lab.xen.model import Bond, Database, Host, Machine, Network, Pbd, Pif, Pool, Site, Sr, Vdi, Vm


@dataclass
class Wanted:
    """A pool to be built. `uuids` and `names` are of the hosts, `srs` of the NFS SRs; what is left out is made up. `ha` is the timeout, 0
    for HA off. `prefix` and a number make the machine's id, `network` and 10 plus that number its address."""

    name: str
    version: str
    prefix: str
    network: str
    hosts: int = 3
    brand: str = "XenServer"
    ha: int = 0
    guests: int = 2
    uuid: str = ""
    uuids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    srs: list[str] = field(default_factory=list)
    nfs: int = 2
    bonds: bool = False
    heartbeat_script: bool = False
    password: str = "practice"  # noqa: S105


HOTFIXES = {"6.2": ("XS62ESP1",), "6.5": ("XS65ESP1",), "7.0": ("XS70E004",)}
CPU = {
    "cpu_count": "16",
    "socket_count": "2",
    "vendor": "GenuineIntel",
    "speed": "2394.458",
    "features": "77bee3ff-bfebfbff-00000001-2c100800",
}


def build(site: Site, wanted: Wanted) -> list[Machine]:
    """The pool runs: all hosts booted and enabled, everything plugged."""
    if not any(job.kind == "backup" for job in site.jobs):
        site.later(toolstack.BACKUP, "backup")
    machines = [_machine(site, wanted, number) for number in range(wanted.hosts)]
    database = _database(site, wanted, machines)
    secret = f"{site.uuid()}/{site.uuid()}"
    for machine in machines:
        machine.files[dom0.SECRET] = secret
        _run(machine, machines[0], database)
    if wanted.ha:
        _arm(site, wanted, machines)
    return machines


def _machine(site: Site, wanted: Wanted, number: int) -> Machine:
    name = wanted.names[number] if wanted.names else f"{wanted.prefix}{number + 1}"
    machine = Machine(
        id=f"{wanted.prefix}{number + 1}",
        address=f"{wanted.network}{number + 11}",
        version=wanted.version,
        hostname=name,
        brand=wanted.brand,
        dns_name=name,
        gateway=f"{wanted.network}1",
        patches={str(uuid5(NAMESPACE_OID, name)): name for name in HOTFIXES.get(wanted.version, ())},
        nics=[_mac(site) for _ in range(4 if wanted.bonds else 2)],
        cpu=dict(CPU),
        password=wanted.password,
        heartbeat_script=wanted.heartbeat_script,
    )
    furnish(machine, wanted.uuids[number] if wanted.uuids else site.uuid(), site.uuid())
    site.machines[machine.id] = machine
    return machine


def _mac(site: Site) -> str:
    return "52:54:00:" + ":".join(f"{each:02x}" for each in site.dice().randbytes(3))


def furnish(machine: Machine, uuid: str, dom0_uuid: str) -> None:
    machine.files = {
        dom0.INVENTORY: dom0.first_inventory(machine, uuid, dom0_uuid),
        dom0.MANAGEMENT_CONF: dom0.management_conf(machine),
        "/etc/redhat-release": dom0.release(machine),
        "/etc/xensource/db.conf": f"[{dom0.state_db(machine)}]\nmode:no_limit\nformat:xml\n",
        dom0.state_db(machine): dom0.state_text(1),
        f"{dom0.state_db(machine)}.generation": "1",
        **dom0.local_flags(machine),
    }


def _run(machine: Machine, master: Machine, database: Database) -> None:
    leads = machine is master
    machine.database = database if leads else deepcopy(database)
    machine.files |= dom0.pool_conf("" if leads else master.address)
    machine.xapi.state, machine.xapi.epoch, machine.booted = "running", 1, False
    machine.xapi.role, machine.xapi.master = ("master", "") if leads else ("slave", master.address)
    machine.domains = [vm.uuid for vm in database.guests(dom0.host_uuid(machine)) if vm.power == "running"]


def _database(site: Site, wanted: Wanted, machines: list[Machine]) -> Database:
    rows = [install.host_record(machine, machine.hostname) for machine in machines]
    database = Database(Pool(wanted.uuid or site.uuid(), rows[0].uuid, wanted.name))
    for machine, row in zip(machines, rows, strict=True):
        install.add_host(site, database, machine, row)
        install.add_local_storage(site, machine, database)
        if wanted.bonds:
            _add_bond(site, database, row)
    shared = _add_shared(site, wanted, database)
    _add_guests(site, wanted, database, rows, shared)
    install.add_templates(site, database)
    return database


def _add_bond(site: Site, database: Database, row: Host) -> None:
    """eth2 and eth3 as bond0, the network of the guests."""
    network = next((each for each in database.networks.values() if each.bridge == "xapi1"), None)
    if network is None:
        network = Network(site.uuid(), "Guest", "xapi1")
        database.networks[network.uuid] = network
    slaves = [pif for pif in database.pifs.values() if pif.host == row.uuid and pif.device in ("eth2", "eth3")]
    pif = Pif(site.uuid(), row.uuid, "bond0", network.uuid, slaves[0].mac)
    bond = Bond(site.uuid(), pif.uuid, [slave.uuid for slave in slaves])
    pif.bond_of = bond.uuid
    for slave in slaves:
        slave.bond = bond.uuid
    database.pifs[pif.uuid] = pif
    database.bonds[bond.uuid] = bond


def _add_shared(site: Site, wanted: Wanted, database: Database) -> list[Sr]:
    """NFS SRs, named by a uuid as CloudStack does, and an ISO library; the first is the pool's default."""
    found = []
    for number in range(wanted.nfs):
        uuid = wanted.srs[number] if number < len(wanted.srs) else site.uuid()
        export = "/export/primary" + ("" if number == 0 else str(number + 1))
        found.append(_shared(site, database, Sr(uuid, site.uuid(), "nfs", shared=True), wanted.network, export))
    iso = Sr(site.uuid(), "ISO library", "iso", shared=True, content="iso", size=200 << 30, used=80 << 30)
    _shared(site, database, iso, wanted.network, "/export/iso")
    if found:
        database.pool.default_sr = found[0].uuid
    return found


def _shared(site: Site, database: Database, sr: Sr, network: str, export: str) -> Sr:
    database.srs[sr.uuid] = sr
    server = f"{network}5"
    config = {"location": f"{server}:{export}"} if sr.type == "iso" else {"server": server, "serverpath": export}
    for host in database.hosts:
        pbd = Pbd(site.uuid(), host, sr.uuid, device_config=dict(config))
        database.pbds[pbd.uuid] = pbd
    return sr


def _add_guests(site: Site, wanted: Wanted, database: Database, rows: list[Host], shared: list[Sr]) -> None:
    """CloudStack's: instances on every host, then its system VMs and a router; and one halted instance."""
    if not shared or not wanted.guests:
        return
    names = [f"i-2-{10 + number}-VM" for number in range(wanted.guests * len(rows))]
    names += ["v-2-VM", "s-1-VM", "r-4-VM", "i-2-99-VM"]
    for number, name in enumerate(names):
        vdi = Vdi(site.uuid(), f"ROOT-{number + 10}", shared[number % len(shared)].uuid)
        database.vdis[vdi.uuid] = vdi
        halted = name == "i-2-99-VM"
        host = "" if halted else rows[number % len(rows)].uuid
        vm = Vm(site.uuid(), name, "halted" if halted else "running", host, vdis=[vdi.uuid])
        database.vms[vm.uuid] = vm


def _arm(site: Site, wanted: Wanted, machines: list[Machine]) -> None:
    database = machines[0].db
    sr = next(each for each in database.srs.values() if each.type == "nfs")
    group = ha.form(site, machines[0], machines, sr.uuid, float(wanted.ha))
    site.events.clear()
    vdi = Vdi(site.uuid(), "Statefile for HA", sr.uuid, 4 << 20, sharable=True)
    database.vdis[vdi.uuid] = vdi
    database.pool.ha_enabled, database.pool.ha_configuration = True, {"timeout": str(wanted.ha)}
    database.pool.ha_statefiles = [vdi.uuid]
    for row in database.hosts.values():
        row.ha_statefiles, row.ha_peers = [vdi.uuid], [dom0.host_uuid(site.machines[member]) for member in group.members]
    for machine in machines[1:]:
        machine.database = deepcopy(database)


def practice(site: Site) -> None:
    """The cloud of a seat."""
    build(site, Wanted("practice-a", "6.5", "xen-a", "10.0.1.", hosts=3, bonds=True, heartbeat_script=True))
    two = build(site, Wanted("practice-b", "8.2", "xen-b", "10.0.2.", hosts=2, brand="XCP-ng", heartbeat_script=True))
    database = two[0].db
    guest = next(vm for vm in database.vms.values() if vm.name == "i-2-10-VM")
    guest.priority, guest.always_run = "restart", True
    second = [sr.uuid for sr in database.srs.values() if sr.type == "nfs"][1]
    database.pbds_of(host=dom0.host_uuid(two[1]), sr=second)[0].attached = False
    two[1].database = deepcopy(database)
    clones(site, "6.5", "xen-c", "10.0.3.", 2)


def clones(site: Site, version: str, prefix: str, network: str, number: int) -> list[Machine]:
    """Copies of one template: the same uuids, database, secret and name, each with an address and network cards of its own."""
    template = Wanted("", version, prefix, network, hosts=1, guests=0, nfs=0, names=["xen-template"])
    first = build(site, template)[0]
    first.dns_name = f"{prefix}1"
    made = [first]
    for each in range(2, number + 1):
        machine = deepcopy(first)
        machine.id, machine.address, machine.dns_name = f"{prefix}{each}", f"{network}{10 + each}", f"{prefix}{each}"
        machine.nics = [_mac(site) for _ in first.nics]
        machine.files[dom0.MANAGEMENT_CONF] = dom0.management_conf(machine)
        own = machine.db.hosts[dom0.host_uuid(machine)]
        own.address = machine.address
        for pif in machine.db.pifs.values():
            pif.ip = machine.address if pif.management else pif.ip
        site.machines[machine.id] = machine
        made.append(machine)
    for machine in made:
        _forget_shared(machine.db)
    return made


def _forget_shared(database: Database) -> None:
    """A template has local storage only."""
    gone = {sr.uuid for sr in database.srs.values() if sr.shared}
    database.srs = {key: sr for key, sr in database.srs.items() if key not in gone}
    database.pbds = {key: pbd for key, pbd in database.pbds.items() if pbd.sr not in gone}
