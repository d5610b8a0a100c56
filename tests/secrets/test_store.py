"""The keyring: what it seals nobody reads, what was moved or damaged does not open."""

from __future__ import annotations

import base64
import os
import stat
import urllib.parse
from pathlib import Path

import pytest

from opsportal.secrets.redaction import Redactor
from opsportal.secrets.store import KeyringError, add_key, keep_first_key, make_keyring, read_keyring
from opsportal.secrets.value import MASK, Secret

SECRET = Secret("correct horse/battery+staple&ümlaut")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_keyring(tmp_path / "state" / "keys")
    return tmp_path / "state" / "keys"


def test_only_the_owner_can_read_the_key_file_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        make_keyring(tmp_path / "keys")
        add_key(tmp_path / "keys")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys"]


def test_a_key_file_is_never_overwritten(path: Path) -> None:
    before = path.read_text()
    with pytest.raises(FileExistsError):
        make_keyring(path)
    assert path.read_text() == before


def test_what_is_sealed_opens_in_its_place_only(path: Path) -> None:
    ring = read_keyring(path)
    sealed = ring.seal(SECRET, "credential:1")
    assert SECRET.reveal() not in sealed
    assert ring.seal(SECRET, "credential:1") != sealed
    assert ring.open(sealed, "credential:1") == SECRET
    with pytest.raises(KeyringError, match="swapped"):
        ring.open(sealed, "credential:2")


def test_one_changed_letter_is_noticed(path: Path) -> None:
    sealed = read_keyring(path).seal(SECRET, "c")
    middle = len(sealed) // 2
    forged = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    for text in (forged, "", "hello", sealed[:-10]):
        with pytest.raises(KeyringError, match="cannot be decrypted"):
            read_keyring(path).open(text, "c")


def test_a_new_first_key_seals_and_old_ones_still_open(path: Path) -> None:
    old = read_keyring(path).seal(SECRET, "c")
    add_key(path)
    new = read_keyring(path).seal(SECRET, "c")
    assert read_keyring(path).open(old, "c") == read_keyring(path).open(new, "c") == SECRET
    assert keep_first_key(path) == 1
    assert read_keyring(path).open(new, "c") == SECRET
    with pytest.raises(KeyringError, match="cannot be decrypted"):
        read_keyring(path).open(old, "c")


@pytest.mark.parametrize("text", ["", "short\n", "x" * 44 + "\n"])
def test_a_damaged_key_file_is_called_so(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(KeyringError, match="damaged"):
        read_keyring(path)


def test_a_missing_or_open_key_file_says_what_to_do(path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        read_keyring(path)
    path.unlink()
    with pytest.raises(KeyringError, match="make_key"):
        read_keyring(path)


def test_secrets_are_masked_in_every_form() -> None:
    mask = Redactor([SECRET])
    value = SECRET.reveal()
    forms = [
        f"login with {value} failed",
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        base64.b64encode(value.encode()).decode(),
        base64.urlsafe_b64encode(f"user:{value}".encode()).decode(),
        *(base64.b64encode(f"{'u' * n}:{value}:more".encode()).decode() for n in range(4)),
    ]
    for form in forms:
        masked = mask(form)
        assert MASK in masked
        assert value[5:15] not in masked and urllib.parse.quote_plus(value)[8:20] not in masked
        assert base64.b64encode(value.encode()).decode()[8:24] not in masked
    assert mask("nothing here") == "nothing here"


def test_a_private_key_is_masked_line_by_line() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nBG5vbmUAAAAEbm9u\n-----END OPENSSH PRIVATE KEY-----\n"
    masked = Redactor([Secret(key)])("line 2 is BG5vbmUAAAAEbm9u\r\n-----BEGIN OPENSSH PRIVATE KEY-----")
    assert masked == f"line 2 is {MASK}\r\n-----BEGIN OPENSSH PRIVATE KEY-----"


def test_without_secrets_or_with_too_short_ones_nothing_changes() -> None:
    assert Redactor([])("a b c") == "a b c"
    assert Redactor([Secret(""), Secret("ab")])("a b c ab") == "a b c ab"


def test_a_value_within_another_leaves_no_rest() -> None:
    assert Redactor([Secret("pass"), Secret("password-1")])("x password-1 y") == f"x {MASK} y"
