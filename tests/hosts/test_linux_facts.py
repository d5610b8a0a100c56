"""What hosts say about themselves, from recorded answers, and from this machine itself."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hosts.comparing import changes
from hosts.facts import linux
from hosts.facts.linux import Disk, Interface, Linux, LinuxBasics, Package, Service
from hosts.reading import plain
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result

CASES = Path(__file__).parent / "cases"
FACT = LinuxBasics("host:1")


def recorded(name: str) -> str:
    return (CASES / f"{name}.txt").read_text()


def parsed(name: str) -> Linux:
    return FACT.parse(Result(0, recorded(name)))


def test_debian_build_host() -> None:
    found = parsed("debian12")
    assert (found.os_id, found.os_name, found.os_version) == ("debian", "Debian GNU/Linux 12 (bookworm)", "12")
    assert (found.cpus, found.cpu_model, found.memory, found.memory_free) == (2, "Intel(R) Xeon(R) Processor @ 2.20GHz", 24684084, 20000000)
    assert found.disks[1] == Disk("/dev/vdb1", "/var/lib/build area", 10000000, 9000000)
    assert (found.uptime, found.user, found.sudo, found.kind()) == (8773, "ops", "yes", "build")


def test_old_dom0_without_os_release_and_without_memavailable() -> None:
    found = parsed("xenserver65")
    assert (found.os_name, found.os_version) == ("CentOS release 5.11 (Final)", "5.11")
    assert (found.product, found.product_version, found.kind()) == ("XenServer", "6.5.0", "xenserver")
    assert found.host_uuid == "6e1f0c4a-0f0e-4a8e-9a51-2f2b7c3d1a01"
    assert found.memory_free == 123456


def test_kvm_host_of_a_cloud() -> None:
    found = parsed("kvm")
    assert found.kind() == "kvm"
    assert found.services == (Service("cloudstack-agent", "active"), Service("libvirtd", "failed"))
    assert found.failed == ("libvirtd.service",)
    assert found.packages is not None
    assert Package("cloudstack-agent", "4.19.1.1-1") in found.packages


def test_interfaces_with_what_they_belong_to_and_without_those_of_vms() -> None:
    assert parsed("kvm").interfaces == (
        Interface("eno1np0", "3c:ec:ef:00:00:01", 9000, True, "bond0", ()),
        Interface("bond0", "3c:ec:ef:00:00:01", 9000, True, "cloudbr0", ()),
        Interface("bond0.120", "3c:ec:ef:00:00:01", 9000, True, "brbond0-120", ()),
        Interface("cloudbr0", "3c:ec:ef:00:00:01", 9000, True, "", ("10.2.0.17/24", "fd00:2::17/64")),
    )
    old = parsed("xenserver65").interfaces
    assert old is not None
    assert [(one.name, one.up, one.addresses) for one in old] == [
        ("eth0", True, ()),
        ("eth1", False, ()),
        ("xenbr0", True, ("10.1.0.11/24",)),
    ]


def test_what_a_host_cannot_be_asked_is_unknown_and_not_empty() -> None:
    old = parsed("xenserver65")
    assert (old.failed, old.packages, old.services) == (None, None, (Service("xapi", "installed"),))
    gone = recorded("kvm").replace("== links\n", "== links\n!\n")
    assert FACT.parse(Result(0, gone)).interfaces is None


def test_packages_that_were_removed_do_not_count() -> None:
    assert parsed("debian12").packages == (Package("maven", "3.8.7-1"), Package("openjdk-17-jdk-headless", "17.0.15+6-1~deb12u1"))


@pytest.mark.parametrize(
    ("found", "replacement", "kind"),
    [
        ("PRODUCT_BRAND='XenServer'", "PRODUCT_BRAND='XCP-ng'", "xcp-ng"),
        ("PRODUCT_BRAND='XenServer'", "", "other"),
    ],
)
def test_kind_by_brand(found: str, replacement: str, kind: str) -> None:
    assert FACT.parse(Result(0, recorded("xenserver65").replace(found, replacement))).kind() == kind


def test_management_server_is_recognised_by_its_service() -> None:
    text = recorded("debian12").replace("== services\n", "== services\ncloudstack-management\n")
    assert FACT.parse(Result(0, text)).kind() == "management"


@pytest.mark.parametrize("part", ["hostname", "kernel", "uptime", "cpu", "memory", "user", "sudo"])
def test_a_part_without_an_answer_is_an_error_and_never_a_default(part: str) -> None:
    lines, kept, within = recorded("debian12").splitlines(), [], False
    for line in lines:
        within = line == f"== {part}" or (within and not line.startswith("== "))
        if not within or line.startswith("== "):
            kept.append(line)
    with pytest.raises(FactError):
        FACT.parse(Result(0, "\n".join(kept)))


@pytest.mark.parametrize(
    "answer",
    ["", "This account is currently not available.\n", "== os-release\nID=debian\n", recorded("debian12").split("== memory")[0]],
)
def test_an_answer_that_stops_early_says_so(answer: str) -> None:
    with pytest.raises(FactError, match="did not answer like a Linux machine"):
        FACT.parse(Result(1, answer))


def test_hostile_values_stay_values() -> None:
    text = (
        recorded("debian12")
        .replace('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"', 'PRETTY_NAME="<b>$(id)\' "x')
        .replace("build-1", "\x1b[31mred")
    )
    found = FACT.parse(Result(0, text))
    assert "$(id)" in found.os_name
    assert found.hostname == "\x1b[31mred"


def test_this_machine_answers() -> None:
    done = subprocess.run(["sh", "-c", FACT.command().shell()], capture_output=True, text=True, check=False)
    found = FACT.parse(Result(done.returncode, done.stdout, done.stderr))
    assert found.kernel == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert found.cpus >= 1
    assert found.disks


def test_changes_between_two_readings_are_told_in_words() -> None:
    before = plain(parsed("debian12"))
    after = {**before, "kernel": "6.1.0-29-amd64", "uptime": 5, "memory_free": 1, "services": [{"name": "libvirtd", "state": "active"}]}
    after["disks"] = [{**before["disks"][0], "free": 5}]
    assert changes(before, after) == [
        {"name": "Kernel", "before": "6.1.0-28-amd64", "after": "6.1.0-29-amd64"},
        {"name": "Disk /var/lib/build area", "before": "9,765 MiB on /dev/vdb1", "after": "not there"},
        {"name": "Service libvirtd", "before": "not there", "after": "active"},
    ]


def test_changes_within_lists_are_told_entry_by_entry() -> None:
    before = plain(parsed("kvm"))
    first, *others = before["interfaces"]
    after = {
        **before,
        "interfaces": [{**first, "up": False}, *others],
        "packages": [{**one, "version": "4.20.0.0-1"} if one["name"] == "cloudstack-agent" else one for one in before["packages"]],
    }
    assert changes(before, after) == [
        {"name": "Interface eno1np0", "before": "no address, MTU 9000, up, in bond0", "after": "no address, MTU 9000, down, in bond0"},
        {"name": "Package cloudstack-agent", "before": "4.19.1.1-1", "after": "4.20.0.0-1"},
    ]
    assert changes(before, {**before, "packages": None}) == []


def test_free_space_and_uptime_alone_are_no_change() -> None:
    before = plain(parsed("kvm"))
    after = {**before, "uptime": 999, "memory_free": 3, "disks": [{**before["disks"][0], "free": 1}]}
    assert changes(before, after) == []
    assert changes({}, after) == []


@given(some.text(alphabet="ab1. '\"\\#=\t", max_size=12))
def test_values_are_unquoted_as_a_shell_does_it(value: str) -> None:
    """Most values take a shorter way, which must not lead elsewhere."""
    try:
        expected = " ".join(shlex.split(value))
    except ValueError:
        expected = value.strip("'\"")
    assert linux._unquoted(value) == expected
