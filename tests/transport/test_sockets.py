"""What paramiko reads from: a socket that has read ahead."""

from __future__ import annotations

import random
import socket
import threading

import pytest

from opsportal.transport import login
from opsportal.transport.sockets import AHEAD, ReadAhead
from opsportal.transport.ssh import Pool, SshTarget
from tests.transport.conftest import PAIR
from tests.transport.test_ssh import ECHO, wait_for


@pytest.fixture
def ends() -> tuple[socket.socket, ReadAhead]:
    """The other side, and ours."""
    theirs, ours = socket.socketpair()
    return theirs, ReadAhead(ours)


def test_bytes_come_whole_in_whatever_pieces_are_asked_for(ends: tuple[socket.socket, ReadAhead]) -> None:
    theirs, ours = ends
    sent, got = random.Random(7).randbytes(5 * AHEAD + 3), bytearray()

    def write() -> None:
        theirs.sendall(sent)
        theirs.close()

    writer = threading.Thread(target=write)
    writer.start()
    while piece := ours.recv(random.Random(len(got)).choice([1, 16, 700, 3 * AHEAD])):
        got += piece
    writer.join()
    assert bytes(got) == sent


def test_what_has_come_is_there_after_the_timeout_of_what_has_not(ends: tuple[socket.socket, ReadAhead]) -> None:
    theirs, ours = ends
    ours.settimeout(0.05)
    theirs.sendall(b"abc")
    assert ours.recv(2) == b"ab" and ours.recv(2) == b"c"
    with pytest.raises(TimeoutError):
        ours.recv(2)
    theirs.sendall(b"d")
    assert ours.recv(2) == b"d"


def test_a_peer_that_reads_nothing_blocks_a_sender_no_longer_than_the_timeout(ends: tuple[socket.socket, ReadAhead]) -> None:
    _, ours = ends
    ours.settimeout(0.05)
    with pytest.raises(BlockingIOError):
        while True:
            ours.send(bytes(AHEAD))


def test_closing_wakes_the_thread_of_a_connection(target: SshTarget, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "LOOK_SECONDS", 600.0)
    before = set(threading.enumerate())
    pool.get(target).run(ECHO, timeout=10)
    readers = [one for one in threading.enumerate() if one not in before and one.name != "ssh-pool"]
    assert readers
    pool.close()
    wait_for(lambda: not any(one.is_alive() for one in readers))


def test_a_key_is_checked_once() -> None:
    again = type(PAIR.private)(PAIR.private.reveal())
    assert login.private_key(PAIR.private) is login.private_key(again)
