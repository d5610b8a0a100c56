"""Signatures against vectors of others: the developer's guide, fog's tests, and Java itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsportal.cloudstack.signing import canonical, encoded, expiry, signature

GUIDE_KEY = "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg"
GUIDE_SECRET = "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ"


def test_the_example_of_the_developers_guide() -> None:
    params = {"apikey": GUIDE_KEY, "command": "listUsers", "response": "json"}
    assert signature(params, GUIDE_SECRET) == "TTpdDq/7j/J58XCRHomKoQXEQds="


def test_the_order_of_names_is_that_of_lower_case() -> None:
    params = {"response": "json", "apiKey": GUIDE_KEY, "command": "listUsers"}
    assert signature(params, GUIDE_SECRET) == "TTpdDq/7j/J58XCRHomKoQXEQds="


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"account": "Lorem Ipsum", "domainid": "42", "q": "keywords"}, "V2CxRU4zQQtox1DZsH/66GDdzhg="),
        ({"account": "Lorem Ipsum", "domainid": "42", "q": ""}, "5bsDirm5pPgVoreQ6vquKRN+4HI="),
    ],
)
def test_vectors_of_the_ruby_client(params: dict[str, str], expected: str) -> None:
    assert signature(params, "abcdefg") == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"command": "addHost", "password": "pa~ss wo*rd+&=%/~"}, "Ldg+PN8O81KNiR0GIYu+JaeedgQ="),
        ({"command": "listHosts", "keyword": "Zürich-Übersee 雲 😀"}, "+tNN87QM+ldZatkZZ2HVZFzeTE0="),
        ({"command": "listHosts", "name": "a_b-c.d!e'f(g)h,i@j[k]l"}, "nhi+bz74dQlIEjzEkYhG4Q0MrSI="),
    ],
)
def test_vectors_computed_by_java(params: dict[str, str], expected: str) -> None:
    """URLEncoder, toLowerCase and HmacSHA1 of a JDK, called as ApiServer calls them."""
    assert signature(params, "abcdefg") == expected


def test_values_are_encoded_as_java_does() -> None:
    assert encoded("~*-_. !'()@,[]/ü😀") == "%7E*-_.%20%21%27%28%29%40%2C%5B%5D%2F%C3%BC%F0%9F%98%80"


def test_a_signature_signs_everything_but_itself() -> None:
    assert canonical({"command": "listZones", "signature": "x"}) == "command=listzones"


def test_an_expiry_is_written_with_its_offset() -> None:
    assert expiry(600, datetime(2026, 1, 31, 23, 55, tzinfo=UTC)) == "2026-02-01T00:05:00+0000"
