"""`pool-join`, typed on the host that joins. The checks and their order are those of xapi_pool.ml."""

from __future__ import annotations

from copy import deepcopy

from opsportal.lab.xen import dom0, toolstack
from opsportal.lab.xen.clock import job
from opsportal.lab.xen.model import Database, Host, Job, Machine, Pbd, Site, since
from opsportal.lab.xen.texts import USAGE, CliError, XeError
from opsportal.lab.xen.xe_cli import Ask, command
from opsportal.lab.xen.xe_pool import FUSE

UNREACHABLE = [
    "Host cannot contact destination host: connection refused.",
    "Check destination host has services running and accessible from this host.",
]


@command("pool-join", "master-address", "master-username", "master-password")
def join(ask: Ask) -> None:
    """A master that cannot be reached is told on stdout, with exit code 0."""
    master = ask.site.at(ask.args["master-address"])
    if master is None or not ask.site.meet(ask.home, master) or master.xapi.state == "stopped":
        for line in UNREACHABLE:
            ask.say(line)
        return
    _log_in(ask, master)
    _pools(ask, master)
    _guests(ask)
    _software(ask, master)
    _hardware_and_storage(ask)
    _settings(ask, master)
    _enter(ask, master)
    ask.say("Host agent will restart and attempt to join pool in 10.000 seconds...")


def _log_in(ask: Ask, master: Machine) -> None:
    if ask.args["master-username"] != "root" or ask.args["master-password"] != master.password:
        raise CliError(f"Authentication failed\n{USAGE}")
    if master.xapi.state != "running":
        raise XeError("HOST_STILL_BOOTING")
    if master.xapi.role != "master":
        raise XeError("HOST_IS_SLAVE", master.xapi.master)


def _pools(ask: Ask, master: Machine) -> None:
    if ask.db.pool.ha_enabled or master.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    others = len(ask.db.hosts) > 1
    if dom0.host_uuid(ask.home) == master.db.pool.master:
        raise XeError("OPERATION_NOT_ALLOWED", "Host is already part of a pool" if others else "Host cannot become slave of itself")
    if others:
        raise XeError("JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS")


def _guests(ask: Ask) -> None:
    if any(vm.power == "running" for vm in ask.db.vms.values() if not vm.control_domain):
        raise XeError("JOINING_HOST_CANNOT_HAVE_RUNNING_VMS")
    if any(each.kind == "xe-goes-on" and each.machine == ask.home.id and "vm" in each.data["data"] for each in ask.site.jobs):
        raise XeError("JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS")


def _software(ask: Ask, master: Machine) -> None:
    own, its = dom0.software(ask.home), dom0.software(master)
    if own["platform_version"] != its["platform_version"] or own["product_brand"] != its["product_brand"]:
        raise XeError("HOSTS_NOT_COMPATIBLE")
    if ask.has("force"):
        return
    keys = ["product_version"] if since(ask.version, "8.3") else ["product_version", "build_number"]
    if any(own[key] != its[key] for key in keys):
        raise XeError("HOSTS_NOT_HOMOGENEOUS", "Software version differs" if since(ask.version, "7.0") else "software version differs")
    cpu = ["vendor"] if since(ask.version, "8.2") else ["vendor", "features"]
    if any(ask.home.cpu.get(key) != master.cpu.get(key) for key in cpu):
        raise XeError("HOSTS_NOT_HOMOGENEOUS", "CPUs differ")


def _hardware_and_storage(ask: Ask) -> None:
    if any(sr.shared and ask.db.pbds_of(sr=sr.uuid) for sr in ask.db.srs.values()):
        raise XeError("JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS")
    if not since(ask.version, "8.2") and any(pif.management and (pif.bond_of or pif.vlan != -1) for pif in ask.db.pifs.values()):
        raise XeError("POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC")
    if ask.db.bonds and since(ask.version, "7.0"):
        raise XeError("POOL_JOINING_HOST_HAS_BONDS" if since(ask.version, "8.2") else "POOL_JOINING_HOST_MUST_ONLY_HAVE_PHYSICAL_PIFS")


def _settings(ask: Ask, master: Machine) -> None:
    if ask.home.edition != master.edition:
        raise XeError("LICENSE_HOST_POOL_MISMATCH" if since(ask.version, "7.0") else "LICENCE_RESTRICTION")
    if dom0.software(ask.home)["network_backend"] != dom0.software(master)["network_backend"]:
        raise XeError("OPERATION_NOT_ALLOWED", "Network backends differ")
    if not since(ask.version, "7.0") and set(ask.home.patches) != set(master.patches):
        said = f"Patches applied differ: Remote has {', '.join(master.patches)} -- Local has {', '.join(ask.home.patches)}"
        raise XeError("HOSTS_NOT_HOMOGENEOUS", said)


def _enter(ask: Ask, master: Machine) -> None:
    """Its records go into the pool's database. A record with the same uuid is taken for its own, whoever's it is."""
    uuid = dom0.host_uuid(ask.home)
    own = ask.db.hosts[uuid]
    if uuid not in master.db.hosts:
        row = deepcopy(own)
        row.enabled, row.live, row.silent_since = False, True, ask.site.now
        master.db.hosts[uuid] = row
        _import(ask.site, ask.db, master.db, row)
    ask.after(FUSE, "joined", ask.home, master=master.id)


def _import(site: Site, own: Database, pool: Database, row: Host) -> None:
    for name in ("srs", "pbds", "vdis"):
        getattr(pool, name).update(deepcopy(getattr(own, name)))
    for vm in own.vms.values():
        if not vm.template:
            pool.vms[vm.uuid] = deepcopy(vm)
    bridges = {network.bridge: network.uuid for network in pool.networks.values()}
    for pif in own.pifs.values():
        moved = deepcopy(pif)
        moved.network = bridges.get(own.networks[pif.network].bridge, pif.network)
        if moved.network == pif.network:
            pool.networks[pif.network] = deepcopy(own.networks[pif.network])
        pool.pifs[pif.uuid] = moved
    for sr in pool.srs.values():
        if sr.shared:
            config = next((pbd.device_config for pbd in pool.pbds_of(sr=sr.uuid)), {})
            pbd = Pbd(site.uuid(), row.uuid, sr.uuid, attached=False, device_config=dict(config))
            pool.pbds[pbd.uuid] = pbd


@job("joined")
def _joined(site: Site, job: Job) -> None:
    """It takes the pool's secret and root password with it."""
    machine, master = site.machines[job.machine], site.machines[job.data["master"]]
    if not machine.on:
        return
    machine.booted, machine.password = True, master.password
    writes = {**dom0.pool_conf(master.address), dom0.SECRET: master.files.get(dom0.SECRET)}
    toolstack.restart(site, machine, f"it joins the pool of {master.hostname}", writes)
