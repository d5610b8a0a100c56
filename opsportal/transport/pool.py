"""Kept SSH connections: one per target and process, shared by threads, each channel with a deadline."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko

from opsportal.transport import channels
from opsportal.transport.errors import AuthenticationFailed, TimedOut, Unreachable
from opsportal.transport.login import SshTarget, end, log_in
from opsportal.transport.sockets import Forbidden

SESSIONS = 8
"""Channels at once on one connection. OpenSSH refuses more than 10 (MaxSessions), and not only ours may be there."""

SESSION_SECONDS = 15.0
WORN_AFTER = 3000
"""Channels after which a connection is replaced: paramiko remembers the number of each one for ever."""

IDLE_SECONDS = 120.0
MOST = 400
"""Connections kept open at once; the one unused for the longest time goes first. Each is a thread and about 60 KB."""

LOGINS, LOGINS_SECONDS = 2, 600.0
"""So many refused logins in that time, then none: a directory service locks accounts after a few more."""

OVERDUE_SECONDS = 2.0
TEND_SECONDS = 1.0

_all: weakref.WeakSet[Connections] = weakref.WeakSet()


@dataclass
class _Connection:
    """`users` are channels in use; a retired one is closed by its last user. `waiting` repeats what was `answered` last."""

    transport: paramiko.Transport
    users: int = 0
    seen: int = 0
    retired: bool = False
    answered: str = ""
    waiting: paramiko.Channel | None = None


@dataclass
class _Line:
    """What is known about one target: at most one connection for new channels, and the logins it refused."""

    connecting: threading.Lock = field(default_factory=threading.Lock)
    free: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(SESSIONS))
    connection: _Connection | None = None
    users: int = 0
    used_at: float = 0.0
    refused: list[float] = field(default_factory=list)


def _any_address(_address: str) -> str:
    return ""


class Connections:
    """Thread-safe. `forbidden` says why an IP address may not be connected to, or "".

    Nothing survives a fork: a child process begins with an empty pool, and its parent's connections are left alone.
    """

    def __init__(self, forbidden: Forbidden = _any_address) -> None:
        self._forbidden = forbidden
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[SshTarget, _Line] = {}  # in the order of use; an OrderedDict hashes every key again whenever it is walked
        self._deadlines: dict[paramiko.Channel, float] = {}
        self._tender: threading.Thread | None = None

    @contextlib.contextmanager
    def channel(self, target: SshTarget, deadline: float) -> Iterator[paramiko.Channel]:
        """A session to run one command in, closed at the end. Raises `TransportError` before it is there.

        Should anything hang beyond `deadline` (of `time.monotonic`), the channel is closed from outside.
        """
        with self._session(target, deadline) as line:
            connection, channel = self._open(target, line, deadline)
            try:
                yield channel
            finally:
                self._close(connection, channel)

    @contextlib.contextmanager
    def repeating(self, target: SshTarget, line: str, deadline: float) -> Iterator[paramiko.Channel | None]:
        """A channel that repeats `line`, for one turn. It waits for the next one unless something was raised or it was closed.

        None when `line` is not what was `answered` last on the kept connection, or the target gives no such channel.
        """
        with self._session(target, deadline) as known:
            connection, channel = self._answered(known, line)
            if connection is None:
                yield None
                return
            try:
                channel = channel or _repeating(connection.transport, line, deadline)
                if channel is not None:
                    self._deadlines[channel] = deadline
                yield channel
                channel = self._wait_again(connection, channel, line)
            finally:
                if channel is not None:
                    self._close(connection, channel)
                else:
                    self._leave(connection)

    def answered(self, target: SshTarget, line: str) -> None:
        """This was asked and answered well: should it be asked again, then by `repeating`."""
        with self._lock:
            known = self._lines.get(target)
            connection = known and known.connection
            if not connection or connection.answered == line:
                return
            connection.answered, other, connection.waiting = line, connection.waiting, None
        if other is not None:
            channels.shut(other)

    def _answered(self, known: _Line, line: str) -> tuple[_Connection | None, paramiko.Channel | None]:
        """The kept connection, entered, if this was answered there last, and the channel that waits for it."""
        with self._lock:
            connection = known.connection
            if connection is None or connection.answered != line:
                return None, None
            connection.users += 1
            channel, connection.waiting = connection.waiting, None
            return connection, channel if channel and not channel.closed else None

    def _end_waiting(self, connection: _Connection) -> bool:
        with self._lock:
            channel, connection.waiting = connection.waiting, None
        if channel is not None:
            channels.shut(channel)
        return channel is not None

    def _wait_again(self, connection: _Connection, channel: paramiko.Channel | None, line: str) -> paramiko.Channel | None:
        """Gives it back when it cannot wait: it was spent, another thread's waits already, or something else was answered meanwhile."""
        with self._lock:
            if channel is None or channel.closed or connection.waiting is not None or connection.answered != line:
                return channel
            self._deadlines.pop(channel, None)
            connection.waiting = channel
            return None

    def retire(self, channel: paramiko.Channel) -> None:
        """Gives no new channels on the connection of this one. Those in use go on."""
        with self._lock:
            for line in self._lines.values():
                if line.connection is not None and line.connection.transport is channel.get_transport():
                    line.connection.retired = True
                    line.connection = None

    def renew(self, target: SshTarget) -> None:
        """The next channel to this target opens a connection of its own. Channels in use go on."""
        with self._lock:
            line = self._lines.get(target)
            kept = line.connection if line else None
        if line and kept:
            self._drop(line, kept)

    def insist(self, target: SshTarget) -> None:
        """A person asked: the next login is tried, however many were refused."""
        with self._lock:
            if line := self._lines.get(target):
                line.refused.clear()

    def close(self) -> None:
        """Ends all connections, also those in use."""
        with self._lock:
            found = [line.connection for line in self._lines.values() if line.connection is not None]
            self._lines.clear()
        for connection in found:
            end(connection.transport)

    def __len__(self) -> int:
        """Open connections."""
        with self._lock:
            return sum(1 for line in self._lines.values() if line.connection is not None)

    @contextlib.contextmanager
    def _session(self, target: SshTarget, deadline: float) -> Iterator[_Line]:
        """Room for one more channel. Raises `TimedOut`."""
        with self._line(target) as line:
            if not line.free.acquire(timeout=_wait(deadline)):
                raise TimedOut(f"All {SESSIONS} sessions to {target.name} are in use by other work of the portal.")
            try:
                yield line
            finally:
                line.free.release()

    @contextlib.contextmanager
    def _line(self, target: SshTarget) -> Iterator[_Line]:
        with self._lock:
            line = self._lines[target] = self._lines.pop(target) if target in self._lines else _Line()
            line.users += 1
            self._tend()
        try:
            yield line
        finally:
            with self._lock:
                line.users -= 1
                line.used_at = time.monotonic()

    def _open(self, target: SshTarget, line: _Line, deadline: float) -> tuple[_Connection, paramiko.Channel]:
        """On the kept connection; when that turns out to be dead, once more on a new one: nothing was sent yet."""
        while True:
            connection, fresh = self._connection(target, line, deadline)
            try:
                channel = connection.transport.open_session(timeout=_wait(deadline, SESSION_SECONDS))
            except (paramiko.SSHException, EOFError, OSError) as error:
                self._leave(connection)
                makes_room = isinstance(error, paramiko.ChannelException) and (self._end_waiting(connection) or connection.users)
                if makes_room and time.monotonic() < deadline:
                    time.sleep(0.1)  # a host with a smaller MaxSessions than usual: wait for one of ours to end
                    continue
                self._drop(line, connection)
                if fresh or time.monotonic() >= deadline:
                    raise Unreachable(f"{target.name} opens no session: {error}. Its sshd may be overloaded or limit sessions.") from error
                continue
            self._deadlines[channel] = deadline
            return connection, channel

    def _connection(self, target: SshTarget, line: _Line, deadline: float) -> tuple[_Connection, bool]:
        """One that can be used, and whether it is new. Only one thread at a time connects to a target."""
        if not line.connecting.acquire(timeout=_wait(deadline)):
            raise TimedOut(f"Connecting to {target.name} takes too long.")
        try:
            if kept := self._kept(line):
                return kept, False
            made = self._connect(target, line, deadline)
            return made, True
        finally:
            line.connecting.release()

    def _kept(self, line: _Line) -> _Connection | None:
        connection = line.connection
        if connection is None:
            return None
        if not connection.transport.is_active() or connection.seen >= WORN_AFTER:
            self._drop(line, connection)
            return None
        return self._enter(connection)

    def _connect(self, target: SshTarget, line: _Line, deadline: float) -> _Connection:
        self._respect_refusals(target, line)
        try:
            transport = log_in(target, self._forbidden, deadline)
        except AuthenticationFailed:
            line.refused.append(time.monotonic())
            raise
        line.refused.clear()
        connection = self._enter(_Connection(transport))
        with self._lock:
            line.connection = connection
        self._close_all(self._surplus())
        return connection

    def _respect_refusals(self, target: SshTarget, line: _Line) -> None:
        now = time.monotonic()
        line.refused[:] = [at for at in line.refused if at > now - LOGINS_SECONDS]
        if len(line.refused) >= LOGINS:
            minutes = int((line.refused[0] + LOGINS_SECONDS - now) // 60) + 1
            raise AuthenticationFailed(
                f"{target.name} refused {target.user} {len(line.refused)} times. So that the account is not locked, the portal tries again "
                f"in {minutes} min, or at once with another secret."
            )

    def _enter(self, connection: _Connection) -> _Connection:
        with self._lock:
            connection.users += 1
            connection.seen += 1
        return connection

    def _leave(self, connection: _Connection) -> None:
        with self._lock:
            connection.users -= 1
            last = connection.retired and not connection.users
        if last:
            end(connection.transport)

    def _close(self, connection: _Connection, channel: paramiko.Channel) -> None:
        self._deadlines.pop(channel, None)
        channels.shut(channel)
        self._leave(connection)

    def _drop(self, line: _Line, connection: _Connection) -> None:
        with self._lock:
            connection.retired = True
            if line.connection is connection:
                line.connection = None
            unused = not connection.users
        if unused:
            end(connection.transport)

    def _surplus(self) -> list[_Connection]:
        """Beyond `MOST`, those not used for the longest time; lines are kept in the order of use."""
        with self._lock:
            if len(self._lines) <= MOST:
                return []
            kept = [line for line in self._lines.values() if line.connection is not None]
            spare = [line for line in kept if not line.users]
            return _taken(spare[: max(0, len(kept) - MOST)])

    def _idle(self) -> list[_Connection]:
        now = time.monotonic()
        with self._lock:
            idle = [(target, line) for target, line in self._lines.items() if not line.users and line.used_at < now - IDLE_SECONDS]
            for target, line in idle:
                if not [at for at in line.refused if at > now - LOGINS_SECONDS]:
                    del self._lines[target]
            return _taken([line for _, line in idle])

    @staticmethod
    def _close_all(connections: list[_Connection]) -> None:
        for connection in connections:
            end(connection.transport)

    def _tend(self) -> None:
        """One thread per pool, as long as there is something to look after. Called with the lock held."""
        if self._tender is None:
            self._tender = threading.Thread(target=self._look_after, daemon=True, name="ssh-pool")
            self._tender.start()

    def _look_after(self) -> None:
        while True:
            time.sleep(TEND_SECONDS)
            now = time.monotonic()
            for channel, deadline in list(self._deadlines.items()):
                if now > deadline + OVERDUE_SECONDS:
                    channels.shut(channel)
            self._close_all(self._idle())
            with self._lock:
                if not self._lines:
                    self._tender = None
                    return

    def _forget(self) -> None:
        """In a child process: the threads of the connections are not there; only the copied sockets must go."""
        for line in self._lines.values():
            if line.connection is not None:
                line.connection.transport.sock.close()
        self._begin()


def _taken(lines: list[_Line]) -> list[_Connection]:
    taken = []
    for line in lines:
        if line.connection is not None:
            taken.append(line.connection)
            line.connection.retired, line.connection = True, None
    return taken


def _repeating(transport: paramiko.Transport, line: str, deadline: float) -> paramiko.Channel | None:
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        channel = transport.open_session(timeout=_wait(deadline, SESSION_SECONDS))
        try:
            channel.exec_command(channels.repeating(line))
        except BaseException:
            channels.shut(channel)
            raise
        return channel
    return None


def _wait(deadline: float, most: float = 86_400.0) -> float:
    return min(max(deadline - time.monotonic(), 0.01), most)


def _after_fork() -> None:
    for pool in list(_all):
        pool._forget()


os.register_at_fork(after_in_child=_after_fork)
