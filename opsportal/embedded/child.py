"""One process of the portal: started so that it dies with its parent, logged, and started again when it ends."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
LONGEST_PAUSE = 30.0
SETTLED = 60.0
"""Seconds after which a process counts as well: the next pause is a short one again."""

LOG_LIMIT = 10 * 1024**2
LOGS_KEPT = 3

_libc = ctypes.CDLL(None)


def dies_with_parent(signum: signal.Signals, parent: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends the signal when the process `parent` ends, even by SIGKILL."""

    def tell_kernel() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signum))
        if os.getppid() != parent:  # it ended before the kernel was told
            os._exit(1)

    return tell_kernel


@dataclass
class Child:
    """`says` stands beside the name when it starts. `orphaned` is the signal it gets when the supervisor is killed."""

    name: str
    argv: list[str]
    says: str
    environment: dict[str, str]
    folder: Path
    logs: Path
    orphaned: signal.Signals = signal.SIGKILL
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    began: float = field(default=0.0)
    due: float = field(default=0.0)

    @property
    def log(self) -> Path:
        return self.logs / f"{self.name}.log"

    def start(self) -> None:
        rotate(self.log, LOG_LIMIT // 2)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.descriptors,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which ends all in order
                preexec_fn=dies_with_parent(self.orphaned, os.getpid()),
            )
        self.began = time.monotonic()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ended(self) -> str:
        """Why it ended, once; "" while it runs or waits to be started again. Plans the next start."""
        if self.process is None or self.process.poll() is None:
            return ""
        code = self.process.returncode
        self.process = None
        now = time.monotonic()
        self.failures = 1 if now - self.began > SETTLED else self.failures + 1
        self.due = now + self.pause()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def pause(self) -> float:
        """Seconds until the next start: 1, 2, 4 … 30."""
        return float(min(2 ** (self.failures - 1), LONGEST_PAUSE))

    def signal(self, signum: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signum)

    def last_words(self, count: int = 8) -> str:
        """The end of its log."""
        lines = self.log.read_bytes()[-8000:].decode("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-count:])


def rotate(log: Path, limit: int) -> None:
    """Copy and empty a log that is too long: its writer appends, and goes on at the start of the empty file."""
    if not log.exists() or log.stat().st_size < limit:
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
