"""Pools with the uuids and names of the recorded samples."""

from __future__ import annotations

from typing import Any

from opsportal.lab.xen import dom0
from opsportal.lab.xen.model import Database, Vdi, Vm
from opsportal.lab.xen.texts import text_of
from opsportal.lab.xen.world import Call, World
from opsportal.lab.xen.xe_errors import ERRORS

POOL = "3f2c9a10-77aa-4b0e-8f11-5a6b7c8d9e00"
U1 = "6e1f0c4a-0f0e-4a8e-9a51-2f2b7c3d1a01"
U2 = "b7d3a1f8-5c6d-4f5a-8a3e-77a1d2c4e902"
U3 = "0d9e8c7b-1234-4c4c-9b9b-abcdef012303"
SR = "a1b2c3d4-1111-2222-3333-444455556666"
SR2 = "b2c3d4e5-1111-2222-3333-444455556667"
SR_NAME = "2f7b3c1d-5e5e-4c4c-8d8d-9e9e0f0f1a1a"
VM1 = "c0ffee00-0001-4001-8001-000000000001"
VM2 = "c0ffee00-0002-4002-8002-000000000002"


def pool(version: str = "6.2", hosts: int = 3, ha: int = 0, guests: int = 0, **more: Any) -> World:
    """Machines xen1, xen2, ... at 10.0.0.11 and up, called xs01, xs02, ...; xen1 is master."""
    names = [f"xs0{number + 1}" for number in range(hosts)]
    uuids = [U1, U2, U3, *(f"0d9e8c7b-1234-4c4c-9b9b-abcdef01230{number}" for number in range(4, hosts + 1))][:hosts]
    world = World.pool(version, hosts, ha, guests=guests, names=names, uuids=uuids, uuid=POOL, srs=[SR, SR2], password="x", **more)
    for machine in world.site.machines.values():
        if SR in machine.db.srs:
            machine.db.srs[SR].name = SR_NAME
        for row in machine.db.hosts.values():
            row.description = "Default install of XenServer"
    return world


def db(world: World, host: str = "xen1") -> Database:
    return world.site.machines[host].db


def xe(world: World, line: str, host: str = "xen1", stdin: str = "") -> Call:
    """`line` without `xe`, cut at blanks."""
    return world.run(host, "xe", *line.split(), stdin=stdin)


def later(world: World, seconds: float) -> None:
    world.advance(world.now + seconds)


def master(world: World, host: str = "xen1") -> str:
    """The id of the machine that this host takes for the master."""
    said = xe(world, "pool-list params=master --minimal", host)
    uuid = said.out.strip()
    return next((machine.id for machine in world.site.machines.values() if f"INSTALLATION_UUID='{uuid}'" in str(machine.files)), said.err)


def hosts(world: World, field: str, host: str = "xen1") -> dict[str, str]:
    """Name -> field."""
    return {
        row.name: xe(world, f"host-param-get uuid={row.uuid} param-name={field}", host).out.strip()
        for row in db(world, host).hosts.values()
    }


def run_guest(world: World, uuid: str = VM1, name: str = "i-2-10-VM", host: str = "xen1", priority: str = "") -> None:
    """A VM of this name runs there, with its disk on the first NFS SR."""
    machine = world.site.machines[host]
    disk = Vdi(f"d{uuid[1:]}", f"ROOT-{name}", SR)
    leader = next((each for each in world.site.running_masters() if dom0.host_uuid(machine) in each.db.hosts), machine)
    leader.db.vdis[disk.uuid] = disk
    leader.db.vms[uuid] = Vm(uuid, name, "running", dom0.host_uuid(machine), vdis=[disk.uuid], priority=priority, always_run=bool(priority))
    machine.domains.append(uuid)


def outcome(call: Call, version: str) -> str:
    """ "hang", "ok", the code of an API error, or the text of another."""
    if not call.done:
        return "hang"
    if call.code == 0:
        return "ok"
    first = call.err.splitlines()[0]
    known = [code for code in ERRORS if text_of(code, version) == first]
    return known[0] if known else call.err.strip()
