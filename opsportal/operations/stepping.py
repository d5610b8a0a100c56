"""One step: its conditions before, the act at most once, its output, its proof."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string

from opsportal.operations import conditions, crash, decisions, files, journal, restorations, store, stream, targets
from opsportal.operations.decisions import Journal, Verdict
from opsportal.operations.following import follow
from opsportal.operations.leases import Lease, LeaseLost
from opsportal.operations.models import Attempt, Operation, Step
from opsportal.operations.states import StepState
from opsportal.operations.steps import (
    SECRET_HERE,
    Condition,
    Effect,
    Expect,
    FetchFiles,
    PutFile,
    PutSecret,
    PutStored,
    RunCommand,
    WaitFor,
)
from opsportal.operations.steps import Step as Planned
from opsportal.secrets.store import KeyringError
from opsportal.transport.base import Transport
from opsportal.transport.command import Command
from opsportal.transport.detached import Detached, Exists, Fenced, Kind, Started
from opsportal.transport.errors import TransportError

RECORD_LIMIT = 16 * 1024 * 1024
PAUSE = 1.0
"""Seconds between two looks at what is waited for."""


def advance(operation: Operation, step: Step, planned: Planned, lease: Lease, until: float) -> None:
    """Bring the step as far as this slice allows."""
    if step.state == StepState.PENDING:
        if why_not := _first_failing(step, planned.expect, planned.target, lease):
            settle(step, StepState.FAILED, f"What must hold before this step does not: {why_not} Nothing was done.")
            return
        _open(operation, step, planned, lease)
    action = planned.action
    if isinstance(action, RunCommand):
        _run(operation, step, planned, action, lease, until)
    elif isinstance(action, WaitFor | Expect):
        _ask_all(step, planned, action.conditions, lease, until)
    else:
        _short(operation, step, planned, lambda: _act(operation, action, planned), lease)


def _act(operation: Operation, action: PutFile | PutStored | PutSecret | FetchFiles, planned: Planned) -> None:
    if isinstance(action, PutFile):
        _put(action, planned)
    elif isinstance(action, PutSecret):
        _put_secret(action, planned)
    elif isinstance(action, PutStored):
        _put_stored(action, planned)
    else:
        _fetch(operation, action, planned)


def _open(operation: Operation, step: Step, planned: Planned, lease: Lease) -> None:
    """Written ahead: the step is running, and its way back is on record."""
    with transaction.atomic():
        _fenced(operation, lease)
        if planned.opens:
            restorations.open_(operation, step, planned)
        step.state, step.started_at = StepState.RUNNING, timezone.now()
        step.save(update_fields=["state", "started_at"])
    stream.publish(operation.pk, "step", {"index": step.index, "state": step.state})


def _fenced(operation: Operation, lease: Lease) -> None:
    if not Operation.objects.filter(pk=operation.pk, fence=lease.fence).update(waiting_for=""):
        raise LeaseLost


def settle(step: Step, state: StepState, message: str) -> None:
    """Write how the step ended."""
    Step.objects.filter(pk=step.pk).update(state=state, message=message, ended_at=Now())
    step.refresh_from_db()
    stream.publish(step.operation_id, "step", {"index": step.index, "state": step.state})


def _run(operation: Operation, step: Step, planned: Planned, action: RunCommand, lease: Lease, until: float) -> None:
    """Issue the command or attach to it, by the decision table, and read on."""
    remote = targets.detached(planned.target, operation)
    attempt = step.attempts.last()
    if attempt is None or attempt.ended_at:
        attempt = _intend(step, action, lease, remote.boot_id())
        if _issue(step, attempt, action, remote, lease):
            follow(operation, step, planned, attempt, remote, lease, until)
    while time.monotonic() < until:
        now = remote.poll(attempt.remote_key)
        same_boot = not attempt.boot_id or now.boot_id == attempt.boot_id
        said = Journal.ACKNOWLEDGED if attempt.acknowledged else Journal.INTENT
        verdict = decisions.TABLE[said, now.state.kind.value, same_boot]
        if verdict is Verdict.ISSUE:
            _issue(step, attempt, action, remote, lease)
        elif verdict is Verdict.ATTACH:
            follow(operation, step, planned, attempt, remote, lease, until)
        else:
            if now.state.kind is not Kind.ABSENT and not _drained(operation, step, planned, attempt, remote, lease, until, now.size):
                return
            _judge(operation, step, planned, action, attempt, now.state.code if verdict is Verdict.RECORD else None, lease)
            return


def _drained(
    operation: Operation, step: Step, planned: Planned, attempt: Attempt, remote: Detached, lease: Lease, until: float, size: int
) -> bool:
    """All output there is, before the verdict. False when that takes more than this slice: the next one goes on."""
    follow(operation, step, planned, attempt, remote, lease, max(until, time.monotonic() + 30))
    return step.log_bytes - attempt.log_base >= size


def _intend(step: Step, action: RunCommand, lease: Lease, boot_id: str) -> Attempt:
    """The intent is committed before anything is sent."""
    with transaction.atomic():
        _fenced(step.operation, lease)
        last = step.attempts.last()
        return Attempt.objects.create(
            step=step,
            number=last.number + 1 if last else 1,
            fence=lease.fence,
            boot_id=boot_id,
            log_base=step.log_bytes,
            script_sha256=hashlib.sha256(action.command.shell().encode()).hexdigest(),
        )


def _issue(step: Step, attempt: Attempt, action: RunCommand, remote: Detached, lease: Lease) -> bool:
    """True when this call started it: then it is followed at once, without asking what became of it."""
    if action.fresh:
        remote.renew()
    crash.point("before-start")
    answer = remote.start(attempt.remote_key, lease.fence, action.command)
    crash.point("after-start")
    if isinstance(answer, Fenced):
        raise LeaseLost
    assert isinstance(answer, Started | Exists)
    Attempt.objects.filter(pk=attempt.pk).update(acknowledged=True)
    attempt.acknowledged = True
    crash.point("after-acknowledge")
    return isinstance(answer, Started)


def _judge(
    operation: Operation, step: Step, planned: Planned, action: RunCommand, attempt: Attempt, code: int | None, lease: Lease
) -> None:
    """From exit code and probes to a state. Without an exit code only the probes can say."""
    cancelled = bool(operation.cancel_requested_at) and planned.interruptible and code not in action.ok
    attempt.exit_code, attempt.verdict = code, "cancelled" if cancelled else "" if code is not None else "ended without an exit code"
    attempt.save(update_fields=["exit_code", "verdict"])
    Step.objects.filter(pk=step.pk).update(exit_code=code)
    crash.point("before-verdict")
    if cancelled:
        _close(attempt)
        settle(step, StepState.CANCELLED, "Stopped on request.")
    elif code is not None and code not in (*action.ok, *action.unsure):
        _close(attempt)
        settle(step, StepState.FAILED, _exit_sentence(step, code))
    else:
        why_not = _first_failing(step, planned.probe, planned.target, lease)
        _proved(operation, step, planned, action, attempt, why_not, code)
    crash.point("after-verdict")


def _exit_sentence(step: Step, code: int | None) -> str:
    error = step.progress.get("error") or ""
    if not error and (words := journal.last_words(step.operation, step)):
        error = f"Its last line: {words}"
    return f"{step.message} The command ended with exit code {code}. {error}".strip()


def _proved(
    operation: Operation, step: Step, planned: Planned, action: RunCommand, attempt: Attempt, why_not: str, code: int | None
) -> None:
    open_ended = code in action.unsure
    sure = bool(planned.probe) or (code is not None and not open_ended)
    if not why_not and sure:
        _succeed(operation, step, planned, _in_spite_of(code) if planned.probe else "")
        _close(attempt)
    elif open_ended:
        settle(step, StepState.UNKNOWN, f"{_exit_sentence(step, code)} It may still be carried out. {why_not or NOTHING_PROVES}")
    elif code is not None:
        _close(attempt)
        ended = "The command ended well, but" if code == 0 else f"{_exit_sentence(step, code)} And"
        said = f" It said: {step.progress['error']}" if code == 0 and step.progress.get("error") else ""
        settle(step, StepState.FAILED, f"{ended} the proof fails: {why_not}{said}")
    elif planned.effect is not Effect.NON_IDEMPOTENT:
        _close(attempt)  # issuing it again is declared harmless: the next round makes a new attempt
    else:
        settle(step, StepState.UNKNOWN, f"The command was cut off and left no exit code. {why_not or NOTHING_PROVES}")


NOTHING_PROVES = "Nothing can prove whether it happened."


def _in_spite_of(code: int | None) -> str:
    """What a person should know about a step that was proved although its command did not simply end well."""
    if code is None:
        return "It was interrupted, but the probe shows that it is done."
    return f"The command ended with exit code {code}, but the probe shows that it is done." if code else ""


def _close(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(ended_at=Now())


def _succeed(operation: Operation, step: Step, planned: Planned, message: str = "") -> None:
    """Proved: record what the runbook wants kept, settle the restoration it closes, and go on."""
    try:
        if planned.record:
            output = b"".join(_limited(journal.raw(operation, step)))
            message = import_string(planned.record)(operation.pk, step.key, output) or message
    except Exception as error:
        settle(step, StepState.FAILED, f"The step was done, but what it printed could not be recorded: {error}")
        return
    with transaction.atomic():
        if planned.settles:
            restorations.settle(operation, planned.settles, f"step “{step.title}”")
        settle(step, StepState.SUCCEEDED, message)


def _limited(chunks: Iterator[bytes]) -> Iterator[bytes]:
    left = RECORD_LIMIT
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _short(operation: Operation, step: Step, planned: Planned, act: Callable[[], None], lease: Lease) -> None:
    """An idempotent act without output of its own."""
    try:
        act()
    except _NotDone as error:
        settle(step, StepState.FAILED, str(error))
        return
    if why_not := _first_failing(step, planned.probe, planned.target, lease):
        settle(step, StepState.FAILED, f"Done, but the proof fails: {why_not}")
    else:
        _succeed(operation, step, planned)


class _NotDone(Exception):
    pass


def _put(action: PutFile, planned: Planned) -> None:
    """Write the file, unless somebody changed it since it was planned."""
    transport = targets.connect(planned.target)
    try:
        sudo = action.sudo and files.needs_sudo(transport)
        wished, found = action.content.encode(), files.content(transport, action.path, sudo=sudo)
        if found == wished:
            return
        if found != (action.before.encode() if action.existed else None):
            raise _NotDone(f"{action.path} is not what it was when this was planned. Nothing was written.")
        files.write(transport, action.path, wished, action.mode, sudo=sudo)
        if files.content(transport, action.path, sudo=sudo) != wished:
            raise _NotDone(f"{action.path} does not read back as it was written.")
    finally:
        transport.close()


def _put_stored(action: PutStored, planned: Planned) -> None:
    data = store.get(action.sha256)
    transport = targets.connect(planned.target)
    try:
        transport.put(action.path, data, mode=action.mode)
        if files.content(transport, action.path) != data:
            raise _NotDone(f"{action.path} does not read back as it was written.")
    finally:
        transport.close()


def _put_secret(action: PutSecret, planned: Planned) -> None:
    """What could not be looked up or read back is said without it."""
    try:
        secret = targets.secret(action.secret)
    except KeyringError as error:
        raise _NotDone(f"{action.called} could not be read, so nothing was written. {error}") from None
    if "\n" in secret.reveal():
        raise _NotDone(f"{action.called} has more than one line, which this file cannot hold. Nothing was written.")
    data = action.content.replace(SECRET_HERE, secret.reveal()).encode()
    transport = targets.connect(planned.target)
    try:
        transport.put(action.path, data, mode=0o600)
        if files.content(transport, action.path) != data:
            raise _NotDone(f"{action.path} does not read back as it was written.")
    finally:
        transport.close()


def _fetch(operation: Operation, action: FetchFiles, planned: Planned) -> None:
    """Copy files into the portal's store; each appears whole or not at all."""
    store = settings.STATE_DIR / "artefacts" / str(operation.pk)
    store.mkdir(parents=True, exist_ok=True)
    transport = targets.connect(planned.target)
    try:
        for path, size in _listed(transport, action):
            name = PurePosixPath(path).name
            if (store / name).exists() and (store / name).stat().st_size == size:
                continue  # an earlier slice brought it
            partial = store / f".{name}.partial"
            with partial.open("wb") as file:
                for piece in transport.get(path):
                    file.write(piece)
            partial.rename(store / name)
    finally:
        transport.close()


PLAIN = """\
within=$(cd "$1" && pwd -P) || exit 1
shift
for path; do
  real=$(readlink -f "$path")
  case $real in "$within"/*) [ -f "$real" ] && [ ! -L "$path" ] && echo "$(stat -c %s "$real") $real" && continue ;; esac
  echo "no $path"
done
"""


def _listed(transport: Transport, action: FetchFiles) -> list[tuple[str, int]]:
    """Path and size of each; refuses anything that is not a plain file below the folder that was promised."""
    listing = transport.run(action.listing, timeout=60)
    if listing.exit:
        raise _NotDone(f"The list of files could not be read: {listing.err.strip()[-300:]}")
    if not (paths := listing.out.splitlines()):
        raise _NotDone("There is not a single file to take.")
    checked = transport.run(Command(script=PLAIN, argv=(action.within, *paths)), timeout=60)
    rows = [line.split(" ", 1) for line in checked.out.splitlines()]
    if bad := [path for size, path in rows if not size.isdigit()]:
        raise _NotDone(f"{bad[0]} is not a plain file below {action.within}: it was not taken.")
    return [(path, int(size)) for size, path in rows]


def _ask_all(step: Step, planned: Planned, asked: tuple[Condition, ...], lease: Lease, until: float) -> None:
    """Waits across slices: `within` counts from the start of the step."""
    assert step.started_at is not None
    while True:
        waited = (timezone.now() - step.started_at).total_seconds()
        missing = _missing(step, asked, planned.target)
        if not missing:
            _succeed(step.operation, step, planned)
            return
        if step.operation.cancel_requested_at and planned.interruptible:
            settle(step, StepState.CANCELLED, "Stopped waiting on request.")
            return
        if over := [f"{one.says}: {why}" for one, why in missing if waited >= one.within]:
            settle(step, StepState.FAILED, "Does not hold: " + "; ".join(over))
            return
        if time.monotonic() >= until:
            return
        time.sleep(PAUSE)
        step.operation.refresh_from_db(fields=["cancel_requested_at"])


def _missing(step: Step, asked: tuple[Condition, ...], target: str) -> list[tuple[Condition, str]]:
    """Those that do not hold, each with the reason; all answers are kept on the step."""
    answers = [(one, _answer(one, target)) for one in asked]
    kept = [
        {"says": one.says, "command": one.command.display(), "holds": not why, "why": why, "at": timezone.now().isoformat()}
        for one, why in answers
    ]
    Step.objects.filter(pk=step.pk).update(checks=[*step.checks, *kept][-40:])
    return [(one, why) for one, why in answers if why]


def _answer(condition: Condition, target: str) -> str:
    """A target that cannot be asked may be part of what we wait for (a reboot): then it is an answer, not an error."""
    try:
        return conditions.ask(condition, target)
    except TransportError as error:
        if condition.within:
            return str(error)
        raise


def _first_failing(step: Step, asked: tuple[Condition, ...], target: str, lease: Lease) -> str:
    """ "" when all hold within their time, else what does not."""
    started = time.monotonic()
    while missing := _missing(step, asked, target):
        waited = time.monotonic() - started
        if over := [f"{one.says}: {why}." for one, why in missing if waited >= one.within]:
            return " ".join(over)
        _fenced(step.operation, lease)
        time.sleep(PAUSE)
    return ""
