"""What xe and a dom0's files print, as values: samples of all versions, and names that try to break the format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hosts.xen import parsing
from hosts.xen.state import Role
from opsportal.operations.facts import FactError
from tests.hosts.xen import printer
from tests.hosts.xen.samples import SR, U1, U2, U3, VM1, VM2, P, sample

FIELDS = (
    "uuid", "name-label", "name-description", "enabled", "address", "master", "default-SR", "ha-enabled", "ha-configuration",
    "ha-statefiles", "ha-host-failures-to-tolerate", "host", "type", "content-type", "power-state", "ha-restart-priority", "resident-on",
    "host-uuid", "sr-uuid", "device-config", "currently-attached", "reason",
)  # fmt: skip


def parsed(number: int) -> list[dict[str, str]]:
    return parsing.records(sample(number), FIELDS)


def test_list_of_hosts() -> None:
    assert [host["uuid"] for host in parsed(1)] == [U1, U2, U3]
    assert [host["name-label"] for host in parsed(1)] == ["xs01", "xs02", "xs03"]
    assert [host["enabled"] for host in parsed(3)] == ["true", "false"]


def test_a_fresh_pool_has_no_name() -> None:
    assert parsed(2) == [{"uuid": P, "name-label": "", "name-description": "", "master": U1, "default-SR": SR}]
    assert parsing.records(sample(2).replace(": \n", ":\n"), FIELDS) == parsed(2), "copies lose the blank at the end of a line"


def test_a_pool_with_ha() -> None:
    (pool,) = parsed(7)
    assert parsing.mapping(pool["ha-configuration"]) == {"timeout": "180"}
    assert parsing.several(pool["ha-statefiles"]) == ("0a7b5d3e-9999-4a4a-8888-0102030405aa", "5f0e1c2d-7777-4b4b-8888-0102030405bb")


@pytest.mark.parametrize("number", [8, 9])
def test_lines_picked_out_by_grep_are_no_records(number: int) -> None:
    with pytest.raises(FactError, match="does not begin with a record"):
        parsed(number)


def test_the_version_in_a_dump_of_six_five() -> None:
    (host,) = parsing.records(sample(13).replace("    ... (38 lines) ...\n", ""), (*FIELDS, "software-version", "host-metrics-live"))
    software = parsing.mapping(host["software-version"])
    assert (software["product_version"], software["build_number"]) == ("6.5.0", "90233c")
    assert software["xs:main"] == "XenServer Pack, version 6.5.0, build 90233c"
    assert (host["host-metrics-live"], host["enabled"]) == ("true", "true")


def test_storage() -> None:
    assert [(sr["type"], sr["name-description"]) for sr in parsed(14)] == [("udev", ""), ("ext", "")]
    assert parsed(15)[0]["host"] == "<shared>"
    (pbd,) = parsed(21)
    assert parsing.mapping(pbd["device-config"]) == {"server": "10.0.0.5", "serverpath": "/export/primary"}


def test_virtual_machines() -> None:
    assert [(vm["uuid"], vm["ha-restart-priority"]) for vm in parsed(18)] == [(VM1, ""), (VM2, "restart")]
    (halted,) = parsed(20)
    assert parsing.reference(halted["resident-on"], "the host") == ""
    assert parsed(49)[0]["reason"] == "VM_REQUIRES_SR,OpaqueRef:aa,OpaqueRef:bb"


@pytest.mark.parametrize(
    ("number", "values"),
    [
        (4, [U1, U2, U3]),
        (5, ["xs01", "xs02", "xs03"]),
        (6, ["rack 4, unit 7", "Default install of XenServer"]),
        (10, ["timeout: 180"]),
        (11, ["6.5.0"]),
        (12, ["true"]),
        (16, [SR, "b2c3d4e5-1111-2222-3333-444455556667"]),
        (17, []),
        (19, []),
        (42, ["true"]),
    ],
)
def test_minimal(number: int, values: list[str]) -> None:
    assert parsing.minimal(sample(number)) == values


@pytest.mark.parametrize("number", [22, 34])
def test_nothing_printed_is_no_record(number: int) -> None:
    assert parsed(number) == []


@pytest.mark.parametrize("number", [23, 31, 40, 42, 45, 56, 59, 61, 63, 64])
def test_what_is_no_list_of_records_is_an_error_that_says_what_came_back(number: int) -> None:
    with pytest.raises(FactError) as caught:
        parsed(number)
    assert sample(number).split()[0] in str(caught.value)


def test_files() -> None:
    assert parsing.role(sample(63)) == (Role.SLAVE, "10.0.0.11")
    assert parsing.role("slave:fd00::12\n") == (Role.SLAVE, "fd00::12")
    assert parsing.role(" master \n") == (Role.MASTER, "")
    assert parsing.role("broken") == (Role.BROKEN, "")
    inventory = parsing.inventory(sample(64))
    assert (inventory["INSTALLATION_UUID"], inventory["PRODUCT_VERSION"]) == (U1, "6.5.0")
    assert parsing.release(sample(65)) == ("XenServer", "6.2.0", "70446c")
    assert parsing.release("XenServer release 7.1.1 (xenenterprise)") == ("XenServer", "7.1.1", "")
    assert parsing.release("XCP-ng release 8.2.1 (xenenterprise)\n") == ("XCP-ng", "8.2.1", "")


@pytest.mark.parametrize("text", ["", "slave", "slave:", "Master", "master:10.0.0.1", "slaves:1"])
def test_other_roles_are_not_guessed(text: str) -> None:
    with pytest.raises(FactError, match=r"pool\.conf"):
        parsing.role(text)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda text: parsing.truth(text, "ha-enabled"), "True"),
        (lambda text: parsing.truth(text, "ha-enabled"), ""),
        (lambda text: parsing.uuid(text, "a uuid"), "OpaqueRef:1"),
        (lambda text: parsing.whole(text, "a number"), "12 "),
        (parsing.mapping, "no map"),
        (parsing.inventory, "PRODUCT_BRAND"),
        (parsing.minimal, "a,b\\"),
        (parsing.release, "Debian GNU/Linux"),
    ],
)
def test_nothing_is_guessed(call: Any, text: str) -> None:
    with pytest.raises(FactError):
        call(text)


def test_maps_and_sets() -> None:
    assert parsing.mapping("a: b: c; xs:main: d; e: ") == {"a": "b: c", "xs:main": "d", "e": ""}
    assert parsing.mapping("note: first; second; key: value")["note"] == "first; second"
    assert parsing.several("xen-3.0-x86_64; hvm-3.0-x86_32; ") == ("xen-3.0-x86_64", "hvm-3.0-x86_32")
    assert parsing.several("a, b", ", ") == ("a", "b")
    assert parsing.several("") == ()


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
HOSTILE = [
    "\"quoted\" 'twice'",
    "two\nlines",
    "\n\n\nuuid",
    "a; b: c",
    "ends with\n\n",
    "Zürich – 東京 \u2028 \x85",
    "x\n    key ( RW): y",
    "\\,",
]


@settings(deadline=None)
@given(st.lists(st.tuples(names, names), max_size=4))
@example([(name, name) for name in HOSTILE])
def test_any_name_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    written = [{"uuid": U1, "name-label": name, "resident-on": U2, "name-description": note} for name, note in pairs]
    assert parsing.records(printer.blocks(written), FIELDS) == written


@settings(deadline=None)
@given(st.lists(names, min_size=1, max_size=5))
@example(HOSTILE)
def test_any_name_comes_back_from_minimal(values: list[str]) -> None:
    expected = [] if values == [""] else values
    assert parsing.minimal(printer.minimal(values)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "x\n    ha-restart-priority ( RW): restart",
        "x\n\n\nuuid ( RO)                   : 6e1f0c4a-0f0e-4a8e-9a51-2f2b7c3d1a01",
    ],
)
def test_a_name_that_imitates_a_field_or_a_record_is_an_error(name: str) -> None:
    record = {"uuid": VM1, "name-label": name, "power-state": "running", "ha-restart-priority": ""}
    with pytest.raises(FactError, match=r"imitate"):
        parsing.records(printer.blocks([record]), FIELDS)
