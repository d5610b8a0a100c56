"""The way through the upgrades of a database, by the source's own list, and what the log of a management server says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from opsportal.transport.base import Result
from releases import servers, upgrade_judges
from releases.facts.servers import DbPeers, DbVersions, ServerLook
from releases.facts.upgrades import checker
from releases.saying import UpgradeLog
from releases.upgrading import Checker, Row, Stage, way

OLD_CHECKER = """
    _upgradeMap.put("4.7.1", new DbUpgrade[] {new Upgrade471to480(), new Upgrade480to481()});
    // _upgradeMap.put("4.0.0", new DbUpgrade[] {new Upgrade400to410()});
    _upgradeMap.put("4.8.0", new DbUpgrade[] {
        new Upgrade480to481()});
"""
OLD_CLASSES = """\
abc:engine/schema/src/com/cloud/upgrade/dao/Upgrade471to480.java:        return new String[] {"4.7.1", "4.8.0"};
abc:engine/schema/src/com/cloud/upgrade/dao/Upgrade471to480.java:    public String getUpgradedVersion() {
abc:engine/schema/src/com/cloud/upgrade/dao/Upgrade471to480.java:        return "4.8.0";
abc:engine/schema/src/com/cloud/upgrade/dao/Upgrade471to480.java:        put(HypervisorType.XenServer, "systemvm-xenserver-4.6");
abc:engine/schema/src/com/cloud/upgrade/dao/Upgrade480to481.java:    public String getUpgradedVersion() {
abc:engine/schema/src/com/cloud/upgrade/dao/Upgrade480to481.java:        return "4.8.1";
"""
NEW_CHECKER = """
  import org.apache.cloudstack.utils.CloudStackVersion;
  hierarchy = DatabaseVersionHierarchy.builder()
    .next("4.8.0"   , new Upgrade480to481())
    .next("4.19.0.0", new Upgrade41900to41910())
    .next("4.19.1.0", new Upgrade41910to42000())
    .next("4.20.0.0", new Upgrade42000to42010())
    .build();
"""
NEW_CLASSES = "\n".join(
    f'abc:engine/dao/{name}.java:    return new String[] {{"{begins}", "{ends}"}};'
    for name, begins, ends in [
        ("Upgrade480to481", "4.8.0", "4.8.1"), ("Upgrade41900to41910", "4.19.0.0", "4.19.1.0"),
        ("Upgrade41910to42000", "4.19.1.0", "4.20.0.0"), ("Upgrade42000to42010", "4.20.0.0", "4.20.1.0"),
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def old() -> Checker:
    return checker(OLD_CHECKER, OLD_CLASSES)


@pytest.fixture(scope="module")
def new() -> Checker:
    return checker(NEW_CHECKER, NEW_CLASSES)


def rows(*done: str) -> tuple[Row, ...]:
    return tuple(Row(version, "Complete") for version in done)


def test_the_list_is_read_in_both_eras(old: Checker, new: Checker) -> None:
    assert (old.era, new.era) == ("three", "four")
    assert [(node.begins, node.upgrade, node.ends) for node in old.nodes] == [
        ("4.7.1", "Upgrade471to480", "4.8.0"), ("4.7.1", "Upgrade480to481", "4.8.1"), ("4.8.0", "Upgrade480to481", "4.8.1"),
    ]  # fmt: skip
    assert old.nodes[0].templates == ("systemvm-xenserver-4.6",)
    assert [node.ends for node in new.nodes] == ["4.8.1", "4.19.1.0", "4.20.0.0", "4.20.1.0"]


def test_three_equal_numbers_are_nothing_to_do(old: Checker) -> None:
    found = way(old, rows("4.7.1", "4.8.0"), "4.8.0.16")
    assert (found.kind, found.ends, found.stages) == ("nothing", "4.8.0", ())


def test_an_own_number_may_go_down_where_three_numbers_count(old: Checker) -> None:
    assert way(old, rows("4.8.0.16"), "4.8.0.15").kind == "nothing"


@pytest.mark.parametrize(
    ("database", "code", "says"),
    [
        ("4.8.1", "4.8.0.16", "higher than management software version"),
        ("4.7.1", "4.8.0.16", "end upgrade version is actually at 4.8.1"),
        ("4.6.0", "4.8.1", "no upgrade path from 4.6.0"),
    ],
)
def test_what_the_older_code_refuses(old: Checker, database: str, code: str, says: str) -> None:
    found = way(old, rows(database), code)
    assert found.kind == "refused" and says in found.says


def test_the_older_way_is_the_whole_list(old: Checker) -> None:
    found = way(old, rows("4.7.1"), "4.8.1.3")
    assert [(stage.begins, stage.ends) for stage in found.stages] == [("4.7.1", "4.8.0"), ("4.8.0", "4.8.1")]
    assert found.ends == "4.8.1" and found.templates == ("systemvm-xenserver-4.6",)


def test_an_own_fourth_number_is_written_and_stays(new: Checker) -> None:
    found = way(new, rows("4.20.1.0"), "4.20.1.16")
    assert found.ends == "4.20.1.16"
    assert found.stages[-1] == Stage("4.20.1.0", "4.20.1.16", empty=True)
    later = way(new, rows("4.20.1.16"), "4.20.1.1")
    assert later.kind == "refused" and "4.20.1.16 is higher" in later.says


def test_a_version_outside_the_list_takes_the_nearest_lower_upgrade_once_more(new: Checker) -> None:
    (again, empty) = way(new, rows("4.20.1.0"), "4.20.1.16").stages
    assert again.upgrade == "Upgrade42000to42010" and again.again and "once more" in again.says
    assert empty.empty


def test_a_known_version_runs_what_follows_and_nothing_twice(new: Checker) -> None:
    found = way(new, rows("4.8.1", "4.19.1.0"), "4.20.1.0-acme")
    assert [(stage.upgrade, stage.again) for stage in found.stages] == [("Upgrade41910to42000", False), ("Upgrade42000to42010", False)]
    assert found.ends == "4.20.1.0"


def test_the_newest_row_counts_not_the_highest(new: Checker) -> None:
    assert way(new, rows("4.20.1.0", "4.20.0.0"), "4.20.0.0").kind == "nothing"


@pytest.mark.parametrize("era", ["old", "new"])
def test_a_half_done_row_and_an_empty_table_are_refused(era: str, request: pytest.FixtureRequest) -> None:
    known = request.getfixturevalue(era)
    half = way(known, (*rows("4.8.0"), Row("4.8.1", "Upgrade")), "4.8.1")
    assert half.kind == "refused" and "4.8.1" in half.says
    assert way(known, (), "4.8.1").kind == "refused"


START = "2016-05-12 10:00:01,123 INFO  [c.c.u.DatabaseUpgradeChecker] (main:null) "


def judged(tmp_path: Path, *lines: str) -> str:
    log = tmp_path / "log"
    log.write_text("".join(f"{START}{line}\n" for line in lines))
    return subprocess.run(["awk", servers.JUDGE, str(log)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (["DB version = 4.8.0 Code Version = 4.8.0.16", "DB version and code version matches so no upgrade needed."], "good"),
        (["DB version = 4.8.0 Code Version = 4.8.1", "Database upgrade must be performed from 4.8.0 to 4.8.1"], ""),
        (["Database upgrade must be performed from 4.7.1 to 4.8.1", "Upgrade completed for version 4.8.0"], ""),
        (["Database upgrade must be performed from 4.7.1 to 4.8.1", "Upgrade completed for version 4.8.1"], "good"),
        (["Database upgrade must be performed from 4.20.0.0 to 4.20.1.16-acme", "Upgrade completed for version 4.20.1.16"], "good"),
        (["Exception: Database version 4.9.0 is higher than management software version 4.8.0"], "bad"),
        (["There is no upgrade path from 4.6.0 to 4.8.0"], "bad"),
        (["ERROR Unable to upgrade the database", "java.sql.SQLException: Duplicate column"], "bad"),
        (["Database upgrade is required but the management server is running in a clustered environment. Stop"], "bad"),
    ],
)
def test_what_the_log_says(tmp_path: Path, lines: list[str], word: str) -> None:
    assert judged(tmp_path, *lines).partition(" ")[0] == word


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_page_learns_how_far_it_is_and_where_it_went_wrong(size: int) -> None:
    """Whatever pieces the log comes in, and whoever reads on after a worker died."""
    lines = ["Following the log from byte 7.", f"{START}Database upgrade must be performed from 4.7.1 to 4.8.1",
             f"{START}Running upgrade com.cloud.upgrade.dao.Upgrade480to481 to upgrade from 4.8.0-4.8.0 to 4.8.1",
             "2016-05-12 10:00:02,123 WARN  [c.c.a.ApiServlet] java.io.FileNotFoundException: favicon.ico",
             f"{START}ERROR Unable to upgrade the database",
             "java.sql.SQLException: Duplicate column name 'uuid'"]  # fmt: skip
    data, reader = "\n".join([*lines, ""]).encode(), UpgradeLog()
    for begin in range(0, len(data), size):
        reader = UpgradeLog.from_state(json.loads(json.dumps(reader.state())))
        reader.feed(data[begin : begin + size], 0)
    said = reader.state()
    assert (said["label"], said["detail"]) == ("Upgrading the database from 4.7.1 to 4.8.1", "to 4.8.1")
    assert said["error_line"] == 4 and "Unable to upgrade the database" in said["error"]


def test_an_exception_of_something_else_is_none_of_the_upgrade(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2016-05-12 10:00:01,123 WARN  [c.c.a.ApiServlet] java.io.FileNotFoundException: favicon.ico\n")
    assert subprocess.run(["awk", servers.JUDGE, str(log)], check=True, capture_output=True, text=True).stdout == ""


def test_the_log_line_names_the_code_that_started() -> None:
    line = Result(0, f"{START}DB version = 4.20.1.0 Code Version = 4.20.1.0\n")
    assert upgrade_judges.code_version(line, "4.20.1-acme") == ""
    assert "4.20.1.0 started, not 4.20.2" in upgrade_judges.code_version(line, "4.20.2")


LOOK = """\
unit cloudstack-management
family rpm
package cloudstack-management 4.8.0.16-1.el7 x86_64
package cloudstack-common 4.8.0.16-1.el7 x86_64
java openjdk version "1.7.0_95"
log /var/log/cloudstack/management/management-server.log
name mgmt1
addresses 10.0.0.5 fe80::1
cloud.host 10.0.0.9
cloud.port 3306
cloud.name cloud
cloud.username cloud
usage.name cloud_usage
password encrypted
end
"""


def test_a_server_is_read() -> None:
    found = ServerLook("host:1", sudo=False).parse(Result(0, LOOK))
    assert (found.unit, found.family, found.version, found.java) == ("cloudstack-management", "rpm", "4.8.0.16-1.el7", "1.7.0_95")
    assert found.database is not None and found.database.names == ("cloud", "cloud_usage") and found.database.password == "encrypted"


def test_rows_of_the_database_are_read() -> None:
    found = DbVersions("host:1", sudo=False, name="cloud").parse(
        Result(0, "== \n4.8.0\tComplete\n4.8.1\tUpgrade\n== \nsystemvm-kvm\n== end\n")
    )
    assert found.rows == (Row("4.8.0", "Complete"), Row("4.8.1", "Upgrade")) and found.templates == ("systemvm-kvm",)
    peers = DbPeers("host:1", sudo=False, names=("cloud",)).parse(
        Result(0, "== \nm1\t10.0.0.5\tUp\t4.8.0\t1\nm2\t10.0.0.6\tUp\t4.8.0\t4000\n== \n1048576\n== end\n")
    )
    assert [peer.up for peer in peers.servers] == [True, False] and peers.size == 1048576
