"""The lab as a whole: its control socket, what it keeps, how it ends, and where it cannot run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsportal.lab import control
from opsportal.lab.inventory_seed import seed
from opsportal.lab.machines.disk import Disk
from opsportal.lab.machines.lab import Lab
from opsportal.lab.xen.world import World
from opsportal.secrets.value import Secret
from opsportal.transport.command import Command
from opsportal.transport.host_keys import HostKey
from opsportal.transport.ssh import Pool, SshTarget
from tests.lab.machines.stage import Stage, running
from tests.lab.machines.test_hosts import HOST, answers, refused, until

ROOT = Path(__file__).resolve().parents[3]


def processes(marker: str) -> list[int]:
    """Those of this machine whose command line names `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if marker in line:
                found.append(int(entry.name))
    return found


def test_faults_from_the_control_socket_show(stage: Stage) -> None:
    assert control.seats() == ["1"]
    control.fault("1", "pull_plug", {"host": HOST})
    until(lambda: refused(stage))
    seen = {host["id"]: host for host in control.state("1")["hosts"]}
    assert (seen[HOST]["powered"], seen["xen-a2"]["powered"]) == (False, True)
    assert control.state("1")["events"][0]["host"] == HOST
    control.fault("1", "power_on", {"host": HOST})
    until(lambda: answers(stage))


@pytest.mark.parametrize(
    ("seat", "name", "args", "why"),
    [
        ("1", "pull_plug", {"host": "xen-z9"}, "no host xen-z9"),
        ("1", "dump", {}, "no fault dump"),
        ("1", "pull_plug", {"host": HOST, "now": 1}, "no fault pull_plug with"),
        ("7", "pull_plug", {"host": HOST}, "no seat 7"),
        ("1", "cut_network", {"host": HOST}, "cannot be done"),
    ],
)
def test_what_cannot_be_done_is_said(stage: Stage, seat: str, name: str, args: dict[str, Any], why: str) -> None:
    with pytest.raises(control.Impossible, match=why):
        control.fault(seat, name, args)
    until(lambda: answers(stage))


def test_reset_begins_anew_and_the_inventory_still_fits(stage: Stage) -> None:
    stage.run(HOST, "touch", "/root/mine")
    with stage.world() as world:
        world.pull_plug("xen-a2")
    until(lambda: refused(stage, "xen-a2"))
    control.reset("1")
    until(lambda: answers(stage, "xen-a2"))
    assert stage.run(HOST, "ls", "/root/mine").exit != 0


def test_the_clock_can_run_faster(stage: Stage) -> None:
    control.speed(500)
    assert control.state("1")["speed"] == 500
    began = control.state("1")["now"]
    time.sleep(0.2)
    assert control.state("1")["now"] - began >= 100
    with pytest.raises(control.Impossible, match="between"):
        control.speed(1e9)


def test_nobody_there_is_said(settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path
    with pytest.raises(control.NotRunning, match="make run"):
        control.state("1")


def test_it_goes_on_where_it_was(tmp_path: Path, settings: Any, db: None) -> None:
    with running(tmp_path, settings) as first:
        uuid = first.xe(HOST, "host-list", "--minimal").split(",")[1]
        first.xe(HOST, "host-disable", f"uuid={uuid}")
        first.run(HOST, "touch", "/root/mine")
        boot_id = first.machine(HOST).boot_id
    with running(tmp_path, settings) as second:
        assert second.xe(HOST, "host-param-get", f"uuid={uuid}", "param-name=enabled") == "false"
        assert second.run(HOST, "ls", "/root/mine").exit == 0
        assert second.machine(HOST).boot_id != boot_id, "every process on it has ended"


def test_seeding_again_changes_only_where_the_hosts_are(stage: Stage, tmp_path: Path) -> None:
    before = stage.host(HOST)
    keys = list(before.keys.values_list("fingerprint", flat=True))
    other = Lab(control.folder(), {"1": World.practice})
    seed(other)
    after = stage.host(HOST)
    assert (after.pk, after.pool, list(after.keys.values_list("fingerprint", flat=True))) == (before.pk, before.pool, keys)
    assert after.port == other.port != before.port


def test_clones_of_one_template_show_the_same_host_key(stage: Stage) -> None:
    keys = [machine.public_key for machine in stage.lab.machines("1").values()]
    assert len(set(keys)) == len(keys) - 1


def test_without_bubblewrap_no_command_runs_and_the_reason_is_said(
    tmp_path: Path, settings: Any, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATE_DIR = tmp_path
    lab = Lab(control.folder(), {"1": World.practice})
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with lab:
        assert "apt-get install bubblewrap" in control.state("1")["problem"]
        assert all(machine.listener is None for machine in lab.machines("1").values())


def test_links_made_on_a_host_lead_nowhere_else(tmp_path: Path) -> None:
    outside, disk = tmp_path / "outside", Disk(tmp_path / "disk")
    outside.mkdir()
    (outside / "file").write_text("mine")
    (tmp_path / "disk" / "etc").mkdir(parents=True)
    (tmp_path / "disk" / "link").symlink_to(outside)
    (tmp_path / "disk" / "etc" / "file").symlink_to(outside / "file")
    assert disk.read("/link/file") is None and disk.read("/etc/file") is None
    with pytest.raises(OSError, match="link"):
        disk.write("/link/file", "theirs")
    disk.write("/etc/file", "theirs")
    assert (outside / "file").read_text() == "mine" and disk.read("/etc/file") == "theirs"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`manage.py lab_pools` as `make run` starts it."""
    environment = {**os.environ, "OPSPORTAL_EMBEDDED": "1", "OPSPORTAL_STATE_DIR": str(tmp_path), "SECRET_KEY": "x" * 60}
    words = [sys.executable, "manage.py", "lab_pools", "--folder", str(tmp_path / "cloud"), "--seats", "2"]
    started = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield started
    started.kill()
    started.wait()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(daemon: subprocess.Popen[str], tmp_path: Path, signum: signal.Signals) -> None:
    assert daemon.stdout
    said = daemon.stdout.readline()
    assert "for 2 seats" in said, said
    lab = Lab(tmp_path / "cloud", {"1": World.practice}, port=int(said.rsplit(":", 1)[1]))  # only to know its hosts
    login(lab)
    assert len(processes(str(tmp_path / "cloud"))) > 1
    daemon.send_signal(signum)
    until(lambda: not processes(str(tmp_path / "cloud")))


def login(lab: Lab) -> None:
    machine, pool = lab.machines("1")[HOST], Pool()
    key = HostKey(*machine.public_key.split())
    target = SshTarget(HOST, machine.place.address, machine.place.port, "root", Secret(lab.password), False, (key,), machine.legacy)
    assert pool.get(target).run(Command(("id",)), timeout=10).exit == 0
    pool.close()


def test_one_address_for_all_is_only_taken_when_somebody_says_so(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"1": World.practice}, port=20_000, listen="127.0.0.1")
    places = [machine.place for machine in lab.machines("1").values()]
    assert [(place.address, place.port) for place in places] == [("127.0.0.1", 20_000 + number) for number in range(len(places))]
    own = Lab(tmp_path, {"1": World.practice})
    assert all(machine.place.address.startswith("127.77.") for machine in own.machines("1").values())


def test_a_port_that_is_taken_is_said_and_nothing_is_left_running(stage: Stage, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other", {"1": World.practice}, port=stage.lab.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    assert "lab" in [thread.name for thread in threading.enumerate()], "the stage's own goes on"
    until(lambda: answers(stage))


def test_a_mistake_of_the_simulator_is_an_error_on_the_host_and_not_a_hang(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(World, "start", stumble)
    result = stage.run(HOST, "xe", "host-list", timeout=10)
    assert result.exit == 70 and "stumbled" in result.err
