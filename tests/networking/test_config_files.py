"""Setting values in files of other programs without touching anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from networking.config_files import LIBVIRT, PROPERTIES, SHELL, Style, changed, put, value, without, words

LINE = some.one_of(
    some.text(alphabet="ab=# \t.\\!é", max_size=14),
    some.sampled_from(
        ["key = 1", "#key = 0", "key=2", "other=key=3", "# a remark", "", "  key =x", "long=a\\", "export key=9", "key=1\\", "key.more=1"]
    ),
)
TEXT = some.lists(LINE, max_size=12).map("\n".join) | some.lists(LINE, max_size=12).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)
STYLES = some.sampled_from([LIBVIRT, PROPERTIES, SHELL])
VALUES = some.text(alphabet='ab19".-', max_size=8)


def others(text: str, style: Style) -> list[str]:
    return [line for line in without(text, "key", style).split("\n") if line]


@given(TEXT, VALUES, STYLES)
def test_it_is_set_once_and_setting_it_again_changes_nothing(text: str, wanted: str, style: Style) -> None:
    after = put(text, (("key", wanted),), style)
    assert value(after, "key", style) == wanted
    assert put(after, (("key", wanted),), style) == after
    assert changed(after, (("key", wanted),), style) == ()


@given(TEXT, VALUES, STYLES)
def test_every_other_line_stays_in_its_order(text: str, wanted: str, style: Style) -> None:
    assert others(put(text, (("key", wanted),), style), style) == others(text, style)


@given(TEXT, STYLES)
def test_what_is_so_already_is_left_byte_for_byte(text: str, style: Style) -> None:
    found = value(text, "key", style)
    if found is not None and text.count("key") == 1:
        assert put(text, (("key", found),), style) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "listen_tcp = 1\n"),
        ("a = 1", "a = 1\nlisten_tcp = 1\n"),
        ("#listen_tcp = 1\nz = 1\n", "#listen_tcp = 1\nlisten_tcp = 1\nz = 1\n"),
        ("listen_tcp = 0\nz = 1\nlisten_tcp = 0\n", "listen_tcp = 1\nz = 1\n"),
        ("listen_tcp=1\n", "listen_tcp=1\n"),
        ("listen_tcp_more = 0\n", "listen_tcp_more = 0\nlisten_tcp = 1\n"),
    ],
)
def test_where_a_value_goes(before: str, after: str) -> None:
    assert put(before, (("listen_tcp", "1"),), LIBVIRT) == after


def test_what_continues_a_line_is_not_taken_for_a_key() -> None:
    text = "list=a,\\\nhost=b\nhost=c\n"
    assert value(text, "host", PROPERTIES) == "c"
    assert put(text, (("host", "d"),), PROPERTIES) == "list=a,\\\nhost=b\nhost=d\n"


def test_words_of_a_shells_value() -> None:
    assert words('"--timeout 120 -l"') == ["--timeout", "120", "-l"] and words("-d") == ["-d"] and words(None) == [] == words('"open')
