"""What a host's network says, parsed. `cases/debian12-*.txt` are whole answers of a real host with Open vSwitch 3.1."""

from __future__ import annotations

from pathlib import Path

import pytest

from networking.facts import asking, links, ovsdb
from networking.facts.kernel import KernelNetwork
from networking.facts.links import SwitchLinks
from networking.facts.switches import SwitchConfig
from networking.state import Bond, BondMember, Bridge, Lacp, Port, Route
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result

CASES = Path(__file__).parent / "cases"


def answer(name: str) -> Result:
    return Result(0, (CASES / f"{name}.txt").read_text())


@pytest.fixture(scope="module")
def bridges() -> dict[str, Bridge]:
    found = SwitchConfig("host:1").parse(answer("debian12-config"))
    assert found is not None
    return {bridge.name: bridge for bridge in found.bridges}


def ports(bridge: Bridge) -> dict[str, Port]:
    return {port.name: port for port in bridge.ports}


class TestConfig:
    def test_bridges_by_name_with_their_datapath(self, bridges: dict[str, Bridge]) -> None:
        assert list(bridges) == ["br-tun", "br-underlay", "br0"]
        assert {bridge.datapath for bridge in bridges.values()} == {"netdev"}
        assert not any(bridge.broken for bridge in bridges.values())

    def test_a_bond_is_one_port_of_several_interfaces(self, bridges: dict[str, Bridge]) -> None:
        bond = ports(bridges["br0"])["bond0"]
        assert bond.bond and bond.bond_mode == "balance-tcp" and bond.lacp == "active"
        assert [one.name for one in bond.interfaces] == ["eth1", "eth2"]
        assert dict(bond.other_config) == {"lacp-time": "fast"}

    def test_fake_bridges_are_ports_with_their_tag(self, bridges: dict[str, Bridge]) -> None:
        assert [(port.name, port.tag) for port in bridges["br0"].fake] == [("mgmt100", 100), ("pub200", 200), ("stor300", 300)]

    def test_a_tunnel_has_its_remote_end_and_key(self, bridges: dict[str, Bridge]) -> None:
        (tunnel,) = ports(bridges["br-tun"])["vx0"].interfaces
        assert (tunnel.type, tunnel.option("remote_ip"), tunnel.option("key")) == ("vxlan", "198.51.100.12", "204")
        assert tunnel.tunnel and tunnel.works

    def test_what_vswitchd_could_not_do_is_told_by_error_and_ofport(self, bridges: dict[str, Bridge]) -> None:
        """ovs-vsctl had exited with 0 for it."""
        (failed,) = ports(bridges["br0"])["nosuchnic"].interfaces
        assert failed.ofport == -1 and "No such device" in failed.error and not failed.works

    def test_managers_and_system(self) -> None:
        found = SwitchConfig("host:1").parse(answer("debian12-config"))
        assert found is not None
        assert (found.version, found.managers, found.ssl) == ("3.1.0", ("ssl:203.0.113.1:6632",), None)
        assert dict(found.external_ids)["hostname"] == "t0h1"

    def test_finding_where_an_interface_is_plugged(self) -> None:
        found = SwitchConfig("host:1").parse(answer("debian12-config"))
        assert found is not None
        bridge, port = found.carrier("eth2") or (None, None)
        assert bridge and port and (bridge.name, port.name) == ("br0", "bond0")
        assert found.carrier("eth0") is None and found.port("nowhere") is None

    def test_a_host_without_open_vswitch(self) -> None:
        said = Result(0, "== version\nabsent\n== end\n")
        assert SwitchConfig("host:1").parse(said) is None
        assert SwitchLinks("host:1").parse(said) is None

    @pytest.mark.parametrize(
        ("said", "advice"),
        [
            ("ovs-vsctl: unix:/var/run/openvswitch/db.sock: database connection failed (No such file or directory)", "start openvswitch"),
            ("ovs-vsctl: unix:/var/run/openvswitch/db.sock: database connection failed (Permission denied)", "for root only"),
            ("sudo: a password is required", "allow sudo without a password"),
            ("", "it said nothing"),
        ],
    )
    def test_no_answer_of_the_database_is_an_error_with_advice(self, said: str, advice: str) -> None:
        with pytest.raises(FactError, match=advice):
            SwitchConfig("host:1").parse(Result(0, f"== version\novs-vsctl (Open vSwitch) 3.1.0\n== database\n{said}\n== end\n"))

    def test_an_answer_that_stops_early_is_an_error(self) -> None:
        with pytest.raises(FactError, match="exit code 255"):
            SwitchConfig("host:1").parse(Result(255, "== version\n", "Connection reset"))

    def test_a_database_that_was_never_initialised(self) -> None:
        empty = '{"data":[],"headings":["_uuid"]}\n' * 7
        with pytest.raises(FactError, match="never initialised"):
            SwitchConfig("host:1").parse(Result(0, f"== version\nx\n== database\n{empty}== end\n"))


class TestOvsdb:
    @pytest.mark.parametrize(
        ("value", "items"), [(["set", []], []), (5, [5]), (["set", [1, 2]], [1, 2]), ("a", ["a"]), (["uuid", "u"], [["uuid", "u"]])]
    )
    def test_a_set_of_one_is_the_bare_value(self, value: object, items: list[object]) -> None:
        assert ovsdb.many(value) == items

    def test_references_of_one_and_of_several(self) -> None:
        assert ovsdb.references(["uuid", "a"]) == ["a"]
        assert ovsdb.references(["set", [["uuid", "a"], ["uuid", "b"]]]) == ["a", "b"]
        assert ovsdb.references(["set", []]) == []

    def test_true_is_no_number(self) -> None:
        assert ovsdb.number(True) is None and ovsdb.number(["set", []]) is None and ovsdb.number(0) == 0

    @pytest.mark.parametrize(
        "line", ["ovs-vsctl: no table named Nonsense", '{"headings":["a"]}', '{"data":[[1,2]],"headings":["a"]}', "[]"]
    )
    def test_what_is_no_table_is_an_error(self, line: str) -> None:
        with pytest.raises(FactError, match="did not answer with a table"):
            ovsdb.tables([line])


class TestLinks:
    def test_states_speed_and_counters(self) -> None:
        found = SwitchLinks("host:1").parse(answer("debian12-links"))
        assert found is not None
        eth1, vi0, missing = found.link("eth1"), found.link("vi0"), found.link("nosuchnic")
        assert eth1 and (eth1.link_up, eth1.speed, eth1.lacp_current) == (True, 10_000, True)
        assert vi0 and (vi0.mtu, vi0.admin_up) == (1412, True)
        assert missing and (missing.link_up, missing.speed, missing.counters.rx_bytes) == (False, None, None)

    def test_a_tunnel_says_which_way_it_leaves(self) -> None:
        found = SwitchLinks("host:1").parse(answer("debian12-links"))
        tunnel = found and found.link("vx0")
        assert tunnel and dict(tunnel.status)["tunnel_egress_iface"] == "br-underlay"

    def test_a_manager_that_is_not_there(self) -> None:
        found = SwitchLinks("host:1").parse(answer("debian12-links"))
        assert found is not None
        (manager,) = found.managers
        assert not manager.connected and not manager.settled and manager.state == "BACKOFF"

    def test_the_bond(self) -> None:
        found = SwitchLinks("host:1").parse(answer("debian12-links"))
        bond = found and found.bond("bond0")
        assert bond and bond.healthy and bond.lacp is Lacp.NEGOTIATED and bond.active == "eth1"
        assert [(one.name, one.enabled, one.active, one.lacp) for one in bond.members] == [
            ("eth1", True, True, "current"),
            ("eth2", True, False, "current"),
        ]


OLDEST = """\
bond_mode: balance-tcp
bond-hash-basis: 0
updelay: 0 ms
downdelay: 0 ms
next rebalance: 7111 ms
lacp_negotiated: true

slave eth4: enabled
\tactive slave
\tmay_enable: true

slave eth5: disabled
\tmay_enable: false
"""
V2_5 = """\
---- bond0 ----
bond_mode: active-backup
bond may use recirculation: no, Recirc-ID : -1
bond-hash-basis: 0
updelay: 0 ms
downdelay: 0 ms
lacp_status: off
active slave mac: 62:bb:f5:cf:7d:23(eth4)

slave eth4: enabled
\tactive slave
\tmay_enable: true

slave eth5: enabled
\tmay_enable: true
"""
V2_14 = V2_5.replace("\t", "  ").replace("lacp_status: off", "lacp_status: configured\nlacp_fallback_ab: false").replace(
    "downdelay: 0 ms", "downdelay: 0 ms\nlb_output action: disabled, bond-id: -1\nactive-backup primary: <none>"
).replace("slave eth4: enabled\n  active slave\n  may_enable: true", "slave eth4: disabled\n  may_enable: false").replace(
    "slave eth5: enabled", "slave eth5: disabled"
).replace("62:bb:f5:cf:7d:23(eth4)", "00:00:00:00:00:00(none)")  # fmt: skip
V3_0 = (
    V2_5.replace("\t", "  ")
    .replace("slave", "member")
    .replace("active-backup", "balance-slb")
    .replace("lacp_status", "all members active: false\nlacp_status")
)
TWO = V2_5 + "\n" + V2_5.replace("bond0", "bond1").replace("eth4", "eth6").replace("eth5", "eth7")
PORT = {"name": "bond0", "interfaces": ["set", [["uuid", "a"], ["uuid", "b"]]]}


def shown(text: str, lacp: str = "") -> tuple[Bond, ...]:
    return links.bonds([PORT], text.splitlines(), lacp.splitlines())


class TestBondsOfEveryVersion:
    def test_the_oldest_has_no_name_and_another_word_for_lacp(self) -> None:
        (bond,) = shown(OLDEST)
        assert (bond.name, bond.mode, bond.lacp) == ("bond0", "balance-tcp", Lacp.NEGOTIATED)
        assert bond.members == (BondMember("eth4", True, True), BondMember("eth5", False, False))
        assert bond.active == "eth4" and not bond.healthy

    def test_2_5_indents_with_a_tab(self) -> None:
        (bond,) = shown(V2_5)
        assert (bond.mode, bond.lacp, bond.active) == ("active-backup", Lacp.OFF, "eth4")
        assert bond.healthy

    def test_lacp_without_a_partner_carries_nothing(self) -> None:
        (bond,) = shown(V2_14)
        assert bond.lacp is Lacp.CONFIGURED and bond.active == "" and not bond.healthy
        assert [member.enabled for member in bond.members] == [False, False]

    def test_3_0_says_member_and_one_line_more(self) -> None:
        (bond,) = shown(V3_0)
        assert [member.name for member in bond.members] == ["eth4", "eth5"] and bond.members[0].active

    def test_several_bonds(self) -> None:
        assert [(bond.name, bond.active) for bond in shown(TWO)] == [("bond0", "eth4"), ("bond1", "eth6")]

    def test_old_lacp_show(self) -> None:
        one, other = "slave: eth4: current attached\n\tpartner sys_id: aa:bb:cc:dd:ee:ff\n", "slave: eth5: defaulted detached\n"
        lacp = f"---- bond0 ----\n\tstatus: active\n\tsys_id: 00:11:22:33:44:55\n\n{one}\n{other}"
        (bond,) = shown(OLDEST, lacp)
        assert bond.partner == "aa:bb:cc:dd:ee:ff" and [one.lacp for one in bond.members] == ["current", "defaulted"]

    @pytest.mark.parametrize("nothing", ["", "no such bond", "ovs-appctl: cannot read pidfile"])
    def test_no_bond(self, nothing: str) -> None:
        assert shown(nothing) == ()


class TestKernel:
    def test_interfaces_with_their_addresses(self) -> None:
        found = KernelNetwork("host:1").parse(answer("debian12-kernel"))
        eth0, mgmt = found.nic("eth0"), found.nic("mgmt100")
        assert eth0 and eth0.addresses == ("203.0.113.11/24", "2001:db8:18::11/64") and eth0.carrier
        assert mgmt and mgmt.addresses == ("10.99.100.1/24",)
        assert (found.nic("vi0") or eth0).mtu == 1412

    def test_what_carries_our_own_connection(self) -> None:
        found = KernelNetwork("host:1").parse(answer("debian12-kernel"))
        assert (found.ours, found.our_address) == ("eth0", "203.0.113.11")

    def test_routes(self) -> None:
        found = KernelNetwork("host:1").parse(answer("debian12-kernel"))
        assert Route("10.99.100.0/24", "", "mgmt100", "kernel", ("src", "10.99.100.1")) in found.routes

    def test_a_default_route_and_unreachable_ones(self) -> None:
        routes = "default via 192.0.2.1 dev eth0 proto static metric 100 onlink\nunreachable 198.51.100.0/24\n"
        nics, other = "eth0 physical aa:bb:cc:dd:ee:ff 1500 0x1003 1 \n", "default via fe80::1 dev eth0\n"
        said = f"== nics\n{nics}== addresses\n== routes\n{routes}== routes6\n{other}== ours\n\n== end\n"
        found = KernelNetwork("host:1").parse(Result(0, said))
        default = Route("0.0.0.0/0", "192.0.2.1", "eth0", "static", ("metric", "100", "onlink"))
        assert found.routes == (default, Route("::/0", "fe80::1", "eth0")) and found.ours == ""

    @pytest.mark.parametrize("nics", ["", "eth0 physical\n"])
    def test_no_interfaces_or_half_a_line_is_an_error(self, nics: str) -> None:
        with pytest.raises(FactError):
            KernelNetwork("host:1").parse(Result(0, f"== nics\n{nics}== addresses\n== routes\n== routes6\n== ours\n== end\n"))

    def test_name_servers_of_one_interface(self) -> None:
        nics = "eth0 physical aa:bb:cc:dd:ee:ff 1500 0x1003 1 \n"
        servers = "Global: 192.0.2.1\nLink 2 (eth0): 192.0.2.53 2001:db8::53\nLink 3 (eth1):\n"
        said = (
            f"== nics\n{nics}== addresses\n== routes\n== routes6\n== ours\n\n== servers\n{servers}== domains\nLink 2 (eth0): ~.\n== end\n"
        )
        found = KernelNetwork("host:1").parse(Result(0, said))
        assert found.servers == (("eth0", ("192.0.2.53", "2001:db8::53")),) and found.domains == (("eth0", ("~.",)),)


def test_every_part_of_the_answer_has_a_name() -> None:
    assert asking.parts(Result(0, "== a\nx\ny\n== b\n== end\n")) == {"a": ["x", "y"], "b": [], "end": []}
