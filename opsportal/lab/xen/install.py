"""What an installation leaves on a host: records, local storage, networks and templates of a fresh single-host pool."""

from __future__ import annotations

from opsportal.lab.xen import dom0
from opsportal.lab.xen.model import Database, Host, Machine, Network, Patch, Pbd, Pif, Pool, Site, Sr, Vm, since

TEMPLATES = (
    "CentOS 7",
    "CoreOS",
    "Debian Jessie 8.0",
    "Other install media",
    "Red Hat Enterprise Linux 7",
    "Ubuntu Trusty Tahr 14.04",
    "Windows Server 2012 R2 (64-bit)",
)


def fresh_database(site: Site, machine: Machine) -> Database:
    """As xapi makes it at its first start: no storage and no templates yet, the name-label is the hostname."""
    host = host_record(machine, machine.hostname)
    database = Database(Pool(site.uuid(), host.uuid))
    machine.database = database
    add_host(site, database, machine, host)
    return database


def host_record(machine: Machine, name: str) -> Host:
    found = dom0.inventory(machine)
    return Host(
        uuid=found["INSTALLATION_UUID"],
        name=name,
        address=machine.address,
        hostname=machine.hostname,
        dom0=found["CONTROL_DOMAIN_UUID"],
        description=f"Default install of {machine.brand}" if machine.brand == "XCP-ng" else "Default install of XenServer",
        software=dom0.software(machine),
        cpu=dict(machine.cpu),
        memory=machine.memory,
        edition=machine.edition,
    )


def own_record(site: Site, machine: Machine) -> Host:
    """The record with the uuid of the inventory: made anew when the inventory names another one than the database knows."""
    uuid = dom0.host_uuid(machine)
    if uuid not in machine.db.hosts:
        add_host(site, machine.db, machine, host_record(machine, machine.hostname))
    return machine.db.hosts[uuid]


def add_host(site: Site, database: Database, machine: Machine, host: Host) -> None:
    database.hosts[host.uuid] = host
    note_patches(machine, database)
    name = f"Control domain on host: {host.name}"
    database.vms[host.dom0] = Vm(host.dom0, name, "running", host.uuid, control_domain=True, memory=2 << 30, vcpus=4)
    for number, mac in enumerate(machine.nics):
        add_pif(site, database, machine, host, number, mac)


def note_patches(machine: Machine, database: Database) -> None:
    """xapi finds on the disk what was applied there, whatever the database says."""
    for uuid, name in machine.patches.items():
        patch = database.patches.setdefault(uuid, Patch(uuid, name, 55 << 20))
        if dom0.host_uuid(machine) not in patch.hosts:
            patch.hosts.append(dom0.host_uuid(machine))


def add_pif(site: Site, database: Database, machine: Machine, host: Host, number: int, mac: str) -> None:
    bridge = f"xenbr{number}"
    network = next((each for each in database.networks.values() if each.bridge == bridge), None)
    if network is None:
        network = Network(site.uuid(), f"Pool-wide network associated with eth{number}", bridge)
        database.networks[network.uuid] = network
    pif = Pif(site.uuid(), host.uuid, f"eth{number}", network.uuid, mac)
    if number == 0:
        static = "dhcp" not in (machine.files.get(dom0.MANAGEMENT_CONF) or "")
        pif.management, pif.ip, pif.mode = True, machine.address, "Static" if static else "DHCP"
    database.pifs[pif.uuid] = pif


def add_local_storage(site: Site, machine: Machine, database: Database) -> Sr:
    """The local disk, and the two drives that every host has. Returns the disk's SR."""
    host = dom0.host_uuid(machine)
    kind = "ext" if since(machine.version, "6.5") else "lvm"
    disk = Sr(site.uuid(), "Local storage", kind, size=900 << 30, used=20 << 30)
    drives = (
        Sr(site.uuid(), "DVD drives", "udev", description="Physical DVD drives", content="iso", size=0, used=0),
        Sr(site.uuid(), "Removable storage", "udev", content="disk", size=0, used=0),
    )
    for sr in (disk, *drives):
        database.srs[sr.uuid] = sr
        config = {"device": "/dev/sda3"} if sr is disk else {"location": "/dev/xapi/cd" if sr.content == "iso" else "/dev/xapi/block"}
        pbd = Pbd(site.uuid(), host, sr.uuid, device_config=config)
        database.pbds[pbd.uuid] = pbd
    return disk


def add_templates(site: Site, database: Database) -> int:
    """Makes those that are missing; returns how many there are then."""
    there = {vm.name for vm in database.vms.values() if vm.template}
    for name in TEMPLATES:
        if name not in there:
            vm = Vm(site.uuid(), name, template=True, other_config={"default_template": "true"})
            database.vms[vm.uuid] = vm
    return len(TEMPLATES)


def forget_host(database: Database, host: str) -> None:
    """Its record, interfaces, PBDs, and the storage that nobody else has."""
    own = [pbd.sr for pbd in database.pbds_of(host=host)]
    database.pbds = {key: pbd for key, pbd in database.pbds.items() if pbd.host != host}
    gone = {sr for sr in own if not database.pbds_of(sr=sr) and not database.srs[sr].shared}
    database.srs = {key: sr for key, sr in database.srs.items() if key not in gone}
    database.drop_disks(gone)
    database.vms.pop(database.hosts[host].dom0, None)
    pifs = {key for key, pif in database.pifs.items() if pif.host == host}
    database.bonds = {key: bond for key, bond in database.bonds.items() if bond.master not in pifs}
    database.pifs = {key: pif for key, pif in database.pifs.items() if key not in pifs}
    for patch in database.patches.values():
        patch.hosts = [each for each in patch.hosts if each != host]
    del database.hosts[host]
