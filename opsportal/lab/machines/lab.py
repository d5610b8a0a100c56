"""The lab: every seat's hosts, held by one thread. Start it in a process of its own (`daemon`), or inside a test.

with Lab(folder, {"1": World.practice}, speed=100) as lab:
    lab.machines("1")["xen-a1"].place
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import selectors
import shutil
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from opsportal.lab.cloudstack import hypervisor
from opsportal.lab.cloudstack import machine as cloudstack
from opsportal.lab.cloudstack.cloud import Cloud, Reply
from opsportal.lab.cloudstack.server import Server
from opsportal.lab.machines import sandbox, sshd
from opsportal.lab.machines.clients import Client, Malformed
from opsportal.lab.machines.control import Control
from opsportal.lab.machines.machine import Machine, Place
from opsportal.lab.machines.sandbox import NoSandbox, Sandbox
from opsportal.lab.machines.seat import Seat, load
from opsportal.lab.xen.world import PROGRAMS, Event, World

log = logging.getLogger("opsportal.lab")
T = TypeVar("T")

LONGEST_WAIT = 5.0
NAP_AFTER = 60.0
"""Real seconds after which a sandbox without any process but its agent is put away. Nothing of the host is lost by that."""

WAIT_SECONDS = 30.0
PAUSE_AFTER_MISTAKE = 0.2
"""So that one which comes again and again does not fill the disk."""


class Lab:
    """`worlds` make the world of each seat, by the seat's name. A world that was saved under `folder` goes on instead.

    `port` is the same for all hosts, 0 takes a free one: each has a loopback address of its own. `listen` replaces that by one address with
    a port for each host from `port` on; anything but loopback lets others in, so nobody does that by mistake.
    Without bubblewrap the hosts stay off, and `problem` says why.
    """

    def __init__(
        self, folder: Path, worlds: Mapping[str, Callable[[], World]], speed: float = 10.0, *, port: int = 0, listen: str = ""
    ) -> None:
        self.folder, self.port, self.listen, self.speed, self.problem = folder, port, listen, speed, ""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.password = _password(folder / "password")
        self._fresh = dict(worlds)
        self.seats = {name: self._seat(name, make) for name, make in worlds.items()}
        self._assign_places()
        self._apis = {name: Server(partial(self._request, seat)) for name, seat in self.seats.items()}
        self._selector = selectors.DefaultSelector()
        self._tasks: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._naps: dict[Machine, tuple[float, int]] = {}
        self._woken, self._wake = os.pipe()
        self._keys: dict[Machine, Any] = {}
        self._thread: threading.Thread | None = None
        self._at_work = threading.Lock()
        self._ending = False
        self._tools: dict[str, sandbox.Tools] = {}
        """By whether a machine's /usr is its own."""

    def machines(self, seat: str) -> dict[str, Machine]:
        return self.seats[seat].machines

    def _seat(self, name: str, make: Callable[[], World]) -> Seat:
        folder = self.folder / f"seat-{name}"
        folder.mkdir(exist_ok=True)
        saved = load(folder)
        world = saved.world if saved else make()
        seat = Seat(name, folder, world, saved.cloud if saved else Cloud.practice(world), self.speed, self.password)
        if saved is not None:
            seat.events, seat.done = saved.events, saved.done
        seat.make(anew=saved is None)
        seat.save(now=True)
        return seat

    # Life

    def start(self) -> None:
        """Raises OSError when the port is taken."""
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._run_tasks)
        self._control = Control(self, self.folder, self._selector)
        try:
            sandbox.check()
            self._tools = {
                "dom0": sandbox.make_tools(self.folder / "tools", PROGRAMS),
                "server": sandbox.make_tools(self.folder / "tools-server", cloudstack.PROGRAMS, cloudstack.programs),
                "hypervisor": sandbox.make_tools(self.folder / "tools-hypervisor", hypervisor.PROGRAMS, hypervisor.programs),
            }
        except NoSandbox as error:
            self.problem = str(error)
            log.error("%s", error)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="lab")
        powered = self._put(self._power_all)  # before the first turn, which would find hosts and APIs that should be up
        self._thread.start()
        try:
            self._result(powered)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Every process of every host is gone when this returns, and the worlds are saved."""
        if self._thread is None:
            return
        with contextlib.suppress(RuntimeError):
            self.ask(self._end)
        self._thread.join(WAIT_SECONDS)
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, do: Callable[[], T]) -> T:
        """Runs it in the lab's thread and gives its result, or raises what it raised."""
        if threading.current_thread() is self._thread:
            return do()
        if self._thread is None or self._ending:
            raise OSError("the practice cloud is not running")
        return self._result(self._put(do))

    def _put(self, do: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._tasks.append((do, future))
        self._ring()
        return future

    def _result(self, future: Future[T]) -> T:
        try:
            return future.result(WAIT_SECONDS)
        except TimeoutError:
            if future.cancel():
                raise OSError("the practice cloud is too busy") from None
            return future.result()  # it has begun: what it was given is in use

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Holds the lab's thread, so that another one may touch a world. What it did takes effect afterwards."""
        with self._at_work:
            yield
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def _run_tasks(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        while self._tasks:
            do, future = self._tasks.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(do())
            except Exception as error:
                future.set_exception(error)

    def _serve(self) -> None:
        while not self._ending:
            for key, _ in self._selector.select(self._wait()):
                self._guarded(key.data)
            self._guarded(self._turn)
        self._control.close()
        self._selector.close()

    def _guarded(self, do: Callable[[], object]) -> None:
        """A mistake in one host's world must not end all others."""
        try:
            with self._at_work:
                do()
        except Exception:
            log.exception("The practice cloud stumbled")
            time.sleep(PAUSE_AFTER_MISTAKE)

    def _wait(self) -> float:
        waits = [seat.wait() for seat in self.seats.values()]
        naps = [at - time.monotonic() for at, _ in self._naps.values()]
        return max(0.0, min([LONGEST_WAIT, *naps, *(wait for wait in waits if wait is not None)]))

    def _turn(self) -> None:
        for seat in self.seats.values():
            for event in seat.turn():
                self._switch(seat.machines[event.host], event)
            self._see_network(seat)
            self._see_api(seat)
            seat.save()
        self._nap()

    def _end(self) -> None:
        self._ending = True
        for seat in self.seats.values():
            for machine in seat.machines.values():
                self._off(machine)
            self._close_api(seat)
            seat.save(now=True)

    # Power and network

    def _assign_places(self) -> None:
        machines = [(number, machine) for seat in self.seats.values() for number, machine in enumerate(seat.machines.values())]
        self.port = self.port or _free_port()
        seat_numbers = {id(machine): at for at, seat in enumerate(self.seats.values(), 1) for machine in seat.machines.values()}
        for count, (number, machine) in enumerate(machines):
            own = Place(f"127.77.{seat_numbers[id(machine)]}.{11 + number}", self.port)
            machine.place = Place(self.listen, self.port + count) if self.listen else own
            machine.ask, machine.boot = self.ask, self._boot
        for number, seat in enumerate(self.seats.values(), 1):
            own = Place(f"127.77.{number}.10", self.port)
            seat.api = Place(self.listen, self.port + len(machines) + number - 1) if self.listen else own

    def _power_all(self) -> None:
        for seat in self.seats.values():
            for ident, machine in seat.machines.items():
                machine.reachable = seat.reachable(ident)
                if seat.powered(ident) and not self.problem:
                    self._on(machine)
            self._open_api(seat)

    def _on(self, machine: Machine) -> None:
        machine.new_boot()
        self._seat_of(machine).wire(machine)
        machine.on = True
        listener = machine.listen()
        self._keys[machine] = sshd.read_key(machine.key)
        if machine.reachable:
            self._selector.register(listener, selectors.EVENT_READ, partial(self._accept, machine))

    def _off(self, machine: Machine) -> None:
        machine.on = False
        self._naps.pop(machine, None)
        for watched in (machine.listener, machine.calls, machine.sandbox.socket if machine.sandbox else None):
            self._ignore(watched)
        machine.deafen()
        for seat in self.seats.values():
            for client in [one for one in seat.clients if one.machine is machine]:
                self._release(seat, client)
        machine.stop()

    def _switch(self, machine: Machine, event: Event) -> None:
        if event.kind in ("down", "fenced"):
            self._off(machine)
        elif event.kind == "up" and not machine.on and not self.problem:
            self._on(machine)
            machine.start_services()

    def _see_network(self, seat: Seat) -> None:
        """A host whose network is cut neither refuses nor answers."""
        for ident, machine in seat.machines.items():
            reachable = seat.reachable(ident)
            if reachable == machine.reachable:
                continue
            machine.reachable = reachable
            machine.freeze(machine.on and not reachable)
            self._ignore(machine.listener)
            if reachable and machine.listener is not None:
                self._selector.register(machine.listener, selectors.EVENT_READ, partial(self._accept, machine))

    def _ignore(self, watched: socket.socket | None) -> None:
        if watched is not None and watched.fileno() >= 0:
            with contextlib.suppress(KeyError):
                self._selector.unregister(watched)

    def _accept(self, machine: Machine) -> None:
        machine.accept(self._keys[machine], machine.connections.discard)

    # The API of each cloud

    def _request(self, seat: Seat, parameters: dict[str, str]) -> tuple[Reply, float]:
        """From a thread of the server. Raises OSError when the lab ends."""
        return self.ask(partial(seat.request, parameters))

    def _see_api(self, seat: Seat) -> None:
        """Connections are refused while nobody serves."""
        if seat.cloud.serving == (self._apis[seat.name].listener is not None):
            return
        if seat.cloud.serving:
            with contextlib.suppress(OSError):  # another program took the port; the next turn tries again
                self._open_api(seat)
        else:
            self._close_api(seat)

    def _open_api(self, seat: Seat) -> None:
        """Raises OSError when the port is taken."""
        if seat.cloud.serving:
            server = self._apis[seat.name]
            self._selector.register(server.listen(seat.api.address, seat.api.port), selectors.EVENT_READ, server.accept)

    def _close_api(self, seat: Seat) -> None:
        self._ignore(self._apis[seat.name].listener)
        self._apis[seat.name].close()

    # Sandboxes

    def _boot(self, machine: Machine) -> Sandbox:
        """Only when somebody logs in: most hosts of most seats are never looked at."""
        if not self._tools:
            raise OSError(self.problem)
        machine.hostname = self._seat_of(machine).hostname(machine.ident)
        made = Sandbox(
            machine.hostname,
            machine.disk.root,
            machine.folder / "boot_id",
            self._tools[machine.tools],
            own_usr=machine.own_usr,
            devices=machine.devices,
        )
        machine.sandbox = made
        self._selector.register(made.socket, selectors.EVENT_READ, partial(self._hear, machine, made))
        return made

    def _hear(self, machine: Machine, made: Sandbox) -> None:
        received = made.receive()
        if received is None:
            if machine.sandbox is made:
                log.error("%s: its sandbox ended by itself", machine.ident)
                self._put_away(machine)
            return
        message, descriptor = received
        if descriptor is not None:
            self._take_calls(machine, descriptor)
        elif "id" in message:
            machine.ended(int(str(message["id"])), int(str(message["status"])))
            seat = self._seat_of(machine)
            seat.tell(machine)
        elif message.get("idle") == made.served:
            self._naps[machine] = (time.monotonic() + NAP_AFTER, made.served)

    def _put_away(self, machine: Machine) -> None:
        self._naps.pop(machine, None)
        for watched in (machine.calls, machine.sandbox.socket if machine.sandbox else None):
            self._ignore(watched)
        machine.stop()

    def _nap(self) -> None:
        for machine, (at, served) in list(self._naps.items()):
            if machine.sandbox is None or machine.sandbox.served != served:
                del self._naps[machine]
            elif at <= time.monotonic():
                self._put_away(machine)

    def _seat_of(self, machine: Machine) -> Seat:
        return next(seat for seat in self.seats.values() if seat.machines.get(machine.ident) is machine)

    # Programs inside the hosts

    def _take_calls(self, machine: Machine, descriptor: int) -> None:
        machine.calls = socket.socket(fileno=descriptor)
        machine.calls.setblocking(False)
        self._selector.register(machine.calls, selectors.EVENT_READ, partial(self._take_client, machine))

    def _take_client(self, machine: Machine) -> None:
        if machine.calls is None:
            return
        with contextlib.suppress(OSError):
            made, _ = machine.calls.accept()
            made.setblocking(False)
            seat, client = self._seat_of(machine), Client(machine, made)
            seat.clients.append(client)
            self._selector.register(made, selectors.EVENT_READ, partial(self._read, seat, client))

    def _read(self, seat: Seat, client: Client) -> None:
        try:
            data = client.socket.recv(65536)
            if data:
                seat.read(client, data)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        except Malformed as word:
            log.warning("%s: a program inside sent %r, which is no message", client.machine.ident, str(word))
            data = b""
        if not data:
            self._release(seat, client)

    def _release(self, seat: Seat, client: Client) -> None:
        self._ignore(client.socket)
        seat.leave(client)

    # What trainers and tests do

    def reset(self, name: str) -> None:
        """The seat begins anew, with the same host keys and the same public keys let in."""
        self.ask(lambda: self._reset(self.seats[name]))

    def _reset(self, seat: Seat) -> None:
        for machine in seat.machines.values():
            self._off(machine)
        seat.restart(self._fresh[seat.name]())
        for ident, machine in seat.machines.items():
            machine.reachable = seat.reachable(ident)
            if seat.powered(ident) and not self.problem:
                self._on(machine)

    def run_at(self, speed: float) -> None:
        self.speed = speed
        for seat in self.seats.values():
            self.ask(partial(seat.run_at, speed))


def _password(file: Path) -> str:
    """Root's, on every host of the lab; made once."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12))
    return file.read_text().strip()


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.77.1.11", 0))
        return int(trial.getsockname()[1])


def forget(folder: Path) -> None:
    """Removes everything that a lab left in its folder."""
    shutil.rmtree(folder, ignore_errors=True)
