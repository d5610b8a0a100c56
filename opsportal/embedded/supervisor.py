"""The one process that starts, watches and ends all others of an embedded portal. It has no threads and imports no Django."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

from opsportal.embedded import broker, leftovers
from opsportal.embedded.child import LOG_LIMIT, Child, dies_with_parent, rotate
from opsportal.embedded.places import ROOT, CannotStart, Places
from opsportal.embedded.say import line, say

START_SECONDS = 90.0
STOP_SECONDS = 6.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.host = os.environ.get("HOST") or "127.0.0.1"
        self.port = _port(os.environ.get("PORT") or "8000")
        self.children: list[Child] = []
        self.listener: socket.socket | None = None
        """Open for as long as the portal runs: while the web process is started again, visitors wait."""
        self.forge_port = self.lab_port = 0
        self.signals = 0
        """How often somebody asked to stop."""
        self.woken, self.wake = os.pipe()
        self.poller = select.poll()

    @property
    def address(self) -> str:
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}/"  # noqa: S104 - compared, not bound

    @property
    def forge(self) -> str:
        return f"http://127.0.0.1:{self.forge_port}"

    def run(self) -> int:
        began = time.monotonic()
        self.places.make()
        lock = self.places.lock(f"{self.address} (process {os.getpid()})")
        self._listen_to_signals()
        try:
            self._start()
            if not self.signals:
                line(f"\nopsportal is ready after {time.monotonic() - began:.1f} s: {self.address}\nCtrl-C ends it.\n")
            self._watch()
        finally:
            self._stop()
            self.places.leave()
            lock.close()
        return 0

    def _listen_to_signals(self) -> None:
        os.set_blocking(self.wake, False)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        for signum in ENDING:
            signal.signal(signum, self._asked_to_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes the loop
        self.poller.register(self.woken, select.POLLIN)
        if sys.stdin and sys.stdin.isatty():
            self.poller.register(sys.stdin.fileno(), 0)  # SIGHUP goes to the shell, and not every shell passes it on
        if "MAKELEVEL" in os.environ:
            dies_with_parent(signal.SIGTERM, os.getppid())()  # make itself was killed

    def _asked_to_end(self, _signum: int, _frame: FrameType | None) -> None:
        self.signals += 1

    def _start(self) -> None:
        self.listener = self._listen()
        self.forge_port = self._free_port("127.0.0.1", self.port + 1)
        self.lab_port = self._free_port(FIRST_PRACTICE_HOST, self.port + 2)
        environment = self._environment()
        self._make_ready(environment)
        if self.signals:
            return
        descriptor = self.listener.fileno()
        self._add("web", ["opsportal.embedded.web", str(descriptor)], self.address, environment, descriptor)
        self._add("worker", [*CELERY, *WORKER, "-n", "worker@%h", "-Q", "control,ssh", "-c", "4"], "queues control and ssh", environment)
        self._add("builder", [*CELERY, *WORKER, "-n", "builder@%h", "-Q", "build", "-c", "2"], "queue build", environment)
        schedule = str(self.places.state / "beat")
        forge = ["django", "lab_forge", "--push", "--port", str(self.forge_port)]
        self._add("forge", forge, f"the practice source, {self.forge}/", environment)
        self._add("pools", ["django", "lab_pools", "--port", str(self.lab_port)], "the practice cloud's hosts", environment)
        self._add("beat", [*CELERY, "beat", "-l", "WARNING", "--pidfile=", "-s", schedule], "the schedule", environment)
        self._wait_for_web()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError as error:
            raise CannotStart(
                f"Port {self.port} on {self.host} cannot be used: {error.strerror}. Choose another one: make run PORT={self.port + 1}"
            ) from error
        listener.listen(512)
        return listener

    def _free_port(self, address: str, wanted: int) -> int:
        """One near the portal's own, so that addresses stay the same, or any other."""
        for port in (wanted, 0):
            with contextlib.suppress(OSError, OverflowError), socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((address, port))
                return int(trial.getsockname()[1])
        raise CannotStart(f"No port on {address} is free for the practice cloud.")

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "opsportal.settings",
            "OPSPORTAL_EMBEDDED": "1",
            "OPSPORTAL_STATE_DIR": str(self.places.state),
            "OPSPORTAL_FORGE": self.forge,
            "OPSPORTAL_LAB_PORT": str(self.lab_port),
            "OPSPORTAL_GIT_HOSTS": f"{os.environ.get('OPSPORTAL_GIT_HOSTS') or 'github.com'},{self.forge}",
            "REDIS_URL": os.environ.get("REDIS_URL") or self._redis(),
        }

    def _redis(self) -> str:
        server, path = broker.find(), self.places.socket("redis.sock")
        redis = Child("redis", server.argv(self.places), "", dict(os.environ), ROOT, self.places.logs, orphaned=signal.SIGTERM)
        self._run(redis)
        if not broker.wait(path, redis.alive):
            raise CannotStart(f"{server.binary} did not start. The end of {redis.log}:\n{redis.last_words()}")
        say("redis", f"{server.name} {server.version} for this portal alone, on a private socket")
        return f"unix://{path}"

    def _make_ready(self, environment: dict[str, str]) -> None:
        argv = [sys.executable, "-m", "opsportal.embedded.ready"]
        orphaned = dies_with_parent(signal.SIGKILL, os.getpid())
        if subprocess.Popen(argv, cwd=ROOT, env=environment, start_new_session=True, preexec_fn=orphaned).wait() and not self.signals:
            raise CannotStart("The state directory could not be made ready; the reason is above.")

    def _add(self, name: str, module: list[str], says: str, environment: dict[str, str], *descriptors: int) -> None:
        child = Child(name, [sys.executable, "-m", *module], says, environment, ROOT, self.places.logs, descriptors=descriptors)
        self._run(child)
        say(name, says)

    def _run(self, child: Child) -> None:
        child.start()
        self.children.append(child)

    def _wait_for_web(self) -> None:
        web = next(child for child in self.children if child.name == "web")
        deadline = time.monotonic() + START_SECONDS
        while not self.signals:
            if answers(self.host, self.port):
                return
            if not web.alive() or time.monotonic() > deadline:
                raise CannotStart(f"The web process did not start. The end of {web.log}:\n{web.last_words()}")
            self._sleep(0.1)

    def _watch(self) -> None:
        while not self.signals:
            for child in self.children:
                self._look_after(child)
            self._sleep(5.0 if all(child.process for child in self.children) else 0.5)

    def _look_after(self, child: Child) -> None:
        if why := child.ended():
            again = f"starting it again in {child.pause():.0f} s"
            say(child.name, f"{why}; {again}. See {child.log}")
        if child.process is None and time.monotonic() >= child.due:
            child.start()
        rotate(child.log, LOG_LIMIT)

    def _sleep(self, seconds: float) -> None:
        """Until a signal, a child's end, or the end of the terminal we were started from; at most so long."""
        for descriptor, event in self.poller.poll(seconds * 1000):
            if descriptor == self.woken:
                os.read(self.woken, 1024)
            elif event & select.POLLHUP:
                self.poller.unregister(descriptor)
                self.signals += 1

    def _stop(self) -> None:
        """Clients first, then the commands they left running, then Redis. Asked again: at once."""
        clients = [child for child in self.children if child.name != "redis"]
        if self.children:
            line("\nStopping")
        self._end(clients)
        if count := leftovers.end(self.places.control):
            say("commands", f"{count} that operations were running here ended too; their pages say so after the next start")
        self._end([child for child in self.children if child.name == "redis"])

    def _end(self, children: list[Child]) -> None:
        asked, deadline = self.signals, time.monotonic() + STOP_SECONDS
        for child in children:
            child.signal(signal.SIGTERM)
        while any(child.alive() for child in children) and time.monotonic() < deadline and self.signals <= asked:
            self._sleep(0.1)
        for child in children:
            child.signal(signal.SIGKILL)
            if child.process:
                child.process.wait()


FIRST_PRACTICE_HOST = "127.77.1.11"

CELERY = ["celery", "-q", "-A", "opsportal"]
WORKER = ["worker", "-l", "WARNING", "--without-gossip", "--without-mingle"]


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStart(f"PORT={text} is not a port: give a number from 1 to 65535.")
    return int(text)


def answers(host: str, port: int) -> bool:
    """The web process answers requests, whatever it says."""
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=2)  # noqa: S104
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
