"""SSH key pairs: made here or pasted, always kept in OpenSSH's own format without a passphrase (the keyring encrypts them)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from opsportal.secrets.value import Secret

RSA_BITS = 3072
RSA_LEAST = 2048
ALGORITHMS = ("ed25519", "rsa")

_Private = Ed25519PrivateKey | RSAPrivateKey | EllipticCurvePrivateKey
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


class BadKey(Exception):
    """The text is no private key that can be used. The message says why, and never repeats the text."""


class PassphraseNeeded(BadKey):
    """The key is encrypted, and the passphrase is missing or wrong."""


@dataclass(frozen=True)
class KeyPair:
    """`public` is "ssh-ed25519 AAAA…", the line for authorized_keys without a comment; `fingerprint` is "SHA256:…"."""

    private: Secret
    public: str
    fingerprint: str


def generate(algorithm: str) -> KeyPair:
    """`algorithm` is one of `ALGORITHMS`. RSA is for dom0s older than OpenSSH 6.5, which know no Ed25519."""
    key = Ed25519PrivateKey.generate() if algorithm == "ed25519" else generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return _pair(key)


def read(text: str, passphrase: Secret) -> KeyPair:
    """A pasted key, OpenSSH or PEM (PKCS#1, PKCS#8, SEC 1). Raises `BadKey`."""
    data = _plain(text)
    load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
    password = passphrase.reveal().encode(errors="surrogatepass") or None
    try:
        try:
            key = load(data, password)
        except (TypeError, ValueError) as error:
            if password is None or "not encrypted" not in str(error):
                raise
            key = load(data, None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise _why(error, passphrase) from None
    return _pair(_usable(key))


def _plain(text: str) -> bytes:
    """With line ends and outer blanks as a file has them; what is plainly something else is named."""
    text = text.strip().replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("PuTTY-User-Key-File"):
        raise BadKey("This is a PuTTY key. Open it in PuTTYgen and choose Conversions, Export OpenSSH key.")
    if text.startswith(("ssh-", "ecdsa-", "---- BEGIN SSH2 PUBLIC")) or "BEGIN PUBLIC KEY" in text:
        raise BadKey("This is the public half. Paste the private key: the file without .pub.")
    if not (text.startswith("-----BEGIN ") and "PRIVATE KEY-----" in text):
        raise BadKey("This is no private key. It begins with -----BEGIN OPENSSH PRIVATE KEY----- or a line like it; paste the whole text.")
    return text.encode(errors="replace") + b"\n"


def _why(error: Exception, passphrase: Secret) -> BadKey:
    """The libraries tell these cases apart by their wording only; a wrong passphrase and damage look the same to them."""
    if isinstance(error, UnsupportedAlgorithm):
        return BadKey("The portal cannot read this kind of key. Use Ed25519, RSA or ECDSA.")
    if passphrase:
        return PassphraseNeeded("The passphrase does not open this key, or the text of the key is damaged.")
    if "password" in str(error).lower():
        return PassphraseNeeded("This key has a passphrase. Enter it below; it is not stored.")
    return BadKey("The text of this private key is damaged. Paste it again, whole, from its first line to its last.")


def _usable(key: object) -> _Private:
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_LEAST:
        raise BadKey(f"This RSA key has {key.key_size} bits; less than {RSA_LEAST} can be broken. Make a new key.")
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name not in _CURVES:
        raise BadKey(f"SSH knows no keys on the curve {key.curve.name}. Use Ed25519, RSA or ECDSA on a NIST curve.")
    if not isinstance(key, _Private):
        raise BadKey("The portal cannot use this kind of key (DSA is no longer accepted anywhere). Use Ed25519, RSA or ECDSA.")
    return key


def _pair(key: _Private) -> KeyPair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return KeyPair(Secret(private), public, fingerprint(public.split()[1]))


def fingerprint(blob: str) -> str:
    """As OpenSSH prints it, from the base64 text of a public key."""
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
