"""What a person may type: positive rules against lists of hostile input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from opsportal.operations.facts import FactError
from releases import rules
from tests.releases import practice, trees

COMMON = [
    "",
    "-",
    "--help",
    "-oProxyCommand=id",
    "a;id",
    "a|id",
    "a&id",
    "`id`",
    "$(id)",
    "a\nb",
    "a\r",
    "a\x00b",
    "\x1b[31m",
    "a\u202eb",
    "\u0430dmin",
    "a\u200bb",
    "a'b",
    'a"b',
    "a\\b",
    "../a",
    "a/../b",
    "%2e%2e",
    "{{7*7}}",
    "${jndi:x}",
    "<b>",
    "\ud800",
    "x" * 5000,
    " a",
    "a ",
    "e\u0301",
    "\uff11\uff12",
    "=1+1",
    "*",
    "~",
    "!",
    "#",
    "a\u2028b",
]
"""Refused by every kind of name, number and address."""

ACCEPTED: dict[Callable[[str], Any], list[str]] = {
    rules.branch: ["4.8", "main", "feature/x-1", "release_4.8+fix", "a", "x" * 200],
    rules.git_url: [
        "https://github.com/apache/cloudstack",
        "https://github.com/apache/cloudstack.git",
        "git@github.com:apache/cloudstack.git",
        "ssh://git@github.com/apache/cloudstack.git",
    ],
    rules.web_url: ["https://github.com/apache/cloudstack/pull", "https://github.com/apache/cloudstack/pull/12"],
    rules.version: ["4.8.0", "4.8.0.16", "4.20.1.0-acme", "4.8.0-SNAPSHOT", "0.0.0"],
    rules.cron: ["0 2 * * *", "*/5 * * * *", "0,30 1-5 * * 1-5", "15 3 1 1 *"],
    rules.label: ["CloudStack 4.8", "a", "Practice (old) #2"],
    rules.brand: ["acme", "A1"],
    rules.profiles: ["systemvm", "systemvm,developer !simulator", ""],
    rules.arguments: ["-Dnoredist -T 1C".replace(" -T 1C", ""), "-o -Dmaven.test.failure.ignore=true", ""],
}

HOSTILE: dict[Callable[[str], Any], list[str]] = {
    rules.branch: [
        "-x",
        "a/-x",
        "refs/heads/main",
        "HEAD",
        "@",
        "a@{0}",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a[",
        "a*",
        "+a",
        "\u00fc",
        "d" * 40,
        "e" * 64,
        "--upload-pack=id",
        "a..b",
        "a//b",
        "a/",
        "/a",
        ".a",
        "a/.b",
        "a.lock",
        "a/b.lock",
        "a.",
        "x" * 201,
        "a b",
    ],
    rules.git_url: [
        "ext::sh -c id",
        "a::b",
        "file:///etc",
        "/etc",
        "git://github.com/a/b",
        "http://github.com/a/b",
        "https://github.com:22/a/b",
        "https://u:p@github.com/a/b",
        "https://github.com/%00",
        "https://github.com/a/b#x",
        "https://github.com/a/b?x",
        "https://GITHUB.com/a/b",
        "https://github.com/a/b/",
        "https://github.com/-oa/b",
        "git@github.com:-oProxyCommand=id",
        "git@-oProxyCommand=id:a/b",
        "https://[::1]/a",
        "https://169.254.169.254/a",
        "git@github.com:~o/b",
        "https://github.com.evil.org/a",
        "https://github.com@evil.org/a",
        "ssh://root@github.com/a/b",
        "ssh://git@github.com:22/a/b",
        "ssh://git:p@github.com/a/b",
        "https://github.com/../a",
        "https://evil.org/a/b",
        "git@evil.org:a/b",
        "https://github.com",
        "javascript:x",
        "https://github.com/a\tb",
    ],
    rules.web_url: [
        "http://github.com/a/b/pull/1",
        "https://github.com.evil.org/a/pull/1",
        "https://github.com@evil.org/a",
        "javascript:alert(1)",
        "https://github.com/a/b/pull/1?x",
        "https://github.com/a/b/pull/1#x",
        "https://github.com/a/../b",
        "https://github.com:bad/a",
        "https://github.com/a/b/pull/\uff11",
        "file:///etc/passwd",
    ],
    rules.version: [
        "v1.0.0",
        "1",
        "1.0",
        "1.0.0.",
        "1..0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0--",
        "1.0.0+x",
        "1.0.0/2",
        "1.0.0~rc1",
        "latest",
        "1.2.3.4.5",
        "1.0.0-a..b",
        "123456.0.0",
    ],
    rules.cron: [
        "* * * * *",
        "*/1 * * * *",
        "60 * * * *",
        "0 24 * * *",
        "@reboot",
        "0 2 * * MON",
        "0 2 * *",
        "0 2 * * * *",
        "0\t2 * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "0 2 31 2 *",
        "*/2 * * * *",
        "0,1 2 * * *",
    ],
    rules.label: ["-pool", ".hidden", "a/b", "pool;", "x" * 65, "a\tb", "a  b", "a..b", "\u00a0a", "<script>", "a,b", "a=b", "a%"],
    rules.brand: ["1acme", "a-b", "a b", "a.b", "x" * 33],
    rules.profiles: ["-Dx", "a;b", "a$b"],
    rules.arguments: ["id", "-Dx=$(id)", "-D`id`", "-Dx=';id'", "--file=/etc/passwd", "-f ../pom.xml", "-Dx=\u00fc"],
}

NAMES = (rules.branch, rules.git_url, rules.web_url, rules.version, rules.cron, rules.brand)


def _cases(table: dict[Callable[[str], Any], list[str]]) -> list[Any]:
    return [pytest.param(rule, text, id=f"{rule.__name__}-{index}") for rule, texts in table.items() for index, text in enumerate(texts)]


@pytest.mark.parametrize(("rule", "text"), _cases(ACCEPTED))
def test_good_input_is_taken(rule: Callable[[str], Any], text: str) -> None:
    rule(text)


@pytest.mark.parametrize(("rule", "text"), _cases({**HOSTILE}))
def test_hostile_input_is_refused_with_a_sentence(rule: Callable[[str], Any], text: str) -> None:
    said = practice.error_of(lambda: rule(text), ValidationError)
    assert len(said) > 20


@pytest.mark.parametrize(("rule", "text"), _cases(dict.fromkeys(NAMES, COMMON)))
def test_what_no_name_number_or_address_may_be(rule: Callable[[str], Any], text: str) -> None:
    practice.error_of(lambda: rule(text), ValidationError)


def test_a_host_that_an_administrator_allowed_with_its_scheme_and_port(settings: Any) -> None:
    settings.GIT_HOSTS = ["http://127.0.0.1:8431", "git.acme.org"]
    rules.git_url("http://127.0.0.1:8431/practice.git")
    rules.web_url("http://127.0.0.1:8431/pull/1")
    rules.git_url("https://git.acme.org/a/b")
    for bad in (
        "http://127.0.0.1:8432/practice.git",
        "https://127.0.0.1:8431/practice.git",
        "http://git.acme.org/a/b",
        "https://github.com/a/b",
    ):
        practice.error_of(lambda bad=bad: rules.git_url(bad), ValidationError)  # type: ignore[misc]


def test_the_message_says_who_can_allow_a_host() -> None:
    said = practice.error_of(lambda: rules.git_url("https://evil.org/a/b"), ValidationError)
    assert "evil.org is not on the list of allowed hosts. An administrator adds it to OPSPORTAL_GIT_HOSTS." in said


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", "12"), ("https://github.com/apache/cloudstack/pull/12", "12"), ("https://github.com/apache/cloudstack/pull/12/", "12")],
)
def test_a_pull_request_by_number_or_address(text: str, number: str) -> None:
    assert trees.source().number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "012",
        "1234567890",
        "12/files",
        "https://github.com/apache/other/pull/12",
        "https://github.com/apache/cloudstack/pull/x",
        "\uff11",
        "12 ",
    ],
)
def test_what_is_no_pull_request_of_the_source(text: str) -> None:
    assert "is not a pull request of CloudStack" in practice.error_of(lambda: trees.source().number(text), FactError)


@pytest.mark.parametrize("text", ["a\x00", "a\x1b[31m", "a\x9bb", "a\u202eb", "a\u2066b", "a\u2028b", "a\rb", "x" * 2001, "\ud800"])
def test_free_text_hides_nothing(text: str) -> None:
    practice.error_of(lambda: rules.free_text(text), ValidationError)


def test_free_text_is_free() -> None:
    rules.free_text("Zoë says: «don't; rm -rf» <b>\n\tпривет שלום\r\n$(id)")
