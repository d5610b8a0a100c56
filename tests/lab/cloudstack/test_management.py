"""The management server of the practice cloud, by the very commands that the portal runs on one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cs import CloudStack

from hosts.models import CloudApi, Kind
from networking.facts.kernel import KernelNetwork
from opsportal.transport.base import Result
from releases import servers
from tests.lab.machines.stage import Stage, running
from tests.lab.machines.test_hosts import until

UNIT = "cloudstack-management"
BACKUP = "/var/backups/before"


@pytest.fixture
def stage(tmp_path: Path, settings: object, db: None) -> Iterator[Stage]:
    with running(tmp_path, settings) as made:
        yield made


def act(stage: Stage, script: str, *argv: str) -> Result:
    return stage.transport("cs-mgmt1").run(servers.run(script, *argv, sudo=False), timeout=60)


def done(stage: Stage, script: str, *argv: str) -> str:
    result = act(stage, script, *argv)
    assert result.exit == 0, result
    return result.out


def package(stage: Stage, version: str, upgrades: str = "Upgrade470to471 Upgrade471to480") -> None:
    """A real package of that version with a schema jar, made on the server itself."""
    script = """\
place=x/usr/share/practice-management/webapps/client/WEB-INF/lib
cd /root && rm -rf x && mkdir -p x/DEBIAN x/jar/META-INF x/jar/practice $place || exit 1
printf '%s: %s\\n' Package practice-management Version "$1" Architecture all Maintainer 'x <x@x.example>' Description x >x/DEBIAN/control
printf 'Manifest-Version: 1.0\\nImplementation-Version: %s\\n' "$1" >x/jar/META-INF/MANIFEST.MF
for one in $2; do : >"x/jar/practice/$one.class"; done
cd x/jar && python3 -m zipfile -c "/root/$place/practice-schema-$1.jar" META-INF practice || exit 1
cd /root && rm -rf x/jar && dpkg-deb --root-owner-group -b x new.deb
"""
    done(stage, script, version, upgrades)


def upgrade(stage: Stage, version: str, upgrades: str = "Upgrade470to471 Upgrade471to480") -> Result:
    package(stage, version, upgrades)
    done(stage, servers.INSTALL, "/root", UNIT, "deb", "install", "./new.deb")
    done(stage, servers.INSTALLED, f"practice-management={version}")
    return act(stage, servers.FOLLOW, UNIT, servers.LOG, "60", servers.JUDGE)


def client(stage: Stage) -> CloudStack:
    seat = stage.lab.seats["1"]
    return CloudStack(f"http://{seat.api.address}:{seat.api.port}/client/api", seat.cloud.data.key, seat.cloud.data.secret, method="post")


def test_it_stands_in_the_inventory_with_the_api_of_its_cloud(stage: Stage) -> None:
    host = stage.host("cs-mgmt1")
    assert (host.kind, host.pool) == (Kind.MANAGEMENT, None)
    assert CloudApi.objects.get(cloud=host.cloud).url.startswith("http://127.77.1.10:")


def test_it_says_what_it_is(stage: Stage) -> None:
    look = done(stage, servers.LOOK, servers.CONF, servers.LOG, " ".join(servers.WAR_PLACES), " ".join(servers.MANAGEMENT))
    for line in ("unit cloudstack-management", "family deb", "package practice-management 4.8.0 all", "cloud.name cloud", "password plain"):
        assert line in look.splitlines()
    assert "runs yes" in done(stage, servers.MOMENT, UNIT, servers.LOG, BACKUP)
    rows = done(stage, servers.ASK, servers.CONF, "cloud", servers.VERSIONS, servers.SERVERS)
    assert "4.8.0\tComplete" in rows and "cs-mgmt1\t10.0.0.11\tUp\t4.8.0" in rows


def test_a_backup_is_whole_can_be_tried_and_brings_the_database_back(stage: Stage) -> None:
    done(stage, servers.BACKUP, servers.CONF, BACKUP, "cloud", "cloud_usage")
    done(stage, servers.CHECK_BACKUP, BACKUP, "4.8.0", "cloud", "cloud_usage")
    assert "4 tables came back" in done(stage, servers.TRIAL, servers.CONF, BACKUP, "scratch", "cloud")
    sql = "mysql -u root cloud -N -B -e \"INSERT INTO version VALUES (9, '4.9.0', NULL, 'Upgrade')\""
    done(stage, sql)
    assert "Dropping cloud" in done(stage, servers.RESTORE, servers.CONF, BACKUP, "cloud", "cloud_usage")
    assert "4.9.0" not in done(stage, servers.ASK, servers.CONF, "cloud", servers.VERSIONS)


def test_while_it_stands_its_api_is_away(stage: Stage) -> None:
    done(stage, servers.STOP, UNIT)
    done(stage, servers.STANDS, UNIT)
    with pytest.raises(OSError, match="refused"):
        client(stage).listZones()
    done(stage, servers.FOLLOW, UNIT, servers.LOG, "60", servers.JUDGE)
    until(lambda: "401" in act(stage, servers.ANSWERS).out)
    assert client(stage).listCapabilities()["capability"]["cloudstackversion"] == "4.8.0"


def test_a_fourth_number_is_a_new_version_and_none_to_the_database(stage: Stage) -> None:
    followed = upgrade(stage, "4.8.0.16")
    assert followed.exit == 0 and "DB version = 4.8.0 Code Version = 4.8.0.16" in followed.out
    until(lambda: "401" in act(stage, servers.ANSWERS).out)
    assert client(stage).listCapabilities()["capability"]["cloudstackversion"] == "4.8.0.16"
    assert "4.8.0.16" not in done(stage, servers.ASK, servers.CONF, "cloud", servers.VERSIONS)


def test_a_newer_release_upgrades_the_database(stage: Stage) -> None:
    followed = upgrade(stage, "4.8.1", "Upgrade470to471 Upgrade471to480 Upgrade480to481")
    assert followed.exit == 0 and "Upgrade completed for version 4.8.1" in followed.out
    assert "4.8.1\tComplete" in done(stage, servers.ASK, servers.CONF, "cloud", servers.VERSIONS)


@pytest.mark.parametrize(
    ("version", "upgrades", "says"),
    [
        ("4.7.1", "Upgrade470to471", "is higher than management software version 4.7.1"),
        ("4.9.0", "Upgrade480to481", "The end upgrade version is actually at 4.8.1"),
        ("4.9.0", "Upgrade470to471", "There is no upgrade path from 4.8.0 to 4.9.0"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_checker_s_words(stage: Stage, version: str, upgrades: str, says: str) -> None:
    followed = upgrade(stage, version, upgrades)
    assert followed.exit == 4 and says in followed.out
    assert "runs no" in done(stage, servers.MOMENT, UNIT, servers.LOG, BACKUP)


def test_a_hypervisor_shows_its_bridges_to_the_networking_room(stage: Stage) -> None:
    fact = KernelNetwork("")
    command = fact.command()
    seen = fact.parse(stage.transport("kvm1").run(command, timeout=60))
    eth0, bridge = seen.nic("eth0"), seen.nic("cloudbr0")
    assert eth0 is not None and (eth0.kind, eth0.master, eth0.mtu, eth0.carrier) == ("physical", "cloudbr0", 1500, True)
    assert bridge is not None and bridge.kind == "bridge" and bridge.addresses == (f"{stage.machine('kvm1').place.address}/24",)
    assert any(route.to == "0.0.0.0/0" for route in seen.routes)
