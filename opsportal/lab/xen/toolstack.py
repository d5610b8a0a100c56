"""xapi on one machine: starting, following a master, emergency mode, and how a master notices that a host is silent.

From xen-api: xapi.ml, dbsync_master.ml, dbsync_slave.ml, xapi_pool.ml (hello), xapi_host_helpers.ml (consider_enabling_host).
"""

from __future__ import annotations

from copy import deepcopy

from opsportal.lab.xen import dom0, install
from opsportal.lab.xen.clock import CLOCKS, SETTLERS, job
from opsportal.lab.xen.model import Database, Files, Host, Job, Machine, Pbd, Site
from opsportal.lab.xen.texts import LOST

START = 20.0
"""Seconds in which xapi answers HOST_STILL_BOOTING."""
SILENCE = 600.0
"""Without HA a host counts as live for so long after its last heartbeat."""
BACKUP = 240.0
"""A member's copy of the database is at most so old."""


def die(site: Site, machine: Machine) -> None:
    """The machine went down: all clients on it end without a word."""
    _end(machine)
    for key in [key for key, client in site.calls.items() if client.machine == machine.id]:
        site.answer(key, code=137)


def stop(site: Site, machine: Machine, why: str) -> None:
    if machine.xapi.state == "stopped":
        return
    _end(machine)
    for key in [key for key, client in site.calls.items() if client.machine == machine.id and client.xe]:
        site.answer(key, err=LOST + "\n", code=1)
    site.tell("xapi-stopped", machine, why)


def _end(machine: Machine) -> None:
    xapi = machine.xapi
    xapi.state, xapi.error, xapi.held = "stopped", [], []
    xapi.epoch += 1


def start(site: Site, machine: Machine, why: str, writes: Files | None = None) -> None:
    """Reads its files when it has come up, so what a script writes in the meantime still counts."""
    if not machine.on or machine.xapi.state != "stopped":
        return
    machine.xapi.epoch += 1
    machine.xapi.state = "starting"
    site.tell("xapi-started", machine, why, writes)
    site.later(START, "xapi-ready", machine, bound=True)


def restart(site: Site, machine: Machine, why: str, writes: Files | None = None, pause: float = 3.0) -> None:
    stop(site, machine, why)
    site.later(pause, "xapi-start", machine, bound=True, why=why, writes=dict(writes or {}))


@job("xapi-start")
def _start(site: Site, job: Job) -> None:
    start(site, site.machines[job.machine], job.data["why"], job.data["writes"])


@job("xapi-retry")
def _retry(site: Site, job: Job) -> None:
    restart(site, site.machines[job.machine], "xapi in emergency mode restarts itself and tries again", pause=1.0)


@job("xapi-reconnect")
def _reconnect(site: Site, job: Job) -> None:
    connect(site, site.machines[job.machine])


def connect(site: Site, machine: Machine) -> None:
    """The second half of a start: find the role, then lead or follow."""
    xapi = machine.xapi
    xapi.role, xapi.master = dom0.role(machine)
    if xapi.role == "broken":
        emergency(site, machine, ["HOST_BROKEN"], 60.0)
    elif xapi.role == "master":
        _lead(site, machine)
    else:
        _follow(site, machine)


def emergency(site: Site, machine: Machine, error: list[str], again: float | None = None) -> None:
    """`again`: tries to connect after so many seconds; None restarts xapi after a minute and up to two more."""
    machine.xapi.state, machine.xapi.error = "emergency", error
    if again is None:
        site.later(60.0 + site.dice().uniform(0, 120), "xapi-retry", machine, bound=True)
    else:
        site.later(again, "xapi-reconnect", machine, bound=True)


def _lead(site: Site, machine: Machine) -> None:
    if machine.database is None or machine.files.get(dom0.state_db(machine)) is None:
        install.fresh_database(site, machine)
        path = dom0.state_db(machine)
        site.tell("files", machine, "xapi has made a new database", {path: dom0.state_text(1), f"{path}.generation": "1"})
    other = _other_master(site, machine)
    if other is not None:
        restart(site, machine, f"{other.hostname} is the pool master already, so this host follows it", dom0.pool_conf(other.address))
        return
    own = install.own_record(site, machine)
    machine.db.pool.master = own.uuid
    _running(site, machine, machine.db, own)


def _other_master(site: Site, machine: Machine) -> Machine | None:
    """One of the hosts it knows leads already: then the host at hand demotes itself (check_no_other_masters)."""
    for row in machine.db.hosts.values():
        peer = site.at(row.address)
        if peer is None or peer is machine or row.uuid == dom0.host_uuid(machine) or not site.meet(machine, peer):
            continue
        if peer.xapi.state == "running" and peer.xapi.role == "master" and dom0.host_uuid(machine) in peer.db.hosts:
            return peer
    return None


def _follow(site: Site, machine: Machine) -> None:
    peer, uuid = site.at(machine.xapi.master), dom0.host_uuid(machine)
    if peer is machine:
        emergency(site, machine, ["HOST_ITS_OWN_SLAVE"], 60.0)
    elif peer is None or not site.meet(machine, peer):
        emergency(site, machine, ["INTERNAL_ERROR", _unix("EHOSTUNREACH")])
    elif peer.xapi.state == "stopped":
        emergency(site, machine, ["INTERNAL_ERROR", _unix("ECONNREFUSED")])
    elif peer.xapi.state != "running":
        emergency(site, machine, ["HOST_STILL_BOOTING"], 5.0)
    elif peer.xapi.role != "master":
        emergency(site, machine, ["HOST_IS_SLAVE", peer.xapi.master], 60.0)
    elif uuid not in peer.db.hosts or peer.files.get(dom0.SECRET) != machine.files.get(dom0.SECRET):
        emergency(site, machine, ["HOST_UNKNOWN_TO_MASTER", uuid], 60.0)
    else:
        _hello(site, machine, peer)


def _unix(name: str) -> str:
    return f'INTERNAL_ERROR: [ Unix.Unix_error(Unix.{name}, "connect", "") ]'


def _hello(site: Site, machine: Machine, master: Machine) -> None:
    """The master takes the address that the caller has, which is how a clone takes over its twin's record."""
    row = master.db.hosts[dom0.host_uuid(machine)]
    row.enabled, row.address, row.live, row.silent_since = False, machine.address, True, None
    local, shared = _flags(site, machine, master.db)
    if local != shared:
        emergency(site, machine, ["HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED"], 60.0)
        return
    _running(site, machine, master.db, row)
    machine.database = deepcopy(master.db)


def _flags(site: Site, machine: Machine, database: Database) -> tuple[bool, bool]:
    """HA as the host and as the pool have it; a host that is armed in a pool with HA off disarms itself."""
    if machine.armed and not database.pool.ha_enabled:
        disarm(site, machine, "the pool has HA off")
    return machine.armed, database.pool.ha_enabled


def disarm(site: Site, machine: Machine, why: str) -> None:
    machine.armed, machine.failover_disabled, machine.group = False, False, ""
    site.tell("files", machine, why, {**dom0.local_flags(machine), dom0.XHAD_CONF: None})


def _running(site: Site, machine: Machine, database: Database, row: Host) -> None:
    machine.xapi.state = "running"
    if machine.xapi.role == "master":
        if machine.armed != database.pool.ha_enabled:
            database.pool.ha_enabled = False
            if machine.armed:
                disarm(site, machine, "the pool has HA off")
        for other in database.hosts.values():
            if other.uuid != row.uuid and other.silent_since is None:
                other.silent_since = site.now
    row.hostname, row.address, row.live, row.silent_since = machine.hostname, machine.address, True, None
    row.software, row.edition = dom0.software(machine), machine.edition
    install.note_patches(machine, database)
    if machine.booted:
        machine.booted = False
        _after_boot(site, machine, database, row)
    _reconcile(machine, database, row)
    consider_enabling(machine, database, row)


def _after_boot(site: Site, machine: Machine, database: Database, row: Host) -> None:
    for pbd in database.pbds_of(host=row.uuid):
        pbd.attached = can_plug(site, machine, database, pbd)
    if machine.firstboot:
        machine.firstboot = False
        install.add_local_storage(site, machine, database)
        install.add_templates(site, database)


def can_plug(site: Site, machine: Machine, database: Database, pbd: Pbd) -> bool:
    sr = database.srs[pbd.sr]
    return not sr.shared or site.sees_storage(machine, sr.uuid)


def _reconcile(machine: Machine, database: Database, row: Host) -> None:
    """VMs that the database has running here but that the host does not know are halted."""
    for vm in database.guests(row.uuid):
        if vm.power == "running" and vm.uuid not in machine.domains:
            vm.power, vm.host = "halted", ""


def consider_enabling(machine: Machine, database: Database, row: Host) -> None:
    """At the end of a start a host enables itself, with HA armed only when every one of its PBDs has plugged."""
    plugged = all(pbd.attached for pbd in database.pbds_of(host=row.uuid))
    row.enabled = not machine.disabled_until_reboot and (plugged or not machine.armed)


def connected(site: Site, master: Machine, row: Host) -> Machine | None:
    """The machine behind a host's record, when its xapi runs and follows this master; the master itself too."""
    peer = site.at(row.address)
    if peer is None or not site.meet(master, peer) or peer.xapi.state != "running" or dom0.host_uuid(peer) != row.uuid:
        return None
    return peer if peer is master or (peer.xapi.role == "slave" and peer.xapi.master == master.address) else None


def master_of(site: Site, machine: Machine) -> Machine | None:
    """The machine that a running member would pass a command on to; None while it hangs."""
    peer = site.at(machine.xapi.master)
    if peer is None or not site.meet(machine, peer) or peer.xapi.state != "running" or peer.xapi.role != "master":
        return None
    return peer if dom0.host_uuid(machine) in peer.db.hosts else None


def _listen(site: Site) -> None:
    for master in site.running_masters():
        group = site.groups.get(master.group)
        live = group.live if group else None
        for row in master.db.hosts.values():
            peer = connected(site, master, row)
            if live is not None:
                row.live = any(site.machines[each].address == row.address for each in live)
            _hear(site, row, heard=peer is not None, by_ha=live is not None)


def _hear(site: Site, row: Host, *, heard: bool, by_ha: bool) -> None:
    if heard:
        row.silent_since, row.live = None, True
        return
    if row.silent_since is None:
        row.silent_since = site.now
    if not by_ha and site.now - row.silent_since >= SILENCE:
        row.live = False


def _silence_ends(site: Site) -> list[float]:
    return [
        row.silent_since + SILENCE
        for master in site.running_masters()
        if master.group not in site.groups
        for row in master.db.hosts.values()
        if row.live and row.silent_since is not None
    ]


@job("backup")
def _backup(site: Site, job: Job) -> None:
    site.later(BACKUP, "backup")
    for master in list(site.running_masters()):
        for row in master.db.hosts.values():
            peer = connected(site, master, row)
            if peer is not None and peer is not master:
                peer.database = deepcopy(master.db)


SETTLERS.append(_listen)
CLOCKS.append(_silence_ends)
