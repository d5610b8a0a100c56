"""Keys that people paste, as ssh-keygen writes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from opsportal.secrets import ssh_keys
from opsportal.secrets.value import Secret

NONE = Secret("")


def keygen(folder: Path, *options: str, passphrase: str = "") -> Path:
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "somebody@somewhere", "-f", str(path), *options], check=True)
    return path


def public(path: Path) -> str:
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


@pytest.mark.parametrize("passphrase", ["", "pässword with blanks"])
@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "2048"), ("ecdsa", "-b", "384")])
@pytest.mark.parametrize("form", ["RFC4716", "PKCS8"])
def test_what_ssh_keygen_writes_is_read(kind: tuple[str, ...], form: str, passphrase: str, tmp_path: Path) -> None:
    path = keygen(tmp_path, "-t", *kind, "-m", form, passphrase=passphrase)
    for ends in ("\n", "\r\n"):
        pair = ssh_keys.read("\n  " + path.read_text().replace("\n", ends) + ends, Secret(passphrase))
        assert pair.public == public(path)
        shown = subprocess.run(["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True).stdout
        assert pair.fingerprint == shown.split()[1]
    if passphrase:
        for wrong, says in (("", "has a passphrase"), ("wrong", "does not open")):
            with pytest.raises(ssh_keys.PassphraseNeeded, match=says):
                ssh_keys.read(path.read_text(), Secret(wrong))


def test_a_needless_passphrase_does_no_harm(tmp_path: Path) -> None:
    path = keygen(tmp_path, "-t", "ed25519")
    assert ssh_keys.read(path.read_text(), Secret("needless")).public == public(path)


def test_the_old_pem_form_of_rsa(tmp_path: Path) -> None:
    path = keygen(tmp_path, "-t", "rsa", "-m", "PEM", passphrase="old one")
    assert "BEGIN RSA PRIVATE KEY" in path.read_text()
    assert ssh_keys.read(path.read_text(), Secret("old one")).public == public(path)


@pytest.mark.parametrize("algorithm", ssh_keys.ALGORITHMS)
def test_a_key_made_here_is_one_that_openssh_takes(algorithm: str, tmp_path: Path) -> None:
    pair = ssh_keys.generate(algorithm)
    path = tmp_path / "key"
    path.write_text(pair.private.reveal())
    path.chmod(0o600)
    shown = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    assert shown.split()[:2] == pair.public.split()
    assert ssh_keys.generate(algorithm).public != pair.public


def test_a_weak_rsa_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ssh_keys.BadKey, match="1024 bits"):
        ssh_keys.read(keygen(tmp_path, "-t", "rsa", "-b", "1024").read_text(), NONE)


def test_the_public_half_is_recognised(tmp_path: Path) -> None:
    path = keygen(tmp_path, "-t", "ed25519")
    with pytest.raises(ssh_keys.BadKey, match="public half"):
        ssh_keys.read(path.with_suffix(".pub").read_text(), NONE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no private key"),
        ("hello", "no private key"),
        ("PuTTY-User-Key-File-2: ssh-rsa", "PuTTYgen"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "damaged"),
        ("-----BEGIN RSA PRIVATE KEY-----\nq\n-----END RSA PRIVATE KEY-----", "damaged"),
        ("-----BEGIN PRIVATE KEY-----\n\ud800\n-----END PRIVATE KEY-----", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no private key"),
    ],
)
def test_what_is_no_key_says_why_and_never_repeats_it(text: str, says: str) -> None:
    with pytest.raises(ssh_keys.BadKey, match=says) as refused:
        ssh_keys.read(text, NONE)
    assert "AAAA" not in str(refused.value)


def test_a_truncated_paste(tmp_path: Path) -> None:
    text = keygen(tmp_path, "-t", "ed25519").read_text()
    with pytest.raises(ssh_keys.BadKey, match="damaged"):
        ssh_keys.read(text[: len(text) // 2], NONE)
