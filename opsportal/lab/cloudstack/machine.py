"""A management server of a practice cloud as a machine: a Debian system whose packages, database and service its programs look after."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import zipfile
from datetime import UTC, datetime
from importlib.resources import files

from opsportal.lab.cloudstack.debian import DebianMachine
from opsportal.lab.cloudstack.model import OLD

WEB_INF = "/usr/share/practice-management/webapps/client/WEB-INF"
CONF = "/etc/cloudstack/management/db.properties"
LOG = "/var/log/cloudstack/management/management-server.log"
PROGRAMS = ("practice-server", "practice-api")
"""What the lab answers itself, see `cloud.Cloud.program`."""

UPGRADES = ("Upgrade470to471", "Upgrade471to480")

PROPERTIES = (
    "cluster.servlet.port=9090\ndb.cloud.username=cloud\ndb.cloud.password=cloud\ndb.cloud.host=localhost\ndb.cloud.port=3306\n"
    "db.cloud.name=cloud\ndb.usage.name=cloud_usage\n"
)

SCHEMA = """
CREATE TABLE `version` (`id` INTEGER PRIMARY KEY, `version` char(40) NOT NULL UNIQUE, `updated` datetime, `step` char(32) NOT NULL);
INSERT INTO `version` (version, updated, step) VALUES
  ('4.7.0', '2015-12-17 09:00:00', 'Complete'), ('4.7.1', '2016-01-12 09:00:00', 'Complete'), ('{version}', '{now}', 'Complete');
CREATE TABLE `mshost` (`id` INTEGER PRIMARY KEY, `msid` bigint NOT NULL UNIQUE, `name` varchar(255), `state` varchar(10),
  `version` varchar(255), `service_ip` char(40), `service_port` integer, `last_update` datetime, `removed` datetime);
INSERT INTO `mshost` VALUES (1, 345052352513, '{name}', 'Up', '{version}', '10.0.0.11', 9090, '{now}', NULL);
CREATE TABLE `vm_template` (`id` INTEGER PRIMARY KEY, `name` varchar(255), `type` varchar(32), `hypervisor_type` varchar(32),
  `removed` datetime);
INSERT INTO `vm_template` VALUES (1, 'systemvm-xenserver-4.6', 'SYSTEM', 'XenServer', NULL), (3, 'systemvm-kvm-4.6', 'SYSTEM', 'KVM', NULL);
CREATE TABLE `configuration` (`name` varchar(255) PRIMARY KEY, `value` varchar(4096));
INSERT INTO `configuration` VALUES ('host', '10.0.0.11'), ('ping.interval', '60'), ('ping.timeout', '2.5'), ('alert.wait', '1800');
"""
USAGE = "CREATE TABLE `usage_event` (`id` INTEGER PRIMARY KEY, `type` varchar(32), `account_id` bigint, `created` datetime);"


class ManagementServer(DebianMachine):
    """Its service runs from the first day on."""

    packages = ("practice-common", "practice-management")
    service = "cloudstack-management"
    tools = "server"

    def furnish(self) -> None:
        super().furnish()
        now = datetime.now(UTC)
        self.disk.write(CONF, PROPERTIES)
        self.put("practice-common", {})
        self.put("practice-management", {f"{WEB_INF}/lib/practice-schema-{OLD}.jar": _jar()})
        (self.disk.root / "var/lib/mysql").mkdir(parents=True, exist_ok=True)
        values = {"version": OLD, "now": f"{now:%Y-%m-%d %H:%M:%S}", "name": self.hostname}
        for name, script in (("cloud", SCHEMA.format(**values)), ("cloud_usage", USAGE)):
            with contextlib.closing(sqlite3.connect(self.disk.root / f"var/lib/mysql/{name}.db")) as database:
                database.executescript(script)
        self.disk.append(LOG, "".join(_first_lines(now)))


def _jar() -> bytes:
    """The schema jar, which says its version and knows its upgrades."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\nImplementation-Version: {OLD}\n")
        for name in UPGRADES:
            archive.writestr(f"practice/upgrade/{name}.class", b"")
    return jar.getvalue()


def _first_lines(now: datetime) -> list[str]:
    said = (
        "Grabbing lock to check for database upgrade.",
        f"DB version = {OLD} Code Version = {OLD}",
        "DB version and code version matches so no upgrade needed.",
    )
    head = f"{now:%Y-%m-%d %H:%M:%S},000 INFO  [c.c.u.DatabaseUpgradeChecker] (main:null) (logid:)"
    return [f"{head} {line}\n" for line in said]


def programs(interpreter: str) -> dict[str, str]:
    """For /run/lab/bin, by name."""
    inside = files("opsportal.lab.cloudstack.inside")
    found = {f"{name}.py": inside.joinpath(f"{name}.py").read_text() for name in ("server", "mysql")}
    for name, script in (("service", "server"), ("systemctl", "server"), ("mysql", "mysql"), ("mysqldump", "mysql")):
        found[name] = f'#!/bin/sh\nexec {interpreter} -I -S /run/lab/bin/{script}.py {name} "$@"\n'
    return found | {"curl": CURL}


CURL = """#!/bin/sh
for word; do case $word in http://127.0.0.1:8080/* | http://localhost:8080/*) exec practice-api "$word" ;; esac; done
exec /usr/bin/curl "$@"
"""
"""A practice host has no network: its own API is the lab's."""
