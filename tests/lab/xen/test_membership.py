"""Joining a pool, clones of one template, and making them unique."""

from __future__ import annotations

import pytest

from opsportal.lab.xen import dom0
from opsportal.lab.xen.model import Sr
from opsportal.lab.xen.practice import Wanted, clones
from opsportal.lab.xen.world import Call, World
from tests.lab.xen.worlds import U1, U2, db, later, outcome, pool, run_guest, xe

JOIN = "pool-join master-address=10.0.0.11 master-username=root master-password=x"


def with_joiner(version: str = "6.5", ha: int = 0, uuids: tuple[str, ...] = ()) -> World:
    """A pool of three and a stand-alone host, "new1" at 10.0.9.11."""
    world = pool(version, ha=ha)
    world.add_pool(Wanted("", version, "new", "10.0.9.", hosts=1, nfs=0, guests=0, password="y", uuids=list(uuids)))
    joiner = db(world, "new1")
    gone = [sr.uuid for sr in joiner.srs.values() if sr.shared]
    for uuid in gone:
        del joiner.srs[uuid]
    joiner.pbds = {key: pbd for key, pbd in joiner.pbds.items() if pbd.sr not in gone}
    return world


def join(world: World, line: str = JOIN) -> Call:
    return xe(world, line, "new1")


def test_a_host_joins_and_takes_over_the_pools_password() -> None:
    world = with_joiner()
    said = join(world)
    assert (said.code, said.out) == (0, "Host agent will restart and attempt to join pool in 10.000 seconds...\n")
    later(world, 60)
    assert len(xe(world, "host-list params=uuid --minimal", "new1").out.split(",")) == 4
    assert world.files("new1")["/etc/xensource/pool.conf"] == "slave:10.0.0.11"
    assert world.password("new1") == "x"
    uuid = dom0.host_uuid(world.machine("new1"))
    assert set(xe(world, f"pbd-list host-uuid={uuid} params=currently-attached --minimal").out.strip().split(",")) == {"true"}
    assert xe(world, f"host-param-get uuid={uuid} param-name=enabled").out == "true\n"


def test_an_unreachable_master_is_told_on_stdout_with_exit_code_0() -> None:
    world = with_joiner()
    expected = (
        "Host cannot contact destination host: connection refused.\n"
        "Check destination host has services running and accessible from this host.\n"
    )
    for broken in (world.kill_xapi, world.pull_plug):
        broken("xen1")
        said = join(world)
        assert (said.code, said.out, said.err) == (0, expected, "")


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("6.2", "The host joining the pool cannot have any running VMs.\n"),
        ("8.2", "The server joining the pool cannot have any running VMs.\n"),
    ],
)
def test_running_guests_are_refused(version: str, text: str) -> None:
    world = with_joiner(version)
    run_guest(world, host="new1")
    assert join(world).err == text


@pytest.mark.parametrize("ha", [0, 180])
def test_ha_on_either_side(ha: int) -> None:
    world = with_joiner(ha=ha)
    if not ha:
        db(world, "new1").pool.ha_enabled = True
    assert outcome(join(world), "6.5") == "HA_IS_ENABLED"


def test_wrong_password_member_and_booting_master() -> None:
    world = with_joiner()
    assert join(world, JOIN + "1").err == "Authentication failed\nFor usage run: 'xe help'\n"
    assert outcome(join(world, JOIN.replace("10.0.0.11", "10.0.0.12")), "6.5") == "HOST_IS_SLAVE"
    world.run("xen1", "xe-toolstack-restart")
    assert outcome(join(world), "6.5") == "HOST_STILL_BOOTING"


def test_a_clone_of_the_master_and_of_a_member() -> None:
    world = with_joiner(uuids=(U1,))
    assert join(world).err == "You attempted an operation that was not allowed.\nreason: Host cannot become slave of itself\n"
    world = with_joiner(uuids=(U2,))
    assert outcome(join(world), "6.5") == "ok"
    later(world, 60)
    assert len(xe(world, "host-list params=uuid --minimal").out.split(",")) == 3
    assert xe(world, f"host-param-get uuid={U2} param-name=address").out == "10.0.9.11\n"


def test_typed_on_a_member_it_runs_on_its_master() -> None:
    world = with_joiner()
    assert outcome(xe(world, JOIN, "xen2"), "6.5") == "OPERATION_NOT_ALLOWED"
    other = JOIN.replace("10.0.0.11", "10.0.9.11").replace("=x", "=y")
    assert outcome(xe(world, other, "xen2"), "6.5") == "JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS"


@pytest.mark.parametrize(
    ("version", "difference", "text"),
    [
        ("6.2", {"build_number": "1"}, "The hosts in this pool are not homogeneous.\nreason: software version differs\n"),
        ("7.0", {"build_number": "1"}, "The hosts in this pool are not homogeneous.\nreason: Software version differs\n"),
        ("8.3", {"build_number": "1"}, ""),
        ("8.2", {"platform_version": "3.1.0"}, "The hosts in this pool are not compatible.\n"),
        ("7.0", {"network_backend": "bridge"}, "You attempted an operation that was not allowed.\nreason: Network backends differ\n"),
    ],
)
def test_different_software(version: str, difference: dict[str, str], text: str) -> None:
    world = with_joiner(version)
    world.machine("new1").software = difference
    assert join(world).err == text


@pytest.mark.parametrize(("key", "version", "refused"), [("features", "6.2", True), ("features", "8.2", False), ("vendor", "8.2", True)])
def test_different_processors(key: str, version: str, refused: bool) -> None:
    world = with_joiner(version)
    world.machine("new1").cpu[key] = "other"
    said = join(world)
    assert said.err == ("The hosts in this pool are not homogeneous.\nreason: CPUs differ\n" if refused else "")
    assert join(world, JOIN + " --force").code == 0


def test_licence_patches_and_shared_storage() -> None:
    world = with_joiner("6.2")
    world.machine("new1").edition = "premium"
    assert outcome(join(world), "6.2") == "LICENCE_RESTRICTION"
    world = with_joiner("7.0")
    world.machine("new1").edition = "premium"
    assert outcome(join(world), "7.0") == "LICENSE_HOST_POOL_MISMATCH"
    world = with_joiner("6.2")
    world.machine("new1").patches = {}
    world.machine("xen1").patches = {"e1": "XS62E001"}
    assert "reason: Patches applied differ: Remote has e1" in join(world).err
    world = with_joiner()
    joiner = db(world, "new1")
    local = next(sr for sr in joiner.srs.values() if sr.name == "Local storage")
    joiner.srs[local.uuid] = Sr(local.uuid, "shared", "nfs", shared=True)
    assert outcome(join(world), "6.5") == "JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS"


def test_clones_share_their_uuids_and_their_name() -> None:
    world = World()
    clones(world.site, "6.5", "xen-c", "10.0.3.", 2)
    said = [[xe(world, f"{what}-list params=uuid --minimal", host).out for what in ("host", "pool")] for host in world.hosts()]
    assert said[0] == said[1]
    inventories = [dom0.inventory(world.machine(host)) for host in world.hosts()]
    assert inventories[0]["CONTROL_DOMAIN_UUID"] == inventories[1]["CONTROL_DOMAIN_UUID"]
    assert {world.hostname(host) for host in world.hosts()} == {"xen-template"}


def make_unique(world: World, host: str, uuid: str, control_domain: str) -> None:
    """The published procedure, as an operator would type it."""
    assert world.run(host, "service", "xapi", "stop").code == 0
    old = dom0.inventory(world.machine(host))
    text = world.files(host)[dom0.INVENTORY].replace(old["INSTALLATION_UUID"], uuid).replace(old["CONTROL_DOMAIN_UUID"], control_domain)
    world.saw(host, {dom0.INVENTORY: text, dom0.state_db(world.machine(host)): None})
    assert world.run(host, "service", "xapi", "start").code == 0
    assert world.run(host, "/opt/xensource/libexec/create_templates").code == 0
    said = world.run(host, "xe-reset-networking", "--device=eth0", "--mode=dhcp", stdin="yes\n")
    assert said.code == 0 and "MODE='dhcp'" in (said.writes[dom0.MANAGEMENT_CONF] or "")


def test_making_a_clone_unique() -> None:
    world = World()
    clones(world.site, "6.5", "xen-c", "10.0.3.", 2)
    pools = xe(world, "pool-list params=uuid --minimal", "xen-c2").out
    make_unique(world, "xen-c2", U2, "c0c0c0c0-0000-4000-8000-000000000002")
    later(world, 200)
    assert xe(world, "host-list params=uuid --minimal", "xen-c2").out == f"{U2}\n"
    assert xe(world, "pool-list params=uuid --minimal", "xen-c2").out != pools
    assert xe(world, "vm-list is-control-domain=true params=uuid --minimal", "xen-c2").out == "c0c0c0c0-0000-4000-8000-000000000002\n"
    assert "CentOS 7" in xe(world, "template-list params=name-label --minimal", "xen-c2").out
    assert xe(world, "sr-list --minimal", "xen-c2").out == "\n"
    assert world.hostname("xen-c2") == "xen-c2"
    assert xe(world, "host-list params=name-label --minimal", "xen-c2").out == "xen-template\n"
    assert world.run("xen-c2", "xe", "host-param-set", f"uuid={U2}", "name-label=xen-c2").code == 0
    assert xe(world, "host-list params=name-label --minimal", "xen-c2").out == "xen-c2\n"
    assert world.machine("xen-c2").boots == 2
    assert xe(world, "patch-list params=name-label,hosts --minimal", "xen-c2").out == "XS65ESP1\n"
    assert xe(world, f"host-param-get uuid={U2} param-name=patches", "xen-c2").out != "\n"


def test_without_a_yes_the_network_stays() -> None:
    world = pool(hosts=1)
    said = world.run("xen1", "xe-reset-networking", stdin="no\n")
    assert "Cancelled." in said.out
    later(world, 30)
    assert world.powered("xen1") and world.machine("xen1").boots == 1


def test_without_templates_there_are_none_after_the_database_was_wiped() -> None:
    world = pool("6.5", hosts=1)
    world.run("xen1", "service", "xapi", "stop")
    world.saw("xen1", {"/var/xapi/state.db": None})
    world.run("xen1", "service", "xapi", "start")
    later(world, 30)
    assert xe(world, "template-list --minimal").out == "\n"
    assert world.files("xen1")["/var/xapi/state.db"]


def test_a_member_that_the_master_does_not_know() -> None:
    world = pool("8.2")
    world.pull_plug("xen3")
    later(world, 601)
    assert xe(world, "host-forget --force uuid=0d9e8c7b-1234-4c4c-9b9b-abcdef012303").code == 0
    world.power_on("xen3")
    later(world, 150)
    assert xe(world, "pool-list", "xen3").err == (
        "The master says the server is not known to it. Is the server in the master's database and pointing to the correct master? "
        "Are all servers using the same pool secret?\nhost: 0d9e8c7b-1234-4c4c-9b9b-abcdef012303\n"
    )
    world = pool("6.2")
    del db(world).hosts[U2]
    world.run("xen2", "xe-toolstack-restart")
    later(world, 30)
    assert xe(world, "pool-list", "xen2").err.startswith(
        "The master says the host is not known to it. Perhaps the Host was deleted from the master's database? "
        "Perhaps the slave is pointing to the wrong master?\n"
    )
