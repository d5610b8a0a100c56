"""The parts of `make run` which can be tried without starting a portal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from opsportal import celery
from opsportal.embedded import broker, child, places, prepare
from opsportal.embedded.places import CannotStart, Places


def test_a_socket_stays_in_the_state_directory_when_it_fits(tmp_path: Path) -> None:
    assert Places(tmp_path / "var").socket("redis.sock") == tmp_path / "var" / "redis.sock"


@pytest.mark.parametrize("name", ["x" * 100, "with a blank", "ü"])
def test_a_socket_goes_to_a_short_private_place_otherwise(tmp_path: Path, name: str) -> None:
    path = Places(tmp_path / name).socket("redis.sock")
    assert len(str(path)) < places.SOCKET_LIMIT
    assert path == Places(tmp_path / name).socket("redis.sock")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.rmdir()


def test_a_directory_that_others_can_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as base:  # its name has to be short
        monkeypatch.setenv("XDG_RUNTIME_DIR", base)
        folder = Places(tmp_path / "with a blank").socket("redis.sock").parent
        assert folder.parent == Path(base)
        folder.chmod(0o777)
        with pytest.raises(CannotStart, match="open to others"):
            Places(tmp_path / "with a blank").socket("redis.sock")


def test_pauses_grow_and_start_small_again_after_a_quiet_minute(tmp_path: Path) -> None:
    one = child.Child("one", ["false"], "", dict(os.environ), tmp_path, tmp_path)
    pauses = []
    for _ in range(7):
        one.start()
        assert one.process
        one.process.wait()
        assert one.ended() == "ended with exit code 1"
        pauses.append(one.pause())
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    one.start()
    assert one.process
    one.process.wait()
    one.began -= child.SETTLED + 1
    assert one.ended()
    assert one.pause() == 1


def test_a_log_is_rotated_without_its_writer_noticing(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(6):
            writer.write(b"%d\n" % number * 100)
            child.rotate(log, 150)
        writer.write(b"last\n")
    assert log.read_text() == "last\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert (tmp_path / "web.log.1").read_text() == "5\n" * 100


def test_the_server_in_the_wheel_works_and_dies_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    server = broker.find()
    assert server.name == "Valkey"
    at = Places(tmp_path)
    argv = server.argv(at)
    script = (
        "import os, signal, subprocess, sys, time; from opsportal.embedded.child import dies_with_parent\n"
        "p = subprocess.Popen(sys.argv[1:], preexec_fn=dies_with_parent(signal.SIGTERM, os.getpid())); p.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, *argv], stdout=subprocess.DEVNULL, cwd=places.ROOT)
    assert broker.wait(at.socket("redis.sock"), lambda: parent.poll() is None)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while broker.answers(at.socket("redis.sock")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not broker.answers(at.socket("redis.sock"))


def test_without_root_it_names_the_packages_and_stops(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prepare, "found", lambda program: program not in ("mvn", "rpmbuild"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert prepare.main("run") == 1
    said = capsys.readouterr().err
    assert "missing: mvn, rpmbuild." in said
    assert "sudo apt-get install --no-install-recommends maven rpm\n" in said
    assert "SKIP_PACKAGES=1" in said


def test_nothing_missing_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    if prepare.missing("run") or not (prepare.VENV / "made-from").exists():
        pytest.skip("this checkout was not set up by `make`")
    assert prepare.main("run") == 0
    assert not capsys.readouterr().out


class TestWatchdog:
    """A worker that is deaf is ended; one that is busy, or whose broker is away, is not."""

    @pytest.fixture
    def dog(self, monkeypatch: pytest.MonkeyPatch) -> celery.Watchdog:
        dog = celery.Watchdog(None)
        self.ended: list[int] = []
        turns = iter([False, False, False, True])
        monkeypatch.setattr(dog, "stopping", type("Turns", (), {"wait": lambda _self, _seconds: next(turns)})())
        monkeypatch.setattr(dog, "patience", -1.0)
        monkeypatch.setattr("os._exit", self.ended.append)
        monkeypatch.setattr("logging.shutdown", lambda: None)
        monkeypatch.setattr(celery.app, "send_task", lambda *_args, **_options: None)
        return dog

    def test_deaf(self, dog: celery.Watchdog) -> None:
        dog._watch("worker@here")
        assert self.ended[0] == 75

    def test_listening(self, dog: celery.Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(celery.app, "send_task", lambda *_args, **_options: dog._received(sender=None, request=None))
        dog._watch("worker@here")
        assert not self.ended

    def test_busy(self, dog: celery.Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("celery.worker.state.active_requests", {"a request"})
        dog._watch("worker@here")
        assert not self.ended

    def test_without_a_broker(self, dog: celery.Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_args: object, **_options: object) -> None:
            raise ConnectionError

        monkeypatch.setattr(celery.app, "send_task", refuse)
        dog._watch("worker@here")
        assert not self.ended
