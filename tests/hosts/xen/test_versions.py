"""Every fact against the simulated pools of each version, and the members' voices in each way a pool can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolPifs, PoolStorage, PoolVms, ProtectedVms, SrSpace
from hosts.xen.state import Member, Role, Voice
from opsportal.lab.xen.model import VERSIONS
from opsportal.lab.xen.world import World
from opsportal.operations.facts import Fact
from tests.hosts.xen.simulated import dom0, serving
from tests.lab.xen.worlds import POOL, SR, U1, U2, later, pool, xe


class Brief(MemberView):
    POOL_SECONDS = 2
    LOCAL_SECONDS = 5


class Site:
    """A simulated pool whose hosts can be asked for facts."""

    def __init__(self, world: World, root: Path) -> None:
        self.world, self.root = world, root

    def ask(self, fact: Fact[Any], host: str = "xen1") -> Any:
        return fact.parse(dom0(self.world, host, self.root, self.root / "wire").run(fact.command()))

    def view(self, host: str) -> Member:
        found: Member = self.ask(Brief("host:1"), host)
        return found


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(version: str, tmp_path: Path) -> Iterator[Site]:
    made = Site(pool(version, ha=180, guests=2), tmp_path)
    with serving(made.world, tmp_path / "wire"):
        yield made


def test_every_fact_of_every_version(site: Site, version: str) -> None:
    basics = site.ask(PoolBasics("host:1"))
    assert (basics.uuid, basics.master, basics.ha_enabled, basics.ha_timeout) == (POOL, U1, True, 180)
    assert basics.statefile_srs == (SR,) and basics.xha_licensed is True and not basics.rolling_upgrade
    hosts = site.ask(PoolHosts("host:1"))
    assert (hosts[0].name, hosts[0].address, hosts[0].enabled, hosts[0].live) == ("xs01", "10.0.0.11", True, True)
    assert {host.version[:3] for host in hosts} == {version} and all(host.cpu for host in hosts)
    storage = site.ask(PoolStorage("host:1"))
    assert storage.plugged(SR) == {host.uuid for host in hosts}
    assert all(space.size is not None for space in site.ask(SrSpace("host:1")) if space.sr == SR)
    vms = site.ask(PoolVms("host:1"))
    assert len(vms) >= 2 and {vm.host for vm in vms if vm.power == "running"} <= {host.uuid for host in hosts}
    assert site.ask(ProtectedVms("host:1")) == ()
    assert {pif.host for pif in site.ask(PoolPifs("host:1")) if pif.management} == {host.uuid for host in hosts}


def test_members_of_every_version(site: Site, version: str) -> None:
    master, member = site.view("xen1"), site.view("xen2")
    assert (master.uuid, master.role, master.voice, master.says_ha, master.ha_armed) == (U1, Role.MASTER, Voice.ANSWERS, True, True)
    assert (member.uuid, member.role, member.master_address, member.says_master) == (U2, Role.SLAVE, "10.0.0.11", U1)
    assert (member.version[:3], member.emergency, member.pool, member.address_type) == (version, False, POOL, "Static")


@pytest.mark.parametrize("version", ["6.2", "8.3"])
def test_the_ways_a_member_can_be_lost(version: str, tmp_path: Path) -> None:
    site = Site(pool(version, guests=1), tmp_path)
    with serving(site.world, tmp_path / "wire"):
        site.world.kill_xapi("xen2")
        assert site.view("xen2").voice is Voice.REFUSED
        site.world.pull_plug("xen1")
        later(site.world, 60)
        lost = site.view("xen3")
        assert (lost.voice, lost.role, lost.emergency) == (Voice.HANGS, Role.SLAVE, False)
        site.world.run("xen3", "xe-toolstack-restart")
        later(site.world, 400)
        assert (found := site.view("xen3")).voice is Voice.EMERGENCY and found.emergency and found.said


def test_a_protected_vm_is_found(site: Site) -> None:
    first = site.ask(PoolVms("host:1"))[0]
    assert xe(site.world, f"vm-param-set uuid={first.uuid} ha-restart-priority=best-effort").code == 0
    (found,) = site.ask(ProtectedVms("host:1"))
    assert (found.uuid, found.priority, found.power, found.host) == (first.uuid, "best-effort", "", "")
