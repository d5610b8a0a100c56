"""Who answers, is it the right machine, and does it let us in: against a real OpenSSH server, and against very old ones."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.secrets import ssh_keys
from opsportal.secrets.value import Secret
from opsportal.transport import host_keys, login
from opsportal.transport.command import Command
from opsportal.transport.errors import (
    AddressForbidden,
    AuthenticationFailed,
    HostKeyChanged,
    HostKeyUnknown,
    NoCommonAlgorithm,
    TimedOut,
    TransportError,
    Unreachable,
)
from opsportal.transport.host_keys import HostKey
from opsportal.transport.ssh import Pool, SshTarget
from tests.hosts.machine import LEGACY, Machine, free_port
from tests.transport.conftest import PAIR, pinned, target_of
from tests.transport.oldserver import OldServer

WRONG = HostKey("ssh-ed25519", base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(range(32))).decode())
RSA_PAIR = ssh_keys.generate("rsa")


def anywhere(_address: str) -> str:
    return ""


def said(pool: Pool, target: SshTarget) -> str:
    return pool.get(target).run(Command(("echo", "in")), timeout=20).out


def read_keys(machine: Machine, *, legacy: bool = False) -> list[HostKey]:
    return host_keys.read("127.0.0.1", machine.port, legacy=legacy, seconds=10, forbidden=anywhere)


@pytest.fixture
def all_kinds(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "all", kinds=("ed25519", "ecdsa", "rsa")).start()
    machine.authorized.write_text(PAIR.public + "\n" + RSA_PAIR.public + "\n")
    yield machine
    machine.crash()


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "old", options=LEGACY, kinds=("rsa",)).start()
    machine.authorized.write_text(RSA_PAIR.public + "\n")
    yield machine
    machine.crash()


@pytest.fixture
def ancient() -> Iterator[OldServer]:
    server = OldServer()
    yield server
    server.stop()


def test_all_keys_of_a_host_are_read_and_nobody_logs_in(all_kinds: Machine) -> None:
    assert [key.fingerprint for key in read_keys(all_kinds)] == [all_kinds.fingerprint(kind) for kind in all_kinds.kinds]
    assert "userauth-request" not in all_kinds.log()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_one_pinned_key_is_enough_whatever_else_the_host_has(kind: str, all_kinds: Machine, pool: Pool) -> None:
    key = HostKey(*all_kinds.public(kind).split()[:2])
    assert said(pool, target_of(all_kinds, pinned=(key,))) == "in\n"
    chosen = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "rsa-sha2-512"}[kind]
    assert f"kex: host key algorithm: {chosen}" in all_kinds.log()


@pytest.mark.parametrize("pair", [PAIR, RSA_PAIR], ids=["ed25519", "rsa"])
def test_only_modern_algorithms_are_offered(pair: ssh_keys.KeyPair, all_kinds: Machine, pool: Pool) -> None:
    all_kinds.stop()
    all_kinds.options = ("KexAlgorithms +diffie-hellman-group14-sha1", "Ciphers +aes128-cbc,3des-cbc", "MACs +hmac-md5,hmac-sha1",
                         "HostKeyAlgorithms +ssh-rsa", "PubkeyAcceptedAlgorithms +ssh-rsa", "LogLevel DEBUG3")  # fmt: skip
    all_kinds.start()
    assert said(pool, target_of(all_kinds, pinned=pinned(all_kinds), secret=pair.private)) == "in\n"
    proposal = all_kinds.log().split("peer client KEXINIT proposal")[1].split("compression")[0]
    for weak in ("sha1", "cbc", "md5", "arcfour", "ssh-rsa,", "ssh-dss"):
        assert weak not in proposal
    assert "cipher: aes128-gcm@openssh.com" in all_kinds.log()
    assert "RSA-SHA1" not in all_kinds.log() and "pkalg ssh-rsa" not in all_kinds.log()


def test_without_a_pinned_key_nothing_is_sent(machine: Machine, pool: Pool) -> None:
    with pytest.raises(HostKeyUnknown, match="h1"):
        said(pool, target_of(machine, pinned=()))
    assert "Connection from 127.0.0.1" not in machine.log().split("Server listening")[-1].split("\n", 3)[-1]
    assert "userauth-request" not in machine.log()


def test_a_changed_key_is_noticed_before_a_user_name_is_sent(machine: Machine, pool: Pool) -> None:
    known = target_of(machine)
    assert said(pool, known) == "in\n"
    machine.crash()
    machine.install_again()
    before = machine.log().count("userauth-request")
    with pytest.raises(HostKeyChanged, match="Nothing was sent") as changed:
        said(pool, known)
    assert machine.fingerprint() in str(changed.value) and len(str(changed.value)) < 300
    assert machine.log().count("userauth-request") == before


def test_a_host_without_the_pinned_kind_of_key_counts_as_changed(machine: Machine, pool: Pool) -> None:
    rsa = HostKey("ssh-rsa", RSA_PAIR.public.split()[1])
    with pytest.raises(HostKeyChanged, match="has no ssh-rsa key any more"):
        said(pool, target_of(machine, pinned=(rsa,)))
    assert "userauth-request" not in machine.log()


def test_one_right_key_among_wrong_ones(machine: Machine, pool: Pool) -> None:
    assert said(pool, target_of(machine, pinned=(WRONG, *pinned(machine)))) == "in\n"


def test_an_old_sshd_is_refused_by_name_of_what_it_offers(old: Machine, pool: Pool) -> None:
    for act in (lambda: read_keys(old), lambda: said(pool, target_of(old, secret=RSA_PAIR.private))):
        with pytest.raises(NoCommonAlgorithm, match=r"diffie-hellman-group14-sha1.*marked as legacy"):
            act()
    assert "userauth-request" not in old.log()


def test_an_old_sshd_is_reached_when_marked_legacy(old: Machine, pool: Pool) -> None:
    keys = read_keys(old, legacy=True)
    assert [key.fingerprint for key in keys] == [old.fingerprint("rsa")]
    assert said(pool, target_of(old, secret=RSA_PAIR.private, pinned=tuple(keys), legacy=True)) == "in\n"


def test_an_rsa_key_that_only_signs_with_sha1_is_no_changed_key(old: Machine, pool: Pool) -> None:
    old.stop()
    old.options = ("HostKeyAlgorithms ssh-rsa",)
    old.start()
    with pytest.raises(NoCommonAlgorithm, match=r"host keys only ssh-rsa.*legacy"):
        said(pool, target_of(old, secret=RSA_PAIR.private))


def test_an_openssh_before_7_2_gets_the_only_signature_it_knows(ancient: OldServer, pool: Pool) -> None:
    target = SshTarget("xen62", "127.0.0.1", ancient.port, "root", RSA_PAIR.private, True, (ancient.host_key,), legacy=True)
    assert said(pool, target) == ancient.version
    assert ancient.tried == ["publickey ssh-rsa"]


def test_a_password(ancient: OldServer, pool: Pool) -> None:
    ancient.password, ancient.methods = "söcret word", "password"
    target = SshTarget("h", "127.0.0.1", ancient.port, "root", Secret("söcret word"), False, (ancient.host_key,))
    assert said(pool, target) == ancient.version
    wrong = SshTarget("h", "127.0.0.1", ancient.port, "root", Secret("other word"), False, (ancient.host_key,))
    with pytest.raises(AuthenticationFailed, match="refused the password of root") as refused:
        said(pool, wrong)
    assert "other word" not in str(refused.value) + repr(wrong)


def test_a_host_that_takes_no_passwords_says_what_it_takes(machine: Machine, pool: Pool) -> None:
    machine.stop()
    machine.options = ("PasswordAuthentication no", "KbdInteractiveAuthentication no")
    machine.start()
    with pytest.raises(AuthenticationFailed, match="accepts publickey"):
        said(pool, target_of(machine, secret=Secret("word"), is_key=False))


def test_a_second_factor_is_said(machine: Machine, pool: Pool) -> None:
    machine.stop()
    machine.options = ("AuthenticationMethods publickey,password",)
    machine.start()
    with pytest.raises(AuthenticationFailed, match=r"second proof.*password"):
        said(pool, target_of(machine))


def test_a_connection_closed_during_the_login_is_no_refusal(ancient: OldServer, pool: Pool) -> None:
    ancient.methods, ancient.hang_up = "password", True
    with pytest.raises(Unreachable, match="during the login"):
        said(pool, SshTarget("h", "127.0.0.1", ancient.port, "root", Secret("word"), False, (ancient.host_key,)))


def test_after_two_refusals_the_account_is_left_alone(machine: Machine, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.authorized.write_text("")
    target = target_of(machine)
    for _ in range(5):
        with pytest.raises(AuthenticationFailed):
            said(pool, target)
    assert machine.log().count("Failed publickey") == 2
    with pytest.raises(AuthenticationFailed, match="tries again in 10 min"):
        said(pool, target)
    machine.authorized.write_text(PAIR.public + "\n")
    pool.insist(target)
    assert said(pool, target) == "in\n"


def test_a_new_secret_is_tried_at_once(machine: Machine, pool: Pool) -> None:
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            said(pool, target_of(machine, secret=RSA_PAIR.private))
    assert said(pool, target_of(machine)) == "in\n"


def test_a_damaged_stored_key_is_said(machine: Machine, pool: Pool) -> None:
    with pytest.raises(AuthenticationFailed, match="Store it again"):
        said(pool, target_of(machine, secret=Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")))


def test_nothing_listens(pool: Pool, machine: Machine) -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        said(pool, target_of(machine, port=free_port()))


def test_a_name_that_does_not_exist(pool: Pool, machine: Machine) -> None:
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid cannot be resolved"):
        said(pool, target_of(machine, address="no-such-host.invalid"))


def test_the_address_behind_a_name_is_judged(machine: Machine) -> None:
    pool = Pool(forbidden=lambda address: "It is this machine itself." if address in ("127.0.0.1", "::1") else "")
    with pytest.raises(AddressForbidden, match=r"localhost leads to .* this machine itself"):
        said(pool, target_of(machine, address="localhost"))
    assert "userauth-request" not in machine.log()


def answering(*pieces: bytes) -> socket.socket:
    """A server that hears a greeting, says these bytes and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                sock.recv(1000)
                for piece in pieces:
                    sock.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    ("pieces", "kind", "says"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Unreachable, "no SSH server"),
        ((b"",), Unreachable, "no SSH server|broke"),
        ((b"SSH-2.0-x\r\n",), Unreachable, "broke"),
        ((b"SSH-2.0-x\r\n" + b"\xff" * 100,), Unreachable, "not SSH|broke"),
        ((b"line\r\n" * 5000,), Unreachable, "no SSH server|broke"),
        ((b"SSH-2.0-x\r\n\x00\x00\x00\x0c\x06\x14" + b"\0" * 20,), NoCommonAlgorithm, "only nothing"),
    ],
)
def test_what_is_no_ssh_server(pieces: tuple[bytes, ...], kind: type[TransportError], says: str, machine: Machine, pool: Pool) -> None:
    with answering(*pieces) as listener:
        port = int(listener.getsockname()[1])
        with pytest.raises(TransportError, match=says):
            host_keys.read("127.0.0.1", port, legacy=False, seconds=5, forbidden=anywhere)
        with pytest.raises(kind):
            said(pool, target_of(machine, port=port))


def test_a_server_that_never_greets_is_given_up(machine: Machine, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "GREETING_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = int(silent.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(TimedOut, match="no SSH greeting"):
            host_keys.read("127.0.0.1", port, legacy=False, seconds=1, forbidden=anywhere)
        with pytest.raises((TimedOut, Unreachable)):
            said(pool, target_of(machine, port=port))
    assert time.monotonic() - began < 6
