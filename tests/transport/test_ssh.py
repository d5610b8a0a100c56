"""Kept connections, and what is said when one breaks: against a real OpenSSH server."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsportal.transport import pool as pools
from opsportal.transport.command import Command
from opsportal.transport.errors import NoExitStatus, TimedOut, TransportError, Unreachable
from opsportal.transport.ssh import Pool, SshTarget, SshTransport
from tests.hosts.machine import Machine
from tests.transport.conftest import target_of

ECHO = Command(("echo", "x"))


def logins(machine: Machine) -> int:
    return machine.log().count("Accepted publickey")


def limited(machine: Machine, pool: Pool, sessions: int) -> SshTransport:
    machine.stop()
    machine.options = (f"MaxSessions {sessions}",)
    machine.start()
    return pool.get(target_of(machine))


def wait_for(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_commands_use_one_connection(machine: Machine, target: SshTarget, pool: Pool) -> None:
    for _ in range(20):
        assert pool.get(target).run(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 1


def test_a_session_on_a_kept_connection_takes_no_nagle_pause(target: SshTarget, pool: Pool) -> None:
    pool.get(target).run(ECHO, timeout=10)
    took = []
    for _ in range(20):
        began = time.monotonic()
        with pool.channel(target, began + 10) as channel:
            channel.exec_command("true")  # how long the login shell takes to start is not counted
        took.append(time.monotonic() - began)
    assert min(took) < 0.03


def test_many_threads_share_it_and_never_open_more_sessions_than_a_host_allows(machine: Machine, pool: Pool) -> None:
    transport = limited(machine, pool, pools.SESSIONS)
    with ThreadPoolExecutor(20) as crew:
        answers = list(crew.map(lambda n: transport.run(Command(script='sleep 0.1; echo "$1"', argv=(str(n),)), timeout=30).out, range(60)))
    assert answers == [f"{n}\n" for n in range(60)]
    assert logins(machine) == 1


def test_a_host_that_allows_few_sessions_is_waited_for(machine: Machine, pool: Pool) -> None:
    transport = limited(machine, pool, 2)
    with ThreadPoolExecutor(6) as crew:
        answers = list(crew.map(lambda n: transport.run(Command(script='sleep 0.2; echo "$1"', argv=(str(n),)), timeout=30).out, range(12)))
    assert answers == [f"{n}\n" for n in range(12)]


def test_sessions_that_are_all_in_use_are_said(target: SshTarget, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SESSIONS", 1)
    transport = pool.get(target)
    with ThreadPoolExecutor(1) as crew:
        busy = crew.submit(transport.run, Command(("sleep", "3")), timeout=10)
        time.sleep(1)
        with pytest.raises(TimedOut, match="in use by other work"):
            transport.run(ECHO, timeout=0.5)
        assert busy.result().exit == 0


def test_a_connection_that_died_in_between_is_replaced_unnoticed(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    for _ in range(5):
        assert transport.run(ECHO, timeout=10).out == "x\n"
        machine.cut()
    assert logins(machine) == 5


def test_cut_in_mid_command_nobody_claims_to_know(machine: Machine, target: SshTarget, pool: Pool, tmp_path: Path) -> None:
    script = 'echo begun; : > "$1"; sleep 1; echo done > "$1"'
    with ThreadPoolExecutor(1) as crew:
        running = crew.submit(pool.get(target).run, Command(script=script, argv=(str(tmp_path / "effect"),)), timeout=20)
        wait_for((tmp_path / "effect").exists)
        machine.cut()
        with pytest.raises(NoExitStatus, match="not known"):
            running.result(10)


def test_killed_by_a_signal_is_no_exit_code(target: SshTarget, pool: Pool) -> None:
    with pytest.raises(NoExitStatus, match="without an exit code"):
        pool.get(target).run(Command(script="kill -9 $$"), timeout=10)
    assert pool.get(target).run(ECHO, timeout=10).out == "x\n"


def test_a_timeout_closes_the_channel_and_replaces_the_connection(machine: Machine, target: SshTarget, pool: Pool) -> None:
    with pytest.raises(TimedOut, match=r"within 1 s: .*sleep 30"):
        pool.get(target).run(Command(script="sleep 30"), timeout=1)
    assert pool.get(target).run(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 2
    wait_for(lambda: len(machine.sessions()) <= 2 * (logins(machine) - 1))


def test_a_server_that_froze_holds_nobody_for_ever(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    transport.run(ECHO, timeout=10)
    machine.signal_sessions(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(TransportError):
            transport.run(ECHO, timeout=1)
        assert time.monotonic() - began < 8
        assert transport.run(ECHO, timeout=10).out == "x\n"
    finally:
        machine.signal_sessions(signal.SIGCONT)


def test_a_restarted_host_is_reached_again(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    transport.run(ECHO, timeout=10)
    machine.crash()
    with pytest.raises(Unreachable):
        transport.run(ECHO, timeout=5)
    machine.start()
    assert transport.run(ECHO, timeout=10).out == "x\n"


def test_a_worn_connection_is_replaced(machine: Machine, target: SshTarget, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "WORN_AFTER", 5)
    for _ in range(12):
        pool.get(target).run(ECHO, timeout=10)
    assert logins(machine) == 3


def test_an_idle_connection_is_closed_and_so_is_the_thread(machine: Machine, target: SshTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.5)
    pool = Pool()
    pool.get(target).run(ECHO, timeout=10)
    assert len(pool) == 1
    wait_for(lambda: len(pool) == 0 and not machine.sessions())
    wait_for(lambda: not [one for one in threading.enumerate() if one.name == "ssh-pool"])
    assert pool.get(target).run(ECHO, timeout=10).out == "x\n"


def test_a_busy_connection_is_never_idle(target: SshTarget, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.1)
    assert pool.get(target).run(Command(script="sleep 3; echo x"), timeout=10).out == "x\n"


def test_only_so_many_connections_are_kept(machine: Machine, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST", 2)
    for number in range(1, 5):
        pool.get(target_of(machine, address=f"127.0.0.{1 + number % 2}", legacy=number > 2)).run(ECHO, timeout=10)
    assert len(pool) == 2


def test_a_forked_process_leaves_the_parents_connections_alone(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    transport.run(ECHO, timeout=10)
    child = os.fork()
    if not child:
        try:
            ok = len(pool) == 0 and transport.run(ECHO, timeout=10).out == "x\n"
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert transport.run(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 2


def test_a_silent_follow_gives_a_sign_of_life_each_second(target: SshTarget, pool: Pool) -> None:
    command = Command(script="echo a; sleep 2.5; printf b; printf noise >&2")
    pieces = list(pool.get(target).follow("f", "e", 0, seconds=20, command=command))
    assert b"".join(pieces) == b"a\nb"
    assert pieces.count(b"") >= 2


def test_a_follow_ends_when_its_time_is_over(target: SshTarget, pool: Pool) -> None:
    began = time.monotonic()
    list(pool.get(target).follow("f", "e", 0, seconds=1, command=Command(("sleep", "30"))))
    assert time.monotonic() - began < 6
    assert pool.get(target).run(ECHO, timeout=10).out == "x\n"


def test_a_follow_cut_in_the_middle_says_so_instead_of_ending(machine: Machine, target: SshTarget, pool: Pool) -> None:
    with pytest.raises(NoExitStatus):
        for piece in pool.get(target).follow("f", "e", 0, seconds=20, command=Command(script="echo a; sleep 20")):
            if piece:
                machine.cut()


def test_a_file_cut_in_the_middle_is_not_put_in_place(machine: Machine, target: SshTarget, pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    timer = threading.Timer(0.3, machine.cut)
    pool.get(target).run(ECHO, timeout=10)
    slow = b"x" * 400_000_000
    timer.start()
    with pytest.raises(TransportError):
        pool.get(target).put(str(tmp_path / "file"), slow)
    assert (tmp_path / "file").read_text() == "old"
    wait_for(lambda: [entry.name for entry in tmp_path.iterdir() if entry.name != "machine"] == ["file"])


def test_renewed_it_proves_that_we_are_still_let_in(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    assert transport.run(ECHO, timeout=10).out == "x\n"
    transport.renew()
    assert transport.run(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 2


PID = Command(script='echo "$PPID"')
"""Of the shell that waits, or of what sshd made for this one session."""


def test_what_is_asked_again_is_asked_of_a_shell_that_waits(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    first, *others = [transport.ask(PID, timeout=10).out for _ in range(5)]
    assert len(set(others)) == 1 and others[0] != first
    assert transport.run(PID, timeout=10).out != others[0]
    transport.ask(ECHO, timeout=10)
    assert transport.ask(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 1


def test_a_shell_that_was_killed_or_cut_is_replaced_unnoticed(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    shell = [transport.ask(PID, timeout=10).out for _ in range(2)][1]
    os.kill(int(shell), signal.SIGKILL)
    assert transport.ask(PID, timeout=10).out != shell
    shell = transport.ask(PID, timeout=10).out
    machine.cut()
    assert transport.ask(PID, timeout=10).out != shell
    assert logins(machine) == 2


def test_a_shell_does_not_outlive_its_connection(target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    shell = [transport.ask(PID, timeout=10).out for _ in range(2)][1].strip()
    pool.close()
    wait_for(lambda: not Path(f"/proc/{shell}").exists())


def test_a_question_that_is_not_answered_in_time_takes_no_other_with_it(
    machine: Machine, target: SshTarget, pool: Pool, tmp_path: Path
) -> None:
    transport, slow = pool.get(target), Command(script='[ ! -e "$1" ] || sleep 60; echo x', argv=(str(tmp_path / "slow"),))
    for _ in range(2):
        assert transport.ask(slow, timeout=10).out == "x\n"
    (tmp_path / "slow").touch()
    with pytest.raises(TimedOut, match="No answer from h1"):
        transport.ask(slow, timeout=1)
    assert transport.run(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 2


def test_many_threads_ask_the_same(machine: Machine, target: SshTarget, pool: Pool) -> None:
    transport = pool.get(target)
    with ThreadPoolExecutor(20) as crew:
        answers = list(crew.map(lambda _: transport.ask(Command(script="sleep 0.1; echo x"), timeout=30).out, range(60)))
    assert answers == ["x\n"] * 60
    assert logins(machine) == 1


def test_a_shell_that_waits_makes_room_where_only_one_session_is_allowed(machine: Machine, pool: Pool) -> None:
    transport = limited(machine, pool, 1)
    for _ in range(3):
        assert [transport.ask(ECHO, timeout=10).out for _ in range(2)] == ["x\n"] * 2
        assert transport.run(ECHO, timeout=10).out == "x\n"
    assert logins(machine) == 1
