"""Version numbers as CloudStack's upgrade checker reads them."""

from __future__ import annotations

import pytest

from releases import building, versions
from releases.versions import Version, parse
from tests.releases import trees


@pytest.mark.parametrize(
    ("text", "numbers", "suffix"),
    [("4.8.0", (4, 8, 0), ""), ("4.8.0.16", (4, 8, 0, 16), ""), ("4.20.1.0-acme", (4, 20, 1, 0), "acme"),
     ("5.0.0-SNAPSHOT", (5, 0, 0), "SNAPSHOT"), ("4.20.1.0-acme-SNAPSHOT", (4, 20, 1, 0), "acme-SNAPSHOT")],
)  # fmt: skip
def test_read_and_written_as_they_were(text: str, numbers: tuple[int, ...], suffix: str) -> None:
    assert parse(text) == Version(numbers, suffix)
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["4.8", "4.8.0.1.2", "v4.8.0", "4.8.x", "04.8.0", "4.8.0-", "4.8.0--a", "4.8.0+a", "4.8.0~rc1", "", "latest", "4.8.0\n", "4.8.0 "],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not three or four numbers"):
        parse(text)


def test_a_missing_fourth_number_is_zero_and_a_suffix_does_not_count() -> None:
    assert parse("4.8.0").four == (4, 8, 0, 0)
    assert parse("4.8.0") < parse("4.8.0.1") < parse("4.8.0.16") < parse("4.8.1")
    assert not parse("4.8.0.1-acme") < parse("4.8.0.1")
    assert parse("4.8.0.9") < parse("4.8.0.10")


@pytest.mark.parametrize(
    ("text", "snapshot", "brand"),
    [("4.8.0", False, ""), ("4.8.0-SNAPSHOT", True, ""), ("4.8.0-acme", False, "acme"), ("4.8.0-acme-SNAPSHOT", True, "acme")],
)
def test_a_brand_is_what_is_not_mavens_word(text: str, snapshot: bool, brand: str) -> None:
    assert (parse(text).snapshot, parse(text).brand) == (snapshot, brand)


@pytest.mark.parametrize(
    ("base", "taken", "free"),
    [("4.8.0", [], "4.8.0.1"), ("4.8.0", ["4.8.0.15", "4.8.0.2", "4.8.1.99", "junk"], "4.8.0.16"), ("4.8.0", ["4.8.0"], "4.8.0.1"),
     ("4.8.0", ["4.8.0.15-acme"], "4.8.0.16-acme"), ("4.8.0", ["4.8.0.15-acme", "4.8.0.16"], "4.8.0.17"),
     ("4.8.0", ["4.8.0.9-SNAPSHOT"], "4.8.0.10")],
)  # fmt: skip
def test_the_next_free_number(base: str, taken: list[str], free: str) -> None:
    assert versions.next_free(base, taken) == free


def test_what_is_suggested_depends_on_what_the_checker_counts() -> None:
    assert building.suggestion(parse("4.8.0-SNAPSHOT"), ["4.8.0.15"], trees.tree(), "acme") == "4.8.0.16"
    assert building.suggestion(parse("4.20.1.0"), [], trees.modern(), "acme") == "4.20.1.0-acme"
    assert building.suggestion(parse("4.20.1.0"), [], trees.modern(), "") == "4.20.1.1"
