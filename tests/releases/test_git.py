"""Names, commits and how old the mirror is: real git, a real forge."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from opsportal.lab.forge import Fault, Forge
from opsportal.lab.forge import Kind as FaultKind
from opsportal.operations.facts import FactError
from opsportal.transport.command import Command
from opsportal.transport.local import LocalTransport
from releases import git
from releases.facts import mirror
from releases.facts.heads import PushHead
from releases.facts.mirror import Refs, Resolved
from releases.facts.remote import Remote
from releases.models import Source
from tests.releases import practice
from tests.releases.practice import error_of, read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fetches_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "FRESH", 0)


def resolved(source: Source, ref: str, *, offline: bool = False) -> Resolved:
    return Resolved("local", source.pk, source.url, ref, offline)


def test_branches_and_tags_of_the_repository(source: Source) -> None:
    names = practice.fetched(source)
    assert names.branches == ("4.8", "cosmic", "main", "plain")
    assert {"4.8.0", "4.20.0.0"} <= set(names.tags)
    assert abs(time.time() - names.fetched) < 60


def test_a_branch_becomes_the_commit_that_it_stands_for_now(source: Source, forge: Forge) -> None:
    before = read(resolved(source, "4.8"))
    assert (before.commit, before.kind) == (practice.git(forge.repository, "rev-parse", "4.8"), "branch")
    assert before.author == "Practice Release Manager"
    after = practice.commit(forge.repository, "4.8", "NEWS", "x\n", message="Tell the news")
    assert (read(resolved(source, "4.8")).commit, read(resolved(source, "4.8")).subject) == (after, "Tell the news")


def test_a_tag_becomes_the_commit_behind_it(source: Source, forge: Forge) -> None:
    found = read(resolved(source, "4.8.0"))
    assert (found.commit, found.kind) == (practice.git(forge.repository, "rev-parse", "4.8.0^{commit}"), "tag")


def test_an_unknown_name_gets_suggestions(source: Source) -> None:
    assert "has no branch or tag named 4.88. There are: 4.8" in error_of(lambda: read(resolved(source, "4.88")), FactError)
    assert "There are:" not in error_of(lambda: read(resolved(source, "zzzzzzzz")), FactError)
    assert "branches and tags." in error_of(lambda: read(resolved(source, "zzzzzzzz")), FactError)


@pytest.mark.parametrize("ref", ["--upload-pack=id", "HEAD~1", "4.8^", "4.8:pom.xml", "@{-1}", "-x", ":/Tell", "refs/heads/4.8"])
def test_a_name_is_a_name_and_nothing_else(source: Source, ref: str) -> None:
    assert "has no branch or tag named" in error_of(lambda: read(resolved(source, ref)), FactError)


def test_offline_uses_what_is_there(source: Source, forge: Forge) -> None:
    before = read(resolved(source, "4.8")).commit
    practice.commit(forge.repository, "4.8", "NEWS", "x\n")
    assert read(resolved(source, "4.8", offline=True)).commit == before
    assert read(resolved(source, "4.8")).commit != before


def test_without_network_the_age_of_the_mirror_is_said(source: Source, forge: Forge, state: Path) -> None:
    practice.fetched(source)
    (state / "mirrors" / f"{source.pk}.git" / "opsportal-fetched").write_text(str(int(time.time()) - 3 * 3600))
    forge.misbehave("/practice.git/", Fault(FaultKind.STATUS, 503))
    said = error_of(lambda: read(resolved(source, "4.8")), FactError)
    assert "could not be fetched" in said
    assert "503" in said
    assert "was fetched 3 h ago: tick “use the mirror as it is” to build from that." in said


def test_without_network_and_without_a_mirror_nothing_is_promised(source: Source, forge: Forge) -> None:
    forge.misbehave("/practice.git/", Fault(FaultKind.STATUS, 503))
    said = error_of(lambda: read(resolved(source, "4.8")), FactError)
    assert "Check the address and the network." in said
    assert "ago" not in said


def test_a_branch_that_was_removed_is_gone_from_the_mirror_and_its_built_commit_stays(source: Source, forge: Forge, state: Path) -> None:
    commit = read(resolved(source, "plain")).commit
    practice.git(forge.repository, "update-ref", "-d", "refs/heads/plain")
    assert "no branch or tag named plain" in error_of(lambda: read(resolved(source, "plain")), FactError)
    own = state / "mirrors" / f"{source.pk}.git"
    practice.git(own, "gc", "--prune=now", "--quiet")
    assert practice.git(own, "cat-file", "-t", commit) == "commit"


def test_a_remote_that_is_not_registered_yet(source: Source) -> None:
    found = read(Remote("local", source.url))
    assert (found.default, found.branches) == ("main", ("4.8", "cosmic", "main", "plain"))
    assert "4.8.0" in found.tags
    assert "did not answer as a Git repository" in error_of(lambda: read(Remote("local", f"{source.url}x")), FactError)


@pytest.mark.parametrize("url", ["ext::sh -c touch% {}", "--upload-pack=touch {}", "file://{}", "/{}", "fd::17"])
def test_addresses_that_run_commands_do_nothing_even_past_the_forms(url: str, state: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    bad = url.format(made)
    error_of(lambda: read(Remote("local", bad)), FactError)
    error_of(lambda: read(Refs("local", 7, bad)), FactError)
    assert not made.exists()


def test_no_configuration_of_anybody_and_no_hook_has_a_say(source: Source, state: Path, tmp_path: Path, monkeypatch: Any) -> None:
    made = tmp_path / "made"
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[core]\n\tfsmonitor = "touch {made}"\n\thooksPath = {home}\n[alias]\n\tfetch = "!touch {made}"\n')
    hook = home / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {made}\n")
    hook.chmod(0o755)
    command = Refs("local", source.pk, source.url).command()
    with_home = Command(script=command.script, argv=command.argv, env=(*command.env, ("HOME", str(home))))
    assert LocalTransport().run(with_home, timeout=60).exit == 0
    assert not made.exists()
    assert dict(git.environment())["GIT_CONFIG_GLOBAL"] == os.devnull


# --- where merges go ------------------------------------------------------------------------------------------------------------


def test_where_a_branch_stands_and_whether_one_may_push(source: Source, forge: Forge, pristine: Path, tmp_path: Path) -> None:
    commit = read(resolved(source, "4.8")).commit
    head = read(PushHead("local", source.pk, source.push_url, "4.8", commit))
    assert (head.commit, head.refused) == (commit, "")
    assert read(PushHead("local", source.pk, source.push_url, "nope", commit)).commit == ""
    with practice.forge(pristine, tmp_path / "closed") as closed:
        assert "403" in read(PushHead("local", source.pk, f"{closed.url}/practice.git", "4.8", commit)).refused
    assert "refs/opsportal" not in practice.git(forge.repository, "for-each-ref")


def test_a_push_address_that_does_not_answer(source: Source, forge: Forge) -> None:
    commit = read(resolved(source, "4.8")).commit
    forge.misbehave("/practice.git/", Fault(FaultKind.STATUS, 500))
    said = error_of(lambda: read(PushHead("local", source.pk, source.push_url, "4.8", commit)), FactError)
    assert "where merges are pushed to, did not answer" in said
