"""What is written for the next boot, for every system that may bring a host's interfaces up, and what people's files say."""

from __future__ import annotations

import base64
import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from networking.facts.boot import BootConfig
from networking.persistence import findings, keeping, ways
from networking.persistence.boot import Boot, BootFiles, Configured, OwnFile
from networking.seen import Seen
from opsportal.operations.facts import FactError
from opsportal.operations.guards import Level
from opsportal.operations.steps import PutFile, RunCommand
from opsportal.transport.base import Result
from tests.networking.stored import seen, stored

NOTHING = BootFiles(True, (), "", True, (), (), (), enabled=False)
PORT = Boot("vi0", ("10.98.7.1/24", "2001:db8::1/64"), (("0.0.0.0/0", "10.98.7.254"), ("::/0", "2001:db8::fe")))
NIC = Boot("eth1", plugged=False)


def on(*systems: str, **more: Any) -> BootFiles:
    return dataclasses.replace(NOTHING, systems=systems, **more)


def title(files: BootFiles, wanted: Boot = PORT) -> str:
    found, _ = ways.way(files, wanted)
    return found.title if found else "none"


class TestWhichWay:
    @pytest.mark.parametrize(
        ("files", "wanted", "found"),
        [
            (on("networking"), PORT, "ifupdown"),
            (on("networking", sourced=False), PORT, "a small unit of the portal's own"),
            (on("networking", "systemd-networkd"), PORT, "systemd-networkd"),
            (on("systemd-networkd", netplan="networkd"), PORT, "netplan"),
            (on("NetworkManager", netplan="NetworkManager"), PORT, "a small unit of the portal's own"),
            (on("NetworkManager"), PORT, "a small unit of the portal's own"),
            (on("NetworkManager"), NIC, "NetworkManager"),
            (on("NetworkManager", "network"), Boot("vi0", ("10.0.0.1/8",)), "network-scripts"),
            (on("network"), Boot("vi0", routes=(("10.1.0.0/16", "10.0.0.1"),)), "a small unit of the portal's own"),
            (on(), PORT, "a small unit of the portal's own"),
            (on(systemd=False), PORT, "none"),
        ],
    )
    def test_it_is_the_hosts_own_where_that_can(self, files: BootFiles, wanted: Boot, found: str) -> None:
        assert title(files, wanted) == found

    def test_it_says_why_the_hosts_own_cannot(self) -> None:
        (*_, step) = keeping.steps("host:1", [PORT], on("NetworkManager"))
        assert "whose whole bridge is its own" in step.why
        (*_, step) = keeping.steps("host:1", [PORT], on("networking", sourced=False))
        assert "does not read /etc/network/interfaces.d" in step.why


class TestFiles:
    def test_ifcfg(self) -> None:
        text = ways.IFCFG.text(
            Boot("tunnel0", ("10.0.0.1/24", "10.0.1.1/25", "2001:db8::1/64", "2001:db8::2/64"), (("0.0.0.0/0", "10.0.0.9"),))
        )
        shell = f"{text}\necho $DEVICE $ONBOOT $IPADDR0/$PREFIX0 $IPADDR1/$PREFIX1 $IPV6ADDR $IPV6ADDR_SECONDARIES $GATEWAY"
        said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
        assert said.strip() == "tunnel0 yes 10.0.0.1/24 10.0.1.1/25 2001:db8::1/64 2001:db8::2/64 10.0.0.9"

    def test_keyfile(self) -> None:
        assert ways.KEYFILE.text(Boot("eth1", ("10.0.0.1/24",), (("0.0.0.0/0", "10.0.0.9"),), plugged=False)).splitlines()[1:] == [
            "[connection]", "id=opsportal-eth1", "type=ethernet", "interface-name=eth1", "",
            "[ipv4]", "method=manual", "address1=10.0.0.1/24", "route1=0.0.0.0/0,10.0.0.9", "", "[ipv6]", "method=disabled",
        ]  # fmt: skip

    def test_networkd(self) -> None:
        text = ways.NETWORKD.text(PORT)
        assert "Name=vi0" in text and "Address=10.98.7.1/24\nAddress=2001:db8::1/64\n" in text
        assert text.count("[Route]") == 2 and "Destination" not in text

    @pytest.mark.skipif(not shutil.which("netplan"), reason="NO NETPLAN: whether it understands its file was not tested")
    @pytest.mark.parametrize("wanted", [PORT, NIC, Boot("br7"), Boot("no", ("10.0.0.1/8",), (("10.9.0.0/16", "10.0.0.2"),))])
    def test_netplan_makes_of_it_what_is_meant(self, tmp_path: Path, wanted: Boot) -> None:
        for path, text in (
            ("/etc/netplan/01-base.yaml", "network: {version: 2}"),
            (ways.NETPLAN.path(wanted.interface), ways.NETPLAN.text(wanted)),
        ):
            file = tmp_path / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o600)
        done = subprocess.run(["netplan", "generate", "--root-dir", str(tmp_path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made = (tmp_path / f"run/systemd/network/10-netplan-{wanted.interface}.network").read_text()
        assert [line.removeprefix("Address=") for line in made.splitlines() if line.startswith("Address=")] == list(wanted.addresses)
        assert made.count("Gateway=") == len(wanted.routes)


class TestSteps:
    def test_a_second_run_writes_nothing(self) -> None:
        own = (OwnFile(ways.IFUPDOWN.path("vi0"), ways.IFUPDOWN.text(PORT)),)
        assert list(keeping.steps("host:1", [PORT], on("networking", own=own))) == []

    def test_what_changes_is_a_difference_and_its_undo_the_old_text(self) -> None:
        old = OwnFile(ways.IFUPDOWN.path("vi0"), ways.IFUPDOWN.text(Boot("vi0")))
        (step,) = keeping.steps("host:1", [PORT], on("networking", own=(old,)))
        assert isinstance(step.action, PutFile) and step.action.before == old.text and step.action.existed
        assert isinstance(step.undo, PutFile) and step.undo.content == old.text

    def test_what_goes_is_taken_out_whatever_system_had_it(self) -> None:
        own = (OwnFile(ways.NETPLAN.path("vi0"), "old"), OwnFile(ways.NETPLAN.path("vi1"), "other"))
        (step,) = keeping.steps("host:1", [Boot("vi0", stays=False)], on("networking", own=own))
        assert isinstance(step.action, RunCommand) and step.action.command.argv == (ways.NETPLAN.path("vi0"),)
        assert isinstance(step.undo, PutFile) and step.undo.content == "old" and step.undo.mode == 0o600

    def test_a_persons_interface_is_left_alone(self) -> None:
        theirs = Configured("vi0", ("10.0.0.1/24",), False, "/etc/network/interfaces")
        assert list(keeping.steps("host:1", [PORT], on("networking", configured=(theirs,)))) == []

    def test_the_unit_is_written_once_and_enabled(self) -> None:
        assert [step.key for step in keeping.steps("host:1", [PORT], on(), "a-")] == ["a-write-unit", "a-enable-unit", "a-keep-vi0"]
        own = (OwnFile(ways.UNIT_PATH, ways.UNIT_TEXT),)
        assert [step.key for step in keeping.steps("host:1", [PORT], on(own=own, enabled=True))] == ["keep-vi0"]


SAID = """== systems
systemd
networking
== netplan
== sourced
source /etc/network/interfaces.d/*
== ifupdown /etc/network/interfaces
iface lo inet loopback
iface eth0 inet static
    address 192.0.2.10
    netmask 255.255.255.0
iface eth9 inet dhcp
iface bond0 inet manual
    ovs_bonds eth1 eth2
== own /etc/network/interfaces.d/opsportal-vi0
{own}
== ifcfg /etc/sysconfig/network-scripts/ifcfg-em1
IPADDR="198.51.100.7"
PREFIX=24
BOOTPROTO=none
== networkd /run/systemd/network/10-netplan-en.network
[Match]
Name=en* eno1
Address=203.0.113.5/24
DHCP=ipv4
== keyfile /etc/NetworkManager/system-connections/x.nmconnection
interface-name=eth7
method=manual
address1=203.0.113.9/24,203.0.113.1
== script /etc/rc.local
  ip -6 addr add 2001:db8::5/64 dev br5
ip link set dev br5 up
== held /etc/keepalived/keepalived.conf
    192.0.2.99/32 dev vi0
== held lease
192.0.2.77/24
== end
"""


class TestReading:
    def test_what_peoples_files_say(self) -> None:
        found = BootConfig("").parse(Result(0, SAID.format(own=base64.b64encode(b"auto vi0\n").decode())))
        said = {(one.interface, one.addresses, one.dynamic) for one in found.configured}
        assert said >= {
            ("eth0", ("192.0.2.10/24",), False),
            ("eth9", (), True),
            ("eth1", (), False),
            ("em1", ("198.51.100.7/24",), False),
            ("en*", ("203.0.113.5/24",), True),
            ("eno1", ("203.0.113.5/24",), True),
            ("eth7", ("203.0.113.9/24",), False),
            ("br5", ("2001:db8::5/64",), False),
            ("br5", (), False),
        }
        assert found.own == (OwnFile("/etc/network/interfaces.d/opsportal-vi0", "auto vi0\n"),)
        assert found.elsewhere == ("192.0.2.77/24", "192.0.2.99/32") and found.systems == ("networking",) and found.sourced

    def test_what_netplan_made_of_our_file_is_not_a_persons(self) -> None:
        said = SAID.format(own=base64.b64encode(b"x").decode()).replace(
            "/etc/network/interfaces.d/opsportal-vi0", ways.NETPLAN.path("eno1")
        )
        assert not BootConfig("").parse(Result(0, said)).persons("eno1")

    def test_an_answer_that_stops_early_is_an_error(self) -> None:
        with pytest.raises(FactError, match="could not be read"):
            BootConfig("").parse(Result(1, "", "sudo: a password is required"))


def with_boot(boot: BootFiles) -> Seen:
    return dataclasses.replace(seen(), boot=boot)


class TestFindings:
    """The stored host has mgmt100 with 10.99.100.1/24, vi0, br-underlay with addresses, and eth1 and eth2 in bond0."""

    def said(self, boot: BootFiles) -> str:
        return "\n".join(one.message for one in findings.findings(with_boot(boot)))

    def test_what_nothing_brings_is_said(self) -> None:
        said = self.said(NOTHING)
        assert "10.99.100.1/24 of mgmt100 is in no boot configuration: a reboot loses it" in said
        assert "Nothing switches eth1, eth2" in said

    def test_what_something_brings_is_not(self) -> None:
        theirs = tuple(
            Configured(name, addresses, dynamic, "/etc/x")
            for name, addresses, dynamic in (("mgmt*", ("10.99.100.1/24",), False), ("eth[0-9]", (), True))
        )
        own = (OwnFile(ways.NETPLAN.path("vi0"), ways.NETPLAN.text(Boot("vi0", seen().kernel.nic("vi0").addresses))),)  # type: ignore[union-attr]
        said = self.said(dataclasses.replace(NOTHING, configured=theirs, own=own))
        assert "mgmt100" not in said and "vi0" not in said and "eth" not in said and "br-underlay" in said

    def test_files_of_a_unit_that_is_not_started_bring_nothing(self) -> None:
        own = (OwnFile(ways.OWN.path("mgmt100"), ways.OWN.text(Boot("mgmt100", ("10.99.100.1/24",)))),)
        assert "mgmt100" in self.said(dataclasses.replace(NOTHING, own=own))
        assert "mgmt100" not in self.said(dataclasses.replace(NOTHING, own=own, enabled=True))

    def test_an_address_that_a_reboot_moves_back_blocks_the_view(self) -> None:
        theirs = Configured("eth8", ("10.99.100.1/24",), False, "/etc/network/interfaces")
        (first, *_) = [one for one in findings.findings(with_boot(on(configured=(theirs,)))) if "mgmt100" in one.message]
        assert first.level is Level.BLOCK and "gives 10.99.100.1/24 to eth8 again, by /etc/network/interfaces" in first.message

    def test_a_reading_of_an_older_portal_says_nothing(self) -> None:
        assert list(findings.findings(seen())) == []

    @pytest.mark.parametrize(
        ("theirs", "wanted", "says"),
        [
            (Configured("vi0", ("10.0.0.1/8",), False, "/etc/x"), PORT, "After a reboot vi0 has 10.0.0.1/8, as /etc/x says"),
            (Configured("vi0", (), True, "/etc/x"), PORT, "After a reboot vi0 asks for an address by DHCP"),
            (Configured("vi0", PORT.addresses, False, "/etc/x"), PORT, "brings vi0 up at boot already"),
            (Configured("vi0", (), False, "/etc/x"), Boot("vi0", stays=False), "speaks of vi0, which goes away"),
            (Configured("eth0", ("10.98.7.1/16",), False, "/etc/x"), PORT, "gives 10.98.7.1 to eth0 at boot, and not to vi0"),
            (Configured("v*", (), True, "/etc/x"), PORT, ""),
        ],
    )
    def test_what_speaks_against_a_change(self, theirs: Configured, wanted: Boot, says: str) -> None:
        said = " ".join(one.message for one in findings.conflicts([wanted], with_boot(on("networking", configured=(theirs,)))))
        assert says in said and bool(says) == bool(said)


@pytest.mark.django_db
class TestPage:
    def test_it_says_what_a_reboot_loses_and_leads_to_the_runbook(self, operator: Client, viewer: Client) -> None:
        network = stored(found=with_boot(NOTHING))
        page = operator.get(network.get_absolute_url()).content.decode()
        assert "10.99.100.1/24 of mgmt100 is in no boot configuration" in page
        link = f"{reverse('runbook_start', args=['keep-network'])}?host={network.host_id}"
        assert link in page and link not in viewer.get(network.get_absolute_url()).content.decode()

    def test_nothing_is_said_where_all_is_kept(self, operator: Client) -> None:
        everything = (Configured("*", (), True, "/etc/x"),)
        page = operator.get(
            stored(found=with_boot(dataclasses.replace(NOTHING, configured=everything))).get_absolute_url()
        ).content.decode()
        assert "keep-network" not in page and "reboot" not in page
