"""The pool's facts: their commands in a real shell, and their answers as values, in the words of old and new versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hosts.xen.facts import PoolBasics, PoolHosts, PoolPifs, PoolStorage, PoolVms, ProtectedVms, SrSpace
from hosts.xen.state import Pbd, Sr, Vm
from opsportal.operations.facts import Fact, FactError
from tests.hosts.xen import printer
from tests.hosts.xen.dom0 import Dom0
from tests.hosts.xen.samples import HANG, SR, U1, U2, VM1, VM2, P, err, out, sample

POOL = {
    "uuid": P, "name-label": 'the "old" pool\n==\n', "master": U1, "default-SR": SR, "other-config": "cpuid_feature_mask: a; x: b: c",
    "ha-enabled": "true", "ha-configuration": "timeout: 180",
    "ha-statefiles": "0a7b5d3e-9999-4a4a-8888-0102030405aa; 5f0e1c2d-7777-4b4b-8888-0102030405bb",
    "ha-host-failures-to-tolerate": "1", "ha-allow-overcommit": "false", "restrictions": "restrict_x: false; enable_xha: true",
}  # fmt: skip

ALL: list[Fact[Any]] = [kind("host:1") for kind in (PoolBasics, PoolHosts, PoolStorage, SrSpace, PoolVms, ProtectedVms, PoolPifs)]


def dom0(root: Path, *, timeout: bool = True, **answers: str) -> Dom0:
    """Each answer is the text that `xe NAME-list ...` prints."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in answers.items():
        (root / name).write_text(text)
    cases = [f'{name.replace("_", "-")}*) cat "{root / name}" ;;' for name in answers]
    return Dom0(root, "\n".join(cases), timeout=timeout)


def read(fact: Fact[Any], machine: Dom0) -> Any:
    return fact.parse(machine.run(fact.command()))


@pytest.mark.parametrize("timeout", [True, False])
def test_basics(tmp_path: Path, timeout: bool) -> None:
    machine = dom0(tmp_path, timeout=timeout, pool_list=printer.block(POOL), vdi_list=f"{SR}\n")
    machine.answers = f"*--minimal) case $1 in pool-list) echo '{POOL['ha-statefiles']}';; *) echo {SR};; esac ;;\n{machine.answers}"
    found = read(PoolBasics("host:1"), machine)
    assert (found.uuid, found.master, found.default_sr, found.name) == (P, U1, SR, POOL["name-label"])
    assert (found.ha_enabled, found.ha_timeout, found.ha_tolerate, found.ha_allow_overcommit) == (True, 180, 1, False)
    assert (found.ha_statefiles, found.statefile_srs) == (tuple(POOL["ha-statefiles"].split("; ")), (SR,))
    assert (found.rolling_upgrade, found.xha_licensed) == (False, True)


def test_basics_of_a_new_pool_of_six_two() -> None:
    empty = {"default-SR": "<not in database>", "ha-enabled": "false", "ha-configuration": "", "ha-statefiles": "", "restrictions": ""}
    found = PoolBasics("host:1").parse(out("==\n" + printer.block(POOL | empty | {"other-config": "rolling_upgrade_in_progress: true"})))
    assert (found.default_sr, found.ha_enabled, found.ha_timeout, found.ha_statefiles, found.statefile_srs) == ("", False, None, (), ())
    assert (found.rolling_upgrade, found.xha_licensed) == (True, None)


def test_statefiles_that_are_gone_leave_no_sr() -> None:
    assert PoolBasics("host:1").parse(out("\n\n==\n" + printer.block(POOL))).statefile_srs == ()


@pytest.mark.parametrize("timeout", [True, False])
def test_hangs_in_the_middle_are_told(tmp_path: Path, timeout: bool) -> None:
    machine = Dom0(tmp_path, "*--minimal) exit 124 ;;", timeout=timeout)
    for fact in (PoolBasics("host:1"), PoolStorage("host:1")):
        machine.answers = "*--minimal) exit 124 ;;\npbd-list*) exit 124 ;;"
        with pytest.raises(FactError, match="pool master is probably unreachable"):
            read(fact, machine)


HOST = {
    "uuid": U1, "name-label": "xs01", "enabled": "true",
    "software-version": "product_version: 6.5.0; product_brand: XenServer; platform_version: 1.9.0; build_number: 90233c; xs:main: a: b",
    "cpu_info": "vendor: GenuineIntel; speed: 2000.1; features: 77bee3ff-bfebfbff; flags: fpu de", "hostname": "xs01.example.org",
    "address": "10.0.0.11", "host-metrics-live": "true", "patches": "b, a", "ha-network-peers": f"{U2}; {U1}",
}  # fmt: skip


def test_hosts(tmp_path: Path) -> None:
    newer = HOST | {"uuid": U2, "name-label": "Zürich; 2: x\nsecond line", "enabled": "false", "host-metrics-live": "false", "patches": ""}
    first, second = read(PoolHosts("host:1"), dom0(tmp_path, host_list=printer.blocks([HOST, newer])))
    assert (first.brand, first.version, first.build, first.platform) == ("XenServer", "6.5.0", "90233c", "1.9.0")
    assert (first.cpu, first.patches, first.ha_peers) == (
        "GenuineIntel 77bee3ff-bfebfbff",
        ("a", "b"),
        tuple(sorted((U1, U2))),
    )
    assert (second.name, second.enabled, second.live, second.patches) == (newer["name-label"], False, False, ())


def test_a_host_without_metrics_is_not_live() -> None:
    (found,) = PoolHosts("host:1").parse(out(printer.block(HOST | {"host-metrics-live": "<not in database>"})))
    assert not found.live


def test_updates_of_newer_versions_count_as_patches() -> None:
    (found,) = PoolHosts("host:1").parse(out(printer.block(HOST | {"updates": "d, c"})))
    assert found.patches == ("a", "b", "c", "d")


@pytest.mark.parametrize("timeout", [True, False])
def test_storage(tmp_path: Path, timeout: bool) -> None:
    pbds = printer.blocks([{"uuid": U1, "host-uuid": U2, "sr-uuid": SR, "currently-attached": "true"}])
    srs = printer.blocks([{"uuid": SR, "name-label": "primary\n==\nx", "type": "nfs", "shared": "true"}])
    found = read(PoolStorage("host:1"), dom0(tmp_path, timeout=timeout, pbd_list=pbds, sr_list=srs))
    assert found.srs == (Sr(SR, "primary\n==\nx", "nfs", True),)
    assert found.pbds == (Pbd(U1, U2, SR, True),)
    assert found.plugged(SR) == {U2}


def test_space_that_nobody_knows() -> None:
    text = printer.blocks([{"uuid": SR, "physical-utilisation": "1024", "physical-size": "-1"}])
    (found,) = SrSpace("host:1").parse(out(text))
    assert (found.size, found.used) == (None, 1024)


MACHINE = {
    "uuid": VM1,
    "name-label": "i-2-10-VM",
    "power-state": "running",
    "resident-on": U1,
    "ha-always-run": "true",
    "ha-restart-priority": "",
}


def test_virtual_machines(tmp_path: Path) -> None:
    halted = MACHINE | {"uuid": VM2, "power-state": "halted", "resident-on": "<not in database>", "ha-always-run": "false"}
    machine = dom0(tmp_path, vm_list=printer.blocks([MACHINE, halted | {"ha-restart-priority": "best-effort"}]))
    assert read(PoolVms("host:1"), machine) == (
        Vm(VM1, "i-2-10-VM", "running", U1, "", True),
        Vm(VM2, "i-2-10-VM", "halted", "", "best-effort", False),
    )


def test_protected_are_those_with_any_priority() -> None:
    asked = [
        {"uuid": one, "name-label": "x", "ha-restart-priority": how} for one, how in ((VM2, "restart"), (U1, ""), (VM1, "best-effort"))
    ]
    found = ProtectedVms("host:1").parse(out(printer.blocks(asked)))
    assert found == (Vm(VM1, "x", "", "", "best-effort", False), Vm(VM2, "x", "", "", "restart", False))
    assert ProtectedVms("host:1").parse(out(printer.blocks(asked[1:2]))) == ()


def test_nothing_protected_and_nothing_there() -> None:
    assert ProtectedVms("host:1").parse(out("")) == PoolVms("host:1").parse(out("")) == ()


def test_a_bond_knows_its_interfaces() -> None:
    plain = {
        "MAC": "AA:BB:CC:00:00:01", "currently-attached": "true", "VLAN": "-1", "bond-master-of": "", "bond-slave-of": "<not in database>",
        "management": "false", "host-uuid": U1, "carrier": "true", "disallow-unplug": "false",
    }  # fmt: skip
    eth = [{"uuid": one, "device": name} | plain | {"bond-slave-of": SR} for one, name in ((VM1, "eth1"), (VM2, "eth0"))]
    bond = {"uuid": U2, "device": "bond0"} | plain | {"bond-master-of": SR, "management": "true", "carrier": "<unknown>"}
    found = PoolPifs("host:1").parse(out(printer.blocks([*eth, bond])))
    assert [(pif.device, pif.bond_slaves, pif.carrier, pif.management) for pif in found] == [
        ("bond0", ("eth0", "eth1"), None, True),
        ("eth0", (), True, False),
        ("eth1", (), True, False),
    ]
    assert found[0].mac == "aa:bb:cc:00:00:01"


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: type(fact).__name__)
@pytest.mark.parametrize("answer", [HANG, err(sample(40)), err(sample(56)), err(sample(59)), out(sample(42)), out("Welcome\n")])
def test_what_is_not_understood_is_an_error_and_never_a_default(fact: Fact[Any], answer: Any) -> None:
    with pytest.raises(FactError):
        fact.parse(answer)


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: type(fact).__name__)
def test_a_field_that_every_version_has_is_missed(fact: Fact[Any]) -> None:
    text = printer.block({"uuid": P})
    with pytest.raises(FactError, match="left out the field"):
        fact.parse(out(f"==\n{text}" if isinstance(fact, PoolBasics | PoolStorage) else text))


def test_an_error_names_what_to_do() -> None:
    with pytest.raises(FactError, match="Look which pool it should be in"):
        PoolHosts("host:1").parse(err(sample(41)))


def test_an_unknown_power_state_is_not_guessed() -> None:
    with pytest.raises(FactError, match="crashed"):
        PoolVms("host:1").parse(out(printer.block(MACHINE | {"power-state": "crashed"})))
