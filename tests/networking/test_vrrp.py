"""Virtual addresses as text of keepalived's configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from networking.facts.keepalived import Instance, KeepalivedConfig
from networking.judges import config_good, no_address
from networking.runbooks.virtual_address import AddressForm
from networking.vrrp import Seat, Virtual, block, family, marks, with_block
from opsportal.transport.base import Result

LINES = some.lists(some.text(alphabet="abc #{}\t", max_size=12), max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


def test_version_2_with_a_password() -> None:
    text = block(Virtual("gw", "vi0", 51, ("10.0.0.3/24",), secret="abc"), Seat(200, "10.0.0.1", ("10.0.0.2",)))
    assert "auth_pass abc" in text and "unicast" not in text and "version 3" not in text and "state BACKUP" in text


def test_version_3_unicast() -> None:
    text = block(Virtual("gw", "vi0", 51, ("10.0.0.3/24",), version=3, secret="abc", unicast=True), Seat(180, "10.0.0.1", ("10.0.0.2",)))
    assert "unicast_src_ip 10.0.0.1" in text and "        10.0.0.2\n" in text and "auth" not in text and "version 3" in text


@given(LINES)
def test_what_was_there_comes_back_when_our_part_is_taken_out(text: str) -> None:
    with_ours = with_block(text, "gw", "vrrp_instance gw {\n}\n")
    assert with_block(with_ours, "gw", "vrrp_instance gw {\n}\n") == with_ours
    assert with_block(with_ours, "gw", "") == with_block(text, "gw", "")


def test_our_part_is_replaced_where_it_stands() -> None:
    begin, end = marks("gw")
    text = f"a\n{begin}\nold\n{end}\nb\n"
    assert with_block(text, "gw", "new\n") == f"a\n{begin}\nnew\n{end}\nb\n"
    assert with_block(text, "gw", "") == "a\nb\n"


def test_families() -> None:
    assert (family(("10.0.0.1/24",)), family(("2001:db8::1/64",)), family(("10.0.0.1/24", "2001:db8::1/64"))) == (4, 6, None)


def test_the_file_is_read_as_it_is_with_lines_that_look_like_parts() -> None:
    said = "== version\nKeepalived v2.2.7 (01/16,2022)\n== service\nactive\nenabled\n== there\nyes\n== file\n|== end\n|vrrp_instance x {\n"
    found = KeepalivedConfig("h").parse(Result(0, said + "|  interface vi0\n|  virtual_router_id 51\n|}\n== end\n"))
    assert found is not None and found.text.startswith("== end\n") and found.instances() == (Instance("x", "vi0", 51),)
    assert (found.version, found.active, found.enabled) == ("2.2.7", True, True)


def test_without_keepalived() -> None:
    assert KeepalivedConfig("h").parse(Result(0, "== version\nabsent\n== end\n")) is None


def test_silence_is_no_proof_that_a_host_does_not_have_it() -> None:
    assert no_address(Result(255, ""), "10.0.0.3/24") and not no_address(Result(0, "2: vi0 inet 10.0.0.1/24 scope"), "10.0.0.3/24")
    assert "on it too" in no_address(Result(0, "2: vi0 inet 10.0.0.3/24 scope"), "10.0.0.3/24")
    assert "Truncating" in config_good(Result(5, "", "Truncating auth_pass to 8 characters"), "")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("secret", "ninechars", "At most 8"),
        ("router", "256", "less than or equal to 255"),
        ("router", "0", "greater than or equal to 1"),
        ("addresses", "10.0.0.300/24", "is no address"),
        ("addresses", "10.0.0.3", "has no prefix"),
        ("addresses", "10.0.0.3/24 2001:db8::1/64", "all IPv4 or all IPv6"),
        ("name", "two words", "a letter first"),
    ],
)
def test_bad_input_is_named_at_its_field(field: str, value: str, says: str) -> None:
    good = {"name": "gw", "addresses": "10.0.0.3/24", "router": "51", "version": "2", "seconds": "1", "secret": ""}
    form = AddressForm({**good, field: value})
    assert not form.is_valid() and says in str(form.errors[field])
