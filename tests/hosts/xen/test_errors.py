"""Errors of xe in the words of all its versions, and what the operator is told."""

from __future__ import annotations

import pytest

from hosts.xen import errors
from hosts.xen.meanings import MEANINGS
from hosts.xen.texts import TEXTS
from tests.hosts.xen.samples import sample

SAMPLES = {
    23: "HA_IS_ENABLED", 24: "HA_NOT_ENABLED", 25: "SR_HAS_NO_PBDS", 26: "HOST_OFFLINE", 27: "LICENCE_RESTRICTION", 28: "UUID_INVALID",
    30: "aborted", 31: "vms-resident", 32: "eject-master", 33: "HA_IS_ENABLED", 36: "no-destination", 37: "clone-of-master",
    38: "HOSTS_NOT_HOMOGENEOUS", 39: "JOINING_HOST_CANNOT_HAVE_RUNNING_VMS", 40: "HOST_UNKNOWN_TO_MASTER", 41: "HOST_UNKNOWN_TO_MASTER",
    44: "already-master", 47: "unprotected-vm", 48: "NO_HOSTS_AVAILABLE", 50: "HOST_STILL_BOOTING", 51: "HOST_NOT_DISABLED",
    52: "HOST_IS_LIVE", 54: "ambiguous", 55: "no-match", 56: "connection-refused", 57: "ha-timeout-low", 58: "REQUIRED_PIF_IS_UNPLUGGED",
    59: "lost-connection", 60: "HOST_IS_SLAVE", 61: "missing-argument", 62: "unknown-command",
}  # fmt: skip


@pytest.mark.parametrize(("number", "sense"), SAMPLES.items())
def test_samples(number: int, sense: str) -> None:
    found = errors.explain(sample(number))
    assert found is not None
    assert found.sense == sense
    assert found.meaning and found.advice


@pytest.mark.parametrize("number", [22, 29, 35, 43, 45, 46, 53, 66])
def test_success_is_no_error(number: int) -> None:
    assert errors.explain(sample(number)) is None


@pytest.mark.parametrize(("code", "text"), [(entry.code, text) for entry in TEXTS for text in entry.texts])
def test_every_text_of_every_version(code: str, text: str) -> None:
    for written in (text, f"{text}.", text.replace(". ", ".  ")):
        found = errors.explain(f"{written}\n")
        assert found is not None and found.code == code


def test_every_code_is_explained_in_sentences() -> None:
    for meaning, advice in MEANINGS.values():
        assert meaning.endswith(".") and advice.endswith(".")


def test_parameters_come_back() -> None:
    found = errors.explain(sample(28))
    assert found is not None
    assert found.parameters == (("type", "host"), ("uuid", "11111111-2222-3333-4444-555555555555"))


def test_memory_is_not_the_reason_when_ha_is_on() -> None:
    assert "Turn pool HA off" in errors.said(sample(47))
    real = "Not enough host memory is available to perform this operation\nneeded: 4294967296\navailable: 1073741824\n"
    assert "too little memory" in errors.said(real)


def test_an_error_after_other_output_is_found() -> None:
    text = f"operation failed on 6e1f0c4a-0f0e-4a8e-9a51-2f2b7c3d1a01: {sample(50)}"
    for printed in (text, f"working\n{sample(24)}"):
        assert errors.explain(printed) is not None


def test_an_unknown_code_and_an_unknown_text_are_told_as_they_are() -> None:
    found = errors.explain("Error code: SOMETHING_NEW\nError parameters: a, b\n")
    assert found is not None and found.code == "SOMETHING_NEW" and [value for _, value in found.parameters] == ["a", "b"]
    assert errors.explain("Something nobody has seen\n") is None
    assert errors.said("Something nobody has seen\n") == "Something nobody has seen"
    assert errors.said("") == "it printed nothing"


@pytest.mark.parametrize(
    ("message", "sense"),
    [
        ('INTERNAL_ERROR: [ Unix.Unix_error(Unix.ECONNREFUSED, "connect", "") ]', "master-unreachable"),
        ("duplicate objects in database: tbl='host'; object_ref='OpaqueRef:1'; uuid='6e1f0c4a'", "duplicate-uuid"),
        ('Failure("int_of_string")', "ha-timeout-number"),
        ("Not_found", "INTERNAL_ERROR"),
    ],
)
def test_what_an_internal_error_really_is(message: str, sense: str) -> None:
    text = "The server failed to handle your request, due to an internal error.  The given message may give details useful for debugging"
    found = errors.explain(f"{text} the problem.\nmessage: {message}\n")
    assert found is not None and found.sense == sense


@pytest.mark.parametrize("word", ["", "extremely "])
def test_a_command_that_wants_force(word: str) -> None:
    text = f"Error: This operation is {word}dangerous and may cause data loss. This operation must be forced (use --force).\n"
    found = errors.explain(text)
    assert found is not None and found.code == "needs-force"
