"""What every transport promises, on this machine and through a real OpenSSH server."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from opsportal.transport.base import Transport
from opsportal.transport.command import Command
from opsportal.transport.errors import TimedOut, TransportError

TEN_MB = 10 * 1024 * 1024


def test_says_exit_code_and_both_streams(transport: Transport) -> None:
    result = transport.run(Command(script='echo "$1"; echo err >&2; exit 7', argv=("out ä",)), timeout=10)
    assert (result.exit, result.out, result.err, result.truncated) == (7, "out ä\n", "err\n", False)


@pytest.mark.parametrize(
    "value",
    ["$(id)", "a'b", 'a"b', "a\\b", "a\nb", "", " ", "*", "~", "-n", "\x1b[31m", "ä\u202e", "%s%n", "a;b|c&d", "!x", "ü"],
)
def test_an_argument_arrives_as_it_was_sent(value: str, transport: Transport) -> None:
    assert transport.run(Command(("printf", "%s", value)), timeout=10).out == value


def test_environment_folder_and_input(transport: Transport, tmp_path: Path) -> None:
    command = Command(script='printf %s "$X-$(pwd)-"; cat', env=(("X", "a b"),), cwd=str(tmp_path), stdin="ü\n")
    assert transport.run(command, timeout=10).out == f"a b-{tmp_path}-ü\n"


def test_a_missing_folder_stops_the_command(transport: Transport, tmp_path: Path) -> None:
    assert transport.run(Command(("touch", str(tmp_path / "done")), cwd=str(tmp_path / "gone")), timeout=10).exit != 0
    assert not (tmp_path / "done").exists()


def test_ten_megabytes_on_both_streams_at_once(transport: Transport) -> None:
    """More than a window of 2 MiB on each: reading one after the other would hang for ever."""
    script = 'head -c "$1" /dev/zero | tr "\\0" o & head -c "$1" /dev/zero | tr "\\0" e >&2; wait'
    result = transport.run(Command(script=script, argv=(str(TEN_MB),)), timeout=60, limit=2 * TEN_MB)
    assert result.out == "o" * TEN_MB
    assert result.err == "e" * TEN_MB


def test_much_input_and_much_output_at_once(transport: Transport) -> None:
    text = "0123456789abcde\n" * (5 * 65536)
    result = transport.run(Command(script="tee /dev/stderr", stdin=text), timeout=60, limit=2 * len(text))
    assert result.out == text and result.err == text


def test_input_that_nobody_reads(transport: Transport) -> None:
    result = transport.run(Command(script="exec 0<&-; echo done", stdin="x" * TEN_MB), timeout=30)
    assert (result.exit, result.out) == (0, "done\n")


def test_output_over_the_limit_is_cut_and_said(transport: Transport) -> None:
    result = transport.run(Command(script="seq 1 200000; echo end >&2"), timeout=30, limit=1000)
    assert result.truncated and len(result.out) == 1000 and result.out.startswith("1\n2\n")
    assert (result.exit, result.err) == (0, "end\n")


def test_half_a_character_at_the_limit_is_no_error(transport: Transport) -> None:
    assert transport.run(Command(("printf", "äää")), timeout=10, limit=3).out == "ä\ufffd"


def test_a_deadline_is_kept(transport: Transport) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut, match="1 s"):
        transport.run(Command(script="echo begun; sleep 30"), timeout=1)
    assert time.monotonic() - began < 5
    assert transport.run(Command(("echo", "next")), timeout=10).out == "next\n"


def test_a_command_that_never_stops_talking_is_stopped_too(transport: Transport) -> None:
    with pytest.raises(TimedOut):
        transport.run(Command(("yes",)), timeout=1)


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_file_is_written_whole_and_read_back(size: int, transport: Transport, tmp_path: Path) -> None:
    path, data = tmp_path / "deep" / "a b'c", os.urandom(size)
    path.parent.mkdir()
    path.write_text("old")
    transport.put(str(path), data, mode=0o640)
    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert hashlib.sha256(b"".join(transport.get(str(path)))).digest() == hashlib.sha256(data).digest()
    assert [entry.name for entry in path.parent.iterdir()] == ["a b'c"]


def test_a_new_file_in_a_new_folder(transport: Transport, tmp_path: Path) -> None:
    transport.put(str(tmp_path / "new" / "er" / "file"), b"x")
    assert (tmp_path / "new" / "er" / "file").read_bytes() == b"x"


def test_what_cannot_be_written_or_read_says_which_and_leaves_nothing(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for act in (lambda: transport.put(str(tmp_path / "file" / "below"), b"x"), lambda: list(transport.get(str(tmp_path / "gone")))):
        with pytest.raises(TransportError, match=str(tmp_path)):
            act()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "machine"] == ["file"]


def test_a_reader_may_stop_in_the_middle(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * TEN_MB)
    for _ in range(12):
        assert next(iter(transport.get(str(tmp_path / "big"))))
    assert transport.run(Command(("echo", "next")), timeout=10).out == "next\n"


def test_asked_again_it_answers_as_if_it_had_been_run(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "said").write_text("first\n")
    command = Command(script='cat "$1"; echo err >&2; [ ! -e "$2" ]', argv=(str(tmp_path / "said"), str(tmp_path / "broken")))
    for text in ("first\n", "first\n", "zwei ä\n", "", "no end", "a\0b\n" * 1000):
        (tmp_path / "said").write_text(text)
        result = transport.ask(command, timeout=10)
        assert (result.exit, result.out) == (0, text)
    (tmp_path / "broken").touch()
    result = transport.ask(command, timeout=10)
    assert (result.exit, result.out, result.err) == (1, text, "err\n")


def test_a_question_with_input_gets_its_input_each_time(transport: Transport) -> None:
    assert [transport.ask(Command(("cat",), stdin="x\n"), timeout=10).out for _ in range(3)] == ["x\n"] * 3
