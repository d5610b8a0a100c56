"""The classes that `xe CLASS-list` knows: their rows and fields. Those of hosts and pools are in xe_fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opsportal.lab.xen import planning
from opsportal.lab.xen.model import VERSIONS, Bond, Database, Pif, Sr, Vm
from opsportal.lab.xen.printing import NOWHERE, Field, Value, View, truth
from opsportal.lab.xen.texts import XeError
from opsportal.lab.xen.xe_fields import HOST, POOL, attribute, boolean, fixed, flag, writable

AGILE = ("nfs", "lvmoiscsi", "lvmohba", "iso", "smb")


@dataclass(frozen=True)
class Table:
    """`kind` is the name that UUID_INVALID prints."""

    kind: str
    rows: Callable[[Database], Iterable[Any]]
    fields: list[Field]
    first: str = VERSIONS[0]


def _host_name(view: View, uuid: str) -> str:
    row = view.database.hosts.get(uuid)
    return row.name if row else NOWHERE


def _sr_host(view: View, row: Sr) -> str:
    pbds = view.database.pbds_of(sr=row.uuid)
    if not pbds:
        return NOWHERE
    return "<shared>" if len(pbds) > 1 else _host_name(view, pbds[0].host)


def _name(view: View, table: str, uuid: str) -> str:
    row = getattr(view.database, table).get(uuid)
    return row.name if row else NOWHERE


SR = [
    attribute("uuid", "uuid", default=True),
    writable("name-label", "name", default=True),
    writable("name-description", "description", default=True),
    Field("host", _sr_host, default=True),
    fixed("allowed-operations", ["forget", "VDI.create", "plug", "update", "destroy", "scan", "VDI.clone", "unplug"], shape="S"),
    fixed("current-operations", [], shape="S"),
    Field("VDIs", lambda view, row: [vdi.uuid for vdi in view.database.vdis.values() if vdi.sr == row.uuid], shape="S"),
    Field("PBDs", lambda view, row: [pbd.uuid for pbd in view.database.pbds_of(sr=row.uuid)], shape="S"),
    Field("virtual-allocation", lambda _view, row: str(row.used)),
    Field("physical-utilisation", lambda _view, row: str(row.used)),
    Field("physical-size", lambda _view, row: str(row.size)),
    attribute("type", "type", default=True),
    attribute("content-type", "content", default=True),
    flag("shared", "shared", put=lambda _view, row, value: setattr(row, "shared", boolean(value))),
    fixed("introduced-by", NOWHERE),
    attribute("other-config", "other_config", shape="M", edit=True),
    attribute("sm-config", "sm_config", shape="M"),
    fixed("blobs", ""),
    fixed("local-cache-enabled", "false"),
    attribute("tags", "tags", shape="S", edit=True, comma=True),
]

PBD = [
    attribute("uuid", "uuid", default=True),
    attribute("host", "host", deprecated="6.2"),
    attribute("host-uuid", "host", default=True),
    Field("host-name-label", lambda view, row: _host_name(view, row.host)),
    attribute("sr-uuid", "sr", default=True),
    Field("sr-name-label", lambda view, row: _name(view, "srs", row.sr)),
    attribute("device-config", "device_config", shape="M", default=True),
    flag("currently-attached", "attached", default=True),
    attribute("other-config", "other_config", shape="M", edit=True),
    fixed("storage-lock", "false"),
]


VDI = [
    attribute("uuid", "uuid", default=True),
    writable("name-label", "name", default=True),
    writable("name-description", "description", default=True),
    fixed("is-a-snapshot", "false"),
    fixed("snapshot-of", NOWHERE),
    fixed("snapshots", [], shape="S"),
    fixed("snapshot-time", "19700101T00:00:00Z"),
    fixed("allowed-operations", ["clone", "snapshot", "resize"], shape="S"),
    fixed("current-operations", [], shape="S"),
    attribute("sr-uuid", "sr", default=True),
    Field("sr-name-label", lambda view, row: _name(view, "srs", row.sr)),
    fixed("vbd-uuids", [], shape="S"),
    fixed("crashdump-uuids", [], shape="S"),
    Field("virtual-size", lambda _view, row: str(row.size), default=True),
    Field("physical-utilisation", lambda _view, row: str(row.size)),
    Field("location", lambda _view, row: row.uuid),
    fixed("type", "User"),
    flag("sharable", "sharable", default=True),
    fixed("read-only", "false", default=True),
    fixed("managed", "true"),
    fixed("missing", "false"),
    fixed("other-config", {}, shape="M"),
]


def _priority(view: View, row: Vm, value: str) -> None:
    if value not in ("", "restart", "best-effort"):
        raise XeError("INVALID_VALUE", "ha_restart_priority", value)
    if value == "restart" and view.database.pool.ha_enabled and row.priority != "restart":
        assert_agile(view.database, row)
        planning.assert_plan(view.database, extra=row.memory)
    row.priority = value
    row.always_run = bool(value) and (row.power == "running" or row.always_run)
    planning.refresh(view.database)


def assert_agile(database: Database, vm: Vm) -> None:
    """A VM that is to be restarted anywhere needs storage that every host has plugged."""
    for uuid in vm.vdis:
        sr = database.srs[database.vdis[uuid].sr]
        plugged = {pbd.host for pbd in database.pbds_of(sr=sr.uuid) if pbd.attached}
        if not sr.shared or plugged < set(database.hosts):
            raise XeError("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", f"ref:{sr.uuid}")


def _always_run(view: View, row: Vm, value: str) -> None:
    _priority(view, row, "restart" if boolean(value) else "")


def _resident(view: View, row: Vm) -> str:
    return row.host if row.host in view.database.hosts else NOWHERE


def _possible(view: View, row: Vm) -> Value:
    return [host.uuid for host in view.database.hosts.values() if host.live and host.enabled]


VM = [
    attribute("uuid", "uuid", default=True),
    writable("name-label", "name", default=True),
    writable("name-description", "description", default=True),
    fixed("user-version", "1"),
    flag("is-a-template", "template", put=lambda _view, row, value: setattr(row, "template", boolean(value))),
    fixed("is-a-snapshot", "false"),
    fixed("snapshots", [], shape="S"),
    flag("is-control-domain", "control_domain"),
    attribute("power-state", "power", default=True),
    Field("memory-actual", lambda _view, row: str(row.memory if row.power == "running" else 0)),
    Field("memory-target", lambda _view, row: str(row.memory), expensive=True),
    Field("memory-static-max", lambda _view, row: str(row.memory)),
    Field("memory-dynamic-max", lambda _view, row: str(row.memory)),
    fixed("suspend-VDI-uuid", NOWHERE),
    Field("VCPUs-max", lambda _view, row: str(row.vcpus)),
    Field("VCPUs-at-startup", lambda _view, row: str(row.vcpus)),
    fixed("actions-after-reboot", "Restart"),
    fixed("actions-after-crash", "Restart"),
    fixed("allowed-operations", ["shutdown", "pool_migrate"], shape="S"),
    fixed("current-operations", [], shape="S"),
    Field("ha-always-run", lambda _view, row: truth(row.always_run), put=_always_run, deprecated="6.2"),
    Field("ha-restart-priority", lambda _view, row: row.priority, put=_priority),
    fixed("blobs", ""),
    Field("order", lambda _view, row: str(row.order), put=lambda _view, row, value: setattr(row, "order", planning.whole(value))),
    fixed("start-delay", "0"),
    fixed("shutdown-delay", "0"),
    attribute("other-config", "other_config", shape="M", edit=True),
    Field("possible-hosts", _possible, shape="S", expensive=True),
    Field("resident-on", _resident),
    fixed("affinity", NOWHERE),
    Field("VCPUs-number", lambda _view, row: str(row.vcpus)),
    fixed("dom-id", "-1"),
    attribute("tags", "tags", shape="S", edit=True, comma=True),
]


def _bond_of(view: View, row: Pif) -> str:
    return row.bond_of or NOWHERE


PIF = [
    attribute("uuid", "uuid", default=True),
    attribute("device", "device", default=True),
    Field("MAC", lambda _view, row: row.mac, default_from="8.3"),
    fixed("physical", "true"),
    flag("managed", "attached", first="7.0"),
    flag("currently-attached", "attached", default=True),
    Field("MTU", lambda _view, row: "1500"),
    Field("VLAN", lambda _view, row: str(row.vlan), default=True),
    Field("bond-master-of", _bond_of),
    Field("bond-slave-of", lambda _view, row: row.bond or NOWHERE),
    fixed("sriov-physical-PIF-of", NOWHERE, first="8.2"),
    flag("management", "management"),
    attribute("network-uuid", "network", default=True),
    Field("network-name-label", lambda view, row: _name(view, "networks", row.network)),
    attribute("host-uuid", "host"),
    Field("host-name-label", lambda view, row: _host_name(view, row.host)),
    attribute("IP-configuration-mode", "mode"),
    attribute("IP", "ip"),
    Field("netmask", lambda _view, row: "255.255.255.0" if row.ip else ""),
    Field("gateway", lambda _view, row: row.ip.rpartition(".")[0] + ".1" if row.ip else ""),
    fixed("DNS", ""),
    fixed("properties", {"gro": "on"}, shape="M", first="6.5"),
    fixed("io_read_kbs", "0.000", expensive=True),
    flag("carrier", "carrier", expensive=True),
    fixed("vendor-name", "Intel Corporation"),
    fixed("device-name", "Ethernet Controller 10-Gigabit X540-AT2"),
    Field("speed", lambda _view, row: "10000 Mbit/s"),
    fixed("duplex", "full"),
    Field(
        "disallow-unplug",
        lambda _view, row: truth(row.disallow_unplug),
        put=lambda _view, row, value: setattr(row, "disallow_unplug", boolean(value)),
    ),
    fixed("other-config", {}, shape="M", edit=True),
]


def _links_up(view: View, row: Bond) -> str:
    return str(sum(view.database.pifs[uuid].carrier for uuid in row.slaves if uuid in view.database.pifs))


BOND = [
    attribute("uuid", "uuid", default=True),
    attribute("master", "master", default=True),
    attribute("slaves", "slaves", shape="S", default=True),
    attribute("mode", "mode"),
    fixed("properties", {}, shape="M"),
    Field("primary-slave", lambda _view, row: row.slaves[0] if row.slaves else NOWHERE),
    Field("links-up", _links_up),
    fixed("other-config", {}, shape="M", edit=True),
]


NETWORK = [
    attribute("uuid", "uuid", default=True),
    writable("name-label", "name", default=True),
    writable("name-description", "description", default=True),
    fixed("VIF-uuids", [], shape="S"),
    Field("PIF-uuids", lambda view, row: [pif.uuid for pif in view.database.pifs.values() if pif.network == row.uuid], shape="S"),
    fixed("MTU", "1500"),
    attribute("bridge", "bridge", default=True),
    fixed("other-config", {}, shape="M", edit=True),
    fixed("tags", [], shape="S", comma=True),
]

PATCH = [
    attribute("uuid", "uuid", default=True),
    attribute("name-label", "name", default=True),
    attribute("name-description", "description", default=True),
    Field("size", lambda _view, row: str(row.size), default=True),
    attribute("hosts", "hosts", shape="S", comma=True, default=True),
    attribute("after-apply-guidance", "guidance", shape="S", default=True),
]
UPDATE = [
    attribute("uuid", "uuid", default=True),
    attribute("name-label", "name", default=True),
    attribute("name-description", "description", default=True),
    Field("installation-size", lambda _view, row: str(row.size), default=True),
    attribute("hosts", "hosts", shape="S", comma=True, default=True),
    attribute("after-apply-guidance", "guidance", shape="S", default=True),
    fixed("enforce-homogeneity", "false", first="8.2"),
]


TABLES: dict[str, Table] = {
    "host": Table("host", lambda db: db.hosts.values(), HOST),
    "pool": Table("pool", lambda db: [db.pool], POOL),
    "sr": Table("SR", lambda db: db.srs.values(), SR),
    "pbd": Table("PBD", lambda db: db.pbds.values(), PBD),
    "vdi": Table("VDI", lambda db: db.vdis.values(), VDI),
    "vm": Table("VM", lambda db: [vm for vm in db.vms.values() if not vm.template], VM),
    "template": Table("VM", lambda db: [vm for vm in db.vms.values() if vm.template], VM),
    "pif": Table("PIF", lambda db: db.pifs.values(), PIF),
    "bond": Table("Bond", lambda db: db.bonds.values(), BOND),
    "network": Table("network", lambda db: db.networks.values(), NETWORK),
    "patch": Table("pool_patch", lambda db: db.patches.values(), PATCH),
    "update": Table("pool_update", lambda db: db.patches.values(), UPDATE, first="8.2"),
}
