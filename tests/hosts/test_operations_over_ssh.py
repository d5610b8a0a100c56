"""The engine's promises on a host of the inventory, through a real OpenSSH server that dies, changes its key and comes back."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from hosts import connections, pinning
from hosts.models import Credential, Host
from opsportal.operations import cancellation, execution, journal, registry, targets
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from opsportal.operations.states import StepState
from tests.hosts.inventory import known
from tests.hosts.machine import Machine
from tests.operations.driving import draft, ledger, run, submitted

pytestmark = pytest.mark.django_db(transaction=True)
COUNTED = b"".join(b"line %d\n" % number for number in range(60))


@pytest.fixture
def olga(person: object) -> User:
    return person("olga", "operator")  # type: ignore[operator,no-any-return]


@pytest.fixture
def host(key: Credential, machine: Machine, settings: object, tmp_path: Path) -> Iterator[Host]:
    """Known, reachable, and with a runbook for it."""
    settings.RUNBOOKS = ["tests.hosts.books.Remote"]  # type: ignore[attr-defined]
    settings.STATE_DIR = tmp_path / "state"  # type: ignore[attr-defined]
    settings.SECRET_KEY = secrets.token_hex(32)  # type: ignore[attr-defined] # a portal of its own: it names the control directories
    registry.runbooks.cache_clear()
    machine.authorized.write_text(key.public + "\n")
    yield known(machine, key)
    registry.runbooks.cache_clear()
    connections.forget_all()
    for control in Path.home().glob(f".opsportal/{targets.portal_id()}-op-*"):
        shutil.rmtree(control)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    (place / "state").write_text("begun\n")
    (place / "ledger").write_text("")
    return place


def request(host: Host, user: User, folder: Path, *scripts: str) -> Operation:
    return submitted("tests.remote", user, host=host.pk, folder=str(folder), scripts=list(scripts))


def one_slice(operation: Operation, seconds: float = 30) -> Operation:
    """As the next message or sweep would: also what waits is tried."""
    Operation.objects.filter(pk=operation.pk).update(retry_at=None)
    execution.slice_of(operation.pk, seconds)
    operation.refresh_from_db()
    return operation


def until_it_prints(operation: Operation, lines: int = 5) -> None:
    while one_slice(operation, 0.5).log_lines < lines:
        assert operation.state == S.RUNNING, operation.outcome


def log(operation: Operation) -> bytes:
    return b"".join(journal.raw(operation))


def test_every_step_runs_once_on_the_host_and_is_proved(host: Host, olga: User, folder: Path) -> None:
    operation = run(request(host, olga, folder, "quick", "file", "count"))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert ledger(operation) == ["quick-0", "count-2"]
    assert (folder / "written").read_text() == "as planned\n"
    assert log(operation) == b"quick-0\n" + COUNTED


def test_the_server_dies_in_mid_command_and_comes_back(host: Host, olga: User, folder: Path, machine: Machine) -> None:
    operation = request(host, olga, folder, "count")
    until_it_prints(operation)
    machine.crash()
    assert one_slice(operation, 5).state == S.UNKNOWN
    assert "is not known" in operation.outcome and "No connection" in operation.outcome
    assert one_slice(operation, 5).state == S.UNKNOWN
    machine.start()
    for _ in range(5):
        if one_slice(operation).state == S.SUCCEEDED:
            break
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert ledger(operation) == ["count-0"]
    assert log(operation) == COUNTED


def test_killed_sessions_in_mid_command_lose_no_line(host: Host, olga: User, folder: Path, machine: Machine) -> None:
    operation = request(host, olga, folder, "count")
    until_it_prints(operation)
    for _ in range(30):
        machine.cut()
        if one_slice(operation, 1).state == S.SUCCEEDED:
            break
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert ledger(operation) == ["count-0"]
    assert log(operation) == COUNTED


def test_a_host_key_that_changes_between_two_slices_stops_everything(host: Host, olga: User, folder: Path, machine: Machine) -> None:
    operation = request(host, olga, folder, "count", "quick")
    until_it_prints(operation)
    old_key, old_public = machine.key("ed25519").read_bytes(), machine.public()
    machine.install_again()
    logins = machine.log().count("userauth-request")
    for _ in range(3):
        assert one_slice(operation, 5).state == S.UNKNOWN
    assert "is not pinned" in operation.outcome and "Nothing was sent" in operation.outcome
    assert machine.log().count("userauth-request") == logins
    assert ledger(operation) == ["count-0"]
    machine.crash()
    machine.key("ed25519").write_bytes(old_key)
    machine.key("ed25519").with_suffix(".pub").write_text(old_public)
    machine.start()
    Operation.objects.filter(pk=operation.pk).update(retry_at=None)
    assert run(operation).state == S.SUCCEEDED, operation.outcome
    assert ledger(operation) == ["count-0", "quick-1"]
    assert log(operation) == COUNTED + b"quick-1\n"


def test_another_key_pinned_by_an_administrator_lets_it_go_on(
    host: Host, olga: User, folder: Path, machine: Machine, person: object
) -> None:
    operation = request(host, olga, folder, "count")
    until_it_prints(operation)
    machine.install_again()
    assert one_slice(operation, 5).state == S.UNKNOWN
    Host.objects.update(offered=connections.offers(host.address, host.port, legacy=False))
    admin: User = person("ada", "administrator")  # type: ignore[operator]
    pinning.pin(host, [machine.fingerprint()], user=admin, reason="installed again, disk kept")
    Operation.objects.filter(pk=operation.pk).update(retry_at=None)
    assert run(operation).state == S.SUCCEEDED, operation.outcome
    assert log(operation) == COUNTED


def test_a_refused_login_is_not_tried_until_the_account_is_locked(host: Host, olga: User, folder: Path, machine: Machine) -> None:
    operation = request(host, olga, folder, "count")
    until_it_prints(operation)
    machine.authorized.write_text("")
    machine.cut()
    for _ in range(6):
        assert one_slice(operation, 3).state == S.UNKNOWN
    assert machine.log().count("Failed publickey") == 2
    assert "refused" in operation.outcome


def test_after_a_reboot_the_proof_decides(host: Host, olga: User, folder: Path, machine: Machine, settings: object) -> None:
    operation = request(host, olga, folder, "count")
    until_it_prints(operation)
    (control,) = Path.home().glob(f".opsportal/*-op-{operation.pk}/000-count-0.1")
    os.killpg(int((control / "runner").read_text()), signal.SIGKILL)
    (control / "boot").write_text("a boot before\n")
    assert one_slice(operation).state == S.SUCCEEDED, operation.outcome
    assert "the probe shows that it is done" in operation.steps.get().message
    assert ledger(operation) == ["count-0"]


def test_cancel_reaches_the_host(host: Host, olga: User, folder: Path) -> None:
    operation = request(host, olga, folder, "count", "quick")
    until_it_prints(operation)
    cancellation.request(operation, user=olga)
    began = time.monotonic()
    assert run(operation).state == S.CANCELLED, operation.outcome
    assert time.monotonic() - began < 10
    assert ledger(operation) == ["count-0"]


def test_a_host_that_is_away_before_anything_ran(host: Host, olga: User, folder: Path, machine: Machine) -> None:
    operation = request(host, olga, folder, "quick")
    machine.crash()
    assert run(operation, slices=1).state == S.QUEUED
    assert "No connection" in operation.waiting_for
    machine.start()
    Operation.objects.filter(pk=operation.pk).update(retry_at=None)
    assert run(operation).state == S.SUCCEEDED, operation.outcome


def test_a_host_that_was_removed_says_so_in_the_draft(host: Host, olga: User, folder: Path) -> None:
    number = host.pk
    host.delete()
    operation = draft("tests.remote", olga, host=number, folder=str(folder), scripts=["quick"])
    assert "no host" in operation.plan_error and "audit trail" in operation.plan_error


def test_a_short_silence_between_two_steps_fails_nothing(host: Host, olga: User, folder: Path, machine: Machine) -> None:
    """However long the operation has been going on already."""
    operation = request(host, olga, folder, "quick", "quick")
    Operation.objects.filter(pk=operation.pk).update(queued_at=operation.created_at.replace(year=2020))
    while not operation.steps.filter(index=0, state=StepState.SUCCEEDED).exists():
        assert one_slice(operation, 0.01).state in (S.QUEUED, S.RUNNING), operation.outcome
    machine.crash()
    one_slice(operation, 3)
    assert operation.state in (S.RUNNING, S.UNKNOWN), operation.outcome
    machine.start()
    Operation.objects.filter(pk=operation.pk).update(retry_at=None)
    assert run(operation).state == S.SUCCEEDED, operation.outcome
