"""Two real Debian hosts with a real MariaDB: management servers upgraded by their packages, proved, refused, broken and taken back."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts import connections, sealing
from hosts.models import Cloud, Credential, Host, HostKey, Kind
from opsportal.operations import approval, followers, journal, planning, registry
from opsportal.operations.models import Operation, Restoration
from opsportal.operations.states import OperationState as S
from opsportal.operations.templatetags.log import log_start
from opsportal.secrets.store import make_keyring
from releases.models import Build
from tests.networking.ground import Ground, GroundHost, cannot, missing
from tests.operations.driving import draft, run
from tests.releases import made, management
from tests.releases.test_upgrading import OLD_CHECKER

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]

PASSWORD = 'pa"ss\\word'
PROPERTIES = (
    "db.cloud.host={}\ndb.cloud.port=3306\ndb.cloud.name=cloud\ndb.cloud.username=cloud\ndb.cloud.password={}\ndb.usage.name=cloud_usage\n"
)
PLACE = "/etc/cloudstack/management/db.properties"
NAMES = ("cloudstack-common", "cloudstack-management")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("packages")
    return {version: [management.package(folder, name, version) for name in NAMES] for version in ("4.8.0", "4.8.0.16", "4.8.1.1")}


@pytest.fixture(scope="module")
def pair(packages: dict[str, list[Path]]) -> Iterator[Ground]:
    if why := cannot() or missing() or ("" if Path("/usr/sbin/mariadbd").exists() else "missing packages: mariadb-server"):
        if os.environ.get("CI") == "true" and not cannot():
            pytest.fail(f"NO TEST HOSTS: {why}.")
        pytest.skip(f"CANNOT HERE: {why}. Upgrading real servers was not tested.")
    with Ground(2) as ground:
        first = ground.hosts[0]
        first.sh(
            "rm -rf /srv/db; mkdir -p /srv/db; mariadb-install-db --no-defaults --user=root --datadir=/srv/db --skip-test-db", timeout=120
        )
        for host in ground.hosts:
            _prepare(host, packages["4.8.0"], first.address)
        yield ground


def _prepare(host: GroundHost, old: list[Path], database: str) -> None:
    """The release of now is in apt's cache, as on a server that was installed from a repository."""
    for path in old:
        host.put(f"/var/cache/apt/archives/{path.name}", path.read_bytes())
    host.sh("rm -rf /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/docker-clean /etc/apt/sources.list* /etc/mysql/my.cnf")
    host.sh("mkdir -p /var/log/cloudstack/management")
    put(host, PLACE, PROPERTIES.format(database, PASSWORD))
    put(host, "/etc/systemd/system/db.service", management.DATABASE_UNIT)


def put(host: GroundHost, path: str, text: str) -> None:
    host.put(path, text.encode())


def sql(ground: Ground, text: str) -> str:
    return ground.hosts[0].run("mysql", "--no-defaults", "-S", "/run/db.sock", "-N", "-B", "-e", text)


@dataclass
class Yard:
    ground: Ground
    hosts: list[Host]
    cloud: Cloud
    build: Build
    newer: Build
    olga: User
    paul: User
    petra: User

    def plan(self, build: Build | None = None, **params: Any) -> Operation:
        given = {
            "cloud": self.cloud.pk,
            "build": (build or self.build).pk,
            "folder": "/srv/backups",
            "token": secrets.token_hex(6),
            **params,
        }
        return draft("upgrade-management-servers", self.olga, **given)

    def go(self, operation: Operation) -> Operation:
        approval.submit(operation, user=self.olga, reason="The test's disk is small", overrides=True)
        for approver in (self.paul, self.petra):  # against a guard it takes two
            operation.refresh_from_db()
            if operation.state == S.AWAITING_APPROVAL:
                approval.approve(operation, user=approver, digest=operation.digest)
        operation.refresh_from_db()
        return run(operation, slices=400, seconds=60)

    def undo(self, operation: Operation) -> Operation:
        back = followers.undo(operation, user=self.olga, token=secrets.token_hex(8))
        planning.work(back.pk)
        back.refresh_from_db()
        return self.go(back)

    def installed(self) -> list[str]:
        return [host.sh("dpkg-query -W -f '${Version}' cloudstack-management") for host in self.ground.hosts]

    def running(self) -> list[bool]:
        return [host.sh("systemctl is-active cloudstack-management || :").strip() == "active" for host in self.ground.hosts]

    def versions(self) -> str:
        return sql(self.ground, "SELECT version, step FROM cloud.version ORDER BY id").strip()


@pytest.fixture
def yard(pair: Ground, packages: dict[str, list[Path]], person: Callable[..., User], settings: Any, tmp_path: Path) -> Iterator[Yard]:
    settings.KEY_FILE, settings.STATE_DIR, settings.SECRET_KEY = tmp_path / "keys", tmp_path / "state", secrets.token_hex(32)
    make_keyring(settings.KEY_FILE)
    registry.runbooks.cache_clear()
    _again(pair)
    olga, paul = person("olga", "operator"), person("paul", "approver")
    cloud = Cloud.objects.create(name="Production")
    credential = Credential(name="ground", kind=Credential.Kind.KEY, username="ops")
    pasted = {"way": "paste", "algorithm": "", "private_key": pair.key.read_text(), "passphrase": "", "password": ""}
    sealing.put(credential, user=olga, action="credential.add", **pasted)
    hosts = [_known(one, credential, cloud, olga) for one in pair.hosts]
    source = made.source()
    commit = _source(Path(settings.STATE_DIR) / "mirrors" / f"{source.pk}.git", tmp_path / "tree")
    built = [_build(source, version, commit, packages[version]) for version in ("4.8.0.16", "4.8.1.1")]
    yield Yard(pair, hosts, cloud, built[0], built[1], olga, paul, person("petra", "approver"))
    connections.forget_all()


def _again(ground: Ground) -> None:
    """The release of now, running on a database of now."""
    for host in ground.hosts:
        host.sh("systemctl stop cloudstack-management 2>/dev/null || :; rm -f /etc/cloudstack/management/broken")
    ground.hosts[0].sh(
        "systemctl start db; for i in $(seq 100); do mysql --no-defaults -S /run/db.sock -e 'SELECT 1' && break; sleep 0.1; done"
    )
    sql(ground, "DROP DATABASE IF EXISTS cloud; DROP DATABASE IF EXISTS cloud_usage; DROP USER IF EXISTS 'cloud'@'%'")
    sql(ground, management.SCHEMA)
    for host in ground.hosts:
        files = " ".join(f"/var/cache/apt/archives/{name}_4.8.0_all.deb" for name in NAMES)
        host.sh(f"dpkg -i {files}; systemctl restart cloudstack-management", timeout=120)
    ground.hosts[0].sh("for i in $(seq 100); do curl -s http://127.0.0.1:8080/ && break; sleep 0.1; done")


def _known(one: GroundHost, credential: Credential, cloud: Cloud, olga: User) -> Host:
    host = Host.objects.create(name=one.name, address=one.address, kind=Kind.MANAGEMENT, credential=credential, cloud=cloud)
    kind, blob = one.host_key
    HostKey.objects.create(host=host, kind=kind, base64=blob, fingerprint="SHA256:x", pinned_by=olga)
    return host


def _source(mirror: Path, tree: Path) -> str:
    """The portal's mirror of a source with an upgrade from 4.8.0 to 4.8.1."""
    folder = tree / "engine/schema/src/com/cloud/upgrade"
    (folder / "dao").mkdir(parents=True)
    (folder / "DatabaseUpgradeChecker.java").write_text(OLD_CHECKER)
    text = 'public String getUpgradedVersion() {\n        return "{}";\n    }\n'
    for name, ends in (("Upgrade471to480", "4.8.0"), ("Upgrade480to481", "4.8.1")):
        (folder / "dao" / f"{name}.java").write_text(text.replace("{}", ends))
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q", str(tree)], ["-C", str(tree), "add", "."], ["-C", str(tree), "commit", "-q", "-m", "A tree"]):
        subprocess.run([*git, *words], check=True)
    mirror.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(tree), str(mirror)], check=True)
    return subprocess.run(["git", "-C", str(tree), "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def _build(source: Any, version: str, commit: str, files: list[Path]) -> Build:
    build = made.build(source, version, commit=commit, patches=[])
    for path in files:
        name = path.name.split("_")[0]
        made.artefact(build, path.name, path.read_bytes(), name=name, release="", architecture="all")
    return build


def told(operation: Operation) -> str:
    return b"".join(journal.raw(operation)).decode()


def said(operation: Operation) -> str:
    steps = "\n".join(f"{step.state} {step.title}: {step.message}" for step in operation.steps.all())
    return f"{operation.outcome}{operation.waiting_for}\n{steps}\n{told(operation)[-3000:]}"


def messages(operation: Operation) -> str:
    return "\n".join(f"{one['level']}: {one['message']}" for one in operation.findings)


def test_an_own_build_is_installed_proved_and_taken_back_without_touching_the_database(yard: Yard) -> None:
    operation = yard.plan()
    assert operation.plan, operation.plan_error
    assert "Three numbers are compared and they are the same" in messages(operation)
    assert PASSWORD not in operation.plan and operation.risk == "dangerous"
    done = yard.go(operation)
    assert done.state == S.SUCCEEDED, said(done)
    assert yard.installed() == ["4.8.0.16", "4.8.0.16"] and yard.running() == [True, True]
    assert "DB version = 4.8.0 Code Version = 4.8.0.16" in told(done) and PASSWORD not in told(done)
    assert not Restoration.objects.filter(state=Restoration.State.OPEN).exists()
    assert (
        yard.ground.hosts[0].sh("ls /tmp | grep ^tmp || :") == "" and not yard.ground.hosts[0].sh("ls /usr/sbin/policy-rc.d || :").strip()
    )
    sql(yard.ground, "INSERT INTO cloud.vm_instance (name) VALUES ('made since')")
    back = yard.undo(done)
    assert back.state == S.SUCCEEDED, said(back)
    assert yard.installed() == ["4.8.0", "4.8.0"] and yard.running() == [True, True]
    assert "made since" in sql(yard.ground, "SELECT name FROM cloud.vm_instance"), "the database was not upgraded, so nothing may be lost"


def test_an_upgrade_of_the_database_is_followed_and_taken_back_with_the_backup(yard: Yard) -> None:
    before = sql(yard.ground, "SHOW CREATE TABLE cloud.vm_instance")
    done = yard.go(yard.plan(yard.newer, first=yard.hosts[1].pk))
    assert done.state == S.SUCCEEDED, said(done)
    assert yard.versions().endswith("4.8.1\tComplete") and yard.installed() == ["4.8.1.1", "4.8.1.1"]
    assert "Upgrade completed for version 4.8.1" in told(done) and "matches so no upgrade needed" in told(done)
    assert "later" in sql(yard.ground, "SHOW CREATE TABLE cloud.vm_instance")
    back = yard.undo(done)
    assert back.state == S.SUCCEEDED, said(back)
    assert yard.versions().endswith("4.8.0\tComplete") and yard.installed() == ["4.8.0", "4.8.0"]
    assert sql(yard.ground, "SHOW CREATE TABLE cloud.vm_instance").split("AUTO_INCREMENT=")[0] == before.split("AUTO_INCREMENT=")[0]
    assert sql(yard.ground, "CALL cloud.counted()").strip() == "2", "routines come back, too"


def test_an_exception_in_the_log_stops_it_and_everything_comes_back(yard: Yard) -> None:
    yard.ground.hosts[0].sh("touch /etc/cloudstack/management/broken")
    failed = yard.go(yard.plan(yard.newer))
    assert failed.state == S.FAILED and "Unable to upgrade the database" in said(failed), said(failed)
    assert yard.versions().endswith("4.8.1\tUpgrade"), "half done"
    at = log_start(failed).state["at"]
    assert at is not None and "Unable to upgrade the database" in told(failed).split("\n")[at], "the page opens there"
    assert yard.running()[1] is False, "the others were not started"
    stopped = Restoration.objects.filter(state=Restoration.State.OPEN)
    assert {one.resource for one in stopped} == {f"host:{host.pk}" for host in yard.hosts}
    refused = yard.plan(yard.newer)
    assert "not complete (4.8.1)" in messages(refused)
    back = yard.undo(failed)
    assert back.state == S.SUCCEEDED, said(back)
    assert yard.versions().endswith("4.8.0\tComplete") and yard.running() == [True, True] and yard.installed() == ["4.8.0", "4.8.0"]


def test_a_backup_that_does_not_fit_stops_nothing(yard: Yard) -> None:
    first = yard.ground.hosts[0]
    first.sh("mkdir -p /srv/small; mount -t tmpfs -o size=64k small /srv/small")
    try:
        sql(yard.ground, "USE cloud; CREATE TABLE noise AS SELECT seq, SHA2(seq, 512) AS text FROM seq_1_to_5000")
        failed = yard.go(yard.plan(folder="/srv/small"))
    finally:
        first.sh("umount -l /srv/small")
    assert failed.state == S.FAILED and "The dump of cloud failed" in said(failed), said(failed)
    assert yard.running() == [True, True] and yard.installed() == ["4.8.0", "4.8.0"]


APT = "systemd-run -q --unit=apt -p WorkingDirectory=/srv/apt python3 -m http.server 8099"


@pytest.fixture
def repository(yard: Yard, packages: dict[str, list[Path]]) -> Iterator[GroundHost]:
    """An apt repository on the first host, which both use."""
    first, files = yard.ground.hosts[0], packages["4.8.0.16"]
    words = ["dpkg-scanpackages", "-m", "."]
    index = subprocess.run(words, cwd=files[0].parent, check=True, capture_output=True).stdout
    for name, data in (("Packages", index), *((path.name, path.read_bytes()) for path in files)):
        first.put(f"/srv/apt/{name}", data)
    first.sh(APT)
    for host in yard.ground.hosts:
        put(host, "/etc/apt/sources.list.d/ours.list", f"deb [trusted=yes] http://{first.address}:8099/ ./\n")
        host.sh("for i in $(seq 50); do apt-get update -q -o APT::Update::Error-Mode=any && exit 0; sleep 0.1; done; exit 1", timeout=120)
    yield first
    first.sh("systemctl stop apt || :; rm -rf /srv/apt")
    for host in yard.ground.hosts:
        host.sh("rm -rf /etc/apt/sources.list.d /var/lib/apt/lists/*; rm -f /var/cache/apt/archives/*4.8.0.16*; mkdir -p /srv/apt")


def test_a_repository_that_cannot_be_reached_stops_nothing(yard: Yard, repository: GroundHost, packages: dict[str, list[Path]]) -> None:
    planned = yard.plan(how="repository")
    repository.sh("systemctl stop apt")
    failed = yard.go(planned)
    assert failed.state == S.FAILED and failed.steps.get(state="failed").key.startswith("lists-"), said(failed)
    assert yard.running() == [True, True] and not Restoration.objects.filter(state=Restoration.State.OPEN).exists()

    repository.sh(f"rm /srv/apt/*.deb; {APT}; for i in $(seq 50); do curl -s http://127.0.0.1:8099/ && break; sleep 0.1; done")
    failed = yard.go(yard.plan(how="repository"))
    assert failed.state == S.FAILED and failed.steps.get(state="failed").key.startswith("fetch-"), said(failed)
    assert yard.running() == [True, True] and yard.installed() == ["4.8.0", "4.8.0"]

    for path in packages["4.8.0.16"]:
        repository.put(f"/srv/apt/{path.name}", path.read_bytes())
    done = yard.go(yard.plan(how="repository"))
    assert done.state == S.SUCCEEDED, said(done)
    assert yard.running() == [True, True] and yard.installed() == ["4.8.0.16", "4.8.0.16"]


def test_a_server_that_nobody_knows_blocks(yard: Yard) -> None:
    sql(yard.ground, "INSERT INTO cloud.mshost VALUES (9, 'forgotten', '10.9.9.9', 'Up', '4.8.0', UTC_TIMESTAMP(), NULL)")
    operation = yard.plan()
    assert "block: By the database forgotten (10.9.9.9) is up" in messages(operation)


def test_a_database_that_is_newer_blocks(yard: Yard) -> None:
    sql(yard.ground, "INSERT INTO cloud.version (version, updated, step) VALUES ('4.9.0', now(), 'Complete')")
    assert "higher than management software version 4.8.0" in messages(yard.plan())


def test_nothing_to_do_where_the_build_runs(yard: Yard) -> None:
    done = yard.go(yard.plan())
    assert done.state == S.SUCCEEDED, said(done)
    again = yard.plan()
    assert not again.frozen().steps and "has the packages of 4.8.0.16 and runs" in again.frozen().because


def test_an_encrypted_password_is_explained(yard: Yard) -> None:
    first = yard.ground.hosts[0]
    put(first, PLACE, PROPERTIES.format(first.address, "ENC(abc)"))
    try:
        refused = yard.plan()
        assert "opsportal.cnf" in f"{refused.plan_error}{messages(refused)}"
        put(first, "/etc/cloudstack/management/opsportal.cnf", f'[client]\nhost={first.address}\nuser=cloud\npassword="pa\\"ss\\\\word"\n')
        assert yard.plan().plan
    finally:
        first.sh("rm -f /etc/cloudstack/management/opsportal.cnf")
        put(first, PLACE, PROPERTIES.format(first.address, PASSWORD))
