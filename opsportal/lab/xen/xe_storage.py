"""PBDs, SRs and PIFs: what changes them. The lists are in xe_lists."""

from __future__ import annotations

from opsportal.lab.xen import planning, toolstack
from opsportal.lab.xen.model import Pbd, Sr
from opsportal.lab.xen.selectors import by_uuid, host
from opsportal.lab.xen.texts import XeError, ref
from opsportal.lab.xen.xe_cli import Ask, command

SHARED = ("nfs", "lvmoiscsi", "lvmohba", "smb")


@command("pbd-plug", "uuid")
def plug(ask: Ask) -> None:
    pbd: Pbd = by_uuid("pbd", ask.db.pbds, ask.args["uuid"])
    machine = ask.machine(ask.db.hosts[pbd.host])
    if not pbd.attached and not toolstack.can_plug(ask.site, machine, ask.db, pbd):
        raise XeError("SR_BACKEND_FAILURE_73", "", "NFS mount error [opterr=mount failed with return code 32]", "")
    pbd.attached = True


@command("pbd-unplug", "uuid")
def unplug(ask: Ask) -> None:
    pbd: Pbd = by_uuid("pbd", ask.db.pbds, ask.args["uuid"])
    machine = ask.machine(ask.db.hosts[pbd.host])
    _assert_not_needed_by_ha(ask, pbd)
    for vm in ask.db.guests(pbd.host):
        if vm.uuid in machine.domains and any(ask.db.vdis[uuid].sr == pbd.sr for uuid in vm.vdis):
            raise XeError("VDI_IN_USE", ref(next(uuid for uuid in vm.vdis if ask.db.vdis[uuid].sr == pbd.sr)), "PBD.unplug")
    pbd.attached = False


def _assert_not_needed_by_ha(ask: Ask, pbd: Pbd) -> None:
    if not ask.db.pool.ha_enabled:
        return
    if any(ask.db.vdis[uuid].sr == pbd.sr for uuid in ask.db.pool.ha_statefiles if uuid in ask.db.vdis):
        raise XeError("HA_IS_ENABLED")
    if any(ask.db.vdis[uuid].sr == pbd.sr for vm in planning.protected(ask.db) for uuid in vm.vdis):
        raise XeError("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", ref(pbd.sr))


@command("pbd-create", "host-uuid", "sr-uuid")
def create(ask: Ask) -> None:
    if ask.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    row = host(ask)
    sr: Sr = by_uuid("sr", ask.db.srs, ask.args["sr-uuid"])
    config = {key.partition(":")[2]: value for key, value in ask.args.items() if key.startswith("device-config:")}
    pbd = Pbd(ask.site.uuid(), row.uuid, sr.uuid, attached=False, device_config=config)
    ask.db.pbds[pbd.uuid] = pbd
    ask.say(pbd.uuid)


@command("pbd-destroy", "uuid")
def destroy(ask: Ask) -> None:
    pbd: Pbd = by_uuid("pbd", ask.db.pbds, ask.args["uuid"])
    if ask.db.pool.ha_enabled:
        raise XeError("HA_IS_ENABLED")
    if pbd.attached:
        raise XeError("OPERATION_NOT_ALLOWED", "PBD is currently attached")
    del ask.db.pbds[pbd.uuid]


@command("sr-introduce", "uuid", "type", "name-label")
def introduce(ask: Ask) -> None:
    kind = ask.args["type"]
    sr = Sr(ask.args["uuid"], ask.args["name-label"], kind, ask.args.get("shared") == "true" or kind in SHARED)
    ask.db.srs[sr.uuid] = sr
    ask.say(sr.uuid)


@command("sr-forget", "uuid")
def forget(ask: Ask) -> None:
    """The data stay; only the records go."""
    sr: Sr = by_uuid("sr", ask.db.srs, ask.args["uuid"])
    pbds = ask.db.pbds_of(sr=sr.uuid)
    if any(pbd.attached for pbd in pbds):
        raise XeError("SR_HAS_PBD", ref(sr.uuid))
    for pbd in pbds:
        del ask.db.pbds[pbd.uuid]
    ask.db.drop_disks({sr.uuid})
    del ask.db.srs[sr.uuid]


@command("sr-scan", "uuid")
def scan(ask: Ask) -> None:
    sr: Sr = by_uuid("sr", ask.db.srs, ask.args["uuid"])
    if not any(pbd.attached for pbd in ask.db.pbds_of(sr=sr.uuid)):
        raise XeError("SR_HAS_NO_PBDS", ref(sr.uuid))


@command("pif-plug", "uuid")
def plug_pif(ask: Ask) -> None:
    by_uuid("pif", ask.db.pifs, ask.args["uuid"]).attached = True


@command("pif-unplug", "uuid")
def unplug_pif(ask: Ask) -> None:
    pif = by_uuid("pif", ask.db.pifs, ask.args["uuid"])
    if ask.db.pool.ha_enabled and (pif.management or pif.disallow_unplug):
        raise XeError("HA_IS_ENABLED")
    pif.attached = False
