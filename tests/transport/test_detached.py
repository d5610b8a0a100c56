"""The wrapper that keeps commands going: the same promises on this machine and through a real OpenSSH server."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsportal.transport.base import Transport
from opsportal.transport.command import Command
from opsportal.transport.detached import WRAPPER, Detached, Exists, Fenced, Kind, Started, State, WrapperFailed

RUNNING, TWO_STREAMS = State(Kind.RUNNING), 'seq 1 "$1"; seq 1 "$1" >&2; printf "no line end"'


@pytest.fixture
def remote(transport: Transport, tmp_path: Path) -> Detached:
    return Detached(transport, str(tmp_path / "control"))


def shell(script: str, *argv: str, **more: object) -> Command:
    return Command(script=script, argv=argv, **more)  # type: ignore[arg-type]


def ended(remote: Detached, key: str, seconds: float = 30) -> State:
    deadline = time.monotonic() + seconds
    while (state := remote.poll(key).state) == RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return state


def output(remote: Detached, key: str, offset: int = 0) -> bytes:
    return b"".join(remote.follow(key, offset, 30))


def left_behind(text: str) -> list[str]:
    """Processes that still have this text in their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in words and entry.parent.name != str(os.getpid()):
            found.append(words)
    return found


def test_a_key_is_started_once_however_often_it_is_asked(remote: Detached, tmp_path: Path) -> None:
    command = shell('echo x >> "$1"', str(tmp_path / "effect"))
    with ThreadPoolExecutor(6) as crew:
        answers = list(crew.map(lambda _: remote.start("k", 1, command), range(6)))
    assert sum(isinstance(answer, Started) for answer in answers) == 1
    assert sum(isinstance(answer, Exists) for answer in answers) == 5
    assert ended(remote, "k") == State(Kind.EXITED, 0)
    assert remote.start("k", 1, command) == Exists(State(Kind.EXITED, 0))
    assert (tmp_path / "effect").read_text() == "x\n"


def test_states_from_absent_to_its_exit_code(remote: Detached, tmp_path: Path) -> None:
    assert remote.poll("k").state == State(Kind.ABSENT)
    remote.start("k", 1, shell('while [ ! -e "$1" ]; do sleep 0.05; done; exit 37', str(tmp_path / "go")))
    assert remote.poll("k").state == RUNNING
    (tmp_path / "go").touch()
    assert ended(remote, "k") == State(Kind.EXITED, 37)
    assert remote.keys() == {"k": State(Kind.EXITED, 37)}
    remote.forget("k")
    assert remote.keys() == {}


def test_output_from_any_offset_byte_for_byte(remote: Detached) -> None:
    remote.start("k", 1, shell(TWO_STREAMS, "2000"))
    whole = b"".join(b"%d\n" % n for n in range(1, 2001)) * 2 + b"no line end"
    assert output(remote, "k") == whole
    for offset in (0, 1, 4095, len(whole) - 1, len(whole)):
        assert output(remote, "k", offset) == whole[offset:]
    assert remote.poll("k").size == len(whole)


def test_ten_megabytes_that_were_printed_before_anybody_looked(remote: Detached) -> None:
    remote.start("k", 1, shell("head -c 10485760 /dev/urandom; echo end; echo err >&2"))
    ended(remote, "k")
    data = output(remote, "k")
    assert len(data) == 10485760 + 8
    assert hashlib.sha256(data).digest() == hashlib.sha256(Path(remote.log_path("k")).read_bytes()).digest()


def test_much_output_while_somebody_reads_slowly(remote: Detached) -> None:
    remote.start("k", 1, shell("head -c 6000000 /dev/zero; sleep 0.3; head -c 6000000 /dev/zero >&2; sleep 0.3; echo end"))
    size = 0
    for piece in remote.follow("k", 0, 30):
        size += len(piece)
        time.sleep(0.02 if piece else 0)
    assert size == 12_000_004


def test_lines_come_while_the_command_runs(remote: Detached) -> None:
    remote.start("k", 1, shell("for i in 1 2 3; do echo $i; sleep 2; done"))
    seen = [(time.monotonic(), piece) for piece in remote.follow("k", 0, 30) if piece]
    assert b"".join(piece for _, piece in seen) == b"1\n2\n3\n"
    assert seen[-1][0] - seen[0][0] > 0.8


def test_following_ends_when_the_time_is_over_and_goes_on_later(remote: Detached, tmp_path: Path) -> None:
    remote.start("k", 1, shell('echo a; while [ ! -e "$1" ]; do sleep 0.05; done; echo b', str(tmp_path / "go")))
    began = time.monotonic()
    assert b"".join(remote.follow("k", 0, 1)) == b"a\n"
    assert 0.8 < time.monotonic() - began < 6
    (tmp_path / "go").touch()
    assert output(remote, "k", 2) == b"b\n"


def test_nobody_is_left_behind_when_a_reader_goes_away(remote: Detached, tmp_path: Path) -> None:
    remote.start("k", 1, shell("while :; do echo x; sleep 0.1; done"))
    for piece in remote.follow("k", 0, 4):
        if piece:
            break
    remote.cancel("k")
    assert ended(remote, "k").kind is Kind.EXITED
    deadline = time.monotonic() + 10
    while left := left_behind(str(tmp_path / "control")):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def test_a_worker_that_comes_too_late_is_fenced(remote: Detached, tmp_path: Path) -> None:
    assert remote.start("a", 7, shell("exit 0")) == Started()
    assert remote.start("b", 6, shell('touch "$1"', str(tmp_path / "effect"))) == Fenced(7)
    assert remote.poll("b").state == State(Kind.ABSENT)
    assert remote.start("b", 7, shell("exit 0")) == Started()
    assert remote.start("c", 8, shell("exit 0")) == Started()
    assert remote.start("d", 7, shell("exit 0")) == Fenced(8)
    assert not (tmp_path / "effect").exists()


def test_cancel_reaches_processes_that_hid_in_a_session_of_their_own(remote: Detached, tmp_path: Path) -> None:
    hidden = 'setsid sh -c "echo \\$\\$ > \\"$1\\"; exec sleep 300" & wait'
    remote.start("k", 1, shell(hidden, str(tmp_path / "pid")))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    remote.cancel("k")
    assert ended(remote, "k") == State(Kind.EXITED, 143)
    time.sleep(0.3)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip(), "cwd").exists()


def test_what_ignores_a_polite_request_is_killed(remote: Detached) -> None:
    remote.start("k", 1, shell("trap '' TERM; echo on; while :; do sleep 0.2; done"))
    next(piece for piece in remote.follow("k", 0, 20) if piece)
    remote.cancel("k")
    time.sleep(1)
    assert remote.poll("k").state == RUNNING
    assert ended(remote, "k", 20).kind is Kind.EXITED
    assert not left_behind("trap '' TERM; echo on; while")


def test_after_a_reboot_nobody_claims_to_know(remote: Detached, tmp_path: Path) -> None:
    remote.start("k", 1, shell("exit 3"))
    remote.start("done", 1, shell("exit 0"))
    ended(remote, "k")
    ended(remote, "done")
    control = tmp_path / "control" / "k"
    (control / "boot").write_text("another boot\n")
    (control / "exit").write_text("no verdict yet\n")
    assert remote.poll("k").state == State(Kind.REBOOTED)
    assert remote.start("k", 1, shell("exit 0")) == Exists(State(Kind.REBOOTED))
    (tmp_path / "control" / "done" / "boot").write_text("another boot\n")
    assert remote.poll("done").state == State(Kind.EXITED, 0)
    (control / "started").unlink()
    assert remote.poll("k").state == State(Kind.NOT_STARTED)
    assert remote.poll("k").boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_killed_runner_leaves_an_open_question(remote: Detached, tmp_path: Path) -> None:
    remote.start("k", 1, shell("sleep 60"))
    runner = int((tmp_path / "control" / "k" / "runner").read_text())
    os.killpg(runner, signal.SIGKILL)
    assert ended(remote, "k") == State(Kind.KILLED)
    assert remote.start("k", 1, shell("sleep 60")) == Exists(State(Kind.KILLED))


def test_a_command_that_arrived_otherwise_than_sent_is_not_started(transport: Transport, tmp_path: Path) -> None:
    command = Command(script=WRAPPER, argv=("start", str(tmp_path / "control"), "k", "1", "0" * 64), stdin=f"touch {tmp_path}/effect\n")
    assert "mismatch" in transport.run(command, timeout=20).out
    assert Detached(transport, str(tmp_path / "control")).poll("k").state == State(Kind.ABSENT)
    assert not (tmp_path / "effect").exists()


def test_a_long_script(remote: Detached) -> None:
    remote.start("k", 1, shell("# " + "x" * 100_000 + "\necho end"))
    assert output(remote, "k") == b"end\n"


def test_output_of_a_process_that_stays_does_not_hold_the_verdict(remote: Detached) -> None:
    remote.start("k", 1, shell("(sleep 3; echo late) & echo now"))
    began = time.monotonic()
    assert ended(remote, "k") == State(Kind.EXITED, 0)
    assert output(remote, "k") == b"now\n"
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize("key", ["", ".", "../x", "a b", "-x", "a/b", "a;id"])
def test_a_bad_key_does_nothing(key: str, remote: Detached) -> None:
    with pytest.raises(WrapperFailed):
        remote.poll(key)


def test_a_control_directory_that_cannot_be_made_is_said(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrapperFailed, match="cannot be used"):
        Detached(transport, str(tmp_path / "file" / "below")).start("k", 1, shell("exit 0"))


def test_a_root_is_cleared_only_when_nothing_of_it_runs(transport: Transport, tmp_path: Path) -> None:
    remote = Detached(transport, str(tmp_path / "here" / "op-7"))
    remote.start("quick", 1, shell("echo done"))
    ended(remote, "quick")
    remote.start("slow", 1, shell("sleep 30"))
    assert not remote.clear()
    assert set(remote.keys()) == {"quick", "slow"}
    remote.cancel("slow")
    ended(remote, "slow")
    assert remote.clear()
    assert list((tmp_path / "here").iterdir()) == []
    assert remote.clear(), "once more does no harm"


def test_only_the_root_of_an_operation_is_cleared(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    with pytest.raises(WrapperFailed):
        Detached(transport, str(tmp_path / "precious")).clear()
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize("text", ["one line\n", "no end", "it's $HOME\n\ttab\\ and 100 %s\n\n"])
def test_a_command_reads_its_input(remote: Detached, text: str) -> None:
    remote.start("k", 1, Command(("cat",), stdin=text))
    assert ended(remote, "k").code == 0
    assert output(remote, "k").decode() == text


def test_the_exit_code_of_a_command_with_input_is_its_own(remote: Detached) -> None:
    remote.start("k", 1, Command(script="read line; exit 7", stdin="x\n", cwd="/"))
    assert ended(remote, "k").code == 7
