"""Turning pool HA on and off, and what else the command line says about it. From xapi_ha.ml and xapi_pool_helpers.ml."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from opsportal.lab.xen import dom0, ha, planning, toolstack
from opsportal.lab.xen.model import Database, LiveSet, Machine, Sr, Vdi, since
from opsportal.lab.xen.selectors import sr as sr_of
from opsportal.lab.xen.texts import XeError, failure, mistake, ref
from opsportal.lab.xen.xe_cli import Ask, command, goes_on

CAPABLE = ("nfs", "ext", "file", "smb", "lvmohba", "lvmoiscsi")
"""Drivers with VDI_GENERATE_CONFIG."""
STATEFILE_SIZE = 4 << 20
REDO_LOG = "Metadata for HA"
STATEFILE = "Statefile for HA"
DEFAULT_TIMEOUT = 60
RETRY = 30.0


@command("pool-ha-enable")
def enable(ask: Ask) -> None:
    """The checks in the order of xapi; the rest takes a while."""
    assert_no_toggle(ask)
    pool = ask.db.pool
    if len({row.software.get("platform_version") for row in ask.db.hosts.values()}) > 1:
        raise XeError("NOT_SUPPORTED_DURING_UPGRADE")
    if pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    if pool.restrictions.get("enable_xha") == "false":
        raise XeError("LICENCE_RESTRICTION", *(("XHA",) if since(ask.version, "7.0") else ()))
    for pif in ask.db.pifs.values():
        if pif.disallow_unplug and not pif.attached:
            raise XeError("REQUIRED_PIF_IS_UNPLUGGED", ref(pif.uuid))
    for row in ask.db.hosts.values():
        if not row.live:
            raise XeError("HOST_OFFLINE", ref(row.uuid))
    sr = _heartbeat_sr(ask)
    configuration = {key.partition(":")[2]: value for key, value in ask.args.items() if key.startswith("ha-config:")}
    pool.ha_statefiles = [_volume(ask, sr, STATEFILE, STATEFILE_SIZE).uuid]
    _volume(ask, sr, REDO_LOG, (4 << 30) if since(ask.version, "8.3") else (256 << 20))
    pool.ha_configuration = configuration
    pool.ha_plan_exists_for = 0
    timeout = _timeout(configuration.get("timeout", pool.other_config.get("default_ha_timeout", str(DEFAULT_TIMEOUT))))
    ask.then(15.0, "ha-enable", sr=sr.uuid, timeout=timeout)


def assert_no_toggle(ask: Ask) -> None:
    """From 7.0 on one toggle waits for the other to end."""
    for job in ask.site.jobs:
        if job.kind == "xe-goes-on" and job.machine == ask.home.id and job.data["name"] in ("ha-enable", "ha-clean-up", "ha-disable"):
            if since(ask.version, "7.0"):
                raise XeError("HA_DISABLE_IN_PROGRESS" if job.data["name"] == "ha-disable" else "HA_ENABLE_IN_PROGRESS")
            raise XeError("OTHER_OPERATION_IN_PROGRESS", "pool", ask.db.pool.uuid)


def _heartbeat_sr(ask: Ask) -> Sr:
    if "heartbeat-sr-uuids" not in ask.args:
        return _any_sr(ask.db)
    sr = sr_of(ask, ask.args["heartbeat-sr-uuids"].split(",")[0])
    if not _plugged_everywhere(ask.db, sr):
        raise XeError("SR_HAS_NO_PBDS", ref(sr.uuid))
    if sr.type not in CAPABLE:
        raise XeError("SR_OPERATION_NOT_SUPPORTED", ref(sr.uuid))
    if since(ask.version, "8.2") and sr.size - sr.used < (4 << 30 if since(ask.version, "8.3") else 260 << 20):
        raise XeError("SR_SOURCE_SPACE_INSUFFICIENT", ref(sr.uuid))
    return sr


def _any_sr(database: Database) -> Sr:
    for sr in database.srs.values():
        if sr.type in CAPABLE and _plugged_everywhere(database, sr):
            return sr
    raise XeError("CANNOT_CREATE_STATE_FILE")


def _plugged_everywhere(database: Database, sr: Sr) -> bool:
    return {pbd.host for pbd in database.pbds_of(sr=sr.uuid) if pbd.attached} == set(database.hosts)


def _volume(ask: Ask, sr: Sr, name: str, size: int) -> Vdi:
    """One that suits is used again; they are not destroyed when HA is turned off."""
    for vdi in ask.db.vdis.values():
        if vdi.sr == sr.uuid and vdi.name == name:
            return vdi
    vdi = Vdi(ask.site.uuid(), name, sr.uuid, size, sharable=True)
    ask.db.vdis[vdi.uuid] = vdi
    return vdi


def _timeout(value: str) -> int:
    number = planning.whole(value)
    if number < 10:
        raise failure('Failure("constraint violation: timeout >= 10")')
    return number


@goes_on("ha-enable")
def _enable(ask: Ask, data: dict[str, Any]) -> None:
    """Attaches the statefile everywhere and forms the live set. A host that cannot be reached makes the clean-up begin."""
    members, sr = list[Machine](), data["sr"]
    for row in ask.db.hosts.values():
        try:
            members.append(ask.machine(row))
        except XeError as error:
            _clean_up(ask, {"error": [error.code, *error.params]})
            return
    if not all(ask.site.sees_storage(machine, sr) for machine in members):
        raise XeError("VDI_NOT_AVAILABLE", ref(ask.db.pool.ha_statefiles[0]))
    group = ha.form(ask.site, ask.home, members, sr, float(data["timeout"]))
    ask.db.pool.ha_enabled = True
    for row in ask.db.hosts.values():
        row.ha_statefiles = list(ask.db.pool.ha_statefiles)
        row.ha_peers = [dom0.host_uuid(ask.site.machines[member]) for member in group.members]
    planning.refresh(ask.db)
    spread(ask)


def spread(ask: Ask) -> None:
    """Every member that can be reached gets the database as it is now."""
    for row in ask.db.hosts.values():
        peer = toolstack.connected(ask.site, ask.home, row)
        if peer is not None and peer is not ask.home:
            peer.database = deepcopy(ask.db)


@goes_on("ha-clean-up")
def _clean_up(ask: Ask, data: dict[str, Any]) -> None:
    """A failed enable first disarms every host, and tries again until all have answered; only then the error is returned."""
    if all(toolstack.connected(ask.site, ask.home, row) for row in ask.db.hosts.values()):
        raise XeError(*data["error"])
    ask.then(RETRY, "ha-clean-up", **data)


@command("pool-ha-disable")
def disable(ask: Ask) -> None:
    assert_no_toggle(ask)
    if not ask.db.pool.ha_enabled:
        raise XeError("HA_NOT_ENABLED")
    ask.then(10.0, "ha-disable")


@goes_on("ha-disable")
def _disable(ask: Ask, data: dict[str, Any]) -> None:
    """Through the statefile while the master can reach it, best effort; without it every host must be told, again and again until it is."""
    group = ask.site.groups.get(ask.home.group)
    if group is None:
        _off(ask)
    elif ask.site.sees_storage(ask.home, group.sr):
        _off(ask)
        ha.dissolve(ask.site, group)
    elif all(toolstack.connected(ask.site, ask.home, row) for row in ask.db.hosts.values()):
        _off(ask)
        _disarm_all(ask, group)
    else:
        ask.then(RETRY, "ha-disable")


def _off(ask: Ask) -> None:
    """ha-configuration and ha-statefiles keep their last values."""
    ask.db.pool.ha_enabled = False
    ask.db.pool.ha_plan_exists_for = 0


def _disarm_all(ask: Ask, group: LiveSet) -> None:
    group.valid = False
    for member in group.members:
        toolstack.disarm(ask.site, ask.site.machines[member], "HA is off")
    del ask.site.groups[group.id]


@command("pool-ha-compute-max-host-failures-to-tolerate")
def compute_max(ask: Ask) -> None:
    ask.say(str(planning.bearable(ask.db)))


@command("pool-ha-compute-hypothetical-max-host-failures-to-tolerate")
def compute_hypothetical(ask: Ask) -> None:
    """One pair of vm-uuid and restart-priority; more of the same name cannot be told apart."""
    if ("vm-uuid" in ask.args) != ("restart-priority" in ask.args):
        raise mistake("Call requires an equal number of vm-uuid and restart-priority arguments")
    vm = ask.db.vms.get(ask.args.get("vm-uuid", ""))
    ask.say(str(planning.bearable(ask.db, extra=vm.memory if vm and ask.args["restart-priority"] == "restart" else 0)))


DANGEROUS = "This operation is {}dangerous and may cause data loss. This operation must be forced (use --force)."


@command("host-emergency-ha-disable", local=True)
def emergency_disable(ask: Ask) -> None:
    """This host only: its daemon stops, the others hear no more of it."""
    if not ask.has("force"):
        raise mistake(DANGEROUS.format("" if since(ask.version, "8.3") else "extremely "))
    if not ask.home.armed:
        if ask.has("soft") and since(ask.version, "7.0"):
            return
        raise XeError("HA_NOT_ENABLED")
    toolstack.disarm(ask.site, ask.home, "HA was disabled on this host alone, in an emergency")


@command("host-ha-xapi-healthcheck", local=True)
def healthcheck(ask: Ask) -> None:
    """2 stands for unhealthy: xapi has not come up yet."""
    ask.code = 2 if ask.home.xapi.state == "starting" else 0
    if not ask.code:
        ask.say("xapi is healthy.")
