"""The practice source built by the real Maven, rpmbuild and dpkg-buildpackage, behind the fence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.lab.bench import Bench

TOOLS = ("mvn", "javac", "rpmbuild", "dpkg-buildpackage", "dh", "dch", "genisoimage", "bwrap", "perl")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]

pytestmark = [pytest.mark.build, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]

HELP = "mvn -B -ntp -q org.apache.maven.plugins:maven-help-plugin:2.1.1:evaluate -Dexpression=project.version\n"
SET_48 = "exec tools/build/setnextversion.sh -v 4.8.0.16 -b 4.8 -s ."
INSTALL = "mvn -B -ntp clean install -P systemvm"
SUBJECT = "Updating pom.xml version numbers for release 4.8.0.16"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Bench]:
    """All workspaces of this module share Maven's local repository: the first one fills it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "STATE_DIR", tmp_path_factory.mktemp("state"))
        yield Bench(repository)


def how_many_tests(log: str) -> int:
    """The sum of what surefire says at the end of each module."""
    return sum(int(number) for number in re.findall(r"(?m)Tests run: (\d+), Failures: \d+, Errors: \d+, Skipped: \d+$", log))


def test_a_release_of_48(bench: Bench) -> None:
    work = bench.work("release48", "4.8", 1, 2, 10, 11)
    work.say(HELP)
    assert "found 4.8.0 setting version numbers" in work.say(SET_48)
    assert work.say("git log -1 --format=%s").strip() == SUBJECT
    assert work.say("git diff --name-only HEAD~1 | wc -l").strip() == "15"
    assert work.say("git status --porcelain") == ""
    assert work.say("git grep -lF '>4.8.0<' -- '*pom.xml' || :") == ""
    log = work.say(INSTALL)
    assert "BUILD SUCCESS" in log and "Practice Cloud System VM" in log
    assert how_many_tests(log) == 88, "the pull requests bring four tests of their own"
    out = work.say("cd packaging; exec ./package.sh -d centos7")
    assert "Preparing to package Practice Cloud 4.8.0.16" in out and out.rstrip().endswith("Done")
    assert work.rpms() == [f"practice-{part} 4.8.0.16 1.el7.centos x86_64" for part in ("agent", "common", "management")]
    work.say("dpkg-buildpackage -uc -us")
    assert work.debs() == [f"practice-{part} 4.8.0.16 all" for part in ("agent", "common", "management")]
    assert "practice-common (= 4.8.0.16)" in work.say("dpkg-deb -f ../practice-agent_4.8.0.16_all.deb Depends")
    assert "labels_fr.properties" in work.say("dpkg-deb -c ../practice-management_4.8.0.16_all.deb")
    assert work.say("git status --porcelain") == ""


def test_a_release_of_main(bench: Bench) -> None:
    work = bench.work("releasemain", "main", 15)
    out = work.say("exec tools/build/setnextversion.sh --version 4.20.1.16 --branch main --sourcedir .")
    assert "found 4.20.1.0-SNAPSHOT setting version numbers" in out
    assert work.say("git diff --name-only HEAD~1 | wc -l").strip() == "17"
    out = work.say('top=$PWD; cd /; exec "$top/packaging/package.sh" --distribution el8 --release 2')
    assert "Tests run: 50" in out, "packaging runs the unit tests"
    assert out.rstrip().endswith("RPM Build Done")
    assert work.rpms() == [f"practice-{part} 4.20.1.16 2 x86_64" for part in ("agent", "common", "management", "ui")]
    work.say("exec packaging/build-deb.sh")
    assert [re.sub("~.* ", "~ ", line) for line in work.debs()] == [
        f"practice-{part} 4.20.1.16~ all" for part in ("agent", "common", "management", "ui")
    ]
    assert work.say("git status --porcelain") == ""


def test_brands_of_main(bench: Bench) -> None:
    work = bench.work("brand", "main")
    work.say("exec tools/build/setnextversion.sh -v 4.20.1.0 -b main -s . --no-commit")
    assert work.say("git rev-list --count origin/main..").strip() == "0"
    work.say("git commit -q -a -m Number; exec packaging/package.sh -d suse15 -b acme")
    assert work.rpms()[0] == "practice-agent 4.20.1.0 acme.1 x86_64"
    assert "<version>4.20.1.0-acme</version>" in work.say("git diff pom.xml"), "the brand is left in the poms"


def test_forks_and_plain_projects(bench: Bench) -> None:
    for name, ref, version in (("fork", "cosmic", "5.1.0.7"), ("plain", "plain", "1.4.1")):
        work = bench.work(name, ref)
        work.say('mvn -B -ntp -q versions:set -DnewVersion="$1" -DgenerateBackupPoms=false', version)
        assert f"for {'Strato' if name == 'fork' else 'Ledger'} {version}" in work.say(INSTALL)


@pytest.mark.parametrize("tag", ["4.7.1", "4.20.0.0"])
def test_old_releases_still_build(bench: Bench, tag: str) -> None:
    assert "BUILD SUCCESS" in bench.work(f"tag{tag}", tag).say(INSTALL)


def test_the_version_script_ends_well_whatever_failed(bench: Bench) -> None:
    work = bench.work("traps", "4.8")
    work.say(HELP)
    work.say('mkdir elsewhere; touch my.patch; echo >> INSTALL.md; rm -rf "$M2/org/apache/maven/plugins/maven-help-plugin"')
    assert "found 4.8.0 setting" not in work.say(SET_48), "the download lines are taken for the version"
    assert "(4.8.0)" in work.say("head -n 1 debian/changelog"), "so the changelog keeps the old one"
    assert "INSTALL.md" in work.say("git show --stat"), "what else was changed is in the commit"
    assert "my.patch" not in work.say("ls"), "git clean -f takes what lies about"
    out = work.say("exec tools/build/setnextversion.sh -v 4.8.0.17 -b nowhere -s . -x --long 2>&1")
    assert "nowhere" in out and work.say("git branch --show-current").strip() == "4.8"
    assert work.run("exec tools/build/setnextversion.sh -b 4.8 -s .").exit == 1


def test_long_options_are_lost_and_a_stale_spec_is_built(bench: Bench) -> None:
    work = bench.work("stale", "4.8")
    failed = work.run("cd packaging; exec ./package.sh --distribution centos7")
    assert failed.exit == 3 and "cannot stat '/cloud.spec'" in failed.out
    work.say("mkdir -p dist/rpmbuild/SPECS; cp packaging/centos63/cloud.spec dist/rpmbuild/SPECS")
    out = work.say("cd packaging; exec ./package.sh --distribution centos7 --pack noredist")
    assert "may not be given away" not in out
    assert work.rpms()[0] == "practice-agent 4.8.0 1.el6 x86_64"
    work.say("cd packaging; exec ./package.sh -d centos7 -p noredist -r 7")
    assert "practice-agent 4.8.0 7.el7.centos x86_64" in work.rpms()
    assert "practice-agent 4.8.0 1.el6 x86_64" in work.rpms(), "nothing is cleaned"
    assert work.run("cd packaging; exec ./package.sh -d centos7 -p everything").exit == 1


def test_the_eighth_breaks_a_unit_test(bench: Bench) -> None:
    done = bench.work("pull8", "4.8", 8).run(INSTALL)
    assert done.exit == 1
    assert "CapacityPlannerTest.processorsArePromisedTwice" in done.out and "on project practice-server" in done.out


def test_the_ninth_does_not_compile(bench: Bench) -> None:
    done = bench.work("pull9", "4.8", 9).run(INSTALL)
    assert done.exit == 1
    assert "COMPILATION ERROR" in done.out and "on project practice-engine-schema" in done.out


def test_the_twelfth_leaves_the_branch_and_drops_itself(bench: Bench) -> None:
    work = bench.work("pull12", "4.8", 1, 12)
    work.say(HELP + SET_48)
    assert work.say("git branch --show-current").strip() == "version-bump"
    assert work.say("git log -2 --format=%s").splitlines() == [SUBJECT, "Start new machines on the host with the most free memory"]


def test_the_thirteenth_says_done_without_packages(bench: Bench) -> None:
    work = bench.work("pull13", "4.8", 13)
    assert work.say("cd packaging; exec ./package.sh -d centos7").rstrip().endswith("Done")
    assert work.say("ls dist 2>/dev/null || :") == ""


def test_the_fourteenth_prints_two_hundred_thousand_lines(bench: Bench) -> None:
    out = bench.work("pull14", "4.8", 14).say("exec mvn -B -ntp -DskipTests clean package -pl server -am")
    assert len(re.findall(r"(?m)^record \d{6} of 200000: ", out)) == 200_000
    assert "<script>alert" in out and "\x1b[31mred" in out and "\x00" in out and "BUILD SUCCESS" in out
