from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from opsportal.lab.forge import Fault, Forge, Kind, parse_fault
from opsportal.lab.practice_source import mailbox
from tests.lab.git import attempt, run


def get(url: str) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - loopback
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize(
    ("number", "status", "kind"),
    [
        (1, 200, "text/plain"),
        (2, 200, "text/plain"),
        (4, 200, "text/plain"),
        (5, 200, "text/html"),
        (6, 404, "text/html"),
        (99, 404, "text/html"),
    ],
)
def test_patches_are_answered_as_documented(forge: Forge, number: int, status: int, kind: str) -> None:
    found, content_type, _ = get(f"{forge.url}/pull/{number}.patch")
    assert (found, content_type.split(";")[0]) == (status, kind)


def test_a_patch_is_the_mailbox_of_its_commits(forge: Forge, repository: Path) -> None:
    body = get(f"{forge.url}/pull/2.patch")[2]
    assert body == mailbox(repository, 2, "4.8")
    assert len(re.findall(rb"(?m)^From [0-9a-f]{40} ", body)) == 3
    assert get(f"{forge.url}/pull/2.patch")[2] == body


def test_an_empty_mailbox_has_no_bytes(forge: Forge) -> None:
    assert get(f"{forge.url}/pull/4.patch")[2] == b""


def test_the_error_page_is_no_mailbox(forge: Forge) -> None:
    assert get(f"{forge.url}/pull/5.patch")[2].startswith(b"<!doctype html>")


def test_pages_for_people(forge: Forge) -> None:
    page = get(f"{forge.url}/pull/2")[2].decode()
    assert "Sizes, names and reserves #2" in page and "Bram de Wit: Understand terabytes" in page
    index = get(forge.url + "/")[2].decode()
    assert "refs/heads/4.8" in index and "refs/tags/4.8.0" in index and 'href="/pull/14"' in index


def test_titles_are_text_never_markup(forge: Forge) -> None:
    assert "Étiquettes françaises" in get(f"{forge.url}/pull/11")[2].decode()


def test_clone_and_fetch(forge: Forge, repository: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", f"{forge.url}/practice.git", "clone")
    clone = tmp_path / "clone"
    assert (clone / "packaging/el8/cloud.spec").is_file()
    run(clone, "fetch", "-q", "origin", "refs/pull/2/head")
    assert run(clone, "rev-parse", "FETCH_HEAD") == run(repository, "rev-parse", "refs/pull/2/head")


def test_a_pinned_commit_can_be_fetched(forge: Forge, repository: Path, tmp_path: Path) -> None:
    commit = run(repository, "rev-parse", "refs/pull/2/head~1").strip()
    run(tmp_path, "init", "-q", "bare", "--bare")
    for protocol in ("0", "2"):
        run(tmp_path / "bare", "-c", f"protocol.version={protocol}", "fetch", "-q", f"{forge.url}/practice.git", commit)


def test_several_clones_at_once(forge: Forge, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: attempt(tmp_path, "clone", "-q", f"{forge.url}/practice.git", f"c{number}"), range(4)))
    assert [each.returncode for each in done] == [0, 0, 0, 0]


def test_nothing_can_be_pushed_unless_allowed(forge: Forge, repository: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "-b", "4.8", f"{forge.url}/practice.git", "clone")
    run(tmp_path / "clone", "commit", "-q", "--allow-empty", "-m", "Mine")
    before = run(repository, "rev-parse", "4.8")
    assert attempt(tmp_path / "clone", "push", "-q", "origin", "4.8").returncode != 0
    assert run(repository, "rev-parse", "4.8") == before


def test_branches_can_be_pushed_and_nothing_else(writable_forge: Forge, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "-b", "4.8", f"{writable_forge.url}/practice.git", "clone")
    clone = tmp_path / "clone"
    (clone / "large").write_bytes(os.urandom(3_000_000))  # more than git sends in one piece
    run(clone, "add", "large")
    run(clone, "commit", "-q", "-m", "Mine")
    run(clone, "push", "-q", "origin", "4.8")
    assert run(writable_forge.repository, "rev-parse", "4.8") == run(clone, "rev-parse", "HEAD")
    for ref in ("refs/pull/1/head", "refs/tags/9.9.9"):
        refused = attempt(clone, "push", "origin", f"4.8:{ref}")
        assert refused.returncode != 0 and b"hidden ref" in refused.stderr


def test_patches_stay_what_they_are_after_a_merge(writable_forge: Forge, tmp_path: Path) -> None:
    before = get(f"{writable_forge.url}/pull/1.patch")[2]
    run(tmp_path, "clone", "-q", "-b", "4.8", f"{writable_forge.url}/practice.git", "clone")
    run(tmp_path / "clone", "am", "-q", "-s", stdin=before)
    run(tmp_path / "clone", "push", "-q", "origin", "4.8")
    assert get(f"{writable_forge.url}/pull/1.patch")[2] == before


def test_a_late_answer(forge: Forge) -> None:
    forge.misbehave("/pull/1.patch", Fault(Kind.DELAY, 0.4))
    begin = time.monotonic()
    assert get(f"{forge.url}/pull/1.patch")[0] == 200
    assert time.monotonic() - begin >= 0.4


def test_an_error_for_so_many_times(forge: Forge) -> None:
    forge.misbehave("/pull/1.patch", Fault(Kind.STATUS, 500, times=2))
    assert [get(f"{forge.url}/pull/1.patch")[0] for _ in range(3)] == [500, 500, 200]
    assert get(f"{forge.url}/pull/2.patch")[0] == 200


def test_an_answer_cut_in_the_middle(forge: Forge) -> None:
    forge.misbehave("/pull/1.patch", Fault(Kind.CUT, 100))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(f"{forge.url}/pull/1.patch")
    assert len(caught.value.partial) == 100
    forge.behave()
    assert get(f"{forge.url}/pull/1.patch")[0] == 200


def test_a_fetch_cut_in_the_middle_fails_and_can_be_repeated(forge: Forge, tmp_path: Path) -> None:
    forge.misbehave("/practice.git/git-upload-pack", Fault(Kind.CUT, 5000))
    assert attempt(tmp_path, "clone", "-q", f"{forge.url}/practice.git", "clone").returncode != 0
    forge.behave()
    run(tmp_path, "clone", "-q", f"{forge.url}/practice.git", "clone")


def test_a_fault_for_a_whole_folder(forge: Forge, tmp_path: Path) -> None:
    forge.misbehave("/practice.git/", Fault(Kind.STATUS, 503))
    assert b"503" in attempt(tmp_path, "ls-remote", f"{forge.url}/practice.git").stderr


@pytest.mark.parametrize(
    "path", ["/../etc/passwd", "/practice.git/../../etc/passwd", "/practice.git/HEAD/../config", "/pull/1.patch/..", "/pull/x"]
)
def test_no_other_file_gets_out(forge: Forge, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(forge.url).netloc, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status >= 400 and b"root:" not in answer.read()


def test_a_request_that_is_nonsense_gets_an_answer(forge: Forge) -> None:
    connection = http.client.HTTPConnection(urlsplit(forge.url).netloc, timeout=20)
    connection.request("POST", "/practice.git/git-upload-pack", body=b"zz\r\n", headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 400
    connection.close()
    connection.request("POST", "/pull/1.patch", body=b"x")
    assert connection.getresponse().status == 405


def test_faults_as_text() -> None:
    assert parse_fault("/pull/1.patch=delay:2.5") == ("/pull/1.patch", Fault(Kind.DELAY, 2.5))
    assert parse_fault("/practice.git/=status:503:2") == ("/practice.git/", Fault(Kind.STATUS, 503, 2))
    with pytest.raises(ValueError, match="no fault"):
        parse_fault("/pull/1.patch=explode:1")


def test_the_command_makes_serves_and_ends(tmp_path: Path) -> None:
    environment = {**os.environ, "OPSPORTAL_EMBEDDED": "1", "OPSPORTAL_STATE_DIR": str(tmp_path), "SECRET_KEY": "k" * 60}
    argv = [sys.executable, "manage.py", "lab_forge", "--folder", str(tmp_path / "lab"), "--misbehave", "/pull/2.patch=status:500"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert get(f"{url}pull/1.patch")[0] == 200
        assert get(f"{url}pull/2.patch")[0] == 500
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()
