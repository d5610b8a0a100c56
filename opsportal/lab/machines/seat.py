"""One seat of the lab: a world, its machines, and the commands that its hosts are busy with."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsportal.lab.machines import furniture, picture
from opsportal.lab.machines.clients import Client
from opsportal.lab.machines.machine import INVENTORY, Machine, host_key
from opsportal.lab.xen.world import Call, Event, World

log = logging.getLogger("opsportal.lab")

SAVE_SECONDS = 5.0
READS = ("-list", "-get", "-mode", "hostname")
"""Ends of commands after which nothing is worth saving: portals ask them all day."""

STUMBLED = "The practice cloud's simulator stumbled over this command. Its log says how.\n"


class Seat:
    """Used by the lab's thread alone, like its machines."""

    def __init__(self, name: str, folder: Path, world: World, speed: float, password: str) -> None:
        self.name, self.folder, self.world, self.speed, self.password = name, folder, world, speed, password
        self.machines: dict[str, Machine] = {}
        self.clients: list[Client] = []
        self.events: list[dict[str, Any]] = []
        """What happened last, for people: newest first."""
        self.done: list[str] = []
        """Exercises that were solved at this seat."""
        self.dirty, self.saved_at = False, 0.0
        self._base, self._since = world.now, time.monotonic()

    def make(self, *, anew: bool = False) -> None:
        """Machines for every host of the world; disks that are there already stay unless `anew`."""
        keys: dict[str, str] = {}
        self.dirty = True
        for ident in self.world.hosts():
            machine = self.machines.get(ident) or Machine(ident, self.world.hostname(ident), self.folder / ident, self.password)
            self.machines[ident] = machine
            files = self.world.files(ident)
            twin = value(files.get(INVENTORY, ""), "INSTALLATION_UUID") or ident
            if not machine.made or anew:
                old = machine.key if machine.made else ""
                old_sshd = value(files.get(INVENTORY, ""), "PRODUCT_VERSION").startswith("6.2")
                machine.make(files, old or keys.get(twin) or host_key(old=old_sshd))
            keys.setdefault(twin, machine.key)  # the clone of a host has its host key too

    def restart(self, world: World) -> None:
        """With another world, from its beginning. The machines must be off."""
        self.world, self.events, self.done = world, [], []
        self._base, self._since = world.now, time.monotonic()
        self.make(anew=True)

    def wire(self, machine: Machine) -> None:
        """At each boot: its interfaces, with the address it has now."""
        dom0 = self.world.site.machines[machine.ident]
        try:
            furniture.put_interfaces(machine.disk, dom0.nics, dom0.address)
        except OSError as error:
            log.warning("%s: its interfaces cannot be shown: %s", machine.ident, error)

    # Time

    @property
    def now(self) -> float:
        """Seconds of the world."""
        return self._base + (time.monotonic() - self._since) * self.speed

    def run_at(self, speed: float) -> None:
        self._base, self._since, self.speed = self.now, time.monotonic(), speed

    def wait(self) -> float | None:
        """Real seconds until something is due in the world; None when nothing is."""
        due = self.world.next_at()
        return None if due is None else max(0.0, (due - self.now) / self.speed)

    def catch_up(self) -> None:
        """To the present moment of the world, before anything is done in it."""
        self.world.advance(self.now)

    def turn(self) -> list[Event]:
        """Lets the world go on, brings the files up to date and answers who can be answered. Power is the lab's to switch."""
        self.catch_up()
        events = self.world.take_events()
        for event in events:
            self._note(event)
            self.machines[event.host].apply(event.writes)
        self._answer()
        return events

    def _note(self, event: Event) -> None:
        self.dirty = True
        if event.kind != "files":
            master = event.kind in ("down", "fenced") and picture.leads(self.world.site, event.host)
            self.events[:0] = [{"at": self.world.now, "host": event.host, "kind": event.kind, "why": event.why, "master": master}]
            del self.events[200:]
        if event.why:
            self.machines[event.host].note(f"{event.kind}: {event.why}")

    # Commands

    def start(self, client: Client, stdin: str) -> None:
        machine = client.machine
        machine.note(f"xe-cli: {shlex.join(map(_unsaid, client.words))}")
        self.catch_up()
        self.dirty |= changes(client.words)
        try:
            client.call = self.world.start(machine.ident, client.words, self.seen(machine), stdin)
        except Exception:
            log.exception("%s: the simulator stumbled over %s", machine.ident, client.words[:3])
            client.call = Call(done=True, err=STUMBLED, code=70)

    def seen(self, machine: Machine) -> dict[str, str | None]:
        """The present text of the files that the world knows."""
        return {path: machine.disk.read(path) for path in self.world.files(machine.ident)}

    def tell(self, machine: Machine) -> None:
        """A command on the host has ended: it may have changed files."""
        self.world.saw(machine.ident, self.seen(machine))

    def leave(self, client: Client) -> None:
        """It was killed, or it has its answer."""
        if client in self.clients:
            self.clients.remove(client)
        if client.call is not None and not client.call.done:
            client.call.abandon()
        client.socket.close()

    def read(self, client: Client, data: bytes) -> None:
        """What a program inside said. Raises `Malformed`, and OSError when it is gone."""
        stdin = client.take(data)
        if stdin is not None and client.call is None:
            self.start(client, stdin)

    def _answer(self) -> None:
        for client in [one for one in self.clients if one.ready]:
            assert client.call is not None
            client.machine.apply(client.call.writes)
            with contextlib.suppress(OSError):
                client.answer()

    def state(self) -> dict[str, Any]:
        """For pages: now (seconds of the world), hosts in the cloud's order, the newest events first."""
        seen = picture.hosts(self.world.site)
        hosts = [{**self._host(one), **seen[one.ident]} for one in self.machines.values()]
        pools = picture.pools(self.world.site)
        return {"seat": self.name, "now": self.now, "hosts": hosts, "pools": pools, "done": self.done, "events": self.events[:50]}

    def _host(self, machine: Machine) -> dict[str, Any]:
        ident = machine.ident
        return {
            "id": ident,
            "hostname": self.world.hostname(ident),
            "address": machine.place.address,
            "port": machine.place.port,
            "powered": self.world.powered(ident),
            "reachable": self.world.reachable(ident),
            "commands": len(machine.running),
        }

    # On disk

    def save(self, *, now: bool = False) -> None:
        if not self.dirty or (not now and time.monotonic() - self.saved_at < SAVE_SECONDS):
            return
        self.dirty, self.saved_at = False, time.monotonic()
        new = self.folder / "world.new"
        new.write_text(json.dumps({"world": self.world.dump(), "events": self.events, "done": self.done}))
        new.replace(self.folder / "world.json")


@dataclass(frozen=True)
class Saved:
    world: World
    events: list[dict[str, Any]]
    done: list[str]


def load(folder: Path) -> Saved | None:
    """What was saved; None when there is nothing, or another version of the portal wrote it."""
    try:
        plain = json.loads((folder / "world.json").read_text())
        return Saved(World.load(plain["world"]), plain["events"], plain["done"])
    except FileNotFoundError:
        return None
    except Exception as error:
        log.warning("The practice cloud in %s was saved by another version of the portal (%r). It begins anew.", folder, error)
        return None


def changes(words: list[str]) -> bool:
    return not any(word.endswith(READS) for word in words[:2])


def _unsaid(word: str) -> str:
    """Without the password of `xe pool-join`."""
    return re.sub(r"(?s)(password=).*", r"\1...", word)


def value(text: str, key: str) -> str:
    """From KEY='value' lines."""
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and name == key:
            return value.strip("'\"")
    return ""
