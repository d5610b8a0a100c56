"""What Open vSwitch is configured to be: its database, read as data in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking, ovsdb
from networking.facts.ovsdb import Row
from networking.state import Bridge, Interface, Port, Ssl, Switches
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

TABLES = ("Open_vSwitch", "Bridge", "Port", "Interface", "Manager", "Controller", "SSL")
OVERVIEW = "ovs-vsctl --timeout=10 --format=json list " + " -- list ".join(TABLES)
"""No columns are named: which there are depends on the version, and one that is missing would be an error."""

SCRIPT = f"""{asking.PRELUDE}
part version
if command -v ovs-vsctl >/dev/null 2>&1; then ovs-vsctl --version
part database; root {OVERVIEW} 2>&1
else echo {asking.ABSENT}; fi
part end
"""


@dataclass(frozen=True)
class SwitchConfig(Fact[Switches | None]):
    """How Open vSwitch is configured. None on a host without it; one where it is installed and does not answer is an error."""

    timeout: ClassVar[float] = 40

    def command(self) -> Command:
        return Command(script=SCRIPT, gist=OVERVIEW)

    def parse(self, result: Result) -> Switches | None:
        parts = asking.parts(result)
        if parts["version"] == [asking.ABSENT]:
            return None
        return switches(database(parts["database"]))


def database(lines: list[str]) -> dict[str, list[Row]]:
    """Rows by table. Raises `FactError` with what Open vSwitch said instead."""
    answers = [line for line in lines if line.startswith("{")]
    if len(answers) != len(TABLES):
        said = " ".join(line for line in lines if not line.startswith("{")).strip()
        raise FactError(f"Open vSwitch gave no answer: {said[:300] or 'it said nothing'}. {asking.explain(said)}")
    return dict(zip(TABLES, ovsdb.tables(answers), strict=True))


def switches(rows: dict[str, list[Row]]) -> Switches:
    interfaces = {ovsdb.uuid(row): _interface(row) for row in rows["Interface"]}
    ports = {ovsdb.uuid(row): _port(row, interfaces) for row in rows["Port"]}
    controllers = {ovsdb.uuid(row): ovsdb.text(row["target"]) for row in rows["Controller"]}
    bridges = [_bridge(row, ports, controllers) for row in rows["Bridge"]]
    if not rows["Open_vSwitch"]:
        raise FactError("Open vSwitch's database is empty: it was never initialised. Start its service once.")
    top = rows["Open_vSwitch"][0]
    return Switches(
        version=ovsdb.text(top.get("ovs_version", "")),
        schema=ovsdb.text(top.get("db_version", "")),
        bridges=tuple(sorted(bridges, key=lambda bridge: bridge.name)),
        managers=tuple(sorted(ovsdb.text(row["target"]) for row in rows["Manager"])),
        ssl=_ssl(rows["SSL"][0]) if rows["SSL"] else None,
        external_ids=ovsdb.pairs(top.get("external_ids")),
        datapaths=tuple(sorted(str(kind) for kind in ovsdb.many(top.get("datapath_types", ["set", []])))),
    )


def _bridge(row: Row, ports: dict[str, Port], controllers: dict[str, str]) -> Bridge:
    mine = [ports[one] for one in ovsdb.references(row["ports"]) if one in ports]
    return Bridge(
        name=ovsdb.text(row["name"]),
        datapath=ovsdb.text(row.get("datapath_type", "")) or "system",
        fail_mode=ovsdb.text(row.get("fail_mode", ["set", []])),
        ports=tuple(sorted(mine, key=lambda port: port.name)),
        controllers=tuple(sorted(controllers[one] for one in ovsdb.references(row["controller"]) if one in controllers)),
        rstp=ovsdb.truth(row.get("rstp_enable", False)),
        stp=ovsdb.truth(row.get("stp_enable", False)),
        other_config=ovsdb.pairs(row.get("other_config")),
        external_ids=ovsdb.pairs(row.get("external_ids")),
    )


def _port(row: Row, interfaces: dict[str, Interface]) -> Port:
    mine = [interfaces[one] for one in ovsdb.references(row["interfaces"]) if one in interfaces]
    return Port(
        name=ovsdb.text(row["name"]),
        interfaces=tuple(sorted(mine, key=lambda interface: interface.name)),
        tag=ovsdb.number(row["tag"]),
        trunks=tuple(sorted(vlan for vlan in ovsdb.many(row["trunks"]) if isinstance(vlan, int))),
        vlan_mode=ovsdb.text(row.get("vlan_mode", ["set", []])),
        bond_mode=ovsdb.text(row["bond_mode"]),
        lacp=ovsdb.text(row["lacp"]),
        fake_bridge=ovsdb.truth(row["fake_bridge"]),
        other_config=ovsdb.pairs(row["other_config"]),
        external_ids=ovsdb.pairs(row["external_ids"]),
    )


def _interface(row: Row) -> Interface:
    kind = ovsdb.text(row["type"])
    return Interface(
        name=ovsdb.text(row["name"]),
        type="" if kind == "system" else kind,
        ofport=ovsdb.number(row["ofport"]),
        error=ovsdb.text(row.get("error", ["set", []])),
        mtu_request=ovsdb.number(row.get("mtu_request", ["set", []])),
        options=ovsdb.pairs(row["options"]),
        external_ids=ovsdb.pairs(row["external_ids"]),
    )


def _ssl(row: Row) -> Ssl:
    names = ("private_key", "certificate", "ca_cert")
    key, certificate, authority = (ovsdb.text(row[name]) for name in names)
    return Ssl(key, certificate, authority, ovsdb.truth(row["bootstrap_ca_cert"]))
