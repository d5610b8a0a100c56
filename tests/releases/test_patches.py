"""Patches tried one after the other in a scratch checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsportal.lab.forge import Forge
from opsportal.operations import store
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from releases.facts import patches
from releases.facts.mirror import Resolved
from releases.facts.patches import Mailbox, Trial, Tried
from releases.models import Source
from tests.releases import practice

pytestmark = pytest.mark.django_db(transaction=True)
ALLOCATOR = "server/src/practice/server/HostAllocator.java"


def tried(source: Source, *numbers: int, ref: str = "4.8") -> Tried:
    commit = practice.read(Resolved("local", source.pk, source.url, ref)).commit
    pulls = [practice.read(Mailbox("local", source.pk, "patch", source.pulls_url, str(number))) for number in numbers]
    return practice.read(Trial("local", source.pk, commit, tuple((pull.number, pull.sha256) for pull in pulls)))


def test_each_starts_where_the_last_one_ended(source: Source, state: Path) -> None:
    found = tried(source, 2, 1)
    assert found.conflict is None
    assert [(one.number, len(one.commits)) for one in found.applied] == [("2", 3), ("1", 1)]
    assert found.head == found.applied[-1].head == found.applied[-1].commits[-1]
    own = state / "mirrors" / f"{source.pk}.git"
    assert practice.git(own, "rev-parse", f"{found.head}^") == found.applied[0].head
    assert "Understand terabytes" in practice.git(own, "log", "--format=%s", found.head)


def test_the_last_message_closes_the_pull_request_and_every_commit_is_signed_off(source: Source, state: Path) -> None:
    found = tried(source, 2)
    own = state / "mirrors" / f"{source.pk}.git"
    messages = [practice.git(own, "log", "-1", "--format=%B", commit) for commit in found.applied[0].commits]
    assert all("Signed-off-by: opsportal <opsportal@localhost.invalid>" in message for message in messages)
    assert [message.endswith("This closes #2") for message in messages] == [False, False, True]


def test_the_same_patches_make_the_same_commits_every_time(source: Source) -> None:
    assert tried(source, 2, 1, 11) == tried(source, 2, 1, 11)
    assert tried(source, 1, 2).head != tried(source, 2, 1).head


def test_a_conflict_names_the_file_and_the_earlier_one(source: Source) -> None:
    found = tried(source, 1, 2, 3)
    assert found.conflict is not None
    assert (found.conflict.number, found.conflict.with_, found.conflict.files) == ("3", "1", (ALLOCATOR,))
    assert [one.number for one in found.applied] == ["1", "2"]
    assert found.head == found.applied[-1].head


def test_the_other_order_names_the_other_one(source: Source) -> None:
    found = tried(source, 3, 1)
    assert found.conflict is not None
    assert (found.conflict.number, found.conflict.with_) == ("1", "3")


def test_a_conflict_with_the_branch_itself(source: Source) -> None:
    found = tried(source, 15)
    assert found.conflict is not None
    assert (found.conflict.with_, found.applied) == ("", ())
    assert found.conflict.files


def test_one_that_is_in_twice_conflicts_with_itself(source: Source) -> None:
    found = tried(source, 1, 1)
    assert found.conflict is not None
    assert (found.conflict.number, found.conflict.with_) == ("1", "1")


def test_what_it_changes_is_shown_as_a_diff(source: Source) -> None:
    (one,) = tried(source, 11).applied
    assert one.files == ("client/webapp/labels_de.properties", "client/webapp/labels_fr.properties")
    assert (one.insertions > 1, one.deletions) == (True, 1)
    assert "+++ b/client/webapp/labels_fr.properties" in one.diff
    (noisy,) = tried(source, 14).applied
    assert len(noisy.diff) <= patches.DIFF_LIMIT


def test_nothing_is_left_beside_the_mirror(source: Source, state: Path) -> None:
    tried(source, 1, 3)
    assert not [path.name for path in (state / "mirrors").iterdir() if "trial" in path.name]


HOOK = b"""\
From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001
From: Mallory <mallory@practice.example>
Date: Wed, 20 Jan 2016 10:00:00 +0100
Subject: [PATCH] %s

---
diff --git a/%s b/%s
new file mode 100755
index 0000000..1111111
--- /dev/null
+++ b/%s
@@ -0,0 +1,2 @@
+#!/bin/sh
+echo owned
--\x20
2.39.5

"""


@pytest.mark.parametrize("path", [b".git/hooks/post-applypatch", b"../outside", b"a/../../outside", b".GIT/hooks/x"])
def test_patches_that_leave_the_checkout_do_not_apply_even_past_the_mailbox(source: Source, path: bytes, state: Path) -> None:
    commit = practice.read(Resolved("local", source.pk, source.url, "4.8")).commit
    found = practice.read(Trial("local", source.pk, commit, (("66", store.put(HOOK % (b"x", path, path, path))),)))
    assert found.conflict is not None
    assert found.head == commit
    assert not list(state.rglob("outside"))


def test_a_subject_is_text_and_never_a_command(source: Source, state: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    subject = f'"; touch {made}; $(touch {made}) `touch {made}` %s %n'.encode()
    commit = practice.read(Resolved("local", source.pk, source.url, "4.8")).commit
    found = practice.read(Trial("local", source.pk, commit, (("66", store.put(HOOK % (subject, b"x.sh", b"x.sh", b"x.sh"))),)))
    own = state / "mirrors" / f"{source.pk}.git"
    assert practice.git(own, "log", "-1", "--format=%s", found.head) == subject.decode()
    assert not made.exists()


def test_a_diff_that_imitates_the_answers_own_lines_changes_nothing(source: Source, forge: Forge) -> None:
    body = HOOK.replace(b"+echo owned\n", b"+== end " + b"e" * 40 + b"\n") % (b"Imitate", b"x.sh", b"x.sh", b"x.sh")
    commit = practice.read(Resolved("local", source.pk, source.url, "4.8")).commit
    found = practice.read(Trial("local", source.pk, commit, (("66", store.put(body)),)))
    assert (len(found.applied), found.head == "e" * 40) == (1, False)


def test_an_answer_that_was_cut_is_an_error() -> None:
    trial = Trial("local", 1, "a" * 40, ())
    for text in ("", "== try 1\nhead x\n== diff\n"):
        assert "could not be tried" in practice.error_of(lambda text=text: trial.parse(Result(0, text, "Killed")), FactError)  # type: ignore[misc]
