"""What hypervisors say about themselves, then and now, and what is planned for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from networking.facts.kvm import (
    AGENT,
    AUTHORITY,
    MASK,
    SOCKETS,
    Domains,
    HostFile,
    HostVirtualization,
    Text,
    Unit,
    Virtualization,
)
from networking.facts.packages import HostSystem, System
from networking.facts.portal import HostData, InventoryHost
from networking.facts.switches import SwitchConfig
from networking.kvm_guards import KVM
from networking.kvm_judges import has_values, listens, masked, permissive
from networking.kvm_packages import KVM as TABLE
from networking.kvm_packages import OVS, line, one_of, ovs_source
from networking.kvm_state import CLIENT, LIBVIRTD, LOG4J, QEMU, SELINUX, SYSTEMD, listen, names
from networking.runbooks.install_open_vswitch import InstallOpenVswitch, InstallOvsParams
from networking.runbooks.prepare_kvm_host import HostPage, PrepareKvmHost, PrepareKvmParams
from opsportal.operations.facts import Fact, FactError, FactSet, Reading
from opsportal.operations.guards import judge
from opsportal.operations.runbook import NothingToDo
from opsportal.operations.steps import NothingToUndo, PutFile, RunCommand, Step
from opsportal.packages.installing import all_installed
from opsportal.packages.offers import Offer, Offered, Simulated
from opsportal.transport.base import Result

CASES = Path(__file__).with_name("cases")
SYSTEMS = ("centos7", "rocky8", "rocky9", "ubuntu14", "ubuntu22", "ubuntu24", "debian12")
UNMASKED = tuple(Unit(name, name != "libvirtd-tls.socket" and name != "libvirtd-tcp.socket", "enabled") for name in SOCKETS)


def system(name: str) -> System:
    return HostSystem("h").parse(Result(0, (CASES / f"kvm-{name}-system.txt").read_text()))


def virtualization(name: str) -> Virtualization:
    return HostVirtualization("h").parse(Result(0, (CASES / f"kvm-{name}-virtualization.txt").read_text()))


def given(
    of: System, virt: Virtualization, params: PrepareKvmParams, files: dict[str, str], *, lacks: tuple[str, ...] = (), has: bool = True
) -> FactSet:
    """Everything that such a host could be asked."""
    row = line(of)
    assert row is not None
    wanted = names(params, row)
    missing = wanted if not has else lacks
    there = tuple(sorted(set(wanted) - set(missing)))
    known: list[tuple[Fact[Any], Any]] = [
        (InventoryHost("portal", 1), HostData(1, "kvm1", "kvm")),
        (HostSystem("host:1"), of),
        (HostVirtualization("host:1"), virt),
        (Offered("host:1", wanted), Offer("apt" if of.family == "debian" else "yum", False, there, ())),
        (SwitchConfig("host:1"), None),
        (Domains("host:1"), ("old-vm",)),
    ]
    paths = {LIBVIRTD, QEMU, CLIENT, AGENT, LOG4J, SELINUX, SYSTEMD, virt.options or row.options}
    known += [(HostFile("host:1", path), Text(files[path], 0o644, MASK in files[path]) if path in files else None) for path in paths]
    return FactSet({fact.key(): Reading(fact.adapter().dump_python(value, mode="json")) for fact, value in known})


def planned(name: str, files: dict[str, str] | None = None, *, has: bool = True, **params: Any) -> list[Step]:
    wish = PrepareKvmParams(**{"host": 1, "access": "cloudstack", "token": "abc", **params})
    virt = virtualization(name) if has else dataclasses.replace(virtualization(name), version=(), units=(), options="", variable="")
    return list(PrepareKvmHost().plan(wish, given(system(name), virt, wish, files or {}, has=has)))


def puts(steps: list[Step]) -> dict[str, str]:
    return {step.action.path: step.action.content for step in steps if isinstance(step.action, PutFile)}


def said(name: str, **params: Any) -> list[tuple[str, str, str]]:
    virt = params.pop("virt", virtualization(name))
    wish = PrepareKvmParams(**{"host": 1, "access": "cloudstack", "token": "abc", **params})
    return [(one.level.value, one.field, one.message) for one in judge(KVM, wish, given(system(name), virt, wish, {}))]


@pytest.mark.parametrize(
    ("name", "ident", "release", "family", "systemd"),
    [
        ("centos7", "centos", (7,), "redhat", True),
        ("rocky8", "rocky", (8, 10), "redhat", True),
        ("rocky9", "rocky", (9, 4), "redhat", True),
        ("ubuntu14", "ubuntu", (14, 4), "debian", False),
        ("ubuntu22", "ubuntu", (22, 4), "debian", True),
        ("ubuntu24", "ubuntu", (24, 4), "debian", True),
        ("debian12", "debian", (12,), "debian", True),
    ],
)
def test_systems(name: str, ident: str, release: tuple[int, ...], family: str, systemd: bool) -> None:
    found = system(name)
    assert (found.ident, found.release, found.family, found.systemd) == (ident, release, family, systemd)


@pytest.mark.parametrize(
    ("name", "version", "options", "service"),
    [
        ("centos7", (4, 5, 0), ("/etc/sysconfig/libvirtd", "LIBVIRTD_ARGS"), "libvirtd.service"),
        ("rocky8", (8, 0, 0), ("/etc/sysconfig/libvirtd", "LIBVIRTD_ARGS"), "libvirtd.service"),
        ("rocky9", (10, 5, 0), ("/etc/sysconfig/libvirtd", "LIBVIRTD_ARGS"), "libvirtd.service"),
        ("ubuntu14", (1, 2, 2), ("", ""), "libvirt-bin.service"),
        ("ubuntu22", (8, 0, 0), ("/etc/default/libvirtd", "LIBVIRTD_ARGS"), "libvirtd.service"),
        ("debian12", (9, 0, 0), ("/etc/default/libvirtd", "LIBVIRTD_ARGS"), "libvirtd.service"),
    ],
)
def test_what_libvirt_says(name: str, version: tuple[int, ...], options: tuple[str, str], service: str) -> None:
    found = virtualization(name)
    assert (found.version, (found.options, found.variable)) == (version, options)
    assert found.unit(service).active and found.processor


def test_an_idle_libvirt_behind_its_socket_is_no_change() -> None:
    text = (CASES / "kvm-debian12-virtualization.txt").read_text()
    idle = text.replace("libvirtd.service active", "libvirtd.service inactive")
    assert idle != text and HostVirtualization("h").parse(Result(0, idle)) == HostVirtualization("h").parse(Result(0, text))


def test_half_an_answer_is_no_answer() -> None:
    for fact in (HostSystem("h"), HostVirtualization("h"), HostFile("h", "/x"), Offered("h", ("a",))):
        with pytest.raises(FactError):
            fact.parse(Result(255, "== release\n", "Connection closed"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_listens_as_asked_and_by_its_own_file(name: str) -> None:
    steps = planned(name, access="tcp")
    found = puts(steps)
    row = line(system(name))
    assert row is not None
    assert found[LIBVIRTD] == 'listen_tls = 0\nlisten_tcp = 1\ntcp_port = "16509"\nauth_tcp = "none"\nmdns_adv = 0\n'
    assert found[row.options] == f'{row.variable}="{" ".join(row.listen)}"\n'
    assert (CLIENT in found) is (name in ("rocky9", "ubuntu24"))
    start = steps[-1]
    assert start.key == "start" and [one.wants for one in start.probe if one.judge.endswith("listens")] == ["16509"]
    service = "libvirt-bin" if name == "ubuntu14" else "libvirtd"
    assert isinstance(start.action, RunCommand) and start.action.command.argv == (service,)


@pytest.mark.parametrize(("name", "masks"), [(name, name in ("rocky8", "rocky9", "ubuntu22", "ubuntu24", "debian12")) for name in SYSTEMS])
def test_sockets_are_masked_where_systemd_has_them_and_before_libvirt_comes(name: str, masks: bool) -> None:
    steps = planned(name, has=False)
    keys = [step.key for step in steps]
    assert ("hold" in keys) is masks
    assert keys.index("install") > keys.index("file-libvirtd-conf"), "it must never start with files that were not chosen"
    if masks:
        assert keys[0] == "hold" and keys.index("install") > 0


def test_the_old_packages_and_todays() -> None:
    by = {name: line(system(name)) for name in SYSTEMS}
    assert "libvirt-bin" in by["ubuntu14"].packages and "libvirt-daemon-system" in by["ubuntu22"].packages  # type: ignore[union-attr]
    assert "libvirt-python" in by["centos7"].packages and "python3-libvirt" in by["rocky9"].packages  # type: ignore[union-attr]
    assert all(row.source and row.packages for row in TABLE)


def prepared(steps: list[Step], files: dict[str, str]) -> dict[str, str]:
    return {**files, **puts(steps)}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("access", ["cloudstack", "tcp"])
def test_what_was_prepared_needs_nothing_more(name: str, access: str) -> None:
    before = {LIBVIRTD: "# a remark\n#listen_tcp = 1\nlisten_tcp = 1\nmax_clients = 7\nlisten_tcp = 1\n", QEMU: '#vnc_listen = "0.0.0.0"\n'}
    files = prepared(planned(name, before, access=access, vnc="192.0.2.7"), before)
    assert "# a remark\n" in files[LIBVIRTD] and "max_clients = 7\n" in files[LIBVIRTD]
    assert files[QEMU] == '#vnc_listen = "0.0.0.0"\nvnc_listen = "192.0.2.7"\n'
    wish = PrepareKvmParams(host=1, access=access, vnc="192.0.2.7", token="abc")
    units = tuple(
        Unit(unit.name, False, "masked") if unit.name in SOCKETS else Unit(unit.name, True, "enabled")
        for unit in virtualization(name).units
    )
    now = dataclasses.replace(virtualization(name), units=units)
    with pytest.raises(NothingToDo, match="prepared already"):
        list(PrepareKvmHost().plan(wish, given(system(name), now, wish, files)))


AGENT_FILE = "guid=1\nworkers=5\n# network.bridge.type=native\nnetwork.bridge.type=native\nzone=default\nsomething.of.ours=x=y\n"


def test_the_agents_file_keeps_what_is_not_ours_and_a_copy() -> None:
    steps = planned("ubuntu22", {AGENT: AGENT_FILE}, openvswitch=True)
    keys = [step.key for step in steps]
    assert keys.index("backup-agent-properties") + 1 == keys.index("file-agent-properties") and "agent" in keys
    wanted = AGENT_FILE.replace("\nnetwork.bridge.type=native", "\nnetwork.bridge.type=openvswitch")
    assert puts(steps)[AGENT] == wanted + "libvirt.vif.driver=com.cloud.hypervisor.kvm.resource.OvsVifDriver\n"


def test_a_file_with_secrets_is_changed_on_the_host_and_never_carried() -> None:
    steps = planned("ubuntu22", {AGENT: f"{AGENT_FILE}keystore.passphrase={MASK}\n"}, openvswitch=True)
    (change,) = [step for step in steps if step.key == "file-agent-properties"]
    assert AGENT not in puts(steps) and isinstance(change.action, RunCommand)
    assert "network.bridge.type=network.bridge.type=openvswitch" in change.action.command.argv and change.probe
    assert isinstance(change.undo, RunCommand) and "libvirt.vif.driver=" in change.undo.command.argv


def test_every_change_has_a_way_back() -> None:
    steps = planned("rocky9", {LIBVIRTD: "a = 1\n", SELINUX: "SELINUX=enforcing\n", LOG4J: '<x value="INFO"/>'}, relax=True, debug=True)
    assert [step.key for step in steps if isinstance(step.undo, NothingToUndo)] == ["start", "agent"]
    found = puts(steps)
    assert found[SELINUX] == "SELINUX=permissive\n" and found[LOG4J] == '<x value="DEBUG"/>'
    (back,) = [step.undo for step in steps if step.key == "file-libvirtd-conf"]
    assert isinstance(back, PutFile) and back.content == "a = 1\n" and back.before == found[LIBVIRTD]


def test_the_workaround_is_for_centos_7_only() -> None:
    text = "[Manager]\n#JoinControllers=cpu,cpuacct net_cls,net_prio\n"
    steps = planned("centos7", {SYSTEMD: text}, cgroups=True)
    assert puts(steps)[SYSTEMD] == f"{text}JoinControllers=\n" and steps[-1].key == "initrd"
    assert ("block", "cgroups") in [one[:2] for one in said("rocky9", cgroups=True)]
    assert ("warn", "cgroups") in [one[:2] for one in said("centos7", cgroups=True)]
    assert SYSTEMD not in puts(planned("rocky9", {SYSTEMD: text}, cgroups=True))


def test_what_is_dangerous_is_said_at_its_field() -> None:
    found = said("ubuntu22", access="tcp", vnc="0.0.0.0", relax=True, openvswitch=True)
    assert {("warn", "access"), ("warn", "vnc"), ("warn", "relax"), ("warn", "openvswitch")} <= {one[:2] for one in found}
    (message,) = [one[2] for one in found if one[1] == "access"]
    assert "as root" in message and "16509" in message
    assert any("old-vm" in one[2] for one in found)
    lacking = dataclasses.replace(virtualization("ubuntu22"), keys_missing=(AUTHORITY,))
    assert any(one[:2] == ("block", "access") and AUTHORITY in one[2] for one in said("ubuntu22", access="tls", virt=lacking))
    dull = dataclasses.replace(virtualization("ubuntu22"), processor=False)
    assert any(one[0] == "block" and "vmx" in one[2] for one in said("ubuntu22", virt=dull))
    assert any("before 4.20" in one[2] for one in said("centos7")) and not any("before 4.20" in one[2] for one in said("rocky9"))


def test_a_host_that_cloudstack_secured_keeps_its_tls() -> None:
    secured = 'listen_tls=1\nlisten_tcp=0\nauth_tls="none"\n'
    of, wish = system("rocky9"), PrepareKvmParams(host=1, access="cloudstack", token="abc")
    virt = dataclasses.replace(virtualization("rocky9"), keys_missing=())
    steps = list(PrepareKvmHost().plan(wish, given(of, virt, wish, {LIBVIRTD: secured})))
    assert puts(steps)[LIBVIRTD].startswith("listen_tls=1\n")
    assert [one.wants for step in steps for one in step.probe if one.judge.endswith("listens")] == ["16514"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '"--listen"'),
        ('LIBVIRTD_ARGS="--timeout 120"\n', '"--listen"'),
        ('LIBVIRTD_ARGS="--verbose --timeout 120"\n', '"--verbose --listen"'),
        ('LIBVIRTD_ARGS="-l"\n', '"-l"'),
        ("LIBVIRTD_ARGS=--listen\n", "--listen"),
    ],
)
def test_options_that_are_there_stay_but_the_idle_limit(before: str, after: str) -> None:
    row = line(system("ubuntu22"))
    assert row is not None and listen(before, "LIBVIRTD_ARGS", row) == after


def test_where_open_vswitch_comes_from() -> None:
    assert one_of(OVS["redhat"], Offer("dnf", True, (), ("openvswitch3.1", "openvswitch3.3"))).install == ("openvswitch3.3",)
    assert one_of(OVS["redhat"], Offer("dnf", True, ("openvswitch3.1",), ())).install == ()
    assert "centos-release-nfv-openvswitch" in ovs_source(system("rocky9")) and "vault" in ovs_source(system("centos7"))
    of = system("rocky9")
    known: list[tuple[Fact[Any], Any]] = [
        (InventoryHost("portal", 1), HostData(1, "kvm1", "kvm")), (HostSystem("host:1"), of),
        (Offered("host:1", OVS["redhat"]), Offer("dnf", True, (), ())),
    ]  # fmt: skip
    facts = FactSet({fact.key(): Reading(fact.adapter().dump_python(value, mode="json")) for fact, value in known})
    found = judge(InstallOpenVswitch.guards, InstallOvsParams(host=1, token="abc"), facts)
    (block,) = [one for one in found if one.level == "block"]
    assert "centos-release-nfv-openvswitch" in block.message and not block.override and block.field == "host"


SS = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 30 0.0.0.0:16509 0.0.0.0:*\n"


def test_ports_are_judged_both_ways_and_silence_proves_nothing() -> None:
    assert listens(Result(0, SS), "16509") == ""
    assert "16509 is open and should not" in listens(Result(0, SS), "") and "16514" in listens(Result(0, SS), "16514")
    assert listens(Result(127, "", "ss: not found"), "") and listens(Result(0, ""), "")
    assert masked(Result(1, "masked\nmasked\n"), "") == "" and masked(Result(0, ""), "") and masked(Result(1, "masked\nenabled\n"), "")
    assert permissive(Result(0, "Permissive\n"), "") == "" and permissive(Result(0, "Enforcing\n"), "")
    assert (
        has_values(Result(0, "a=1\nb = 2\n"), "a=1\nb=2") == "" and has_values(Result(1, ""), "a=1") and has_values(Result(0, "a=2"), "a=1")
    )
    offers = "manager apt\nlists yes\nhas a\noffers b\nend\n"
    assert all_installed(Result(0, offers), '["a"]') == "" and "b" in all_installed(Result(0, offers), '["a", "b"]')
    assert "could not be asked" in all_installed(Result(0, ""), '["a"]')


def test_a_simulation_tells_new_from_changed_and_removed() -> None:
    text = "Inst a (2.10-3 Debian:12 [amd64])\nInst b [3.0.1] (3.0.2 Debian:12 [amd64])\nRemv c [4.96]\n"
    found = Simulated("h", ("a",)).parse(Result(0, text))
    assert (found.new, found.changed, found.removed) == (("a",), ("b",), ("c",))
    with pytest.raises(FactError, match="Unable to locate"):
        Simulated("h", ("x",)).parse(Result(100, "", "E: Unable to locate package x\n"))


@pytest.mark.parametrize("value", ["192.0.2.1/24", "any", "300.1.1.1"])
def test_consoles_listen_on_an_address(value: str) -> None:
    form = HostPage.base_fields["vnc"]
    assert form.max_length == 60  # type: ignore[attr-defined]
    page = HostPage.__new__(HostPage)
    page.cleaned_data = {"vnc": value}
    with pytest.raises(Exception, match="is no address"):
        page.clean_vnc()
