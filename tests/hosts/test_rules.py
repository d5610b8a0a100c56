"""What may be typed about a host, and what may not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError

from hosts import rules

COMMON = [
    "-", "--help", "-oProxyCommand=id", "a;id", "a|id", "a&id", "`id`", "$(id)", "a\nb", "a\r", "a\x00b", "\x1b[31m", "a\u202eb", "аdmin",
    "a\u200bb", "a'b", 'a"b', "a\\b", "../a", "a/../b", "%2e%2e", "{{7*7}}", "${jndi:x}", "<b>", "\ud800", "x" * 5000, " a", "a ",
    "e\u0301", "１２", "=1+1", "*", "~", "!", "#", "a\u2028",
]  # fmt: skip


def accepts(rule: Callable[[str], object], value: str) -> bool:
    try:
        rule(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("rule", [rules.label, rules.address, rules.username])
@pytest.mark.parametrize("value", COMMON)
def test_common_rejects(rule: Callable[[str], None], value: str) -> None:
    assert not accepts(rule, value)


@pytest.mark.parametrize("value", ["xen1", "XEN 1 (rack 4)", "a", "a" * 64, "build_host-2.ams+old"])
def test_labels(value: str) -> None:
    assert accepts(rules.label, value)


@pytest.mark.parametrize(
    "value", ["-pool", ".hidden", "a/b", "pool;", "a" * 65, "a\tb", "a  b", "a..b", "名", "a\u00a0b", "a,b", "a=b", "a%"]
)
def test_labels_refused(value: str) -> None:
    assert not accepts(rules.label, value)


@pytest.mark.parametrize(
    "value", ["10.1.2.3", "192.168.0.1", "fd00::12", "2a00:1450::5", "xen1", "xen1.example.org", "a-b.c", "3com.example"]
)
def test_addresses(value: str) -> None:
    assert accepts(rules.address, value)


@pytest.mark.parametrize(
    "value",
    [
        "-a.b", "a-.b", "a..b", ".a", "a.", "0x7f.1", "017700000001", "a_b", "a:22", "u@h", "[::1]", "h#x", "h?x", "h/x",
        "x" * 64 + ".org", ".".join(["x" * 50] * 6), "0.0.0.0", "169.254.169.254", "fe80::1%eth0", "fe80::1", "10.0.0.1/24", "10.1",
        "010.0.0.1", "167772161", "::ffff:127.0.0.1", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1",
    ],
)  # fmt: skip
def test_addresses_refused(value: str) -> None:
    assert not accepts(rules.address, value)


def test_loopback_only_in_the_embedded_portal(settings: object) -> None:
    assert accepts(rules.address, "127.0.0.1")
    settings.EMBEDDED = False  # type: ignore[attr-defined]
    assert not accepts(rules.address, "127.0.0.1")
    assert not accepts(rules.address, "::1")


def test_what_a_name_resolves_to_is_judged_too(settings: object) -> None:
    settings.EMBEDDED = False  # type: ignore[attr-defined]
    for address in ("127.0.0.1", "::1", "127.8.0.1"):
        assert "this machine itself" in rules.forbidden(address)
    assert "no host can be managed there" in rules.forbidden("169.254.169.254")
    assert rules.forbidden("10.0.0.1") == ""


@pytest.mark.parametrize("value", ["root", "ops", "build-user", "_apt", "a.b", "x"])
def test_usernames(value: str) -> None:
    assert accepts(rules.username, value)


@pytest.mark.parametrize("value", ["Root", "0day", "a b", "root;", "-l", "a" * 33, "a@b", ""])
def test_usernames_refused(value: str) -> None:
    assert not accepts(rules.username, value)


def test_tags_are_sorted_once_and_lower_case() -> None:
    assert rules.tags("Rack-4, amsterdam  rack-4") == " amsterdam rack-4 "
    assert rules.tags("  ") == ""


@pytest.mark.parametrize("value", ["<b>", "a=b", "é", "-x", "a" * 41, "$(id)", " ".join(f"tag-number-{n}" for n in range(60))])
def test_tags_refused(value: str) -> None:
    assert not accepts(rules.tags, value)


@pytest.mark.parametrize("value", ["Réinstallé\nמחדש", "a\tb", "it's <fine>; $(really)", "x" * 2000])
def test_free_text(value: str) -> None:
    assert accepts(rules.free_text, value)


@pytest.mark.parametrize("value", ["\0", "\x1b[2J", "\x9b", "a\u202eb", "a\u2066b", "a\u2028b", "\ud800", "a\rb", "x" * 2001])
def test_free_text_refused(value: str) -> None:
    assert not accepts(rules.free_text, value)


def test_long_input_is_judged_at_once() -> None:
    started = time.process_time()
    for rule in (rules.label, rules.address, rules.username, rules.tags, rules.free_text):
        for probe in ("a" * 100_000, "a " * 50_000, "a." * 50_000, "a-" * 50_000 + "!"):
            accepts(rule, probe)
    assert time.process_time() - started < 2


def test_invisible_letters_are_made_visible() -> None:
    assert rules.shown("a\u202eb\x1b") == "a<U+202E>b<U+001B>"
    assert rules.shown("x" * 300) == "x" * 200 + "…"
