"""What a pull request brings, read from its mailbox without running anything."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from opsportal.lab.forge import Forge
from opsportal.lab.practice_source import mailbox
from opsportal.operations import store
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from releases.facts import patches
from releases.facts.patches import Mailbox
from releases.mailbox import NotAMailbox, parse, unsafe_path
from releases.models import Source
from tests.releases import practice

ONE = b"""\
From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001
From: =?UTF-8?q?Zo=C3=AB?= <zoe@practice.example>
Date: Wed, 20 Jan 2016 10:00:00 +0100
Subject: [PATCH 1/2] Say what is wrong
 in full

- why
+ what for
---
 api/a.txt | 3 ++-
 1 file changed, 2 insertions(+), 1 deletion(-)

diff --git a/api/a.txt b/api/a.txt
index 1..2 100644
--- a/api/a.txt
+++ b/api/a.txt
@@ -1,3 +1,3 @@
-old
--- old
+new
+++ more
 same
--\x20
2.39.5

"""


def test_subject_author_files_and_lines() -> None:
    (patch,) = parse(ONE)
    assert (patch.subject, patch.author, patch.email) == ("Say what is wrong in full", "Zoë", "zoe@practice.example")
    assert (patch.files, patch.insertions, patch.deletions) == (("api/a.txt",), 2, 2)
    assert patch.date == "Wed, 20 Jan 2016 10:00:00 +0100"


def test_several_commits_in_their_order_also_with_carriage_returns() -> None:
    second = ONE.replace(b"[PATCH 1/2] Say", b"[PATCH v3 2/2] Never say")
    assert [patch.subject for patch in parse(ONE + second)] == ["Say what is wrong in full", "Never say what is wrong in full"]
    assert [patch.author for patch in parse((ONE + second).replace(b"\n", b"\r\n"))] == ["Zoë", "Zoë"]


def test_names_that_git_quotes_and_renames() -> None:
    text = ONE.replace(b"a/api/a.txt b/api/a.txt", b'"a/api/\\303\\244.txt" "b/api/\\303\\244.txt"', 1)
    assert parse(text)[0].files == ("api/\\303\\244.txt",)
    text = ONE.replace(b"a/api/a.txt b/api/a.txt", b"a/api/a.txt b/web/b.txt", 1)
    assert parse(text)[0].files == ("web/b.txt",)


def test_headers_in_a_charset_that_lies_or_does_not_exist_are_shown_as_they_are() -> None:
    assert parse(ONE.replace(b"=?UTF-8?q?Zo=C3=AB?=", b"=?no-such?q?Zo?="))[0].author == "=?no-such?q?Zo?="
    assert parse(ONE.replace(b"=?UTF-8?q?Zo=C3=AB?=", b"Jos\xe9"))[0].author == "Jos\ufffd"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no commits that are not merged already"),
        (b" \n\n", "no commits that are not merged already"),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b"<HTML><body>Log in", "HTML page"),
        (b"<?xml version='1.0'?>", "HTML page"),
        (b"Not Found", "not a mailbox"),
        (b"diff --git a/x b/x\n", "not a mailbox"),
        (b"junk before\n" + ONE, "not a mailbox"),
    ],
)
def test_what_is_no_mailbox_is_said(data: bytes, says: str) -> None:
    assert says in practice.error_of(lambda: parse(data), NotAMailbox)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", ".git/hooks/post-checkout", "a/.GIT/config", "a//b", "./a", "a/."])
def test_paths_that_leave_the_checkout(path: str) -> None:
    assert unsafe_path(path)


@pytest.mark.parametrize("path", ["a/b.txt", ".gitignore", "a/..b", "a b/c", ".github/x.yml"])
def test_paths_that_stay(path: str) -> None:
    assert not unsafe_path(path)


def fact(number: str = "7") -> Mailbox:
    return Mailbox("local", 1, "patch", "https://github.com/apache/cloudstack/pull", number)


@pytest.mark.django_db
def test_a_pull_request_is_pinned_by_its_content() -> None:
    pull = fact().pull(ONE)
    assert (pull.number, pull.title, pull.size, pull.files) == ("7", "Say what is wrong in full", len(ONE), ("api/a.txt",))
    assert store.get(pull.sha256) == ONE


@pytest.mark.parametrize("path", ["../../etc/cron.d/x", ".git/hooks/post-checkout"])
def test_a_pull_request_that_reaches_outside_is_not_even_kept(path: str) -> None:
    data = ONE.replace(b"a/api/a.txt b/api/a.txt", f"a/{path} b/{path}".encode(), 1)
    assert f"writes to {path!r}, outside the checkout" in practice.error_of(lambda: fact().pull(data), FactError)


@pytest.mark.django_db
def test_what_the_reference_of_a_pull_request_answers() -> None:
    head = Mailbox("local", 1, "ref", "https://github.com/apache/cloudstack", "7", "a" * 40)
    assert head.parse(Result(0, base64.b64encode(ONE).decode())).title == "Say what is wrong in full"
    gone = practice.error_of(lambda: head.parse(Result(0, "gone\n", "fatal: couldn't find remote ref")), FactError)
    assert gone == "Pull request 7 is not in the repository: fatal: couldn't find remote ref"


# --- over HTTP, from a forge ----------------------------------------------------------------------------------------------------


def asked(source: Source, number: int) -> Mailbox:
    return Mailbox("local", source.pk, "patch", source.pulls_url, str(number))


@pytest.mark.django_db(transaction=True)
def test_several_commits_and_their_people(source: Source) -> None:
    pull = practice.read(asked(source, 2))
    assert [(patch.subject, patch.author) for patch in pull.patches] == [
        ("Understand terabytes", "Bram de Wit"), ("List hosts by name", "Bram de Wit"), ("Keep memory for the host itself", "Chiara Rossi"),
    ]  # fmt: skip
    assert "utils/src/practice/utils/ByteSize.java" in pull.files


@pytest.mark.django_db(transaction=True)
def test_latin_1_in_the_files_and_utf_8_in_the_names(source: Source) -> None:
    pull = practice.read(asked(source, 11))
    assert (pull.title, pull.patches[0].author) == ("Étiquettes françaises, une allemande corrigée", "Zoë Müller-Łukasik")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("number", "says"), [(4, "The mailbox is empty"), (5, "HTML page"), (6, "answered 404"), (99, "answered 404")])
def test_what_is_not_there(source: Source, number: int, says: str) -> None:
    assert says in practice.error_of(lambda: practice.read(asked(source, number)), FactError)


@pytest.mark.django_db(transaction=True)
def test_one_that_is_too_large_is_not_taken(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "LIMIT", 100)
    assert "is larger than 100 bytes" in practice.error_of(lambda: practice.read(asked(source, 1)), FactError)


@pytest.mark.django_db(transaction=True)
def test_a_host_that_is_not_on_the_list_is_not_asked(source: Source) -> None:
    elsewhere = Mailbox("local", source.pk, "patch", "http://127.0.0.1:9/pull", "1")
    assert "not on the list of allowed hosts" in practice.error_of(lambda: practice.read(elsewhere), FactError)


@pytest.mark.django_db(transaction=True)
def test_a_head_reference_brings_the_same_commits(source: Source, forge: Forge, pristine: Path) -> None:
    base = practice.git(forge.repository, "rev-parse", "4.8")
    over_http, by_ref = asked(source, 2), Mailbox("local", source.pk, "ref", source.url, "2", base)
    practice.fetched(source)
    assert [one.subject for one in practice.read(by_ref).patches] == [one.subject for one in practice.read(over_http).patches]
    assert mailbox(pristine, 2, "4.8")
    gone = Mailbox("local", source.pk, "ref", source.url, "99", base)
    assert "Pull request 99 is not in the repository" in practice.error_of(lambda: practice.read(gone), FactError)
