"""The fields of host and pool records, in the order of records.ml. XenServer 6.2 and 6.5 have those without a `first`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from opsportal.lab.xen import planning
from opsportal.lab.xen.model import Host, Pool
from opsportal.lab.xen.printing import NOWHERE, Field, Value, View, joined, truth
from opsportal.lab.xen.texts import XeError, mistake


def attribute(name: str, field: str, **how: Any) -> Field:
    """Shows an attribute of the record, which is a text, map or set."""
    return Field(name, lambda _view, row: getattr(row, field), **how)


def writable(name: str, field: str, **how: Any) -> Field:
    return attribute(name, field, put=lambda _view, row, value: setattr(row, field, value), **how)


def fixed(name: str, value: Value, **how: Any) -> Field:
    """What the simulation never changes: a change is accepted and forgotten."""
    return Field(name, lambda _view, _row: deepcopy(value), **how)


def flag(name: str, field: str, **how: Any) -> Field:
    return Field(name, lambda _view, row: truth(getattr(row, field)), **how)


def boolean(value: str) -> bool:
    """As 6.2 reads it."""
    if value not in ("true", "false"):
        raise mistake(f"Failed to parse parameter: expecting bool, got '{value}'")
    return value == "true"


def _rate(view: View, row: Pool, value: str) -> None:
    number = planning.whole(value)
    if number < 0:
        raise XeError("INVALID_VALUE", "ha_host_failures_to_tolerate", value)
    if row.ha_enabled and number > planning.bearable(view.database):
        raise XeError("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN")
    row.ha_tolerate = number
    planning.refresh(view.database)


def _overcommit(view: View, row: Pool, value: str) -> None:
    row.ha_allow_overcommit = boolean(value)
    planning.refresh(view.database)


def _memory_free(view: View, row: Host) -> str:
    return str(planning.free_memory(view.database, row))


def _dom0(view: View, row: Host) -> str:
    return row.dom0


def _residents(view: View, row: Host) -> Value:
    return [vm.uuid for vm in view.database.vms.values() if vm.host == row.uuid]


def _patches(view: View, row: Host) -> Value:
    return [patch.uuid for patch in view.database.patches.values() if row.uuid in patch.hosts]


def _default_sr(view: View, row: Pool) -> str:
    return row.default_sr if row.default_sr in view.database.srs else NOWHERE


CAPABILITIES = ["xen-3.0-x86_64", "xen-3.0-x86_32p", "hvm-3.0-x86_32", "hvm-3.0-x86_32p", "hvm-3.0-x86_64", ""]
HOST = [
    attribute("uuid", "uuid", default=True),
    writable("name-label", "name", default=True),
    writable("name-description", "description", default=True),
    fixed("allowed-operations", ["VM.migrate", "provision", "VM.resume", "evacuate", "VM.start"], shape="S"),
    fixed("current-operations", [], shape="S"),
    flag("enabled", "enabled"),
    fixed("display", "enabled", first="7.0"),
    fixed("API-version-major", "2"),
    fixed("API-version-minor", "3"),
    fixed("API-version-vendor", "XenSource"),
    fixed("API-version-vendor-implementation", {}, shape="M"),
    fixed("logging", {}, shape="M", edit=True),
    fixed("suspend-image-sr-uuid", NOWHERE, put=lambda _view, _row, _value: None),
    fixed("crash-dump-sr-uuid", NOWHERE, put=lambda _view, _row, _value: None),
    attribute("software-version", "software", shape="M"),
    fixed("capabilities", CAPABILITIES, shape="S"),
    attribute("other-config", "other_config", shape="M", edit=True),
    attribute("cpu_info", "cpu", shape="M"),
    fixed("chipset-info", {"iommu": "true"}, shape="M", first="6.5"),
    attribute("hostname", "hostname"),
    attribute("address", "address"),
    fixed("supported-bootloaders", ["pygrub", "eliloader"], shape="S"),
    fixed("blobs", ""),
    fixed("memory-overhead", "557633536"),
    Field("memory-total", lambda _view, row: str(row.memory)),
    Field("memory-free", _memory_free),
    Field("memory-free-computed", _memory_free, expensive=True),
    flag("host-metrics-live", "live"),
    Field("patches", _patches, shape="S", comma=True, deprecated="8.2"),
    Field("updates", _patches, shape="S", comma=True, first="8.2"),
    attribute("ha-statefiles", "ha_statefiles"),
    attribute("ha-network-peers", "ha_peers"),
    fixed("external-auth-type", ""),
    fixed("external-auth-service-name", ""),
    fixed("external-auth-configuration", {}, shape="M"),
    attribute("edition", "edition"),
    fixed("license-server", {"address": "localhost", "port": "27000"}, shape="M"),
    fixed("power-on-mode", ""),
    fixed("power-on-config", {}, shape="M"),
    fixed("local-cache-sr", NOWHERE),
    attribute("tags", "tags", shape="S", edit=True, comma=True),
    fixed("https-only", "false", first="8.3"),
    fixed("ssl-legacy", "true", put=lambda _view, _row, _value: None, first="7.0"),
    fixed("guest_VCPUs_params", {}, shape="M", edit=True),
    fixed("virtual-hardware-platform-versions", ["0", "1", "2"], shape="S", first="7.0"),
    Field("control-domain-uuid", _dom0, first="8.2"),
    Field("resident-vms", _residents, shape="S", first="8.2"),
    fixed("updates-requiring-reboot", [], shape="S", comma=True, first="8.2"),
    fixed("features", [], shape="S", first="8.2"),
    fixed("iscsi_iqn", "iqn.2016-02.com.example:practice", put=lambda _view, _row, _value: None, first="8.2"),
    fixed("multipathing", "false", put=lambda _view, _row, _value: None, first="8.2"),
    fixed("pending-guidances", [], shape="S", first="8.3"),
    fixed("tls-verification-enabled", "true", first="8.3"),
]

POOL = [
    attribute("uuid", "uuid", default=True),
    writable("name-label", "name", default=True),
    writable("name-description", "description", default=True),
    attribute("master", "master", default=True),
    Field("default-SR", _default_sr, default=True, put=lambda _view, row, value: setattr(row, "default_sr", value)),
    fixed("crash-dump-SR", NOWHERE, put=lambda _view, _row, _value: None),
    fixed("suspend-image-SR", NOWHERE, put=lambda _view, _row, _value: None),
    fixed("supported-sr-types", "lvm; iso; ext; nfs; file; lvmoiscsi; lvmohba; udev; dummy", expensive=True),
    attribute("other-config", "other_config", shape="M", edit=True),
    fixed("allowed-operations", ["ha_enable"], shape="S", first="7.0"),
    fixed("current-operations", [], shape="S", first="7.0"),
    flag("ha-enabled", "ha_enabled"),
    Field("ha-configuration", lambda _view, row: joined(row.ha_configuration)),
    Field("ha-statefiles", lambda _view, row: joined(row.ha_statefiles)),
    Field("ha-host-failures-to-tolerate", lambda _view, row: str(row.ha_tolerate), put=_rate),
    Field("ha-plan-exists-for", lambda _view, row: str(row.ha_plan_exists_for)),
    Field("ha-allow-overcommit", lambda _view, row: truth(row.ha_allow_overcommit), put=_overcommit),
    flag("ha-overcommitted", "ha_overcommitted"),
    fixed("blobs", ""),
    fixed("wlb-url", "", first="7.0"),
    fixed("wlb-username", "", first="7.0"),
    fixed("wlb-enabled", "false", put=lambda _view, _row, _value: None, first="7.0"),
    fixed("wlb-verify-cert", "false", put=lambda _view, _row, _value: None, first="7.0"),
    fixed("igmp-snooping-enabled", "false", first="8.2"),
    attribute("gui-config", "gui_config", shape="M", edit=True),
    Field("restrictions", lambda _view, row: joined(row.restrictions)),
    attribute("tags", "tags", shape="S", edit=True, comma=True),
    fixed("license-state", "edition: free; expiry: never"),
    fixed("ha-cluster-stack", "xhad", first="7.0"),
]
