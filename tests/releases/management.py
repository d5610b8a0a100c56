"""Small packages that are called as CloudStack's, with a service that treats its database and its log as a management server does."""

from __future__ import annotations

import subprocess
from pathlib import Path

SERVER = r"""
import http.server, pathlib, re, subprocess, sys, threading, time

conf, log = pathlib.Path("/etc/cloudstack/management"), pathlib.Path("/var/log/cloudstack/management/management-server.log")
code = pathlib.Path("/usr/share/cloudstack-management/VERSION").read_text().strip()
at = dict(line.split("=", 1) for line in (conf / "db.properties").read_text().splitlines() if "=" in line)


def say(level, text, by="c.c.u.DatabaseUpgradeChecker"):
    with log.open("a") as file:
        file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')},123 {level:5} [{by}] (main:null) {text}\n")


def sql(text):
    words = ["mysql", "-N", "-B", "-h", at["db.cloud.host"], "-u", at["db.cloud.username"], f"-p{at['db.cloud.password']}", "cloud"]
    return subprocess.run([*words, "-e", text], check=True, capture_output=True, text=True).stdout


def base(text):
    return ".".join(re.sub("-.*", "", text).split(".")[:3])


def check():
    say("INFO", "Grabbing lock to check for database upgrade.")
    rows = sql("SELECT version, step FROM version ORDER BY id").splitlines()
    found = [row.split("\t")[0] for row in rows if row.endswith("Complete")][-1]
    say("INFO", f"DB version = {found} Code Version = {code}")
    if base(found) == base(code):
        return say("INFO", "DB version and code version matches so no upgrade needed.")
    say("INFO", f"Database upgrade must be performed from {base(found)} to {base(code)}")
    sql(f"INSERT INTO version (version, updated, step) VALUES ('{base(code)}', now(), 'Upgrade')")
    if (conf / "broken").exists():
        say("ERROR", "Unable to upgrade the database")
        say("ERROR", "com.cloud.utils.exception.CloudRuntimeException: Unable to upgrade the database: Duplicate column name 'uuid'")
        return time.sleep(600)
    sql("ALTER TABLE vm_instance ADD COLUMN later int DEFAULT 7")
    sql(f"UPDATE version SET step = 'Complete' WHERE version = '{base(code)}'")
    say("DEBUG", f"Upgrade completed for version {base(code)}")


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.end_headers()
        text = f'<listcapabilitiesresponse cloud-stack-version="{code}"><errorcode>401</errorcode></listcapabilitiesresponse>'
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def live():
    name, address = subprocess.run(["hostname"], capture_output=True, text=True).stdout.strip(), "unknown"
    while True:
        sql(f"REPLACE INTO mshost (id, name, service_ip, state, version, last_update) VALUES "
            f"(CRC32('{name}'), '{name}', '{name}', 'Up', '{code}', UTC_TIMESTAMP())")
        time.sleep(1)


check()
threading.Thread(target=live, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Api).serve_forever()
"""

UNIT = """\
[Unit]
Description=CloudStack Management Server
[Service]
ExecStart=/usr/bin/python3 /usr/share/cloudstack-management/server.py
KillSignal=SIGKILL
[Install]
WantedBy=multi-user.target
"""

STARTS = "#!/bin/sh\nset -e\n[ ! -d /run/systemd/system ] || systemctl daemon-reload\ninvoke-rc.d cloudstack-management start || :\n"
"""As Debian's own helpers do after an installation, unless a policy forbids it."""


def package(folder: Path, name: str, version: str) -> Path:
    """A .deb. Common is wanted in exactly the same version, as CloudStack's packages do."""
    root = folder / f"{name}-{version}"
    needs = f"Depends: cloudstack-common (= {version})\n" if name != "cloudstack-common" else ""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\n{needs}Description: {name}\n"
    files = {"DEBIAN/control": control}
    if name == "cloudstack-management":
        files |= {
            "DEBIAN/postinst": STARTS, "lib/systemd/system/cloudstack-management.service": UNIT,
            "usr/share/cloudstack-management/server.py": SERVER, "usr/share/cloudstack-management/VERSION": version,
        }  # fmt: skip
    else:
        files[f"usr/share/{name}/VERSION"] = version
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if path.endswith("postinst") else 0o644)
    made = folder / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(root), str(made)], check=True, capture_output=True)
    return made


SCHEMA = """
CREATE DATABASE cloud; CREATE DATABASE cloud_usage;
CREATE USER 'cloud'@'%' IDENTIFIED BY 'pa"ss\\\\word'; GRANT ALL ON *.* TO 'cloud'@'%';
USE cloud;
CREATE TABLE version (id bigint unsigned NOT NULL UNIQUE AUTO_INCREMENT, version char(40) NOT NULL UNIQUE, updated datetime NOT NULL,
  step char(32) NOT NULL, PRIMARY KEY (id));
INSERT INTO version (version, updated, step) VALUES ('4.7.1', now(), 'Complete'), ('4.8.0', now(), 'Complete');
CREATE TABLE mshost (id bigint unsigned PRIMARY KEY, name varchar(255), service_ip char(40), state varchar(10), version varchar(255),
  last_update datetime, removed datetime);
CREATE TABLE vm_template (id int PRIMARY KEY, name varchar(255), type char(32), removed datetime);
INSERT INTO vm_template VALUES (1, 'systemvm-xenserver-4.6', 'SYSTEM', NULL);
CREATE TABLE vm_instance (id int PRIMARY KEY AUTO_INCREMENT, name varchar(255));
INSERT INTO vm_instance (name) VALUES ('i-2-3-VM'), ('i-2-4-VM');
CREATE PROCEDURE counted() SELECT COUNT(*) FROM vm_instance;
CREATE TABLE cloud_usage.usage_job (id int PRIMARY KEY);
"""
"""The few tables of a management server's database that an upgrade is about."""

DATABASE_UNIT = """\
[Service]
ExecStart=/usr/sbin/mariadbd --no-defaults --user=root --datadir=/srv/db --port=3306 --bind-address=0.0.0.0 --socket=/run/db.sock \
 --innodb-buffer-pool-size=32M --innodb-log-file-size=8M --innodb-log-buffer-size=2M
"""
