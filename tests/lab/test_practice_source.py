from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opsportal.lab.fast_import import Identity
from opsportal.lab.practice_source import create, mailbox
from opsportal.lab.practice_trees import Replace, edited
from opsportal.lab.pulls import BY_NUMBER, PULLS, Answer, Pull
from tests.lab.git import attempt, run

APPLYING = [pull for pull in PULLS if pull.answer is Answer.MAILBOX]


def refs(repository: Path) -> str:
    return run(repository, "for-each-ref", "--format=%(objectname) %(refname)")


def am(place: Path, repository: Path, pull: Pull) -> subprocess.CompletedProcess[bytes]:
    return attempt(place, "am", "-s", "-3", stdin=mailbox(repository, pull.number, pull.base))


def test_commit_ids_are_the_same_whoever_makes_it(repository: Path, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\nname = Somebody\nemail = else@there.example\n[core]\nautocrlf = true\n")
    code = "import sys, pathlib; from opsportal.lab.practice_source import create; create(pathlib.Path(sys.argv[1]))"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "TZ": "Asia/Tokyo",
        "LANG": "C",
        "GIT_AUTHOR_NAME": "Somebody",
        "PYTHONPATH": str(Path.cwd()),
    }
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "elsewhere")], check=True, env=environment, umask=0o077, timeout=60)
    assert refs(tmp_path / "elsewhere" / "practice.git") == refs(repository)


def test_commit_ids_are_the_same_on_every_machine(repository: Path) -> None:
    assert run(repository, "rev-parse", "ledger-1.3.0^{commit}").strip() == "926320fca9fbf8ea359db1839a37fe17259a96fc"


def test_another_committer_makes_other_commits(repository: Path, tmp_path: Path) -> None:
    other = create(tmp_path, committer=Identity("Somebody", "somebody@practice.example"))
    assert run(other, "log", "-1", "--format=%cn", "4.8").strip() == "Somebody"
    assert run(other, "rev-parse", "4.8") != run(repository, "rev-parse", "4.8")


def test_git_finds_nothing_wrong_with_it(repository: Path) -> None:
    assert run(repository, "fsck", "--full", "--strict") == ""


def test_making_it_again_changes_nothing_and_keeps_what_was_pushed(tmp_path: Path) -> None:
    repository = create(tmp_path)
    run(repository, "branch", "merged", "4.8~1")
    run(repository, "branch", "-f", "4.8", "4.8~1")
    before = refs(repository)
    assert create(tmp_path) == repository
    assert refs(repository) == before


def test_a_newer_recipe_moves_its_branches_only(repository: Path, tmp_path: Path) -> None:
    old = create(tmp_path, committer=Identity("Somebody", "somebody@practice.example"))
    run(old, "branch", "merged", "4.8")
    merged = run(old, "rev-parse", "merged")
    create(tmp_path)
    assert run(old, "rev-parse", "4.8") == run(repository, "rev-parse", "4.8")
    assert run(old, "rev-parse", "merged") == merged


@pytest.mark.parametrize(
    ("ref", "version"),
    [
        ("main", "4.20.1.0-SNAPSHOT"),
        ("4.8", "4.8.0"),
        ("4.8.0", "4.8.0"),
        ("4.7.1", "4.7.1"),
        ("4.20.0.0", "4.20.0.0"),
        ("cosmic", "5.1.0.1-SNAPSHOT"),
        ("plain", "1.4.0-SNAPSHOT"),
    ],
)
def test_branches_and_tags_have_their_versions(repository: Path, ref: str, version: str) -> None:
    pom = run(repository, "show", f"{ref}:pom.xml")
    assert pom[pom.index("<version>") :].startswith(f"<version>{version}</version>")
    assert "@" not in pom


def test_main_is_the_default(repository: Path) -> None:
    assert run(repository, "symbolic-ref", "HEAD").strip() == "refs/heads/main"


def test_each_era_has_its_files(repository: Path) -> None:
    files = {ref: set(run(repository, "ls-tree", "-r", "--name-only", ref).split()) for ref in ("4.8", "main", "cosmic", "plain")}
    both = {
        "tools/build/setnextversion.sh",
        "packaging/package.sh",
        "debian/changelog",
        "tools/marvin/setup.py",
        "setup/db/create-schema.sql",
    }
    assert both <= files["4.8"] and both <= files["main"]
    assert {"packaging/centos7/cloud.spec", "packaging/centos63/cloud.spec"} <= files["4.8"]
    assert {"packaging/el8/cloud.spec", "packaging/suse15/cloud.spec", "packaging/build-deb.sh", "tools/docker/Dockerfile"} <= files["main"]
    for ref in ("cosmic", "plain"):
        assert not [path for path in files[ref] if path.startswith(("tools/", "packaging/", "debian/"))]


def test_scripts_can_be_run(repository: Path) -> None:
    modes = {line.split("\t")[1]: line.split()[0] for line in run(repository, "ls-tree", "-r", "main").splitlines()}
    scripts = ("tools/build/setnextversion.sh", "packaging/package.sh", "packaging/build-deb.sh", "debian/rules")
    assert {modes[path] for path in scripts} == {"100755"}


def test_only_the_way_from_471_touches_the_database(repository: Path) -> None:
    touched = run(repository, "diff", "--name-only", "4.7.1", "4.8.0", "--", "setup/db", "engine/schema")
    assert "setup/db/db/schema-471to480.sql" in touched
    assert run(repository, "diff", "--name-only", "4.8.0", "4.8", "--", "setup/db", "engine/schema") == ""


def test_main_has_a_new_upgrade_since_its_last_release(repository: Path) -> None:
    assert "META-INF/db/schema-42000to42010.sql" in run(repository, "diff", "--name-only", "4.20.0.0", "main")


@pytest.mark.parametrize("pull", APPLYING, ids=lambda pull: str(pull.number))
def test_pull_requests_apply_to_their_branch(checkout: Callable[[str], Path], repository: Path, pull: Pull) -> None:
    place = checkout(pull.base)
    done = am(place, repository, pull)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert run(place, "log", "--reverse", "--format=%s", f"origin/{pull.base}..").splitlines() == [patch.subject for patch in pull.patches]
    assert run(place, "diff", "--stat", "HEAD", f"origin/{pull.base}") != ""
    run(place, "fetch", "-q", "origin", f"refs/pull/{pull.number}/head")
    assert run(place, "diff", "--stat", "HEAD", "FETCH_HEAD") == "", "the mailbox and the head ref must say the same"


def test_pull_requests_go_together(checkout: Callable[[str], Path], repository: Path) -> None:
    place = checkout("4.8")
    for number in (1, 2, 7, 8, 9, 10, 11, 12, 13, 14):
        assert am(place, repository, BY_NUMBER[number]).returncode == 0, number


def test_the_third_conflicts_with_the_first_in_the_file_it_names(checkout: Callable[[str], Path], repository: Path) -> None:
    third = BY_NUMBER[3]
    assert third.conflicts is not None
    other, file = third.conflicts
    place = checkout("4.8")
    assert am(place, repository, BY_NUMBER[other]).returncode == 0
    done = am(place, repository, third)
    assert done.returncode != 0
    assert f"Merge conflict in {file}" in done.stdout.decode()
    assert run(place, "diff", "--name-only", "--diff-filter=U").split() == [file]
    run(place, "am", "--abort")
    assert run(place, "log", "-1", "--format=%s").strip() == BY_NUMBER[other].title


def test_what_was_made_for_main_does_not_apply_to_48(checkout: Callable[[str], Path], repository: Path) -> None:
    assert am(checkout("4.8"), repository, BY_NUMBER[15]).returncode != 0


def test_bytes_and_names_survive(checkout: Callable[[str], Path], repository: Path) -> None:
    place = checkout("4.8")
    assert am(place, repository, BY_NUMBER[11]).returncode == 0
    assert "Zoë Müller-Łukasik" in run(place, "log", "-1", "--format=%an")
    assert "host.state.down=Arrêté" in (place / "client/webapp/labels_fr.properties").read_bytes().decode("latin-1")
    with pytest.raises(UnicodeDecodeError):
        (place / "client/webapp/labels_de.properties").read_bytes().decode("utf-8")


def test_the_empty_one_has_a_head_but_no_commits(repository: Path) -> None:
    assert mailbox(repository, 4, "4.8") == b""
    assert run(repository, "rev-parse", "refs/pull/4/head") == run(repository, "rev-parse", "4.8")


def test_the_one_that_is_gone_has_no_head(repository: Path) -> None:
    assert "refs/pull/6/head" not in refs(repository)
    assert "refs/pull/5/head" in refs(repository)


def test_the_database_is_touched_by_the_seventh_only(repository: Path) -> None:
    def touches(pull: Pull) -> bool:
        return run(repository, "diff", "--name-only", pull.base, f"refs/pull/{pull.number}/head", "--", "setup/db") != ""

    assert [pull.number for pull in APPLYING if touches(pull)] == [7]


def test_an_edit_that_fits_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="2 times"):
        edited({"a": b"one one"}, [Replace("a", "one", "two")])


def test_every_pull_request_says_what_it_shows() -> None:
    assert [pull.number for pull in PULLS] == list(range(1, 16))
    assert all(len(pull.title) > 8 and pull.shows.endswith(".") for pull in PULLS)
