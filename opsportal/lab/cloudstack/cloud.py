"""One cloud: answers requests, follows its seat's pools, and misbehaves when a trainer wants it to."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from opsportal.lab.cloudstack import adding, changing, guests, management, reading, signing, watching, xml
from opsportal.lab.cloudstack.commands import COMMANDS, Asked, Command, finish
from opsportal.lab.cloudstack.errors import ApiError, missing, unauthorized, unknown
from opsportal.lab.cloudstack.model import CONSOLE_PROXY, KVM, SECONDARY_STORAGE, XENSERVER, Agent, Database, Host, Named, Server
from opsportal.lab.xen.model import Call
from opsportal.lab.xen.plain import from_plain, to_plain
from opsportal.lab.xen.world import World

MODULES = (adding, changing, reading)
"""They make commands known by being imported."""

LOOKS_EVERY = 2.0
"""Seconds of the seat's clock: the lab turns far more often than anything changes."""

WIRE = ("html", "cut")
CODES = (530, 431)
PROXY_PAGE = """<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx/1.22.1</center></body></html>
"""


@dataclass(frozen=True)
class Reply:
    """`wait` is in seconds of the seat's clock. A reply that is `cut` ends in its middle."""

    status: int
    kind: str
    body: str
    wait: float = 0.0
    cut: bool = False


class Cloud:
    """Used by the lab's thread alone. `password` is that of the hosts' root, `places` maps their real addresses to their ids."""

    def __init__(self, world: World, data: Database) -> None:
        self.world, self.data = world, data
        self.password = ""
        self.places: dict[str, str] = {}
        self._looked = -LOOKS_EVERY

    @classmethod
    def practice(cls, world: World, key: str = "", secret: str = "", seed: int = 1) -> Cloud:
        """A zone with a cluster for each pool of the world, one for KVM with the first of two hosts, and the two system VMs."""
        data = Database(key or secrets.token_urlsafe(64), secret or secrets.token_urlsafe(64), seed=seed, now=world.now)
        data.zone, data.pod = Named(data.uuid(), "practice"), Named(data.uuid(), "practice-pod")
        for master in [one for one in world.site.running_masters() if one.db.pool.name]:
            cluster = adding.new_cluster(data, master.db.pool.name, XENSERVER)
            for host in adding.join(data, cluster, master):
                host.state, host.well = "Up", None
        cluster = adding.new_cluster(data, "practice-kvm", KVM)
        data.agents = {name: Agent(name, address) for name, address in (("kvm1", "10.0.0.31"), ("kvm2", "10.0.0.32"))}
        first = adding.set_up(data, cluster, data.agents["kvm1"])
        first.state, first.well = "Up", None
        for kind, name, address in ((CONSOLE_PROXY, "v-2-VM", "10.0.0.202"), (SECONDARY_STORAGE, "s-1-VM", "10.0.0.201")):
            host = Host(data.uuid(), data.number(), name, address, type=kind, version=data.version, ping=world.now)
            data.hosts[host.id] = host
        server = Server(data.uuid(), "cs-mgmt1", "10.0.0.11")
        data.servers[server.id] = server
        return cls(world, data)

    # Time

    @property
    def serving(self) -> bool:
        """Somebody answers at the address of the API."""
        return self.data.serving and self.data.faults.down_until <= self.data.now

    def advance(self, now: float) -> None:
        """To the world's present moment. While no management server runs nothing is noticed and nothing goes on."""
        due = (at := self.next_at()) is not None and at <= now
        self.data.now = max(self.data.now, now)
        if due or now >= self._looked + LOOKS_EVERY:
            self.look()

    def look(self) -> None:
        """At the pools as they are now, also when something has just been done to them."""
        self._looked = self.data.now
        if self.data.serving:
            watching.see(self.data, self.world)
            guests.go_on(self.data, self.world)
            finish(self.data)

    def next_at(self) -> float | None:
        return min((at for at in self._due() if at > self.data.now), default=None)

    def _due(self) -> Iterator[float]:
        yield self.data.faults.down_until
        if self.data.serving:
            yield from watching.due(self.data)
            yield from guests.due(self.data)
            yield from (job.due for job in self.data.jobs.values() if not job.done)

    def dump(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self.data)
        return plain

    @classmethod
    def load(cls, world: World, plain: dict[str, Any]) -> Cloud:
        return cls(world, from_plain(Database, plain))

    # Requests

    def answer(self, parameters: dict[str, str]) -> Reply:
        """What was sent in the query and the body of a request to /client/api."""
        faults = self.data.faults
        wire = faults.wire.pop(0) if faults.wire else ""
        wait, faults.delay = faults.delay, 0.0
        if wire == "html":
            return Reply(502, "text/html", PROXY_PAGE, wait)
        given = {name.lower(): value for name, value in parameters.items()}
        status, name, answer, after = self._answer(parameters, given)
        if given.get("response") == "json":
            kind, body = "application/json; charset=UTF-8", json.dumps({name: answer})
        else:
            kind, body = "text/xml; charset=UTF-8", xml.document(name, answer, self.data.version)
        return Reply(status, kind, body, wait + after, cut=wire == "cut")

    def _answer(self, parameters: dict[str, str], given: dict[str, str]) -> tuple[int, str, dict[str, Any], float]:
        name = given.get("command", "")
        try:
            if not signing.verified(parameters, self.data.key, self.data.secret, self._clock()):
                raise unauthorized()
            found = self._command(name)
            asked = Asked(self.data, self.world, found.name, given, self.password, self.places)
            if found.changes:
                self._meet_faults(found)
            return 200, f"{found.name.lower()}response", found.handler(asked), asked.after
        except ApiError as error:
            body: dict[str, Any] = {"uuidList": [], "errorcode": error.code, "errortext": error.text}
            if error.detail:
                body["cserrorcode"] = error.detail
            return error.code, "errorresponse" if error.code == 432 or not name else f"{name.lower()}response", body, 0.0

    def _command(self, name: str) -> Command:
        if not name:
            raise unknown("null")
        found = COMMANDS.get(name.lower())
        if found is None or not self.data.since(*found.first):
            raise unknown(name)
        return found

    def _meet_faults(self, found: Command) -> None:
        if self.data.faults.change:
            code = self.data.faults.change.pop(0)
            if code == 431:
                raise missing(found.name, "projectid")
            raise ApiError(code, f"Internal error executing command, please contact your cloud administrator ({found.name})", 4250)

    def _clock(self) -> datetime:
        return signing.shifted(datetime.now(UTC), self.data.faults.minutes)

    # Management servers and KVM hosts as machines

    def machines(self) -> list[str]:
        return [server.name for server in self.data.servers.values()]

    def hypervisors(self) -> list[str]:
        return list(self.data.agents)

    def move(self, name: str, address: str) -> None:
        """The address at which a KVM host really answers: who adds it gives that one."""
        agent = self.data.agents.get(name)
        if agent is not None and agent.address != address:
            agent.address = address
            for host in self.data.routing():
                if host.guid == name:
                    host.address = address

    def runs(self, name: str) -> bool:
        agent = self.data.agents.get(name)
        return agent.running if agent else self._server(name).running

    def _server(self, name: str) -> Server:
        return next(server for server in self.data.servers.values() if server.name == name)

    def wiring(self, name: str) -> tuple[list[str], str]:
        """Hardware addresses and the management address of any machine of the seat."""
        if name in self.world.site.machines:
            dom0 = self.world.site.machines[name]
            return dom0.nics, dom0.address
        if name in self.data.agents:
            at = list(self.data.agents).index(name)
            return [f"52:54:00:c5:{at + 2:02x}:{nic:02x}" for nic in (1, 2)], self.data.agents[name].address
        return ["52:54:00:c5:00:01"], self._server(name).address

    def program(self, name: str, words: list[str]) -> Call:
        """What the programs of a management server, or of a KVM host, tell and ask."""
        if name in self.data.agents:
            return self._agent_program(self.data.agents[name], words)
        server, call = self._server(name), Call(done=True)
        match [words[0].rsplit("/", 1)[-1], *words[1:]]:
            case ["practice-server", "up", version]:
                management.begin(self.data, self.world, server, version)
            case ["practice-server", "down"]:
                management.end(self.data, server)
            case ["practice-server", "status"]:
                call.out = "up\n" if server.running else "down\n"
            case ["practice-server", "since"]:
                call.out = management.since(self.data, server) + "\n"
            case ["practice-api", url] if self.serving:
                call.out = self.answer(dict(parse_qsl(urlsplit(url).query))).body
            case ["practice-api", _]:
                call.err, call.code = "curl: (7) Failed to connect to 127.0.0.1 port 8080: Connection refused\n", 7
            case _:
                call.err, call.code = f"bash: {words[0]}: command not found\n", 127
        return call

    def _agent_program(self, agent: Agent, words: list[str]) -> Call:
        call = Call(done=True)
        match [words[0].rsplit("/", 1)[-1], *words[1:]]:
            case ["practice-agent", "up", version]:
                call.out = "connected\n" if management.agent_up(self.data, agent, version) else "waiting\n"
            case ["practice-agent", "down"]:
                management.agent_down(self.data, agent)
            case ["practice-agent", "status"]:
                call.out = "up\n" if agent.running else "down\n"
            case ["practice-agent", "since"]:
                call.out = management.since(self.data, agent) + "\n"
            case _:
                call.err, call.code = f"bash: {words[0]}: command not found\n", 127
        return call

    # Faults

    def fail_change(self, code: int) -> None:
        """The next command that changes something is refused with this error, and nothing is done."""
        if code not in CODES:
            raise ValueError(f"an API error of the lab is one of {CODES}")
        self.data.faults.change.append(code)

    def fail_job(self) -> None:
        self.data.faults.job += 1

    def stick(self) -> None:
        """The next host that is to go into maintenance stays in PrepareForMaintenance."""
        self.data.faults.sticks = True

    def slow_answer(self, seconds: float) -> None:
        """The next answer takes so long, of the seat's clock."""
        self.data.faults.delay = seconds

    def spoil_answer(self, how: str) -> None:
        """The next answer is another server's page ("html"), or ends in its middle ("cut"); then what was asked for is done."""
        if how not in WIRE:
            raise ValueError(f"an answer is spoilt by one of {WIRE}")
        self.data.faults.wire.append(how)

    def shift_clock(self, minutes: float) -> None:
        """The management server's clock is ahead by so many minutes, behind when they are negative."""
        self.data.faults.minutes = minutes

    def stop_api(self, seconds: float) -> None:
        """Nobody answers at the API's address for so long."""
        self.data.faults.down_until = self.data.now + seconds
