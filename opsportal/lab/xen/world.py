"""All simulated pools of one seat: the one thing that the rest of the lab talks to.

Whoever runs the machines (an SSH server and a sandbox per host)

* asks `hosts()`, `machine(host)` and `files(host)` what to make,
* calls `advance(now)` before and `take_events()` after everything else, and again at `next_at()` at the latest,
* hands every command that is not a plain Unix one to `start(...)` and waits until `call.done`,
* writes the `writes` of a call, and of every event whatever its kind, into the machine's files: None deletes a file.

Times are simulated seconds since the world began.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsportal.lab.xen import clock, faults, practice, programs, xe_emergency, xe_ha, xe_host, xe_join, xe_lists, xe_pool, xe_storage, xe_vm
from opsportal.lab.xen.model import Call, Client, Event, Machine, Site
from opsportal.lab.xen.plain import from_plain, to_plain
from opsportal.lab.xen.practice import Wanted

COMMANDS = (xe_emergency, xe_ha, xe_host, xe_join, xe_lists, xe_pool, xe_storage, xe_vm)
"""Modules that make `xe`'s commands known by being imported."""
PROGRAMS = tuple(programs.PROGRAMS)
"""Words[0] of `World.start`. `systemctl` is there from version 7 on."""

__all__ = ["COMMANDS", "PROGRAMS", "Call", "Event", "Wanted", "World"]


class World:
    def __init__(self, site: Site | None = None) -> None:
        self.site = site or Site()

    @classmethod
    def practice(cls, seed: int = 1) -> World:
        """Pools `practice-a` and `practice-b` and two stand-alone clones of one template."""
        world = cls(Site(seed))
        practice.practice(world.site)
        return world

    @classmethod
    def pool(cls, version: str, hosts: int = 3, ha: int = 0, seed: int = 1, **more: Any) -> World:
        """One pool; `ha` is the timeout or 0, `more` what `Wanted` has besides. Its machines are "xen1", "xen2", ..."""
        world = cls(Site(seed))
        details = {"name": "pool-a", "prefix": "xen", "network": "10.0.0."} | more
        practice.build(world.site, Wanted(version=version, hosts=hosts, ha=ha, **details))
        return world

    def add_pool(self, wanted: Wanted) -> list[str]:
        return [machine.id for machine in practice.build(self.site, wanted)]

    @property
    def now(self) -> float:
        return self.site.now

    def hosts(self) -> list[str]:
        """Ids such as "xen-a1", stable over restarts and in the order of the cloud."""
        return list(self.site.machines)

    def machine(self, host: str) -> Machine:
        """For reading: version, brand, address, boots and so on."""
        return self.site.machines[host]

    def powered(self, host: str) -> bool:
        """It runs, so it has a sandbox."""
        return self.site.machines[host].on

    def reachable(self, host: str) -> bool:
        """It runs and its network is not cut: SSH gets through."""
        machine = self.site.machines[host]
        return machine.on and not self.site.cut(machine)

    def hostname(self, host: str) -> str:
        return self.site.machines[host].hostname

    def password(self, host: str) -> str:
        """Of root. A host that joins a pool takes over the pool's."""
        return self.site.machines[host].password

    def files(self, host: str) -> dict[str, str]:
        """Path -> text of every file that xapi owns or reads, to be made when the machine boots."""
        return {path: text for path, text in self.site.machines[host].files.items() if text is not None}

    def saw(self, host: str, files: Mapping[str, str | None]) -> None:
        """The present text of a machine's files, for when xapi starts by itself. `start` says it too.

        What events that were not taken yet are going to write counts more than what the machine has now.
        """
        coming = {path for event in self.site.events if event.host == host for path in event.writes}
        self.site.machines[host].files.update({path: text for path, text in files.items() if path not in coming})

    def start(self, host: str, words: list[str], files: Mapping[str, str | None], stdin: str = "") -> Call:
        """`words[0]` is one of PROGRAMS; a path before it is ignored. A file that is not in `files` is as it was; None says it is gone."""
        call = Call()
        machine = self.site.machines[host]
        if not machine.on:
            call.done, call.code = True, 137
            return call
        self.saw(host, files)
        self.site.count += 1
        key = self.site.count
        self.site.calls[key] = Client(call, host, xe=False)
        programs.start(self.site, machine, words, stdin, key)
        clock.settle(self.site)
        return call

    def run(self, host: str, *words: str, stdin: str = "", limit: float = 600.0) -> Call:
        """Starts it and lets time pass until it is done, `limit` seconds at most."""
        call, end = self.start(host, list(words), {}, stdin), self.now + limit
        while not call.done and (at := self.next_at()) is not None and at <= end:
            self.advance(at)
        return call

    def advance(self, now: float) -> None:
        clock.advance(self.site, now)

    def next_at(self) -> float | None:
        """When something is due; None when nothing is."""
        return clock.next_at(self.site)

    def take_events(self) -> list[Event]:
        """Those since the last call, in their order."""
        events, self.site.events = self.site.events, []
        return events

    def dump(self) -> dict[str, Any]:
        """Plain JSON. Clients do not survive, what they asked for does."""
        plain: dict[str, Any] = to_plain(self.site)
        return plain

    @classmethod
    def load(cls, plain: dict[str, Any]) -> World:
        return cls(from_plain(Site, plain))

    # Faults. `sr` is a uuid or a name-label; LookupError says what is not there.

    def pull_plug(self, host: str) -> None:
        faults.pull_plug(self.site, host)
        clock.settle(self.site)

    def power_on(self, host: str) -> None:
        """It has booted after a minute and a half."""
        faults.power_on(self.site, host)

    def cut_storage(self, sr: str, seconds: float, hosts: list[str] | None = None) -> None:
        faults.cut_storage(self.site, sr, seconds, hosts)
        clock.settle(self.site)

    def cut_network(self, host: str, seconds: float) -> None:
        """Everything goes over this wire: SSH, heartbeats, and the storage too."""
        faults.cut_network(self.site, host, seconds)
        clock.settle(self.site)

    def hang_xe(self, host: str, seconds: float) -> None:
        """Commands that are typed here, or passed on to here, do not return until then; local ones do."""
        faults.hang_xe(self.site, host, seconds)

    def kill_xapi(self, host: str) -> None:
        """It stays down until somebody starts it; with HA on the HA daemon does after three minutes."""
        faults.kill_xapi(self.site, host)
        clock.settle(self.site)

    def fail_next(self, host: str, command: str, code: str) -> None:
        """The next `xe COMMAND` typed on this host ends with the API error `code` (parameters after commas). LOST_CONNECTION executes it,
        but loses the answer."""
        faults.fail_next(self.site, host, command, code)

    def protect_vm(self, vm: str) -> None:
        """`vm` is a uuid or a name-label; gives it the restart priority `restart`."""
        faults.protect_vm(self.site, vm)

    def unplug_pbd(self, host: str, sr: str) -> None:
        faults.unplug_pbd(self.site, host, sr)

    def disagree(self, host: str) -> None:
        """The member believes in a master that is not there: its pool.conf names a dead address. With HA on it is put right at once."""
        faults.disagree(self.site, host)
        clock.settle(self.site)
