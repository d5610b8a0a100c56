"""One seat of the lab: a world, its machines, the commands that its hosts are busy with, and the cloud that its pools belong to."""

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

from opsportal.lab.cloudstack import picture as cloud_picture
from opsportal.lab.cloudstack.cloud import Cloud, Reply
from opsportal.lab.cloudstack.hypervisor import Hypervisor
from opsportal.lab.cloudstack.machine import ManagementServer
from opsportal.lab.machines import picture
from opsportal.lab.machines.clients import Client
from opsportal.lab.machines.machine import INVENTORY, Machine, Place, host_key
from opsportal.lab.xen.world import Call, Event, World

log = logging.getLogger("opsportal.lab")

SAVE_SECONDS = 5.0
READS = ("-list", "-get", "-mode", "hostname")
"""Ends of commands after which nothing is worth saving: portals ask them all day."""

STUMBLED = "The practice cloud's simulator stumbled over this command. Its log says how.\n"


class Seat:
    """Used by the lab's thread alone, like its machines."""

    def __init__(self, name: str, folder: Path, world: World, cloud: Cloud, speed: float, password: str) -> None:
        self.name, self.folder, self.world, self.cloud, self.speed, self.password = name, folder, world, cloud, speed, password
        self.api = Place("", 0)
        """Where the cloud's API answers."""
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
        for ident in self.cloud.machines():
            self._own(ident, ManagementServer, anew=anew)
        for ident in self.cloud.hypervisors():
            self._own(ident, Hypervisor, anew=anew)

    def _own(self, ident: str, kind: type[Machine], *, anew: bool) -> None:
        """One of the cloud's own machines."""
        machine = self.machines.setdefault(ident, kind(ident, ident, self.folder / ident, self.password))
        if not machine.made or anew:
            machine.make({}, machine.key if machine.made else host_key(old=False))
            self._set_up(machine)

    def _set_up(self, machine: Machine) -> None:
        """A KVM host as CloudStack's setup leaves it."""
        agent = self.cloud.data.agents.get(machine.ident)
        if agent and agent.belongs and isinstance(machine, Hypervisor):
            with contextlib.suppress(OSError):
                machine.set_up(agent)

    # Where the machines belong: to the pools, or to the cloud

    def in_world(self, ident: str) -> bool:
        return ident in self.world.site.machines

    def hostname(self, ident: str) -> str:
        return self.world.hostname(ident) if self.in_world(ident) else ident

    def powered(self, ident: str) -> bool:
        return not self.in_world(ident) or self.world.powered(ident)

    def reachable(self, ident: str) -> bool:
        return not self.in_world(ident) or self.world.reachable(ident)

    def restart(self, world: World) -> None:
        """With another world, from its beginning. The machines must be off. The keys of the API stay."""
        self.cloud = Cloud.practice(world, self.cloud.data.key, self.cloud.data.secret)
        self.world, self.events, self.done = world, [], []
        self._base, self._since = world.now, time.monotonic()
        self.make(anew=True)

    def wire(self, machine: Machine) -> None:
        """At each boot: its interfaces, with the address it has now."""
        self.cloud.move(machine.ident, machine.place.address)
        nics, address = self.cloud.wiring(machine.ident)
        try:
            machine.wire(nics, address)
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
        """Real seconds until something is due in the world or its cloud; None when nothing is."""
        due = min((at for at in (self.world.next_at(), self.cloud.next_at()) if at is not None), default=None)
        return None if due is None else max(0.0, (due - self.now) / self.speed)

    def catch_up(self) -> None:
        """To the present moment of the world, before anything is done in it."""
        self.world.advance(self.now)
        self.cloud.advance(self.world.now)

    def turn(self) -> list[Event]:
        """Lets the world go on, brings the files up to date and answers who can be answered. Power is the lab's to switch."""
        self.catch_up()
        events = self.world.take_events()
        for event in events:
            self._note(event)
            self.machines[event.host].apply(event.writes)
        if self.dirty:
            self.cloud.look()
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
            if self.in_world(machine.ident):
                client.call = self.world.start(machine.ident, client.words, self.seen(machine), stdin)
            else:
                client.call = self.cloud.program(machine.ident, client.words)
        except Exception:
            log.exception("%s: the simulator stumbled over %s", machine.ident, client.words[:3])
            client.call = Call(done=True, err=STUMBLED, code=70)

    def seen(self, machine: Machine) -> dict[str, str | None]:
        """The present text of the files that the world knows."""
        return {path: machine.disk.read(path) for path in self.world.files(machine.ident)}

    def tell(self, machine: Machine) -> None:
        """A command on the host has ended: it may have changed files."""
        if self.in_world(machine.ident):
            self.world.saw(machine.ident, self.seen(machine))

    def leave(self, client: Client) -> None:
        """It was killed, or it has its answer."""
        if client in self.clients:
            self.clients.remove(client)
        client.socket.close()

    def read(self, client: Client, data: bytes) -> None:
        """What a program inside said. Raises `Malformed`, and OSError when it is gone."""
        stdin = client.take(data)
        if stdin is not None and client.call is None:
            self.start(client, stdin)

    def request(self, parameters: dict[str, str]) -> tuple[Reply, float]:
        """One to the cloud's API, and how many real seconds its answer takes."""
        self.catch_up()
        self.cloud.password = self.password
        self.cloud.places = {machine.place.address: ident for ident, machine in self.machines.items()}
        set_up = {ident for ident, agent in self.cloud.data.agents.items() if agent.belongs}
        reply = self.cloud.answer(parameters)
        for ident in [one for one, agent in self.cloud.data.agents.items() if agent.belongs and one not in set_up]:
            self._set_up(self.machines[ident])
        self.dirty |= not parameters.get("command", "").startswith(("list", "query"))
        return reply, reply.wait / self.speed

    def _answer(self) -> None:
        for client in [one for one in self.clients if one.ready]:
            assert client.call is not None
            client.machine.apply(client.call.writes)
            with contextlib.suppress(OSError):
                client.answer()

    def state(self) -> dict[str, Any]:
        """For pages: now (seconds of the world), hosts in the cloud's order, the newest events first."""
        seen = picture.hosts(self.world.site)
        hosts = [{**self._host(one), **seen[one.ident]} for one in self.machines.values() if self.in_world(one.ident)]
        pools = picture.pools(self.world.site)
        servers = [
            {**self._host(one), "running": self.cloud.runs(one.ident), "hypervisor": one.ident in self.cloud.hypervisors()}
            for one in self.machines.values()
            if not self.in_world(one.ident)
        ]
        place = {"address": self.api.address, "port": self.api.port, "serving": self.cloud.serving}
        cloud = {**cloud_picture.cloud(self.cloud.data), **place, "servers": servers}
        common = {"seat": self.name, "now": self.now, "done": self.done, "events": self.events[:50]}
        return {**common, "hosts": hosts, "pools": pools, "cloud": cloud}

    def _host(self, machine: Machine) -> dict[str, Any]:
        ident = machine.ident
        return {
            "id": ident,
            "hostname": self.hostname(ident),
            "address": machine.place.address,
            "port": machine.place.port,
            "powered": self.powered(ident),
            "reachable": self.reachable(ident),
            "commands": len(machine.running),
        }

    # On disk

    def save(self, *, now: bool = False) -> None:
        if not self.dirty or (not now and time.monotonic() - self.saved_at < SAVE_SECONDS):
            return
        self.dirty, self.saved_at = False, time.monotonic()
        new = self.folder / "world.new"
        new.write_text(json.dumps({"world": self.world.dump(), "cloud": self.cloud.dump(), "events": self.events, "done": self.done}))
        new.replace(self.folder / "world.json")


@dataclass(frozen=True)
class Saved:
    world: World
    cloud: Cloud
    events: list[dict[str, Any]]
    done: list[str]


def load(folder: Path) -> Saved | None:
    """What was saved; None when there is nothing, or another version of the portal wrote it."""
    try:
        plain = json.loads((folder / "world.json").read_text())
        world = World.load(plain["world"])
        cloud = Cloud.load(world, plain["cloud"]) if "cloud" in plain else Cloud.practice(world)
        return Saved(world, cloud, plain["events"], plain["done"])
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
