"""Workers: looking at followed logs, side by side, in short slices.

Each look asks a host once, from where the last stored piece ended. A worker that dies between two looks, or in one, loses nothing:
its claim runs out, and the next one asks from the same place.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from hosts import connections
from hosts.models import Host
from hosts.tails import asking, keeping, places, telling
from hosts.tails.asking import Piece
from hosts.tails.models import Tail
from opsportal.transport import errors
from opsportal.transport.base import Transport
from opsportal.transport.ssh import SshTarget

PACE = timedelta(seconds=0.7)
"""Between two looks at a log that is followed."""

PACE_IN_TROUBLE = timedelta(seconds=8)
ANSWER_SECONDS = 8
CLAIMED_FOR = timedelta(seconds=20)
"""After this the worker that looks is taken for dead; longer than it waits for an answer and stores it."""

PATIENCE_SECONDS = 1.0
"""For all hosts to answer before those that did are looked at again."""

EARLY = timedelta(seconds=0.3)
"""Clocks of two machines differ: so much too early still counts as due."""

AT_ONCE = 20
UNSEEN = timedelta(minutes=3)
LONGEST = timedelta(hours=1)
PATIENCE = timedelta(minutes=5)
"""So long a host may be away, or the file missing, before the following ends."""

FATAL = (errors.HostKeyChanged, errors.HostKeyUnknown, errors.AuthenticationFailed, errors.NoCommonAlgorithm, errors.AddressForbidden)
"""What does not get better by asking again."""


@dataclass(frozen=True)
class Look:
    """How one look at a log ended: a piece, or why there is none. `final`: asking again is of no use."""

    tail: Tail
    piece: Piece | None = None
    problem: str = ""
    final: bool = False
    position: dict[str, Any] = field(default_factory=dict)


def claim() -> list[Tail]:
    """The tails that are due, so that no other worker looks at them now."""
    now, token = timezone.now(), secrets.token_hex(16)
    free = Q(claim="") | Q(claimed_until__lt=now)
    due = Tail.objects.filter(free, state=Tail.State.FOLLOWING, next_at__lte=now + EARLY)
    chosen = list(due.order_by("next_at").values_list("pk", flat=True)[:AT_ONCE])
    if not chosen or not due.filter(pk__in=chosen).update(claim=token, claimed_until=now + CLAIMED_FOR):
        return []
    return list(Tail.objects.filter(claim=token))


def look_at_due(go_on: Callable[[float], None]) -> int:
    """Looks once at every log that is due and says how many those were. `go_on(seconds)` has a worker come back then.

    Hosts that take their time do not keep the others waiting: the next worker is called while their answers are still out.
    """
    tails = [tail for tail in claim() if not _over(tail)]
    if not tails:
        return 0
    targets = connections.with_keys(Host.objects.filter(pk__in={tail.host_id for tail in tails})).in_bulk()
    crew = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="tail")
    asked = {crew.submit(_look, tail, targets[tail.host_id]) for tail in tails if tail.host_id in targets}
    try:
        done, late = wait(asked, timeout=PATIENCE_SECONDS)
        more = [_take(one) for one in done]
        go_on(0 if any(more) else PACE.total_seconds())
        if late:
            for one in wait(late, timeout=2 * ANSWER_SECONDS).done:
                _take(one)
            go_on(PACE.total_seconds())
    finally:
        crew.shutdown(wait=False, cancel_futures=True)
    return len(tails)


def _look(tail: Tail, host: Host) -> Look:
    """In a thread, without the database. Never raises for what a host does."""
    try:
        target = connections.ssh_target(host)
        with connections.opened(target) as transport:
            return _ask(tail, host, target, transport)
    except errors.TransportError as error:
        said = str(error)
        if "sudo:" in said:
            return Look(tail, problem=_closed(tail, host), final=True)
        return Look(tail, problem=said, final=isinstance(error, FATAL))


def _ask(tail: Tail, host: Host, target: SshTarget, transport: Transport) -> Look:
    sudo = as_root(host)
    make = asking.read_journal(tail.unit, tail.position, sudo=sudo) if tail.unit else asking.read_file(tail.place, tail.position, sudo=sudo)
    answer = b"".join(transport.follow(tail.place, "", 0, seconds=ANSWER_SECONDS, command=make))
    if tail.unit:
        return _judged(tail, host, asking.journal_piece(answer, tail.position))
    piece, real = asking.file_piece(answer, tail.position)
    if real and piece.trouble != "gone" and not places.allows(real):
        piece = Piece(trouble="elsewhere")
    return _judged(tail, host, piece)


def as_root(host: Host) -> bool:
    """Through sudo, as the credential says; root needs none."""
    return bool(host.credential and host.credential.sudo and host.login != "root")


def _judged(tail: Tail, host: Host, piece: Piece) -> Look:
    troubles = {
        "gone": (f"{tail.place} does not exist on {host} (any more). It goes on when the file is there again.", False),
        "closed": (_closed(tail, host), True),
        "elsewhere": (f"{tail.place} is a link to a place that is not on the list of logs, so it was not read.", True),
        "silent": (f"{host} gave no answer within {ANSWER_SECONDS} s. It may be overloaded, or its disk may hang.", False),
    }
    if piece.trouble:
        problem, final = troubles[piece.trouble]
        return Look(tail, problem=problem, final=final, position=piece.position)
    return Look(tail, piece)


def _closed(tail: Tail, host: Host) -> str:
    how = (
        f"sudo without a password does not work there for {host.login}."
        if as_root(host)
        else "Give the host a credential whose user becomes root through sudo, or let this user read the log."
    )
    return f"{host.login} may not read {tail.name} on {host}. {how}"


def _take(done: Future[Look]) -> bool:
    """Stores what a look brought; True when there is more to fetch at once."""
    look = done.result()
    with suppress(keeping.NotOurs):
        if look.piece is None:
            _trouble(look)
        else:
            return _store(look.tail, look.piece)
    return False


def _store(tail: Tail, piece: Piece) -> bool:
    text = (note(piece.said) if piece.said else b"") + piece.text
    full = len(text) > keeping.room(tail)
    if full:
        text = text[: text.rfind(b"\n", 0, keeping.room(tail)) + 1]
    recovered = bool(tail.problem)
    now = timezone.now()
    due = now if piece.more else now + PACE
    fresh = {"position": piece.position, "problem": "", "problem_at": None, "fetched_at": now, "next_at": due, "claim": ""}
    keeping.append(tail, text, **fresh)
    if recovered:
        telling.publish(tail.pk, "operation", {"state": telling.mood(tail)})
    if full:
        size = settings.TAIL_CAP_BYTES // 1024**2
        end(tail, f"{size} MiB are stored, which is as much as is kept. Follow it again to go on from its end.")
    return piece.more and not full


def note(text: str) -> bytes:
    """A line of the portal's own among those of the log."""
    return f"\x1b[36m── {text} ──\x1b[0m\n".encode()


def _trouble(look: Look) -> None:
    tail, now = look.tail, timezone.now()
    since = tail.problem_at or now
    new = tail.problem != look.problem
    moved = {"position": look.position} if look.position else {}
    keeping.append(tail, b"", problem=look.problem, problem_at=since, next_at=now + PACE_IN_TROUBLE, claim="", **moved)
    if look.final or now - since > PATIENCE:
        end(tail, look.problem)
    elif new:
        telling.publish(tail.pk, "operation", {"state": telling.mood(tail)})


def _over(tail: Tail) -> bool:
    """Ends what nobody looks at any more, and what goes on for too long."""
    now = timezone.now()
    if now - tail.seen_at > UNSEEN:
        return end(tail, "Nobody looked at it for some minutes, so it ended by itself. Follow it again to go on from its end.")
    if now - tail.started_at > LONGEST:
        return end(tail, "It was followed for an hour, which is the longest. Follow it again to go on from its end.")
    return False


def end(tail: Tail, why: str) -> bool:
    """From any side; what ended first counts. True."""
    ours = Tail.objects.filter(pk=tail.pk, state=Tail.State.FOLLOWING)
    if ours.update(state=Tail.State.ENDED, outcome=why, problem="", ended_at=timezone.now(), claim=""):
        tail.state, tail.outcome = Tail.State.ENDED, why
        telling.publish(tail.pk, "operation", {"state": Tail.State.ENDED})
        telling.publish(tail.pk, "end", {"state": Tail.State.ENDED})
    return True
